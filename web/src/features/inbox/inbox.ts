// What the inbox says about itself, in words. Pure.

import type { Inbox, InboxGroup, InboxItem, IncidentState } from "../../api/types";
import { plural } from "../../components/format";
import { CAME_BACK, runSaid, type Said } from "../../components/states";

export function isEmpty({ totals }: Inbox): boolean {
  return Object.values(totals).every((total) => total === 0);
}

export function headline({ totals }: Inbox): string {
  const { needs_you: waiting, ready_to_merge: ready } = totals;
  if (waiting > 0) return plural(waiting, "thing needs you", "things need you");
  if (ready > 0) return plural(ready, "fix is ready to merge", "fixes are ready to merge");
  return "Nothing needs you";
}

export function subline({ totals }: Inbox): string {
  const { working, ready_to_merge: ready } = totals;
  const parts = [
    working > 0 ? `${plural(working, "run is", "runs are")} working` : "No run is working",
    ready > 0 ? plural(ready, "fix waits for a merge", "fixes wait for a merge") : null,
  ];
  return `${parts.filter(Boolean).join(", ")}.`;
}

/** How many of a group are not listed. */
export function more(inbox: Inbox, group: InboxGroup): number {
  return inbox.totals[group] - inbox[group].length;
}

const WORDS: Record<string, Said> = {
  proven: { state: "proven", word: "Proven" },
  unproven: { state: "unproven", word: "Unproven" },
  overridden: { state: "unproven", word: "Overridden" },
  not_applicable: { state: "unverified", word: "Proof not applicable" },
  ...({
    open: { state: "broken", word: "Broken" },
    fixing: { state: "working", word: "Being fixed" },
    fix_proposed: { state: "needs_you", word: "Fix proposed" },
    resolved: { state: "done", word: "Resolved" },
    regressed: { state: "broken", word: "Broken again" },
    ignored: { state: "unverified", word: "Ignored" },
  } satisfies Record<IncidentState, Said>),
  merged: { state: "done", word: "Merged" },
  recurred: CAME_BACK,
  closed: { state: "unverified", word: "Closed" },
};

/** `Run 318`, `!57`, or `CHECKOUT-41`. */
export function itemName(item: InboxItem): string {
  if (item.kind === "run") return `Run ${item.number}`;
  if (item.kind === "merge_request") return `!${item.number}`;
  return item.incident_short_id ?? `Incident ${item.number}`;
}

export function itemSaid(item: InboxItem): Said {
  if (item.kind === "run" && item.run) return runSaid(item.run);
  if (item.run?.status === "running" || item.run?.status === "queued") return runSaid(item.run);
  const known = WORDS[item.state];
  if (known) return known;
  if (item.run) return runSaid(item.run);
  return { state: "waiting", word: item.state.replaceAll("_", " ") };
}
