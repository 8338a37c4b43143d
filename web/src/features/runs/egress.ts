// Decisions of the egress proxy, gathered by host. Pure.

import type { Egress } from "../../api/types";

export interface EgressRow {
  host: string;
  allowed: boolean;
  reason: string | null;
  count: number;
}

export function egressRows(decisions: readonly Egress[]): EgressRow[] {
  const rows = new Map<string, EgressRow>();
  for (const { host, port, allowed, reason, verdict, count = 1 } of decisions) {
    const name = port === undefined ? host : `${host}:${port}`;
    const passed = allowed ?? /^allow/.test(verdict ?? "");
    const key = `${passed} ${name}`;
    const row = rows.get(key) ?? { host: name, allowed: passed, reason: reason || null, count: 0 };
    row.count += count;
    rows.set(key, row);
  }
  return [...rows.values()];
}
