// Times in words. Pure: the caller brings the present.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function toMs(at: string | null | undefined): number | null {
  if (!at) return null;
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? null : ms;
}

/** `12 s`, `4 min`, `5 h`, `3 d`: how long ago, without the word. */
export function age(at: string, nowMs: number): string {
  const ms = Math.max(0, nowMs - (toMs(at) ?? nowMs));
  if (ms < 5 * SECOND) return "now";
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

export function ago(at: string, nowMs: number): string {
  const words = age(at, nowMs);
  return words === "now" ? "just now" : `${words} ago`;
}

/** `00:42`, `12:03`, `1:02:03`: a running or a finished span. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / SECOND));
  const hours = Math.floor(total / 3_600);
  const minutes = Math.floor((total % 3_600) / 60);
  const tail = `${two(minutes)}:${two(total % 60)}`;
  return hours > 0 ? `${hours}:${tail}` : tail;
}

export function span(from: string | null, to: string | null, nowMs: number): string | null {
  const start = toMs(from);
  if (start === null) return null;
  return clock((toMs(to) ?? nowMs) - start);
}

/** `840 ms`, `1.9 s`, `02:14`: how long one command took. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(1)} s`;
  return clock(ms);
}

export function exact(at: string): string {
  const ms = toMs(at);
  if (ms === null) return at;
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** `02:50:11`, the time of day. */
export function timeOfDay(at: string): string {
  const ms = toMs(at);
  if (ms === null) return "";
  const time = new Date(ms);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
}

/** `02:38` of the last day, `21 Nov` before it. */
export function dayOrTime(ms: number, nowMs: number): string {
  const at = new Date(ms);
  if (nowMs - ms < DAY) return at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/** `-0.042 s`, counted back from the crash. */
export function secondsBefore(at: string | null, crash: string): string {
  const [from, to] = [toMs(at), toMs(crash)];
  if (from === null || to === null) return "";
  const seconds = (from - to) / SECOND;
  return Math.abs(seconds) >= 100 ? `${seconds.toFixed(0)} s` : `${seconds.toFixed(3)} s`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
