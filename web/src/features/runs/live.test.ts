import { expect, test } from "vitest";
import { egressRows } from "./egress";
import { splitLive } from "./live";

test("commands and paths are code, words stay words", () => {
  expect(splitLive("running pytest tests/test_cart.py")).toEqual({
    words: "running",
    code: "pytest tests/test_cart.py",
  });
  expect(splitLive("setting up: python3 -m venv /layer")).toEqual({
    words: "setting up:",
    code: "python3 -m venv /layer",
  });
  expect(splitLive("preparing the workspace …").code).toBeNull();
  expect(splitLive("running base's own tests on base").code).toBeNull();
});

test("egress decisions are gathered by host, both ways apart", () => {
  const decision = (allowed: boolean) => ({ host: "pypi.org", port: 443, allowed, reason: "" });
  const rows = egressRows([
    decision(true),
    decision(true),
    decision(false),
    { host: "x", verdict: "refused", count: 3 },
  ]);
  expect(rows.map((row) => [row.host, row.allowed, row.count])).toEqual([
    ["pypi.org:443", true, 2],
    ["pypi.org:443", false, 1],
    ["x", false, 3],
  ]);
});
