// A unified diff as data: files, hunks, numbered lines, and the part of a changed line that differs. Pure.

import { grouped, plural } from "../format";

export type LineKind = "context" | "add" | "delete";

export interface DiffLine {
  kind: LineKind;
  text: string;
  old: number | null;
  new: number | null;
  /** Start and end of the part that differs from the line it replaces. */
  word?: [number, number];
}

export interface Hunk {
  header: string;
  oldStart: number;
  newStart: number;
  lines: DiffLine[];
}

export interface DiffFile {
  path: string;
  oldPath: string | null;
  change: "added" | "deleted" | "renamed" | "changed";
  binary: boolean;
  additions: number;
  deletions: number;
  hunks: Hunk[];
}

export function parseDiff(text: string): DiffFile[] {
  const files: DiffFile[] = [];
  let file: DiffFile | null = null;
  let hunk: Hunk | null = null;
  let old = 0;
  let now = 0;
  let oldLeft = 0;
  let newLeft = 0;

  for (const line of text.split("\n")) {
    if (hunk && (oldLeft > 0 || newLeft > 0)) {
      const mark = line[0] ?? " ";
      const body = line.slice(1);
      if (mark === "+" && file) {
        hunk.lines.push({ kind: "add", text: body, old: null, new: now++ });
        newLeft--;
        file.additions++;
        continue;
      }
      if (mark === "-" && file) {
        hunk.lines.push({ kind: "delete", text: body, old: old++, new: null });
        oldLeft--;
        file.deletions++;
        continue;
      }
      if (mark === " " || line === "") {
        hunk.lines.push({ kind: "context", text: body, old: old++, new: now++ });
        oldLeft--;
        newLeft--;
        continue;
      }
      if (mark === "\\") continue;
    }
    if (line.startsWith("diff --git ")) {
      file = newFile(gitPath(line));
      files.push(file);
      hunk = null;
      continue;
    }
    if (line.startsWith("--- ") && (!file || file.hunks.length > 0)) {
      // A diff without git's own header lines.
      file = newFile(stripPrefix(line.slice(4)));
      files.push(file);
      hunk = null;
      continue;
    }
    if (!file) continue;
    if (line.startsWith("+++ ")) {
      const path = stripPrefix(line.slice(4));
      if (path !== "/dev/null") file.path = path;
    } else if (line.startsWith("new file")) file.change = "added";
    else if (line.startsWith("deleted file")) file.change = "deleted";
    else if (line.startsWith("rename from ")) {
      file.change = "renamed";
      file.oldPath = line.slice(12);
    } else if (line.startsWith("rename to ")) file.path = line.slice(10);
    else if (line.startsWith("Binary files") || line.startsWith("GIT binary patch")) file.binary = true;
    else {
      const head = line.match(/^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/);
      if (head) {
        old = Number(head[1]);
        now = Number(head[3]);
        oldLeft = head[2] === undefined ? 1 : Number(head[2]);
        newLeft = head[4] === undefined ? 1 : Number(head[4]);
        hunk = { header: head[5] ?? "", oldStart: old, newStart: now, lines: [] };
        file.hunks.push(hunk);
      }
    }
  }
  for (const each of files) for (const part of each.hunks) markWords(part.lines);
  return files;
}

/** Pairs each run of deletions with the additions right after it and marks where the pairs differ. */
function markWords(lines: DiffLine[]): void {
  let index = 0;
  while (index < lines.length) {
    const start = index;
    while (lines[index]?.kind === "delete") index++;
    const middle = index;
    while (lines[index]?.kind === "add") index++;
    const pairs = Math.min(middle - start, index - middle);
    for (let pair = 0; pair < pairs; pair++) {
      const before = lines[start + pair];
      const after = lines[middle + pair];
      if (before && after) markPair(before, after);
    }
    if (index === start) index++;
  }
}

function markPair(before: DiffLine, after: DiffLine): void {
  const a = before.text.match(/\w+|\s+|[^\w\s]/g) ?? [];
  const b = after.text.match(/\w+|\s+|[^\w\s]/g) ?? [];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail++;
  const sharedText = [...a.slice(0, head), ...a.slice(a.length - tail)].join("").trim();
  // Lines that share next to nothing are two different lines: marking all of both says nothing.
  if (sharedText.length * 4 < Math.min(before.text.trim().length, after.text.trim().length)) return;
  before.word = bounds(a, head, tail);
  after.word = bounds(b, head, tail);
}

function bounds(tokens: string[], head: number, tail: number): [number, number] {
  const start = tokens.slice(0, head).join("").length;
  const end = start + tokens.slice(head, tokens.length - tail).join("").length;
  return [start, end];
}

export interface SplitRow {
  left: DiffLine | null;
  right: DiffLine | null;
}

/** The same lines side by side: deletions at the left of the additions that replace them. */
export function toSplit(lines: DiffLine[]): SplitRow[] {
  const rows: SplitRow[] = [];
  let index = 0;
  while (index < lines.length) {
    const line = lines[index];
    if (!line) break;
    if (line.kind === "context") {
      rows.push({ left: line, right: line });
      index++;
      continue;
    }
    const start = index;
    while (lines[index]?.kind === "delete") index++;
    const middle = index;
    while (lines[index]?.kind === "add") index++;
    const height = Math.max(middle - start, index - middle);
    for (let row = 0; row < height; row++) {
      rows.push({
        left: start + row < middle ? (lines[start + row] ?? null) : null,
        right: middle + row < index ? (lines[middle + row] ?? null) : null,
      });
    }
  }
  return rows;
}

export function totals(files: readonly DiffFile[]): { additions: number; deletions: number } {
  return {
    additions: files.reduce((sum, file) => sum + file.additions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
  };
}

/** `+15 −1 in 2 files` */
export function changeInWords(files: readonly DiffFile[]): string {
  const { additions, deletions } = totals(files);
  return `+${grouped(additions)} −${grouped(deletions)} in ${plural(files.length, "file")}`;
}

/** What a diff does to one line of the old file. Paths match when one ends in the other, whole parts only. */
export function touches(files: DiffFile[], path: string, line: number | null): "line" | "file" | null {
  const file = files.find((each) => samePath(each.oldPath ?? each.path, path));
  if (!file) return null;
  if (line === null) return "file";
  for (const hunk of file.hunks) {
    if (hunk.lines.some((each) => each.kind === "delete" && each.old === line)) return "line";
  }
  return "file";
}

function samePath(a: string, b: string): boolean {
  return a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`);
}

function newFile(path: string): DiffFile {
  return { path, oldPath: null, change: "changed", binary: false, additions: 0, deletions: 0, hunks: [] };
}

function gitPath(line: string): string {
  return line.match(/ b\/(.+)$/)?.[1] ?? line.slice("diff --git ".length);
}

function stripPrefix(path: string): string {
  return path.replace(/\t.*$/, "").replace(/^[ab]\//, "");
}
