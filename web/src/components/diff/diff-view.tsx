// A whole diff: files at the left with their reviewed marks, one scroll of changed files at the right. `n`/`p` go
// from hunk to hunk, `j`/`k` from line to line, `c` comments on the line, `x` marks the file at hand.

import { Checkbox, SegmentedControl } from "@mantine/core";
import { type ReactNode, useMemo, useRef, useState } from "react";
import type { Side } from "../../api/types";
import { useCommands } from "../../app/commands";
import { useNarrow } from "../../app/media";
import { grouped, plural } from "../format";
import { Glyph } from "../glyph";
import { breakable } from "../inline";
import { Counts } from "./counts";
import { DiffLines, type DiffMode } from "./diff-file";
import css from "./diff-view.module.css";
import { type DiffFile, totals } from "./parse";

/** A file longer than this starts folded: nobody reads it by scrolling past. */
const FOLD_LINES = 2_000;

export interface Review {
  reviewed: readonly string[];
  onReviewed: (path: string, reviewed: boolean) => void;
  under: (path: string, side: Side, line: number) => ReactNode;
  onComment: (path: string, side: Side, line: number) => void;
}

interface Props {
  files: DiffFile[];
  review?: Review;
  /** Without the list of files, where there is no room for it. */
  plain?: boolean;
}

export default function DiffView({ files, review, plain = false }: Props) {
  const narrow = useNarrow();
  const [mode, setMode] = useState<DiffMode>("unified");
  const [current, setCurrent] = useState(files[0]?.path ?? "");
  const [folds, setFolds] = useState<Record<string, boolean>>({});
  const body = useRef<HTMLDivElement>(null);
  const sum = useMemo(() => totals(files), [files]);

  const isReviewed = (path: string) => review?.reviewed.includes(path) ?? false;
  const isOpen = (file: DiffFile) =>
    !(folds[file.path] ?? (isReviewed(file.path) || file.additions + file.deletions > FOLD_LINES));
  const mark = (path: string) => {
    const next = !isReviewed(path);
    review?.onReviewed(path, next);
    setFolds((now) => ({ ...now, [path]: next }));
  };
  const goTo = (path: string) => {
    setCurrent(path);
    setFolds((now) => ({ ...now, [path]: false }));
    requestAnimationFrame(() => fileElement(body.current, path)?.scrollIntoView({ block: "start" }));
  };
  const hunk = (step: 1 | -1) => {
    const found = nextHunk(body.current, step);
    if (!found) return;
    found.scrollIntoView({ block: "center" });
    found.setAttribute("data-at", "");
    const path = found.closest<HTMLElement>("[data-path]")?.dataset.path;
    if (path) setCurrent(path);
    firstChange(body.current, found)?.focus({ preventScroll: true });
  };
  const line = (step: 1 | -1) => nextLine(body.current, step)?.focus();
  useCommands([
    { keys: "n", label: "Next change", run: () => hunk(1) },
    { keys: "p", label: "Previous change", run: () => hunk(-1) },
    ...(review
      ? [
          { keys: "j", label: "Next line", run: () => line(1) },
          { keys: "k", label: "Previous line", run: () => line(-1) },
          { keys: "c", label: "Comment on the line", run: () => lineAtHand(body.current)?.click() },
          { keys: "x", label: "Mark the file reviewed", run: () => mark(current) },
        ]
      : []),
    ...files.map((file) => ({ label: `Go to \`${file.path}\``, run: () => goTo(file.path) })),
  ]);

  if (files.length === 0) return <p className={css.none}>Nothing is changed yet.</p>;
  const reviewedCount = files.filter((file) => isReviewed(file.path)).length;

  return (
    <div className={plain || narrow ? css.single : css.view}>
      {!plain && !narrow && (
        <aside className={css.files} aria-label="Changed files">
          <div className={css.filesHead}>
            <h2>Files</h2>
            <span>
              {review ? `${reviewedCount} of ${files.length} reviewed` : plural(files.length, "file")}
            </span>
          </div>
          <ul>
            {files.map((file) => (
              <li key={file.path} className={css.fileEntry} data-current={file.path === current || undefined}>
                {review && (
                  <Checkbox
                    checked={isReviewed(file.path)}
                    onChange={() => mark(file.path)}
                    aria-label={`${file.path} reviewed`}
                  />
                )}
                <button
                  type="button"
                  className={css.fileName}
                  onClick={() => goTo(file.path)}
                  title={file.path}
                >
                  <FileName path={file.path} />
                </button>
                <Counts additions={file.additions} deletions={file.deletions} />
              </li>
            ))}
          </ul>
        </aside>
      )}
      <div className={css.body} ref={body}>
        <div className={css.bar}>
          <span className={css.sum}>
            {plural(files.length, "file")} <Counts additions={sum.additions} deletions={sum.deletions} />
          </span>
          {!narrow && (
            <SegmentedControl
              value={mode}
              onChange={(value) => setMode(value as DiffMode)}
              data={[
                { value: "unified", label: "Unified" },
                { value: "split", label: "Split" },
              ]}
              aria-label="How lines are laid out"
            />
          )}
        </div>
        {files.map((file) => (
          <FileBlock
            key={file.path}
            file={file}
            mode={narrow ? "unified" : mode}
            open={isOpen(file)}
            onFold={() => setFolds((now) => ({ ...now, [file.path]: isOpen(file) }))}
            onFocus={() => setCurrent(file.path)}
            review={review}
            reviewed={isReviewed(file.path)}
            onMark={() => mark(file.path)}
          />
        ))}
      </div>
    </div>
  );
}

/** The name first, its folder beneath: in a narrow column the name is what tells files apart. */
function FileName({ path }: { path: string }) {
  const cut = path.lastIndexOf("/") + 1;
  return (
    <>
      <code>{breakable(path.slice(cut))}</code>
      {cut > 0 && <code className={css.folder}>{breakable(path.slice(0, cut - 1))}</code>}
    </>
  );
}

interface BlockProps {
  file: DiffFile;
  mode: DiffMode;
  open: boolean;
  onFold: () => void;
  onFocus: () => void;
  review: Review | undefined;
  reviewed: boolean;
  onMark: () => void;
}

function FileBlock({ file, mode, open, onFold, onFocus, review, reviewed, onMark }: BlockProps) {
  const lines = file.additions + file.deletions;
  return (
    <section className={css.file} data-path={file.path} aria-label={file.path} onFocus={onFocus}>
      <div className={css.fileHead} data-reviewed={review ? true : undefined}>
        <button type="button" className={css.fold} aria-expanded={open} onClick={onFold}>
          <Glyph name={open ? "down" : "right"} />
          <code>{breakable(file.path)}</code>
        </button>
        {file.change !== "changed" && <span className={css.meta}>{file.change}</span>}
        <Counts additions={file.additions} deletions={file.deletions} />
        <span className={css.space} />
        {!open && (
          <span className={`${css.meta} ${css.wide}`}>
            {reviewed ? "reviewed, folded" : `${grouped(lines)} lines, folded`}
          </span>
        )}
        {review && (
          <button type="button" className={css.mark} aria-pressed={reviewed} onClick={onMark}>
            <Glyph
              name={reviewed ? "check" : "plus"}
              size={14}
              style={reviewed ? undefined : { display: "none" }}
            />
            {reviewed ? "Reviewed" : "Mark reviewed"}
            <kbd>x</kbd>
          </button>
        )}
      </div>
      {open && (
        <div className={css.lines}>
          <DiffLines
            file={file}
            mode={mode}
            notes={
              review
                ? {
                    under: (side, line) => review.under(file.path, side, line),
                    onComment: (side, line) => review.onComment(file.path, side, line),
                  }
                : undefined
            }
          />
        </div>
      )}
    </section>
  );
}

function fileElement(root: HTMLElement | null, path: string): HTMLElement | null {
  return root?.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`) ?? null;
}

/** Every line that can be commented on is a button in its gutter. */
function gutters(root: HTMLElement | null): HTMLElement[] {
  return [...(root?.querySelectorAll<HTMLElement>("[data-gutter]") ?? [])];
}

function isAfter(node: Node, other: Node): boolean {
  return (other.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
}

function firstChange(root: HTMLElement | null, hunk: HTMLElement): HTMLElement | undefined {
  return gutters(root).find((each) => each.dataset.gutter !== "context" && isAfter(each, hunk));
}

/** From the line that has the focus, or from the first one on the screen. */
function nextLine(root: HTMLElement | null, step: 1 | -1): HTMLElement | undefined {
  const all = gutters(root);
  const at = all.indexOf(document.activeElement as HTMLElement);
  if (at >= 0) return all[at + step];
  return all.find((each) => each.getBoundingClientRect().top > 0);
}

function lineAtHand(root: HTMLElement | null): HTMLElement | undefined {
  const all = gutters(root);
  const at = all.find((each) => each === document.activeElement);
  const hunk =
    root?.querySelector<HTMLElement>("[data-hunk][data-at]") ??
    root?.querySelector<HTMLElement>("[data-hunk]");
  return at ?? (hunk ? firstChange(root, hunk) : undefined);
}

function nextHunk(root: HTMLElement | null, step: 1 | -1): HTMLElement | null {
  const all = [...(root?.querySelectorAll<HTMLElement>("[data-hunk]") ?? [])];
  const at = all.findIndex((each) => each.hasAttribute("data-at"));
  if (at >= 0) all[at]?.removeAttribute("data-at");
  return (
    all[at < 0 ? (step === 1 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)] ?? null
  );
}
