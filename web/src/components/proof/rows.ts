// What the proof strip shows, worked out from tests and rules. Pure.

import type { Outcome, ProofTest, Rule, RuleName, TestResult, Verdict } from "../../api/types";
import type { State } from "../state-icon";

/** The rules every proof has. `guardrails` stands last: it says what a patch may be, not whether it works. */
export const RULES: RuleName[] = [
  "red",
  "green",
  "no_regression",
  "strength",
  "nothing_up_its_sleeve",
  "guardrails",
];

const PROMISES: Record<RuleName, string> = {
  guardrails: "only files that a patch may carry",
  red: "fails on base for the right reason",
  green: "passes on the patch",
  no_regression: "other tests unchanged",
  strength: "wrong versions of the fix are caught",
  nothing_up_its_sleeve: "nothing up its sleeve",
};

const NAMES: Record<RuleName, string> = {
  guardrails: "Guardrails",
  red: "Red",
  green: "Green",
  no_regression: "No regression",
  strength: "Strength",
  nothing_up_its_sleeve: "Nothing up its sleeve",
};

/** Repeats that a row holds places for while the proof is still running. */
export const REPEATS = 3;

export const ruleName = (rule: RuleName) => NAMES[rule] ?? rule;

/** The rule's own sentence where there is one, else what it promises. */
export const ruleSentence = (rule: Rule) => rule.detail || PROMISES[rule.rule] || rule.rule;

/** The rules in their order, the broken ones first; a rule nobody spoke of yet is waiting. */
export function orderedRules(rules: Rule[]): Rule[] {
  const known = RULES.map(
    (name): Rule =>
      rules.find((rule) => rule.rule === name) ?? { rule: name, state: "waiting", detail: null },
  );
  const all = [...known, ...rules.filter((rule) => !RULES.includes(rule.rule))];
  return [...all.filter((rule) => rule.state === "broken"), ...all.filter((rule) => rule.state !== "broken")];
}

export interface Dot {
  state: State;
  said: string;
  /** What the test printed. */
  log: string | null;
}

export interface Row {
  test: ProofTest;
  base: Dot[];
  patch: Dot[];
}

export type Tone = "raised" | "blue" | "red" | "green";

export interface Section {
  title: string;
  rows: Row[];
  base: Tone;
  patch: Tone;
}

export interface ProofInput {
  tests: ProofTest[];
  rules: Rule[];
  verdict: Verdict | null;
  /** True while the runner is at it. */
  proving: boolean;
}

export function sections({ tests, rules, verdict, proving }: ProofInput): Section[] {
  const counting: ProofTest[] = [];
  const changed: ProofTest[] = [];
  for (const test of tests) (isRegression(test) ? changed : counting).push(test);
  const running = proving && verdict === null;
  const out: Section[] = [];
  if (changed.length > 0) {
    const broken = rules.some((rule) => rule.rule === "no_regression" && rule.state === "broken");
    out.push(section(broken ? "Other tests that changed" : "Other tests", changed, false));
  }
  if (counting.length > 0 || changed.length === 0) out.push(section("Tests that count", counting, running));
  return out;
}

function section(title: string, tests: ProofTest[], running: boolean): Section {
  const rows = tests.map((test) => {
    const base = dots(test.base, running ? REPEATS : 0, running);
    return {
      test,
      base,
      patch: dots(test.patch, running ? REPEATS : 0, running && test.base.length >= REPEATS),
    };
  });
  return { title, rows, base: tone(rows.map((row) => row.base)), patch: tone(rows.map((row) => row.patch)) };
}

/** A test that passed on base everywhere and was run there once is one of base's own. */
function isRegression(test: ProofTest): boolean {
  return (
    test.base.length > 0 &&
    test.base.every((result) => result.outcome === "passed") &&
    test.patch.some((result) => result.outcome !== "passed")
  );
}

function dots(results: TestResult[], places: number, working: boolean): Dot[] {
  const known = results.map(
    (result): Dot => ({
      state: outcomeState(result.outcome),
      said: result.outcome,
      log: result.log || null,
    }),
  );
  for (let at = known.length; at < places; at++) {
    const first = at === results.length;
    known.push({
      state: working && first ? "working" : "waiting",
      said: working && first ? "running" : "waiting",
      log: null,
    });
  }
  return known;
}

function outcomeState(outcome: Outcome): State {
  if (outcome === "passed") return "proven";
  return outcome === "skipped" ? "unverified" : "broken";
}

function tone(cells: Dot[][]): Tone {
  const all = cells.flat();
  if (all.length === 0 || all.every((dot) => dot.state === "waiting")) return "raised";
  if (all.some((dot) => dot.state === "working" || dot.state === "waiting")) return "blue";
  if (all.some((dot) => dot.state === "broken")) return "red";
  return all.every((dot) => dot.state === "proven") ? "green" : "raised";
}

/** More dots than a cell holds become one dot per outcome with its count. */
export function condensed(dotsOfCell: Dot[]): { dot: Dot; count: number }[] {
  if (dotsOfCell.length <= REPEATS) return dotsOfCell.map((dot) => ({ dot, count: 1 }));
  const out: { dot: Dot; count: number }[] = [];
  for (const dot of dotsOfCell) {
    const same = out.find((each) => each.dot.state === dot.state);
    if (same) same.count++;
    else out.push({ dot, count: 1 });
  }
  return out;
}

/** `3 of 6 rules hold`: the rules of a proof, less those that do not apply. */
export function standing(rules: Rule[]): string {
  const all = orderedRules(rules).filter((rule) => rule.state !== "not_applicable");
  return `${all.filter((rule) => rule.state === "holds").length} of ${all.length} rules hold`;
}

/** One line for a list: the worst counting test stands for all. */
export function summaryRow(tests: ProofTest[]): Row | null {
  const all = sections({ tests, rules: [], verdict: "proven", proving: false }).flatMap((each) => each.rows);
  return all[0] ?? null;
}
