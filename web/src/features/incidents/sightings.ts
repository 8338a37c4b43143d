// When an incident was seen, as bars of one width: the server's spans, continued to the present. Pure.

import type { Sightings } from "../../api/types";
import { toMs } from "../../components/time/format";

const BARS_MAX = 48;
/** A fault that is new begins in the middle of the drawing: before it there was nothing, and that is worth seeing. */
const BARS_MIN = 24;
const LEAD_MIN = 3;

export interface Bars {
  counts: number[];
  spanMs: number;
  fromMs: number;
}

export function bars(sightings: Sightings, nowMs: number): Bars {
  const since = toMs(sightings.since) ?? nowMs;
  let spanMs = sightings.span_seconds * 1_000;
  let counts = [...sightings.counts];
  const passed = () => Math.max(0, Math.floor((nowMs - since) / spanMs)) + 1;
  while (Math.max(passed(), counts.length) > BARS_MAX - LEAD_MIN) {
    counts = pairs(counts);
    spanMs *= 2;
  }
  const after = Array.from({ length: Math.max(0, passed() - counts.length) }, () => 0);
  const lead = Array.from({ length: Math.max(LEAD_MIN, BARS_MIN - counts.length - after.length) }, () => 0);
  return { counts: [...lead, ...counts, ...after], spanMs, fromMs: since - lead.length * spanMs };
}

function pairs(counts: number[]): number[] {
  return Array.from(
    { length: Math.ceil(counts.length / 2) },
    (_, index) => (counts[index * 2] ?? 0) + (counts[index * 2 + 1] ?? 0),
  );
}
