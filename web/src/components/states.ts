// How the server's states read: a state icon and a word. One table per noun, so that a list and a page agree.

import type {
  Incident,
  MergeRequest,
  RuleState,
  RunSummary,
  SandboxSession,
  StepName,
  StepState,
  Verdict,
} from "../api/types";
import type { State } from "./state-icon";

export interface Said {
  state: State;
  word: string;
}

const STEP_WORDS: Record<StepName, [label: string, doing: string]> = {
  alert: ["Alert", "Reading the alert"],
  prepare: ["Prepare", "Preparing"],
  reproduce: ["Reproduce", "Reproducing"],
  patch: ["Patch", "Patching"],
  prove: ["Prove", "Proving"],
  propose: ["Propose", "Proposing"],
  watch: ["Watch", "Watching"],
};

export const STEPS: StepName[] = ["alert", "prepare", "reproduce", "patch", "prove", "propose", "watch"];

export const stepLabel = (step: StepName) => STEP_WORDS[step]?.[0] ?? step;
export const stepDoing = (step: StepName) => STEP_WORDS[step]?.[1] ?? step;

export function stepState(state: StepState): State {
  return (
    { waiting: "waiting", working: "working", done: "done", failed: "broken", skipped: "unverified" } as const
  )[state];
}

export function ruleState(state: RuleState): State {
  return (
    {
      waiting: "waiting",
      working: "working",
      holds: "proven",
      broken: "broken",
      not_applicable: "unverified",
    } as const
  )[state];
}

export function sandboxSaid(status: SandboxSession["status"]): Said {
  return (
    {
      starting: { state: "working", word: "Starting" },
      ready: { state: "done", word: "Ready" },
      failed: { state: "broken", word: "Failed" },
      terminated: { state: "unverified", word: "Ended" },
    } as const
  )[status];
}

export function verdictSaid(verdict: Verdict): Said {
  if (verdict === "proven") return { state: "proven", word: "Proven" };
  if (verdict === "unproven") return { state: "unproven", word: "Unproven" };
  return { state: "unverified", word: "Proof not applicable" };
}

export function runSaid(run: RunSummary): Said {
  switch (run.status) {
    case "queued":
      return { state: "waiting", word: "Queued" };
    case "running":
      return { state: "working", word: run.step ? stepDoing(run.step) : "Running" };
    case "failed":
      return { state: "broken", word: run.step ? `Failed at ${stepLabel(run.step)}` : "Failed" };
    case "cancelled":
      return { state: "unverified", word: "Cancelled" };
    default:
      return run.verdict ? verdictSaid(run.verdict) : { state: "done", word: "Completed" };
  }
}

export function incidentSaid(incident: Incident): Said {
  switch (incident.state) {
    case "open":
      return { state: "broken", word: "Broken" };
    case "fixing":
      return { state: "broken", word: "Broken, being fixed" };
    case "fix_proposed":
      return { state: "needs_you", word: "Fix proposed" };
    case "regressed":
      return { state: "broken", word: "Broken again" };
    case "ignored":
      return { state: "unverified", word: "Ignored" };
    default:
      return { state: "done", word: "Resolved" };
  }
}

/** Of a fix that was merged and did not hold. */
export const CAME_BACK: Said = { state: "broken", word: "Merged, but it came back" };

export function mergeRequestSaid(mr: MergeRequest): Said {
  if (mr.status === "MERGED") return mr.recurred_at ? CAME_BACK : { state: "done", word: "Merged" };
  if (mr.status === "CLOSED") return { state: "unverified", word: "Closed" };
  if (mr.verdict !== "proven") return verdictSaid(mr.verdict);
  if (mr.conflicts.length > 0)
    return { state: "needs_you", word: `Proven, but in conflict with ${mr.target_branch}` };
  return { state: "proven", word: "Proven, ready to merge" };
}
