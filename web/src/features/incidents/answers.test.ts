import { expect, test } from "vitest";
import { incidentDetail, mergedFix, waitingFix } from "../../../screenshots/fixtures/incidents";
import {
  DIFF,
  failedSummary,
  followUpRun,
  liveSummary,
  provenRun,
  provenSummary,
} from "../../../screenshots/fixtures/story";
import type { IncidentDetail, RunDetail } from "../../api/types";
import { parseDiff } from "../../components/diff/parse";
import { answers, mayRun } from "./answers";

const incident = (change: Partial<IncidentDetail>): IncidentDetail => ({
  ...incidentDetail,
  run: provenSummary,
  ...change,
});

function asked(change: Partial<IncidentDetail>, run?: RunDetail) {
  const { fix, trust, you } = answers(incident(change), run, parseDiff(run?.diff ?? ""));
  return [fix.text, fix.beneath, trust.text, you.text];
}

const cancelledRun = { ...followUpRun, status: "cancelled" as const };
const laterRun = { ...liveSummary, id: "run-319", number: 319 };
const draft = { ...waitingFix, status: "DRAFT" as const, verdict: "unproven" as const, is_ready: false };
const overridden = { ...draft, status: "OPEN" as const, is_ready: true };
const closed = { ...waitingFix, status: "CLOSED" as const };

const PROPOSED = "Run 318 proposed a fix";
const LOST = "The fix of run 318 did not hold";
const AGAIN = "Run it again, or fix it by hand";
const NONE = "There is no fix yet";

const CASES: [name: string, change: Partial<IncidentDetail>, said: string[], mayRun: boolean][] = [
  [
    "a run works on it",
    { state: "fixing", run: liveSummary },
    ["Run 318 is proving", "running pytest tests/test_cart.py", "Not yet known", "Nothing now"],
    false,
  ],
  [
    "a fix waits",
    { state: "fix_proposed", merge_request: waitingFix },
    [PROPOSED, "", "Yes, it is proven", "Review and merge"],
    false,
  ],
  [
    "called resolved by hand and seen again, a fix still waits",
    { state: "regressed", merge_request: waitingFix },
    [PROPOSED, "", "Yes, it is proven", "Review and merge"],
    false,
  ],
  [
    "a draft waits",
    { state: "fix_proposed", merge_request: draft },
    [PROPOSED, "", "No, it is unproven", "Decide on the draft"],
    false,
  ],
  [
    "somebody overrode the proof",
    { state: "fix_proposed", merge_request: overridden },
    [PROPOSED, "", "No, it is unproven", "Review and merge"],
    false,
  ],
  [
    "a fix waits, and its follow-up failed",
    { state: "open", run: followUpRun, merge_request: waitingFix },
    [PROPOSED, "run 319 after it failed", "Yes, it is proven", "Review and merge"],
    false,
  ],
  [
    "a fix waits, and its follow-up was cancelled",
    { state: "open", run: cancelledRun, merge_request: draft },
    [PROPOSED, "run 319 after it was cancelled", "No, it is unproven", "Decide on the draft"],
    false,
  ],
  [
    "the run that proposed it is deleted",
    { state: "fix_proposed", run: null, merge_request: { ...waitingFix, run_number: null } },
    ["A fix is proposed", "", "Yes, it is proven", "Review and merge"],
    false,
  ],
  [
    "it came back",
    { state: "regressed", merge_request: mergedFix, no_run_reason: "automatic runs are off" },
    [LOST, "automatic runs are off", NONE, AGAIN],
    true,
  ],
  [
    "it came back, and the next run failed",
    { state: "open", run: followUpRun, merge_request: mergedFix },
    [LOST, "run 319 after it failed", NONE, AGAIN],
    true,
  ],
  [
    "it came back, and the next run was cancelled",
    { state: "open", run: cancelledRun, merge_request: mergedFix },
    [LOST, "run 319 after it was cancelled", NONE, AGAIN],
    true,
  ],
  [
    "it came back, and the next run works",
    { state: "fixing", run: laterRun, merge_request: mergedFix },
    ["Run 319 is proving", "running pytest tests/test_cart.py", "Not yet known", "Nothing now"],
    false,
  ],
  [
    "the fix was turned down",
    { state: "open", merge_request: closed },
    ["No run", "the merge request of run 318 was closed", NONE, AGAIN],
    true,
  ],
  [
    "the fix was turned down, and the next run failed",
    { state: "open", run: followUpRun, merge_request: closed },
    ["Run 319 failed", "no fix is proposed", "Not yet known", AGAIN],
    true,
  ],
  [
    "the only run failed",
    { state: "open", run: failedSummary },
    ["Run 312 failed", "no fix is proposed", "Not yet known", AGAIN],
    true,
  ],
  [
    "nothing was started",
    { state: "open", run: null, no_run_reason: "automatic runs are off" },
    ["No run", "automatic runs are off", NONE, "Start a run, or fix it by hand"],
    true,
  ],
  [
    "a run starts shortly",
    { state: "open", run: null },
    ["A run starts shortly", "", NONE, "Nothing now"],
    true,
  ],
  [
    "its fix is merged",
    { state: "resolved", merge_request: mergedFix },
    ["Resolved", "by run 318", "Yes, it is proven", "Nothing"],
    false,
  ],
  [
    "somebody resolved it, whatever its run did",
    { state: "resolved", run: failedSummary },
    ["Resolved", "by hand", "Not yet known", "Nothing"],
    false,
  ],
  [
    "it is ignored",
    { state: "ignored", run: failedSummary },
    ["Run 312 failed", "no fix is proposed", "Not yet known", "Nothing"],
    false,
  ],
];

test.each(CASES)("%s", (_, change, said, may) => {
  expect(asked(change)).toEqual(said);
  expect(mayRun(incident(change))).toBe(may);
});

test("the diff and the rules are told only of the run whose fix it is", () => {
  const ofThisRun = { state: "fix_proposed" as const, merge_request: waitingFix };
  expect(asked(ofThisRun, provenRun)[1]).toMatch(/^\+\d+ −\d+ in 3 files$/);
  expect(answers(incident(ofThisRun), provenRun, []).trust.beneath).toBe("6 of 6 rules hold");
  const ofAnother = { ...ofThisRun, run: followUpRun };
  expect(asked(ofAnother, { ...followUpRun, diff: DIFF })[1]).toBe("run 319 after it failed");
  expect(answers(incident(ofAnother), { ...followUpRun, rules: provenRun.rules }, []).trust.beneath).toBe("");
});

test("a fix that waits is told while a follow-up works, and both lead where they say", () => {
  expect(answers(incident({ run: laterRun }), undefined, []).you.beneath).toBe(
    "You are asked before it merges",
  );
  const followed = answers(incident({ run: laterRun, merge_request: waitingFix }), undefined, []);
  expect(followed.you.beneath).toBe("a fix waits while run 319 works on it");
  expect(followed.fix.link?.id).toBe("run-319");
  const waiting = answers(incident({ run: followUpRun, merge_request: waitingFix }), undefined, []);
  expect([waiting.fix.link?.id, waiting.you.link?.id]).toEqual(["run-318", "mr-57"]);
});

test("what keeps a run from starting is said before that one could be started", () => {
  const run_obstacle = { code: "no_model", detail: "no model" };
  expect(asked({ state: "open", run: failedSummary, run_obstacle })[3]).toBe("Configure a model");
  expect(asked({ state: "regressed", merge_request: mergedFix, run_obstacle })[3]).toBe("Configure a model");
});
