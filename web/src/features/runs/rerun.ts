// From where a run can be done again. Pure.

import type { Step, StepName } from "../../api/types";
import { STEPS } from "../../components/states";

/** Nothing can be skipped that was never finished, so what comes after the first such step is no place to begin. */
export function rerunSteps(steps: readonly Step[]): StepName[] {
  const unfinished = STEPS.findIndex((name) => steps.find((step) => step.name === name)?.state !== "done");
  const last = unfinished < 0 ? STEPS.length : unfinished;
  return STEPS.filter((name, at) => at <= last && name !== "alert" && name !== "watch");
}

/** What somebody most likely wants: where it went wrong, else the work of the agent. */
export function rerunDefault(steps: readonly Step[]): StepName | null {
  const possible = rerunSteps(steps);
  const failed = steps.find((step) => step.state === "failed" && possible.includes(step.name));
  return failed?.name ?? (possible.includes("patch") ? "patch" : (possible.at(-1) ?? null));
}
