import { expect, test } from "vitest";
import type { Outcome, ProofTest, Rule } from "../../api/types";
import { condensed, orderedRules, sections, standing } from "./rows";

const results = (...outcomes: Outcome[]) => outcomes.map((outcome) => ({ outcome }));
const row = (name: string, base: Outcome[], patch: Outcome[]): ProofTest => ({
  id: `t.py::${name}`,
  file: "t.py",
  name,
  base: results(...base),
  patch: results(...patch),
});

test("bands take their colour from their dots", () => {
  const proven = sections({
    tests: [row("a", ["failed"], ["passed"])],
    rules: [],
    verdict: "proven",
    proving: false,
  });
  expect(proven).toMatchObject([{ title: "Tests that count", base: "red", patch: "green" }]);
  const empty = sections({ tests: [], rules: [], verdict: null, proving: false });
  expect(empty).toMatchObject([{ base: "raised", patch: "raised" }]);
});

test("while it is proved, places are held for the repeats and one of them is working", () => {
  const [section] = sections({
    tests: [row("a", ["failed", "failed", "failed"], ["passed"])],
    rules: [],
    verdict: null,
    proving: true,
  });
  expect(section?.rows[0]?.patch.map((dot) => dot.state)).toEqual(["proven", "working", "waiting"]);
  expect(section).toMatchObject({ base: "red", patch: "blue" });
});

test("a base test that fails on the patch stands first, by itself", () => {
  const rules: Rule[] = [{ rule: "no_regression", state: "broken", detail: null }];
  const titles = sections({
    tests: [row("counts", ["failed"], ["passed"]), row("old", ["passed"], ["failed"])],
    rules,
    verdict: "unproven",
    proving: false,
  }).map((section) => section.title);
  expect(titles).toEqual(["Other tests that changed", "Tests that count"]);
});

test("many repeats become one dot per outcome", () => {
  const [section] = sections({
    tests: [row("a", ["failed"], [...Array<Outcome>(9).fill("passed"), "failed"])],
    rules: [],
    verdict: "unproven",
    proving: false,
  });
  const shown = condensed(section?.rows[0]?.patch ?? []).map(({ dot, count }) => [dot.state, count]);
  expect(shown).toEqual([
    ["proven", 9],
    ["broken", 1],
  ]);
});

test("the broken rule comes first and rules that do not apply are not counted", () => {
  const rules: Rule[] = [
    { rule: "red", state: "holds", detail: null },
    { rule: "green", state: "broken", detail: null },
    { rule: "strength", state: "not_applicable", detail: null },
  ];
  expect(orderedRules(rules).map((rule) => rule.rule)[0]).toBe("green");
  expect(standing(rules)).toBe("1 of 5 rules hold");
});
