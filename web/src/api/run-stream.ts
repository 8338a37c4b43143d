// The event stream of one request. It outlives reloads and broken connections: every event has a sequence number,
// a dropped connection continues after the last one seen, and an event that arrives twice is kept once.

import type { RunEvent } from "./types";

export type StreamState = "connecting" | "live" | "broken";

export interface StreamSnapshot {
  events: readonly RunEvent[];
  state: StreamState;
  /** When the last frame arrived, by the browser's clock. */
  lastFrameAt: number | null;
}

export interface StreamOptions {
  requestId: string;
  /** Events that are already known, oldest first. */
  seed?: readonly RunEvent[];
  open?: (url: string) => EventSource;
  now?: () => number;
}

const FLUSH_MS = 60;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
const EVENTS_MAX = 200_000;
/** The server speaks every 15 seconds at least: after three of them unheard, nobody is at the other end. */
export const SILENCE_MS_MAX = 45_000;

export class RunStream {
  private readonly listeners = new Set<() => void>();
  private readonly options: StreamOptions;
  private source: EventSource | null = null;
  private pending: RunEvent[] = [];
  private lastSeq = 0;
  private attempts = 0;
  private flushTimer: ReturnType<typeof setTimeout> | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;
  private silenceTimer: ReturnType<typeof setTimeout> | null = null;
  private current: StreamSnapshot;

  constructor(options: StreamOptions) {
    this.options = options;
    const seed = (options.seed ?? []).filter((event) => typeof event.seq === "number");
    this.lastSeq = seed.reduce((last, event) => Math.max(last, event.seq ?? 0), 0);
    this.current = { events: seed, state: "connecting", lastFrameAt: null };
  }

  snapshot = (): StreamSnapshot => this.current;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.connect();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.close();
    };
  };

  private connect(): void {
    const open = this.options.open ?? ((url: string) => new EventSource(url));
    const after = this.lastSeq > 0 ? `?after=${this.lastSeq}` : "";
    const source = open(`/api/runs/${encodeURIComponent(this.options.requestId)}/logs/stream${after}`);
    this.source = source;
    this.hear();
    source.onopen = () => {
      this.hear();
      this.attempts = 0;
      this.publish({ state: "live", lastFrameAt: this.now() });
    };
    source.onmessage = (frame: MessageEvent<string>) => this.take(frame);
    source.onerror = () => {
      if (this.source !== source) return;
      this.publish({ state: "broken" });
      // Never left to the browser: it would ask for the address of the first connection, and with it for the past.
      this.reconnect();
    };
  }

  /** Something came. A connection whose other end vanished brings no error, only silence. */
  private hear(): void {
    if (this.silenceTimer) clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => {
      this.publish({ state: "broken" });
      this.reconnect();
    }, SILENCE_MS_MAX);
  }

  private reconnect(): void {
    this.source?.close();
    if (this.silenceTimer) clearTimeout(this.silenceTimer);
    if (this.retryTimer || this.listeners.size === 0) return;
    const wait = RETRY_MS[Math.min(this.attempts, RETRY_MS.length - 1)];
    this.attempts += 1;
    this.retryTimer = setTimeout(() => {
      this.retryTimer = null;
      if (this.listeners.size > 0) this.connect();
    }, wait);
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    if (this.retryTimer) clearTimeout(this.retryTimer);
    if (this.flushTimer) clearTimeout(this.flushTimer);
    if (this.silenceTimer) clearTimeout(this.silenceTimer);
    this.retryTimer = null;
    this.flush();
  }

  private take(frame: MessageEvent<string>): void {
    this.hear();
    const event = parse(frame.data);
    if (!event) return;
    const seq = event.seq ?? (frame.lastEventId ? Number(frame.lastEventId) : 0);
    if (event.type !== "heartbeat") {
      if (seq > 0 && seq <= this.lastSeq) return;
      if (seq > 0) this.lastSeq = seq;
      this.pending.push({ ...event, seq });
    }
    if (!this.flushTimer) this.flushTimer = setTimeout(() => this.flush(), FLUSH_MS);
  }

  private flush(): void {
    this.flushTimer = null;
    const events =
      this.pending.length > 0
        ? [...this.current.events, ...this.pending].slice(-EVENTS_MAX)
        : this.current.events;
    this.pending = [];
    this.publish({
      events,
      state: this.source?.readyState === 1 ? "live" : this.current.state,
      lastFrameAt: this.now(),
    });
  }

  private publish(change: Partial<StreamSnapshot>): void {
    this.current = { ...this.current, ...change };
    for (const listener of this.listeners) listener();
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }
}

function parse(data: string): RunEvent | null {
  try {
    const event = JSON.parse(data) as RunEvent;
    return typeof event === "object" && event !== null && typeof event.type === "string" ? event : null;
  } catch {
    return null;
  }
}
