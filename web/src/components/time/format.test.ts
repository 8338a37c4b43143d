import { expect, test } from "vitest";
import { age, ago, clock, duration, secondsBefore, span, timeOfDay, toMs } from "./format";

const NOW = Date.parse("2026-11-23T02:52:16Z");
const at = (seconds: number) => new Date(NOW - seconds * 1_000).toISOString();

test("ages grow coarser", () => {
  expect([2, 12, 60, 3_599, 3_600, 86_400 * 3].map((seconds) => age(at(seconds), NOW))).toEqual([
    "now",
    "12 s",
    "1 min",
    "59 min",
    "1 h",
    "3 d",
  ]);
  expect(ago(at(1), NOW)).toBe("just now");
});

test("a clock that is ahead of ours never counts backwards", () => {
  expect(age(at(-30), NOW)).toBe("now");
  expect(clock(-5_000)).toBe("00:00");
});

test("clocks and durations", () => {
  expect([6_000, 208_000, 3_723_000].map(clock)).toEqual(["00:06", "03:28", "1:02:03"]);
  expect([840, 1_900, 85_000].map(duration)).toEqual(["840 ms", "1.9 s", "01:25"]);
  expect(span(at(41), null, NOW)).toBe("00:41");
  expect(span(null, null, NOW)).toBeNull();
});

test("the time of day has two digits everywhere, in the reader's zone", () => {
  expect(timeOfDay("2026-11-23T03:04:05")).toBe("03:04:05");
  expect(timeOfDay("2026-11-23T23:00:00")).toBe("23:00:00");
  expect(timeOfDay("never")).toBe("");
});

test("both forms of timestamps the server sends are read", () => {
  expect(toMs("2026-11-23T08:38:34.793256Z")).toBe(toMs("2026-11-23T08:38:34.793+00:00"));
  expect(toMs("yesterday")).toBeNull();
});

test("breadcrumbs count back from the crash", () => {
  expect(secondsBefore(at(0.042), at(0))).toBe("-0.042 s");
  expect(secondsBefore(null, at(0))).toBe("");
});
