// Whether the server answers at all. Every answer counts, also a refusal; only silence does not.

let lostAt: number | null = null;
let answeredAt: number | null = null;
const listeners = new Set<() => void>();

export function answered(): void {
  answeredAt = Date.now();
  tell(null);
}

export function unanswered(): void {
  tell(lostAt ?? answeredAt ?? Date.now());
}

/** When the last answer came, while there are none; null while all is well. */
export const lostSince = (): number | null => lostAt;

export function onReachable(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(next: number | null): void {
  if (lostAt === next) return;
  lostAt = next;
  for (const listener of listeners) listener();
}
