import { expect, test } from "vitest";
import type { RunEvent } from "../../api/types";
import { foldActivity, foldLog, ofRun } from "./activity";

type Loose = { type: RunEvent["type"] } & Record<string, unknown>;
const events = (...list: Loose[]): RunEvent[] =>
  list.map((event, index) => ({ request_id: "q", run_id: "r", seq: index + 1, ...event }) as RunEvent);

test("groups by step, and a step that works again gets a group of its own", () => {
  const groups = foldActivity(
    events(
      { type: "step", step: "patch", state: "working" },
      { type: "assistant_message", message: "one" },
      { type: "step", step: "patch", state: "done", summary: "3 files" },
      { type: "step", step: "prove", state: "working" },
      { type: "status", message: "base" },
      { type: "step", step: "prove", state: "failed" },
      { type: "step", step: "patch", state: "working" },
      { type: "assistant_message", message: "two" },
    ),
  );
  expect(groups.map((group) => [group.step, group.state, group.summary])).toEqual([
    ["patch", "done", "3 files"],
    ["prove", "failed", null],
    ["patch", "working", null],
  ]);
});

test("output belongs to the command before it", () => {
  const [group] = foldActivity(
    events(
      { type: "command", command: "pytest" },
      { type: "log", message: "a\n" },
      { type: "log", message: "b\n" },
      { type: "command_finished", command: "pytest", exit_code: 1, duration_ms: 900, output: "a\nb\n" },
      { type: "log", message: "stray" },
    ),
  );
  expect(group?.items).toMatchObject([
    { kind: "command", output: ["a", "b"], exit: 1, running: false },
    { kind: "log", output: ["stray"] },
  ]);
});

test("output is cut into lines wherever its pieces end", () => {
  const list = events(
    { type: "command", command: "pytest", call_id: "c" },
    { type: "log", message: "..", call_id: "c" },
    { type: "log", message: "..  [100%]", call_id: "c" },
    { type: "log", message: "\n13 passed", call_id: "c" },
    { type: "log", message: " in 0.43s\n\nbye\n", call_id: "c" },
    { type: "command_finished", command: "pytest", exit_code: 0, duration_ms: 9, output: "", call_id: "c" },
    { type: "log", message: "after" },
  );
  const lines = ["....  [100%]", "13 passed in 0.43s", "", "bye"];
  expect(foldActivity(list)[0]?.items).toMatchObject([{ output: lines }, { kind: "log", output: ["after"] }]);
  expect(foldLog(list)).toEqual(["$ pytest", ...lines, "after"]);
});

test("two commands at once keep their own output", () => {
  const [group] = foldActivity(
    events(
      { type: "command", command: "make", call_id: "a" },
      { type: "command", command: "make", call_id: "b" },
      { type: "log", message: "of b\n", call_id: "b" },
      { type: "log", message: "of a\n", call_id: "a" },
      { type: "command_finished", command: "make", exit_code: 2, duration_ms: 1, call_id: "a" },
    ),
  );
  expect(group?.items).toMatchObject([
    { output: ["of a"], exit: 2, running: false },
    { output: ["of b"], exit: null, running: true },
  ]);
});

test("output that came only with the end is not lost", () => {
  const list = events(
    { type: "command", command: "ls" },
    { type: "command_finished", command: "ls", exit_code: 0, duration_ms: 1, output: "x\ny\n" },
  );
  expect(foldActivity(list)[0]?.items).toMatchObject([{ output: ["x", "y"] }]);
  expect(foldLog(list)).toEqual(["$ ls", "x", "y"]);
});

test("the same words twice are said once; results of one repeat are one row", () => {
  const [group] = foldActivity(
    events(
      { type: "assistant_message", message: "done" },
      { type: "assistant_message", message: "done" },
      { type: "test_result", side: "base", repeat: 1, test: "a", outcome: "failed" },
      { type: "test_result", side: "base", repeat: 1, test: "b", outcome: "failed" },
      { type: "test_result", side: "base", repeat: 2, test: "a", outcome: "failed" },
    ),
  );
  expect(group?.items.map((item) => item.kind)).toEqual(["message", "tests", "tests"]);
});

test("a run sees its own events and what people said", () => {
  const list = [
    ...events({ type: "status", message: "mine" }),
    { request_id: "q", run_id: "other", seq: 2, type: "status", message: "theirs" },
    { request_id: "q", seq: 3, type: "user_message", message: "hello" },
  ] as RunEvent[];
  expect(ofRun(list, "r").map((event) => event.seq)).toEqual([1, 3]);
});

test("folding starts afresh each time, so that output is never doubled", () => {
  const list = events({ type: "command", command: "x" }, { type: "log", message: "1" });
  foldActivity(list);
  expect(foldActivity(list)[0]?.items).toMatchObject([{ output: ["1"] }]);
});
