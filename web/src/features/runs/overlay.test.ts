import { expect, test } from "vitest";
import type { RunDetail, RunEvent } from "../../api/types";
import { bringForward } from "./overlay";

const step = (name: RunDetail["steps"][number]["name"], state: RunDetail["steps"][number]["state"]) => ({
  name,
  state,
  started_at: null,
  finished_at: null,
  summary: null,
  cost_usd: null,
});

const run = {
  id: "r",
  status: "running",
  step: "patch",
  steps: [step("patch", "working"), step("prove", "waiting")],
  rules: [{ rule: "red", state: "waiting", detail: "fails on base" }],
  tests: [],
  verdict: null,
  usage: null,
  live_line: null,
  events: [{ request_id: "q", run_id: "r", seq: 5, type: "status", message: "" }],
} as unknown as RunDetail;

const events = (...list: (Record<string, unknown> & { type: string })[]) =>
  list.map((event, index) => ({
    request_id: "q",
    run_id: "r",
    seq: 6 + index,
    created_at: "t",
    ...event,
  })) as RunEvent[];

test("nothing new means the very same run", () => {
  expect(bringForward(run, events({ type: "completed", seq: 5 }))).toBe(run);
  expect(bringForward(run, events({ type: "completed", run_id: "other" }))).toBe(run);
});

test("events move steps, rules, dots and the live line", () => {
  const next = bringForward(
    run,
    events(
      { type: "step", step: "patch", state: "done", summary: "3 files" },
      { type: "step", step: "prove", state: "working" },
      { type: "command", command: "pytest" },
      { type: "test_result", side: "base", repeat: 1, test: "t.py::a", outcome: "failed" },
      { type: "test_result", side: "base", repeat: 2, test: "t.py::a", outcome: "failed" },
      { type: "rule", rule: "red", state: "holds" },
    ),
  );
  expect(next.steps.map((each) => each.state)).toEqual(["done", "working"]);
  expect(next.step).toBe("prove");
  expect(next.live_line).toBe("running pytest");
  expect(next.tests).toMatchObject([
    { file: "t.py", name: "a", base: [{ outcome: "failed" }, { outcome: "failed" }] },
  ]);
  expect(next.rules).toMatchObject([{ rule: "red", state: "holds", detail: "fails on base" }]);
  expect(run.steps[0]?.state).toBe("working");
});

test("proving again clears the dots of the attempt before", () => {
  const next = bringForward(
    {
      ...run,
      tests: [
        { id: "a", file: "f", name: "a", base: [{ outcome: "failed" }], patch: [{ outcome: "failed" }] },
      ],
    },
    events({ type: "step", step: "prove", state: "working" }),
  );
  expect(next.tests[0]).toMatchObject({ base: [], patch: [] });
});

test("an answer in the middle of the proof takes nothing away that was found before it", () => {
  const list = events(
    { type: "step", step: "prove", state: "working" },
    { type: "rule", rule: "red", state: "holds" },
    { type: "test_result", side: "base", repeat: 1, test: "t.py::a", outcome: "failed" },
    { type: "rule", rule: "green", state: "holds" },
  );
  const answered = (seq: number) => ({ ...run, events: [{ ...run.events[0], seq }] }) as RunDetail;
  for (const seq of [5, 7, 9]) {
    const next = bringForward(answered(seq), list);
    expect(next.rules.map((rule) => [rule.rule, rule.state])).toEqual([
      ["red", "holds"],
      ["green", "holds"],
    ]);
    expect(next.tests).toMatchObject([{ name: "a", base: [{ outcome: "failed" }] }]);
  }
});

test("once the proof is over the server's own record counts", () => {
  const list = events(
    { type: "step", step: "prove", state: "working" },
    { type: "rule", rule: "red", state: "broken" },
    { type: "step", step: "prove", state: "done" },
    { type: "step", step: "propose", state: "working" },
  );
  const answered = { ...run, events: [{ ...run.events[0], seq: 8 }] } as RunDetail;
  expect(bringForward(answered, list).rules).toBe(answered.rules);
});

test("a run that ended is as the server tells it", () => {
  const ended = { ...run, status: "completed" } as RunDetail;
  expect(bringForward(ended, events({ type: "step", step: "prove", state: "working" }))).toBe(ended);
});

test("a run that is cancelled ends at once", () => {
  expect(bringForward(run, events({ type: "cancelled", message: "the run was cancelled" }))).toMatchObject({
    status: "cancelled",
    finished_at: "t",
    steps: [
      { name: "patch", state: "failed" },
      { name: "prove", state: "waiting" },
    ],
  });
});

test("of errors only a failure of the run ends it", () => {
  expect(bringForward(run, events({ type: "error", message: "tool failed" })).status).toBe("running");
  expect(bringForward(run, events({ type: "error", stage: "failed", message: "no" }))).toMatchObject({
    status: "failed",
    error: "no",
    steps: [
      { name: "patch", state: "failed" },
      { name: "prove", state: "waiting" },
    ],
  });
});
