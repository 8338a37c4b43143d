import { expect, test } from "vitest";
import type { Step, StepName, StepState } from "../../api/types";
import { STEPS } from "../../components/states";
import { rerunDefault, rerunSteps } from "./rerun";

const until = (at: StepName, state: StepState): Step[] =>
  STEPS.map((name) => ({
    name,
    state: STEPS.indexOf(name) < STEPS.indexOf(at) ? "done" : name === at ? state : "waiting",
    started_at: null,
    finished_at: null,
    summary: "",
    cost_usd: null,
    tokens: 0,
  }));

test("a run that failed begins again where it failed, or before", () => {
  expect(rerunSteps(until("patch", "failed"))).toEqual(["prepare", "reproduce", "patch"]);
  expect(rerunDefault(until("reproduce", "failed"))).toBe("reproduce");
});

test("a run that got through may begin again anywhere from its preparation to its proof", () => {
  const steps = until("watch", "waiting");
  expect(rerunSteps(steps)).toEqual(["prepare", "reproduce", "patch", "prove"]);
  expect(rerunDefault(steps)).toBe("patch");
});

test("a run that failed to propose makes its proof again", () => {
  const steps = until("propose", "failed");
  expect(rerunSteps(steps)).toEqual(["prepare", "reproduce", "patch", "prove"]);
  expect(rerunDefault(steps)).toBe("prove");
});

test("a run that was stopped before it began starts with its preparation", () => {
  expect(rerunSteps(until("alert", "waiting"))).toEqual([]);
  expect(rerunDefault(until("prepare", "waiting"))).toBe("prepare");
});
