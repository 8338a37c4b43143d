// The stack trace as a map: newest call first, frames of your own open, runs of library frames folded to one line. Pure.

import type { AlertException, Frame } from "../../api/types";

export type Stretch =
  | { kind: "own"; frame: Frame; suspect: boolean }
  | { kind: "library"; frames: Frame[]; names: string[] };

/** The exception that was thrown is the last of the chain; its crash site is the last of its frames. */
export function stretches(exception: AlertException): Stretch[] {
  const newestFirst = [...exception.frames].reverse();
  const anyOwn = newestFirst.some((frame) => frame.in_app);
  const suspected = suspect(exception);
  const out: Stretch[] = [];
  for (const frame of newestFirst) {
    // Where nothing is marked as in-app, hiding everything would help nobody: the crash site stands open.
    if (frame.in_app || (!anyOwn && frame === suspected)) {
      out.push({ kind: "own", frame, suspect: frame === suspected });
      continue;
    }
    const last = out.at(-1);
    if (last?.kind === "library") last.frames.push(frame);
    else out.push({ kind: "library", frames: [frame], names: [] });
  }
  for (const stretch of out) if (stretch.kind === "library") stretch.names = libraryNames(stretch.frames);
  return out;
}

/** Where it broke: the newest frame of your own, or of anybody where none is yours. */
export function suspect({ frames }: AlertException): Frame | null {
  return frames.findLast((frame) => frame.in_app) ?? frames.at(-1) ?? null;
}

export function counts(exception: AlertException): { own: number; library: number } {
  const own = exception.frames.filter((frame) => frame.in_app).length;
  return { own, library: exception.frames.length - own };
}

export interface SourceLine {
  number: number | null;
  text: string;
  crash: boolean;
}

export function sourceLines(frame: Frame): SourceLine[] {
  if (frame.context_line === null) return [];
  const first = frame.lineno === null ? null : frame.lineno - frame.pre_context.length;
  const all = [...frame.pre_context, frame.context_line, ...frame.post_context];
  return all.map((text, index) => ({
    number: first === null ? null : first + index,
    text,
    crash: index === frame.pre_context.length,
  }));
}

export function framePath(frame: Frame): string {
  return frame.filename ?? frame.abs_path ?? frame.module ?? "unknown file";
}

function libraryNames(frames: Frame[]): string[] {
  const names = frames.map((frame) => {
    const path = frame.abs_path ?? frame.filename ?? "";
    const packaged = path.match(
      /(?:site-packages|dist-packages|node_modules|registry\/src\/[^/]+)\/(@[^/]+\/[^/]+|[^/]+)/,
    )?.[1];
    return (packaged ?? frame.module?.split(".")[0] ?? framePath(frame).split("/")[0] ?? "").replace(
      /\.\w+$/,
      "",
    );
  });
  return [...new Set(names.filter(Boolean))];
}
