// A run as the server last told it, brought forward by the events that came since. Pure.

import type { ProofTest, Rule, RunDetail, RunEvent, Step, StepState, Usage } from "../../api/types";

const NO_USAGE: Usage = {
  calls: 0,
  input_tokens: 0,
  output_tokens: 0,
  tokens_max: 0,
  cost_usd: null,
  budget_usd: null,
};

export function bringForward(run: RunDetail, events: readonly RunEvent[]): RunDetail {
  // What has ended is as the server tells it; only a run under way can be ahead of the last answer.
  if (run.status !== "queued" && run.status !== "running") return run;
  const isNew = newerThan(run);
  const own = events.filter((event) => event.run_id === run.id && event.type !== "log");
  let next: RunDetail | null = null;
  for (const event of own) if (isNew(event)) next = apply(next ?? { ...run }, event);
  return withProof(next ?? run, own, isNew);
}

/**
 * What the runner found so far. The server writes it down when the proof is over; until then its answers know less than
 * the events, however old those are.
 */
function withProof(
  run: RunDetail,
  events: readonly RunEvent[],
  isNew: (event: RunEvent) => boolean,
): RunDetail {
  const began = events.findLastIndex((event) => ofProve(event) === "working");
  const isWrittenDown = events.slice(began + 1).some((event) => ofProve(event) !== null && !isNew(event));
  if (began < 0 || isWrittenDown) return run;
  const found = new Map(run.rules.map((rule): [string, Rule] => [rule.rule, { ...rule, state: "waiting" }]));
  const tests = new Map(run.tests.map((test) => [test.id, { ...test, base: [], patch: [] } as ProofTest]));
  for (const event of events.slice(began)) {
    if (event.type === "rule") {
      const known = found.get(event.rule);
      found.set(event.rule, {
        ...known,
        rule: event.rule,
        state: event.state,
        detail: event.detail ?? known?.detail ?? null,
      });
    } else if (event.type === "test_result") {
      const known = tests.get(event.test) ?? unseen(event.test);
      tests.set(event.test, { ...known, [event.side]: [...known[event.side], { outcome: event.outcome }] });
    }
  }
  return { ...run, rules: [...found.values()], tests: [...tests.values()] };
}

/** Tells events that came after the server's answer from those the answer includes. */
export function newerThan(run: RunDetail): (event: RunEvent) => boolean {
  const seq = run.events.reduce((last, event) => Math.max(last, event.seq ?? 0), 0);
  return (event) => (event.seq ?? 0) > seq;
}

function apply(run: RunDetail, event: RunEvent): RunDetail {
  const at = event.created_at ?? null;
  switch (event.type) {
    case "step": {
      run.steps = run.steps.map((step) => (step.name === event.step ? moved(step, event, at) : step));
      if (event.state === "working") {
        run.step = event.step;
        run.status = "running";
      }
      run.live_line = null;
      return run;
    }
    case "command":
      run.live_line = `running ${event.command}`;
      run.live_since = at;
      return run;
    case "command_finished":
      run.live_line = null;
      return run;
    case "verdict":
      run.verdict = event.verdict;
      return run;
    case "merge_request":
      run.merge_request_id = event.id;
      return run;
    case "usage": {
      const known = run.usage ?? NO_USAGE;
      run.usage = {
        calls: event.calls ?? known.calls,
        input_tokens: event.input_tokens ?? known.input_tokens,
        output_tokens: event.output_tokens ?? known.output_tokens,
        tokens_max: event.tokens_max ?? known.tokens_max,
        cost_usd: event.cost_usd ?? known.cost_usd,
        budget_usd: event.budget_usd ?? known.budget_usd,
      };
      return run;
    }
    case "error":
      if (event.stage === "failed") {
        run.status = "failed";
        run.error = event.message;
        run.steps = run.steps.map((step) => (step.state === "working" ? failed(step, at) : step));
        run.finished_at = at;
        run.live_line = null;
      }
      return run;
    case "cancelled":
      run.steps = run.steps.map((step) => (step.state === "working" ? failed(step, at) : step));
      run.status = "cancelled";
      run.finished_at = at;
      run.live_line = null;
      return run;
    case "completed":
      run.status = "completed";
      run.finished_at = at;
      run.live_line = null;
      return run;
    default:
      return run;
  }
}

function ofProve(event: RunEvent): StepState | null {
  return event.type === "step" && event.step === "prove" ? event.state : null;
}

/** True for an event after which the server knows more than the event says. */
export function asksForMore(event: RunEvent): boolean {
  if (event.type === "step") return event.state !== "waiting";
  return ["verdict", "merge_request", "completed", "cancelled", "error", "file_change"].includes(event.type);
}

function moved(step: Step, event: Extract<RunEvent, { type: "step" }>, at: string | null): Step {
  const working = event.state === "working";
  return {
    ...step,
    state: event.state,
    summary: event.summary ?? step.summary,
    started_at: working ? at : (step.started_at ?? at),
    finished_at: working || event.state === "waiting" ? null : at,
  };
}

function failed(step: Step, at: string | null): Step {
  return { ...step, state: "failed", finished_at: at };
}

function unseen(id: string): ProofTest {
  const [file = "", ...rest] = id.split("::");
  return { id, file, name: rest.join("::") || id, base: [], patch: [] };
}
