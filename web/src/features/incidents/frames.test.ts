import { expect, test } from "vitest";
import type { AlertException, Frame } from "../../api/types";
import { sourceLines, stretches } from "./frames";

const frame = (filename: string, in_app: boolean, change: Partial<Frame> = {}): Frame => ({
  filename,
  abs_path: null,
  module: null,
  function: "f",
  lineno: 10,
  colno: null,
  in_app,
  pre_context: [],
  context_line: null,
  post_context: [],
  vars: {},
  ...change,
});
const exception = (...frames: Frame[]): AlertException => ({
  kind: "E",
  value: "",
  module: null,
  handled: null,
  frames,
});

test("newest first; library frames in a row are one stretch", () => {
  const parts = stretches(
    exception(
      frame("flask/app.py", false),
      frame("werkzeug/serving.py", false),
      frame("checkout/api.py", true),
      frame("cart/total.py", true),
      frame("decimal.py", false),
    ),
  );
  expect(
    parts.map((part) => (part.kind === "own" ? [part.frame.filename, part.suspect] : part.names)),
  ).toEqual([["decimal"], ["cart/total.py", true], ["checkout/api.py", false], ["werkzeug", "flask"]]);
});

test("where no frame is in-app the crash site stands open", () => {
  const [first] = stretches(exception(frame("a.py", false), frame("b.py", false)));
  expect(first).toMatchObject({ kind: "own", suspect: true, frame: { filename: "b.py" } });
});

test("source lines are numbered around the crash", () => {
  const lines = sourceLines(
    frame("a.py", true, { pre_context: ["a", "b"], context_line: "c", post_context: ["d"] }),
  );
  expect(lines.map((line) => [line.number, line.crash])).toEqual([
    [8, false],
    [9, false],
    [10, true],
    [11, false],
  ]);
  expect(sourceLines(frame("a.py", true))).toEqual([]);
});
