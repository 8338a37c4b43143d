// Terminal output: folded to head and tail where it is short enough to read, in lazy pieces where it is a whole log.

import { useState } from "react";
import { grouped } from "../format";
import { chunks, LazyChunk } from "../lazy-chunk";
import { ansi } from "./ansi";
import css from "./terminal.module.css";

const HEAD = 8;
const TAIL = 12;
const CHUNK = 200;
const LINE_PX = 20;
const LINE_CHARS_MAX = 4_000;

export function toLines(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

interface Props {
  lines: readonly string[];
  label: string;
  /** Shows the first and last lines, and the rest on demand. */
  folded?: boolean;
  live?: boolean;
}

export function Terminal({ lines, label, folded = false, live = false }: Props) {
  const [open, setOpen] = useState(false);
  const hidden = folded && !open ? Math.max(0, lines.length - HEAD - TAIL) : 0;
  return (
    <div
      className={css.terminal}
      data-live={live || undefined}
      role="log"
      aria-live={live ? "polite" : "off"}
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: output that scrolls must be reachable by keyboard.
      tabIndex={0}
    >
      {hidden > 1 ? (
        <>
          <Lines lines={lines.slice(0, HEAD)} />
          <button type="button" className={css.more} onClick={() => setOpen(true)}>
            {grouped(hidden)} more lines
          </button>
          <Lines lines={lines.slice(-TAIL)} live={live} />
        </>
      ) : (
        <Lines lines={lines} live={live} />
      )}
    </div>
  );
}

function Lines({ lines, live = false }: { lines: readonly string[]; live?: boolean }) {
  const pieces = chunks(lines, CHUNK);
  return pieces.map((piece, index) => (
    <LazyChunk key={index} estimate={piece.length * LINE_PX} eager={pieces.length <= 2}>
      {() =>
        piece.map((line, at) => (
          <Line
            key={at}
            text={line}
            cursor={live && index === pieces.length - 1 && at === piece.length - 1}
          />
        ))
      }
    </LazyChunk>
  ));
}

export function Line({ text, cursor = false }: { text: string; cursor?: boolean }) {
  const cut = text.length > LINE_CHARS_MAX;
  return (
    <div className={css.line}>
      {ansi(cut ? text.slice(0, LINE_CHARS_MAX) : text).map((span, index) => (
        <span
          key={index}
          data-colour={span.colour ?? undefined}
          data-bold={span.bold || undefined}
          data-dim={span.dim || undefined}
        >
          {span.text}
        </span>
      ))}
      {cut && <span data-dim> {grouped(text.length - LINE_CHARS_MAX)} more characters</span>}
      {cursor && <span className={css.cursor} aria-hidden="true" />}
    </div>
  );
}
