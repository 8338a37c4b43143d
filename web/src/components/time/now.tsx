// One clock for the whole page: everything that ticks, ticks together, and only while it is on the screen.

import { useSyncExternalStore } from "react";
import { age, ago, clock, exact, toMs } from "./format";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | null = null;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (!timer) {
    now = Date.now();
    timer = setInterval(() => {
      now = Date.now();
      for (const each of listeners) each();
    }, 1_000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer) {
      clearInterval(timer);
      timer = null;
    }
  };
}

export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

/** `4 min ago`, with the exact time on hover: made only then, since a browser takes its time over dates in words. */
export function Ago({ at, bare = false }: { at: string; bare?: boolean }) {
  const present = useNow();
  return (
    <time
      dateTime={at}
      onPointerEnter={(event) => {
        event.currentTarget.title = exact(at);
      }}
      style={{ whiteSpace: "nowrap", fontVariantNumeric: "tabular-nums" }}
    >
      {bare ? age(at, present) : ago(at, present)}
    </time>
  );
}

/** `00:42`, ticking until it has an end. */
export function Clock({ from, to = null }: { from: string | null; to?: string | null }) {
  return to ? <Still from={from} to={to} /> : <Ticking from={from} />;
}

function Still({ from, to }: { from: string | null; to: string }) {
  const start = toMs(from);
  const end = toMs(to);
  if (start === null || end === null) return null;
  return <Figure text={clock(end - start)} />;
}

function Ticking({ from }: { from: string | null }) {
  const present = useNow();
  const start = toMs(from);
  return start === null ? null : <Figure text={clock(present - start)} />;
}

function Figure({ text }: { text: string }) {
  return <span style={{ fontVariantNumeric: "tabular-nums", whiteSpace: "nowrap" }}>{text}</span>;
}
