// From where a run can be done again. Pure.

import type { Step, StepName } from "../../api/types";
import { STEPS } from "../../components/states";

/** Up to the proof: a run proposes only what it has proven itself. */
const REPEATABLE: StepName[] = ["prepare", "reproduce", "patch", "prove"];

/** Nothing can be skipped that was never finished, so what comes after the first such step is no place to begin. */
export function rerunSteps(steps: readonly Step[]): StepName[] {
  const unfinished = STEPS.findIndex((name) => steps.find((step) => step.name === name)?.state !== "done");
  const last = unfinished < 0 ? STEPS.length : unfinished;
  return REPEATABLE.filter((name) => STEPS.indexOf(name) <= last);
}

/** What somebody most likely wants: where it went wrong or as near as can be, else the work of the agent. */
export function rerunDefault(steps: readonly Step[]): StepName | null {
  const possible = rerunSteps(steps);
  const failed = steps.find((step) => step.state === "failed");
  const wanted = failed ? failed.name : "patch";
  return possible.includes(wanted) ? wanted : (possible.at(-1) ?? null);
}
