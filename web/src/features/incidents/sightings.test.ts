import { expect, test } from "vitest";
import type { Sightings } from "../../api/types";
import { bars } from "./sightings";

const SINCE = Date.parse("2026-11-23T02:48:00Z");
const seen = (counts: number[], span_seconds = 30): Sightings => ({
  since: "2026-11-23T02:48:00Z",
  span_seconds,
  counts,
});
const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);

test("a new fault has a quiet past, and its last bar is the present", () => {
  const { counts, fromMs, spanMs } = bars(seen([2, 5]), SINCE + 95_000);
  expect(counts).toHaveLength(24);
  expect(counts.slice(-4)).toEqual([2, 5, 0, 0]);
  expect(fromMs + counts.length * spanMs).toBe(SINCE + 120_000);
});

test("a long time makes wider bars, and none is lost", () => {
  const { counts, spanMs } = bars(seen([1, 2, 3]), SINCE + 86_400_000);
  expect(counts.length).toBeLessThanOrEqual(48);
  // A day in spans of 32 minutes is 45 and one more begun, one too many; of 64 minutes it is 23.
  expect(spanMs).toBe(30_000 * 128);
  expect(sum(counts)).toBe(6);
});

test("a server whose clock is ahead of ours is drawn as it is", () => {
  const { counts } = bars(seen([1, 1, 4]), SINCE - 5_000);
  expect(counts.slice(-3)).toEqual([1, 1, 4]);
});
