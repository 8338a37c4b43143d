// What the inbox says about itself, in words. Pure.

import type { Inbox, InboxItem, IncidentState } from "../../api/types";
import { plural } from "../../components/format";
import { runSaid, type Said } from "../../components/states";

export function isEmpty(inbox: Inbox): boolean {
  return [inbox.needs_you, inbox.working, inbox.ready_to_merge, inbox.done].every(
    (group) => group.length === 0,
  );
}

export function headline(inbox: Inbox): string {
  const waiting = inbox.needs_you.length;
  if (waiting > 0) return waiting === 1 ? "1 thing needs you" : `${waiting} things need you`;
  const ready = inbox.ready_to_merge.length;
  if (ready > 0) return ready === 1 ? "1 fix is ready to merge" : `${ready} fixes are ready to merge`;
  return "Nothing needs you";
}

export function subline(inbox: Inbox): string {
  const working = inbox.working.length;
  const ready = inbox.ready_to_merge.length;
  const parts = [
    working > 0 ? `${plural(working, "run is", "runs are")} working` : "No run is working",
    ready > 0
      ? `${plural(ready, "fix is", "fixes are")} proven and ${ready === 1 ? "waits" : "wait"} for a merge`
      : null,
  ];
  return `${parts.filter(Boolean).join(", ")}.`;
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
