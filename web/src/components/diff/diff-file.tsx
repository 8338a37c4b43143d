// The lines of one changed file, unified or side by side, with the comments that stand on them.

import { Fragment, type ReactNode, useMemo } from "react";
import type { Side } from "../../api/types";
import { CodeText } from "../code/code-text";
import { type Carry, type Ink, ink, languageOf } from "../code/highlight";
import { plural } from "../format";
import { chunks, LazyChunk } from "../lazy-chunk";
import css from "./diff.module.css";
import { type DiffFile, type DiffLine, type Hunk, toSplit } from "./parse";

export type DiffMode = "unified" | "split";

export interface LineNotes {
  /** What stands under a line: comments, or the form for one. */
  under: (side: Side, line: number) => ReactNode;
  onComment?: (side: Side, line: number) => void;
}

const CHUNK = 120;
const LINE_PX = 20;
const LINE_CHARS_MAX = 2_000;

interface Inked {
  line: DiffLine;
  pieces: Ink[];
}

export function DiffLines({ file, mode, notes }: { file: DiffFile; mode: DiffMode; notes?: LineNotes }) {
  const hunks = useMemo(() => inkFile(file), [file]);
  if (file.binary) return <p className={css.note}>A binary file. Its content is not shown.</p>;
  if (file.hunks.length === 0) return <p className={css.note}>{emptyReason(file)}</p>;
  const long = file.additions + file.deletions > CHUNK * 2;
  const body = file.hunks.map((hunk, index) => (
    <Fragment key={`${hunk.oldStart}-${hunk.newStart}`}>
      <HunkHead file={file} index={index} />
      {chunks(hunks[index] ?? [], CHUNK).map((piece, at) => (
        <LazyChunk key={at} estimate={piece.length * LINE_PX} eager={!long || (index === 0 && at === 0)}>
          {() =>
            mode === "split" ? (
              <SplitLines lines={piece} notes={notes} />
            ) : (
              <UnifiedLines lines={piece} notes={notes} />
            )
          }
        </LazyChunk>
      ))}
    </Fragment>
  ));
  return <div className={css.body}>{body}</div>;
}

function HunkHead({ file, index }: { file: DiffFile; index: number }) {
  const hunk = file.hunks[index] as Hunk;
  const before = file.hunks[index - 1];
  const from = before ? before.newStart + before.lines.filter((line) => line.kind !== "delete").length : 1;
  const to = hunk.newStart - 1;
  if (to < from && index === 0) return <div data-hunk className={css.anchor} />;
  return (
    <div className={css.hunk} data-hunk>
      {to >= from ? (to === from ? `Line ${from}` : `Lines ${from} to ${to}`) : ""}
      {hunk.header && <code className={css.context}>{hunk.header}</code>}
    </div>
  );
}

function UnifiedLines({ lines, notes }: { lines: Inked[]; notes: LineNotes | undefined }) {
  return lines.map(({ line, pieces }, index) => {
    const [side, number] = place(line);
    return (
      <Fragment key={index}>
        <div className={css.line} data-kind={line.kind}>
          <Gutter
            number={line.old}
            kind={line.kind}
            side="base"
            notes={line.kind === "delete" ? notes : undefined}
          />
          <Gutter
            number={line.new}
            kind={line.kind}
            side="patch"
            notes={line.kind === "delete" ? undefined : notes}
          />
          <Sign kind={line.kind} />
          <Code line={line} pieces={pieces} />
        </div>
        {notes?.under(side, number)}
      </Fragment>
    );
  });
}

function SplitLines({ lines, notes }: { lines: Inked[]; notes: LineNotes | undefined }) {
  const pieces = new Map(lines.map((each) => [each.line, each.pieces]));
  return toSplit(lines.map((each) => each.line)).map((row, index) => (
    <Fragment key={index}>
      <div className={css.split}>
        <Half
          line={row.left}
          pieces={row.left ? pieces.get(row.left) : undefined}
          side="base"
          notes={notes}
        />
        <Half
          line={row.right}
          pieces={row.right ? pieces.get(row.right) : undefined}
          side="patch"
          notes={notes}
        />
      </div>
      {row.left?.kind === "delete" && notes?.under("base", row.left.old ?? 0)}
      {row.right && notes?.under("patch", row.right.new ?? 0)}
    </Fragment>
  ));
}

interface HalfProps {
  line: DiffLine | null;
  pieces: Ink[] | undefined;
  side: Side;
  notes: LineNotes | undefined;
}

function Half({ line, pieces, side, notes }: HalfProps) {
  if (!line) return <div className={css.half} data-kind="none" />;
  const own = line.kind !== "context" || side === "patch";
  return (
    <div className={css.half} data-kind={line.kind}>
      <Gutter
        number={side === "base" ? line.old : line.new}
        kind={line.kind}
        side={side}
        notes={own ? notes : undefined}
      />
      <Sign kind={line.kind} />
      <Code line={line} pieces={pieces ?? []} />
    </div>
  );
}

function Sign({ kind }: { kind: DiffLine["kind"] }) {
  return <span className={css.sign}>{kind === "add" ? "+" : kind === "delete" ? "-" : ""}</span>;
}

function Gutter({
  number,
  kind,
  side,
  notes,
}: {
  number: number | null;
  kind: DiffLine["kind"];
  side: Side;
  notes: LineNotes | undefined;
}) {
  if (number === null) return <span className={css.number} />;
  if (!notes?.onComment) return <span className={css.number}>{number}</span>;
  return (
    <button
      type="button"
      tabIndex={-1}
      className={css.number}
      data-gutter={kind}
      title="Comment on this line"
      aria-label={`Comment on line ${number}`}
      onClick={() => notes.onComment?.(side, number)}
    >
      {number}
    </button>
  );
}

function Code({ line, pieces }: { line: DiffLine; pieces: Ink[] }) {
  if (line.text.length > LINE_CHARS_MAX) {
    return (
      <code className={css.code}>
        {line.text.slice(0, LINE_CHARS_MAX)}
        <span className={css.cut}> {plural(line.text.length - LINE_CHARS_MAX, "more character")}</span>
      </code>
    );
  }
  return (
    <code className={css.code}>
      <CodeText pieces={pieces} word={line.word} tone={line.kind === "context" ? undefined : line.kind} />
    </code>
  );
}

function place(line: DiffLine): [Side, number] {
  return line.kind === "delete" ? ["base", line.old ?? 0] : ["patch", line.new ?? 0];
}

/** Base and patch are two texts: each carries its own open strings and comments from line to line. */
function inkFile(file: DiffFile): Inked[][] {
  const language = languageOf(file.path);
  return file.hunks.map((hunk) => {
    let base: Carry = null;
    let patch: Carry = null;
    return hunk.lines.map((line) => {
      const { pieces, carry } = ink(line.text, language, line.kind === "delete" ? base : patch);
      if (line.kind !== "add") base = carry;
      if (line.kind !== "delete") patch = carry;
      return { line, pieces };
    });
  });
}

function emptyReason(file: DiffFile): string {
  if (file.change === "renamed") return `Renamed from ${file.oldPath}, content unchanged.`;
  if (file.change === "added") return "An empty file was added.";
  if (file.change === "deleted") return "An empty file was deleted.";
  return "Only the file’s mode changed.";
}
