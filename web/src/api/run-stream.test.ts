import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RunStream, SILENCE_MS_MAX } from "./run-stream";
import type { RunEvent } from "./types";

class Source {
  static opened: Source[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((frame: { data: string; lastEventId: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    Source.opened.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  send(seq: number, message = `line ${seq}`) {
    this.onmessage?.({
      data: JSON.stringify({ request_id: "q", type: "log", message }),
      lastEventId: String(seq),
    });
  }
  beat() {
    this.onmessage?.({ data: '{"request_id":"q","type":"heartbeat","message":"quiet"}', lastEventId: "" });
  }
  fail(closed: boolean) {
    this.readyState = closed ? 2 : 0;
    this.onerror?.();
  }
  close() {
    this.readyState = 2;
  }
}

const stream = (seed: RunEvent[] = []) =>
  new RunStream({
    requestId: "q",
    seed,
    open: (url) => new Source(url) as unknown as EventSource,
    now: () => Date.now(),
  });
const latest = () => Source.opened.at(-1) as Source;

beforeEach(() => {
  vi.useFakeTimers();
  Source.opened = [];
});
afterEach(() => {
  vi.useRealTimers();
});

test("an event that comes twice is kept once, and frames arrive in batches", () => {
  const live = stream();
  const heard = vi.fn();
  live.subscribe(heard);
  latest().open();
  heard.mockClear();
  for (const seq of [1, 2, 2, 1, 3]) latest().send(seq);
  vi.advanceTimersByTime(100);
  expect(live.snapshot().events.map((event) => event.seq)).toEqual([1, 2, 3]);
  expect(heard).toHaveBeenCalledTimes(1);
});

test("a given-up connection is opened again after the last event", () => {
  const live = stream();
  live.subscribe(() => undefined);
  latest().open();
  latest().send(7);
  latest().fail(true);
  expect(live.snapshot().state).toBe("broken");
  vi.advanceTimersByTime(1_000);
  expect(Source.opened).toHaveLength(2);
  expect(latest().url).toBe("/api/runs/q/logs/stream?after=7");
  latest().open();
  expect(live.snapshot()).toMatchObject({ state: "live" });
  expect(live.snapshot().events).toHaveLength(1);
});

test("a connection that only goes silent is opened again, and heartbeats keep one that is quiet", () => {
  const live = stream();
  live.subscribe(() => undefined);
  latest().open();
  latest().send(3);
  for (let quiet = 0; quiet < 5; quiet++) {
    vi.advanceTimersByTime(SILENCE_MS_MAX - 1_000);
    latest().beat();
  }
  expect(Source.opened).toHaveLength(1);
  expect(live.snapshot().events).toHaveLength(1);
  vi.advanceTimersByTime(SILENCE_MS_MAX + 1_000);
  expect(Source.opened).toHaveLength(2);
  expect(latest().url).toBe("/api/runs/q/logs/stream?after=3");
});

test("the waits grow while the server is away, and it is asked once at a time", () => {
  const live = stream();
  live.subscribe(() => undefined);
  latest().open();
  for (let fall = 0; fall < 4; fall++) {
    latest().fail(false);
    latest().fail(true);
    vi.advanceTimersByTime(8_000);
  }
  expect(Source.opened).toHaveLength(5);
  latest().fail(true);
  vi.advanceTimersByTime(3_000);
  expect(Source.opened).toHaveLength(5);
});

test("starts after what is already known, and closes when nobody listens", () => {
  const live = stream([{ request_id: "q", type: "log", message: "old", seq: 4 }]);
  const leave = live.subscribe(() => undefined);
  expect(latest().url).toContain("after=4");
  expect(live.snapshot().events).toHaveLength(1);
  leave();
  expect(latest().readyState).toBe(2);
});
