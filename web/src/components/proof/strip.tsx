// The proof strip: a row per test that counts, on base and on the patch, the rules as sentences, and who says so.
// One component for the run, the incident and the merge request.

import { lazy, Suspense, useState } from "react";
import type { Mutant, ProofTest, Rule, Verdict } from "../../api/types";
import { CopyButton, CopyLine } from "../copy-button";
import { shortCommit, shortDigest } from "../format";
import { Glyph } from "../glyph";
import { breakable, Inline } from "../inline";
import { StateIcon, StateWord } from "../state-icon";
import { ruleState, verdictSaid } from "../states";
import { Mutants } from "./mutants";
import {
  condensed,
  type Dot,
  orderedRules,
  ruleName,
  ruleSentence,
  type Section,
  sections,
  standing,
  summaryRow,
} from "./rows";
import css from "./strip.module.css";

const LogModal = lazy(() => import("./log-modal"));

export interface Proof {
  tests: ProofTest[];
  rules: Rule[];
  mutants: Mutant[];
  verdict: Verdict | null;
  base_commit: string | null;
  patch_commit: string | null;
  evidence_url: string | null;
  bundle_digest: string | null;
  key_id: string | null;
}

interface Props {
  proof: Proof;
  proving?: boolean;
  /** Beside other columns the file is the head and names wrap; wide, name and path share a line. */
  wide?: boolean;
  /** Without rules and signature, where only the rows matter. */
  brief?: boolean;
  /** False where the page tells elsewhere what is broken and what would mend it. */
  mend?: boolean;
  bundleName?: string;
}

export function ProofStrip({
  proof,
  proving = false,
  wide = false,
  brief = false,
  mend = true,
  bundleName,
}: Props) {
  const parts = sections({ tests: proof.tests, rules: proof.rules, verdict: proof.verdict, proving });
  const [log, setLog] = useState<{ log: string; title: string } | null>(null);
  return (
    <section className={wide ? css.wide : css.narrow} aria-label="Proof">
      <div className={css.head}>
        <h2>Proof</h2>
        <Standing proof={proof} proving={proving} />
      </div>
      {parts.map((part, index) => (
        <Table
          key={part.title}
          part={part}
          proof={proof}
          wide={wide}
          named={index === 0}
          untitled={parts.length === 1 && !wide}
          onLog={(dot, title) => dot.log && setLog({ log: dot.log, title })}
        />
      ))}
      {!brief && <Rules rules={proof.rules} mutants={proof.mutants} mend={mend} />}
      {!brief && <Signature proof={proof} bundleName={bundleName} />}
      <Suspense fallback={null}>{log && <LogModal {...log} onClose={() => setLog(null)} />}</Suspense>
    </section>
  );
}

function Standing({ proof, proving }: { proof: Proof; proving: boolean }) {
  if (proof.verdict) {
    const said = verdictSaid(proof.verdict);
    return (
      <span className={css.standing}>
        <StateWord state={said.state}>{said.word}</StateWord>
        <span className={css.meta}>{standing(proof.rules)}</span>
      </span>
    );
  }
  if (proving) return <StateWord state="working">{standing(proof.rules)}</StateWord>;
  return <StateWord state="waiting">not started</StateWord>;
}

interface TableProps {
  part: Section;
  proof: Proof;
  wide: boolean;
  named: boolean;
  untitled: boolean;
  onLog: (dot: Dot, title: string) => void;
}

function Table({ part, proof, wide, named, untitled, onLog }: TableProps) {
  const files = new Set(part.rows.map((row) => row.test.file));
  const oneFile = files.size === 1 && !wide ? [...files][0] : null;
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col" className={css.title}>
            {oneFile && untitled ? <code>{breakable(oneFile)}</code> : part.title}
          </th>
          <th scope="col" className={css.side}>
            <span className={named ? undefined : "visually-hidden"}>base</span>
            {named && proof.base_commit && <code>{shortCommit(proof.base_commit)}</code>}
          </th>
          <td className={css.gap} />
          <th scope="col" className={css.side}>
            <span className={named ? undefined : "visually-hidden"}>patch</span>
            {named && proof.patch_commit && <code>{shortCommit(proof.patch_commit)}</code>}
          </th>
        </tr>
      </thead>
      <tbody>
        {part.rows.map((row) => (
          <tr key={row.test.id}>
            <th scope="row" className={css.name}>
              <code className={css.test}>{breakable(row.test.name)}</code>
              {!(oneFile && untitled) && <code className={css.file}>{breakable(row.test.file)}</code>}
            </th>
            <Cell
              dots={row.base}
              tone={part.base}
              side="base"
              onLog={(dot) => onLog(dot, `${row.test.name} on base`)}
            />
            <td className={css.gap}>
              <Glyph name="arrow" />
            </td>
            <Cell
              dots={row.patch}
              tone={part.patch}
              side="patch"
              onLog={(dot) => onLog(dot, `${row.test.name} on the patch`)}
            />
          </tr>
        ))}
        {part.rows.length === 0 && <Placeholder />}
      </tbody>
    </table>
  );
}

function Placeholder() {
  const dots: Dot[] = Array.from({ length: 3 }, () => ({ state: "waiting", said: "waiting", log: null }));
  return (
    <tr>
      <th scope="row" className={css.name}>
        <span className={css.test}>a test that reproduces it</span>
      </th>
      <Cell dots={dots} tone="raised" side="base" />
      <td className={css.gap}>
        <Glyph name="arrow" />
      </td>
      <Cell dots={dots} tone="raised" side="patch" />
    </tr>
  );
}

interface CellProps {
  dots: Dot[];
  tone: Section["base"];
  side: "base" | "patch";
  onLog?: (dot: Dot) => void;
}

function Cell({ dots, tone, side, onLog }: CellProps) {
  return (
    <td className={css.cell} data-tone={tone} data-side={side}>
      <span className={css.dots}>
        {condensed(dots).map(({ dot, count }, index) => (
          <span key={index} className={css.dot}>
            {dot.log && onLog ? (
              <button
                type="button"
                className={css.dotButton}
                onClick={() => onLog(dot)}
                aria-label={`${dot.said}, show the log`}
                title={`${dot.said}, show the log`}
              >
                <StateIcon state={dot.state} size={14} />
              </button>
            ) : (
              <StateIcon state={dot.state} size={14} label={dot.said} />
            )}
            {count > 1 && <span className={css.count}>{count}</span>}
          </span>
        ))}
      </span>
    </td>
  );
}

function Rules({ rules, mutants, mend }: { rules: Rule[]; mutants: Mutant[]; mend: boolean }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <ul className={css.rules}>
        {orderedRules(rules).map((rule) => (
          <li key={rule.rule} className={css.rule} data-state={rule.state}>
            <StateIcon state={ruleState(rule.state)} label={rule.state.replaceAll("_", " ")} />
            <div className={css.sentence}>
              {rule.state === "broken" && !mend ? (
                `${ruleName(rule.rule)} does not hold`
              ) : (
                <>
                  <Inline text={ruleSentence(rule)} />
                  {rule.state === "broken" && <span className={css.meta}> · {ruleName(rule.rule)}</span>}
                </>
              )}
              {mend && rule.file && (
                <code className={css.place}>
                  {breakable(rule.line ? `${rule.file}:${rule.line}` : rule.file)}
                </code>
              )}
              {mend && rule.mend && (
                <p className={css.mend}>
                  <Inline text={rule.mend} />
                </p>
              )}
            </div>
            {rule.rule === "strength" && mutants.length > 0 && (
              <button type="button" className={css.more} aria-expanded={open} onClick={() => setOpen(!open)}>
                {open ? "Hide them" : `Show ${mutants.length}`}
              </button>
            )}
          </li>
        ))}
      </ul>
      {open && <Mutants mutants={mutants} />}
    </>
  );
}

function Signature({ proof, bundleName }: { proof: Proof; bundleName: string | undefined }) {
  if (!proof.bundle_digest) return null;
  const command = `astraforge verify ${bundleName ?? "evidence.dsse.json"} --repo .`;
  return (
    <div className={css.signature}>
      <p className={css.who}>
        <span>
          {proof.verdict === "proven"
            ? "Signed by this installation’s runner, not by the agent"
            : "Signed as unproven"}
        </span>
        <span className={css.digest}>
          <code title={proof.bundle_digest}>{shortDigest(proof.bundle_digest)}</code>
          <CopyButton text={proof.bundle_digest} label="Copy the digest" />
          {proof.key_id && <code title={proof.key_id}>key {shortDigest(proof.key_id, 4)}</code>}
        </span>
      </p>
      <CopyLine text={command} label="Copy the verify command" />
      {proof.evidence_url && (
        <a className={css.download} href={proof.evidence_url} download={bundleName ?? "evidence.dsse.json"}>
          Download the evidence
        </a>
      )}
    </div>
  );
}

/** The strip on one line, for lists: the worst counting test stands for all. */
export function MiniStrip({ tests }: { tests: ProofTest[] }) {
  const row = summaryRow(tests);
  if (!row) return null;
  const say = (dots: Dot[]) => condensed(dots).map(({ dot, count }) => `${count} ${dot.said}`);
  return (
    <span
      className={css.mini}
      role="img"
      aria-label={`base: ${say(row.base).join(", ")}; patch: ${say(row.patch).join(", ")}`}
    >
      <MiniDots dots={row.base} />
      <Glyph name="arrow" size={14} />
      <MiniDots dots={row.patch} />
    </span>
  );
}

function MiniDots({ dots }: { dots: Dot[] }) {
  return condensed(dots).map(({ dot, count }, index) => (
    <span key={index} className={css.miniDot}>
      <StateIcon state={dot.state} size={12} />
      {count > 1 && <span>{count}</span>}
    </span>
  ));
}
