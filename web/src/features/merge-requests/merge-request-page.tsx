// A merge request: what broke, why, what changed; the proof; the diff. One primary act.

import { Button, Skeleton } from "@mantine/core";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { waits } from "../../api/queries";
import type { MergeRequest } from "../../api/types";
import { useArrived } from "../../app/arrival";
import { useNarrow } from "../../app/media";
import { useWorkspaceOf } from "../../app/workspace";
import { Counts } from "../../components/diff/counts";
import { ConfirmItem, DotsMenu } from "../../components/dots-menu";
import { plural } from "../../components/format";
import { Glyph } from "../../components/glyph";
import { breakable, Inline } from "../../components/inline";
import { Markdown } from "../../components/markdown";
import { MenuItem, MenuLink } from "../../components/menu";
import { ErrorNote, FailureLine } from "../../components/note";
import { Facts, Page, PageHead } from "../../components/page";
import { orderedRules, ruleName, ruleSentence } from "../../components/proof/rows";
import { ProofStrip } from "../../components/proof/strip";
import { StateIcon, StateWord } from "../../components/state-icon";
import { mergeRequestSaid } from "../../components/states";
import { panelProps, Tabs } from "../../components/tabs";
import { Ago } from "../../components/time/now";
import css from "./merge-request-page.module.css";
import { CommentList, ReviewedDiff } from "./reviewed-diff";
import { type MergeRequestActs, useFollowUp, useMergeRequest } from "./use-merge-request";

const OverrideModal = lazy(() => import("./override-modal"));

const PARENT = { label: "Merge requests", to: "/merge-requests" } as const;

export default function MergeRequestPage() {
  const { id } = useParams({ from: "/shell/merge-requests/$id" });
  const acts = useMergeRequest(id);
  const mr = acts.query.data;
  const arrived = useArrived(mr);
  if (mr && arrived) return <LoadedMergeRequest key={id} mr={mr} acts={acts} />;
  return (
    <Page bare title="Merge request" here="Merge request" parent={PARENT}>
      {acts.query.error ? (
        <ErrorNote error={acts.query.error} retry={() => acts.query.refetch()} />
      ) : (
        <PageHead>
          <Skeleton width="45%" height={20} mt={4} />
          <Skeleton width="70%" height={14} mt={8} />
        </PageHead>
      )}
    </Page>
  );
}

interface Props {
  mr: MergeRequest;
  acts: MergeRequestActs;
}

function LoadedMergeRequest({ mr, acts }: Props) {
  useWorkspaceOf(mr);
  const narrow = useNarrow();
  const [overriding, setOverriding] = useState(false);
  const actions = <TopActions mr={mr} acts={acts} />;
  return (
    <Page
      title={`!${mr.number} ${mr.title}`}
      here={`!${mr.number}${mr.status === "DRAFT" ? " draft" : ""}`}
      parent={PARENT}
      actions={actions}
      phoneActions={<MoreMenu mr={mr} acts={acts} onOverride={() => setOverriding(true)} />}
      foot={narrow && isOpen(mr) ? <PhoneFoot mr={mr} acts={acts} /> : undefined}
    >
      <Head mr={mr} />
      {acts.error ? (
        <div className={css.failure}>
          <FailureLine error={acts.error} />
        </div>
      ) : null}
      {narrow ? (
        <NarrowBody mr={mr} acts={acts} onOverride={() => setOverriding(true)} />
      ) : (
        <>
          <div className={css.summary}>
            <div className={css.story}>
              <Story mr={mr} acts={acts} onOverride={() => setOverriding(true)} />
            </div>
            <div className={css.proof}>
              <MergeRequestProof mr={mr} wide />
            </div>
          </div>
          <ReviewedDiff mr={mr} acts={acts} canSend={!isUnproven(mr)} />
        </>
      )}
      <Suspense fallback={null}>
        {overriding && <OverrideModal acts={acts} onClose={() => setOverriding(false)} />}
      </Suspense>
    </Page>
  );
}

function NarrowBody({ mr, acts, onOverride }: Props & { onOverride: () => void }) {
  const search = useSearch({ from: "/shell/merge-requests/$id" });
  const navigate = useNavigate();
  const tabs = [
    { id: "summary", label: "Summary" },
    { id: "diff", label: "Diff", count: <Counts additions={mr.additions} deletions={mr.deletions} quiet /> },
    { id: "comments", label: "Comments", count: mr.comments.length },
  ] as const;
  const tab = tabs.find((each) => each.id === search.tab)?.id ?? "summary";
  return (
    <>
      <Tabs
        label="Parts of the merge request"
        tabs={[...tabs]}
        value={tab}
        onChange={(next) => void navigate({ to: ".", search: { tab: next }, replace: true })}
      />
      <div {...panelProps(tab)}>
        {tab === "summary" && (
          <div className={css.narrowSummary}>
            <Story mr={mr} acts={acts} onOverride={onOverride} />
            <MergeRequestProof mr={mr} />
            <p className={css.meta}>
              <code>{breakable(mr.source_branch)}</code> into <code>{mr.target_branch}</code>
            </p>
          </div>
        )}
        {tab === "diff" && <ReviewedDiff mr={mr} acts={acts} canSend />}
        {tab === "comments" && <CommentList mr={mr} acts={acts} />}
      </div>
    </>
  );
}

function MergeRequestProof({ mr, wide = false }: { mr: MergeRequest; wide?: boolean }) {
  return (
    <ProofStrip
      proof={mr}
      wide={wide}
      mend={!isUnproven(mr)}
      bundleName={mr.run_id ? `merge-request-${mr.number}.dsse.json` : undefined}
    />
  );
}

function Head({ mr }: { mr: MergeRequest }) {
  const said = mergeRequestSaid(mr);
  const narrow = useNarrow();
  const broken = orderedRules(mr.rules).find((rule) => rule.state === "broken");
  return (
    <PageHead>
      <h1 className={css.title}>
        <StateIcon state={said.state} size={20} />
        <span>
          <Inline text={mr.title} />
        </span>
      </h1>
      <Facts>
        <span className={css.said} data-state={said.state}>
          {said.word}
          {mr.verdict === "unproven" && broken && isOpen(mr)
            ? `: ${ruleName(broken.rule).toLowerCase()}`
            : null}
          {mr.recurred_at && (
            <>
              {mr.recurred_in && <> in {breakable(mr.recurred_in)}</>} <Ago at={mr.recurred_at} />
            </>
          )}
        </span>
        {mr.override && (
          <StateWord state="needs_you">
            overridden by {mr.override.by}: {mr.override.reason}
          </StateWord>
        )}
        <span>
          <Counts additions={mr.additions} deletions={mr.deletions} quiet /> in{" "}
          {plural(mr.files_changed, "file")}
        </span>
        {mr.incident_id && (
          <span>
            fixes{" "}
            <Link to="/incidents/$id" params={{ id: mr.incident_id }}>
              {mr.incident_short_id}
            </Link>
          </span>
        )}
        <span>
          {mr.run_number !== null && (
            <>
              by{" "}
              <Link to="/runs/$id" params={{ id: mr.run_id }}>
                run {mr.run_number}
              </Link>
              {", "}
            </>
          )}
          <When mr={mr} />
        </span>
        {!narrow && (
          <span>
            <code>{breakable(mr.source_branch)}</code> into <code>{mr.target_branch}</code>
          </span>
        )}
      </Facts>
    </PageHead>
  );
}

function When({ mr }: { mr: MergeRequest }) {
  if (mr.merged_at) {
    return (
      <span>
        merged {mr.approved_by ? `by ${mr.approved_by} ` : ""}
        <Ago at={mr.merged_at} />
        {mr.merge_commit && (
          <>
            {" as "}
            <code>{mr.merge_commit.slice(0, 7)}</code>
          </>
        )}
      </span>
    );
  }
  return <Ago at={mr.created_at} />;
}

function Story({ mr, acts, onOverride }: Props & { onOverride: () => void }) {
  if (isUnproven(mr)) {
    return <UnprovenStory mr={mr} acts={acts} onOverride={onOverride} />;
  }
  const parts: [string, string | null][] = [
    ["What broke", mr.what_broke],
    ["Why", mr.why],
    ["What changed", mr.what_changed],
  ];
  const told = parts.filter(([, text]) => text);
  if (told.length === 0)
    return <Part title="Description" text={mr.description || "The agent wrote no description."} />;
  return told.map(([title, text]) => <Part key={title} title={title} text={text ?? ""} />);
}

function Part({ title, text }: { title: string; text: string }) {
  return (
    <div className={css.part}>
      <h2>{title}</h2>
      <Markdown text={text} />
    </div>
  );
}

/** In place of the three paragraphs: which rule, what it found, and the two ways out. */
function UnprovenStory({ mr, acts, onOverride }: Props & { onOverride: () => void }) {
  const broken = orderedRules(mr.rules).filter((rule) => rule.state === "broken");
  const unsent = mr.comments.filter((comment) => !comment.sent).length;
  return (
    <>
      <div className={css.part}>
        <h2>{broken.length === 1 ? "Which rule failed" : "Which rules failed"}</h2>
        {broken.map((rule) => (
          <div key={rule.rule} className={css.brokenRule}>
            <p>
              <strong className={css.red}>{ruleName(rule.rule)}.</strong> <Inline text={ruleSentence(rule)} />
            </p>
            {rule.file && (
              <p className={css.place}>
                <code>{breakable(rule.line ? `${rule.file}:${rule.line}` : rule.file)}</code>
              </p>
            )}
            {rule.mend && (
              <p>
                <span className={css.muted}>What would mend it: </span>
                <Inline text={rule.mend} />
              </p>
            )}
          </div>
        ))}
        {broken.length === 0 && <p>The verdict names no rule. The run’s log has the cause.</p>}
      </div>
      {mr.what_changed && <Part title="What changed" text={mr.what_changed} />}
      <div className={css.part}>
        <h2>What you can do</h2>
        <div className={css.ways}>
          <Button variant="filled" onClick={() => acts.send.mutate()} loading={acts.send.isPending}>
            Send to the agent
          </Button>
          <Button onClick={onOverride}>Override with a reason…</Button>
        </div>
        <p className={css.meta}>
          Sends the broken {broken.length === 1 ? "rule" : "rules"}
          {unsent > 0 ? ` and your ${plural(unsent, "comment")}` : ""}; a new run starts. An override keeps
          your name and the reason.
        </p>
      </div>
    </>
  );
}

function TopActions({ mr, acts }: Props) {
  const [overriding, setOverriding] = useState(false);
  if (!isOpen(mr)) return null;
  return (
    <>
      <span className={css.effect}>
        <Effect mr={mr} />
      </span>
      <MainAct mr={mr} acts={acts} />
      <MoreMenu mr={mr} acts={acts} onOverride={() => setOverriding(true)} />
      <Suspense fallback={null}>
        {overriding && <OverrideModal acts={acts} onClose={() => setOverriding(false)} />}
      </Suspense>
    </>
  );
}

function MainAct({ mr, acts, fullWidth = false }: Props & { fullWidth?: boolean }) {
  const followUp = useFollowUp(mr);
  if (mr.conflicts.length > 0 && followUp) {
    return (
      <Button component={Link} to="/runs/$id" params={{ id: followUp.id } as never} fullWidth={fullWidth}>
        Open run {followUp.number}
      </Button>
    );
  }
  if (mr.conflicts.length > 0) {
    return (
      <Button
        variant="filled"
        loading={acts.rerun.isPending}
        onClick={() => acts.rerun.mutate(mr.run_id)}
        leftSection={<Glyph name="rerun" />}
        fullWidth={fullWidth}
      >
        Rerun from Prepare
      </Button>
    );
  }
  return (
    <Button
      variant={mr.can_merge ? "filled" : "default"}
      disabled={!mr.can_merge}
      loading={acts.approveAndMerge.isPending}
      onClick={() => acts.approveAndMerge.mutate(mr)}
      leftSection={<Glyph name="merge" />}
      fullWidth={fullWidth}
    >
      Approve and merge
    </Button>
  );
}

/** What the button will do, or why it can't. */
function Effect({ mr, files }: { mr: MergeRequest; files?: boolean }): ReactNode {
  const followUp = useFollowUp(mr);
  if (mr.conflicts.length > 0 && followUp)
    return `it conflicts with ${mr.target_branch}; run ${followUp.number} is at work on it`;
  if (!mr.can_merge) return <Inline text={mr.cannot_merge_reason ?? "it cannot be merged as it is"} />;
  const left = mr.files_changed - mr.reviewed.length;
  return (
    <>
      merges 1 commit into <code>{mr.target_branch}</code>
      {mr.behind_by ? `, which has ${plural(mr.behind_by, "commit")} that the proof has not seen` : ""}
      {followUp && `, and cancels run ${followUp.number}`}
      {files && left > 0 ? `, ${left} of ${plural(mr.files_changed, "file")} not reviewed` : ""}
    </>
  );
}

function PhoneFoot({ mr, acts }: Props) {
  return (
    <div className={css.phoneFoot}>
      <MainAct mr={mr} acts={acts} fullWidth />
      <p className={css.meta}>
        <Effect mr={mr} files />
      </p>
    </div>
  );
}

function MoreMenu({ mr, acts, onOverride }: Props & { onOverride: () => void }) {
  return (
    <DotsMenu>
      {mr.evidence_url && (
        <MenuLink href={mr.evidence_url} download={`merge-request-${mr.number}.dsse.json`}>
          Download the evidence
        </MenuLink>
      )}
      {isElsewhere(mr.ref) && <MenuLink href={mr.ref ?? ""}>Open on the forge</MenuLink>}
      {isOpen(mr) && mr.verdict !== "proven" && !mr.override && (
        <MenuItem onClick={onOverride}>Override with a reason…</MenuItem>
      )}
      {isOpen(mr) && (
        <ConfirmItem
          label="Close without merging"
          sure="Close it now"
          onConfirm={() => acts.close.mutate()}
        />
      )}
    </DotsMenu>
  );
}

/** The built-in forge's address is this very page; a link to it would lead nowhere new. */
function isElsewhere(address: string | null): boolean {
  return (
    URL.canParse(address ?? "") &&
    /^https?:$/.test(new URL(address ?? "").protocol) &&
    new URL(address ?? "").host !== location.host
  );
}

/** Waits for somebody's word on a rule that does not hold. */
function isUnproven(mr: MergeRequest): boolean {
  return mr.verdict === "unproven" && isOpen(mr) && !mr.override;
}

function isOpen(mr: MergeRequest): boolean {
  return waits(mr.status);
}
