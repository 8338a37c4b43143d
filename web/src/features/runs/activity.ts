// Folds the event stream of a run into what the screen shows: items grouped by step, and the plain log. Pure.

import type { Outcome, RuleName, RuleState, RunEvent, StepName, StepState, Verdict } from "../../api/types";

export interface Output {
  lines: string[];
}

export type Item = { key: string; at: string | null } & (
  | { kind: "message"; author: "agent" | "you"; text: string }
  | {
      kind: "command";
      command: string;
      output: string[];
      exit: number | null;
      durationMs: number | null;
      running: boolean;
    }
  | { kind: "file"; path: string; diff: string }
  | { kind: "status"; text: string }
  | { kind: "log"; output: string[] }
  | { kind: "tests"; side: "base" | "patch"; repeat: number; results: { test: string; outcome: Outcome }[] }
  | { kind: "rule"; rule: RuleName; state: RuleState; detail: string | null }
  | { kind: "verdict"; verdict: Verdict; text: string | null }
  | { kind: "merge_request"; id: string; text: string | null }
  | { kind: "error"; text: string; output: string | null }
);

export interface Group {
  key: string;
  step: StepName | null;
  state: StepState | null;
  summary: string | null;
  items: Item[];
}

type Of<Kind extends Item["kind"]> = Extract<Item, { kind: Kind }>;

/** The events of one run, and what was said to the agent outside of any run. */
export function ofRun(events: readonly RunEvent[], runId: string): RunEvent[] {
  return events.filter((event) => event.run_id === runId || (!event.run_id && event.type === "user_message"));
}

export function foldActivity(events: readonly RunEvent[]): Group[] {
  const groups: Group[] = [];
  let group: Group | null = null;
  let open: Of<"command"> | null = null;

  const here = (): Group => {
    group ??= begin(null);
    return group;
  };
  const begin = (step: StepName | null): Group => {
    const next: Group = {
      key: `${step ?? "start"}-${groups.length}`,
      step,
      state: null,
      summary: null,
      items: [],
    };
    groups.push(next);
    return next;
  };

  events.forEach((event, index) => {
    const base = { key: `${event.seq || index}`, at: event.created_at ?? null };
    switch (event.type) {
      case "step": {
        if (event.state === "waiting") break;
        const current: Group | null = group;
        if (!current || current.step !== event.step) {
          const known =
            event.state === "working" ? undefined : groups.findLast((each) => each.step === event.step);
          group = known ?? begin(event.step);
        } else if (event.state === "working" && current.state && current.state !== "working") {
          group = begin(event.step);
        }
        const target = here();
        target.state = event.state;
        target.summary = event.summary ?? target.summary;
        open = event.state === "working" ? open : null;
        break;
      }
      case "assistant_message":
        if (lastText(here()) !== event.message) {
          here().items.push({ ...base, kind: "message", author: "agent", text: event.message });
        }
        open = null;
        break;
      case "user_message":
        here().items.push({ ...base, kind: "message", author: "you", text: event.message });
        break;
      case "command": {
        const item: Of<"command"> = {
          ...base,
          kind: "command",
          command: event.command,
          output: [],
          exit: null,
          durationMs: null,
          running: true,
        };
        if (open) open.running = false;
        open = item;
        here().items.push(item);
        break;
      }
      case "command_finished": {
        const target = open?.command === event.command ? open : findCommand(here(), event.command);
        if (target) {
          target.running = false;
          target.exit = event.exit_code;
          target.durationMs = event.duration_ms;
          if (target.output.length === 0 && event.output) target.output = toLines(event.output);
          if (target === open) open = null;
        } else {
          here().items.push({
            ...base,
            kind: "command",
            command: event.command,
            output: event.output ? toLines(event.output) : [],
            exit: event.exit_code,
            durationMs: event.duration_ms,
            running: false,
          });
        }
        break;
      }
      case "log": {
        if (open) open.output.push(event.message);
        else {
          const last = here().items.at(-1);
          if (last?.kind === "log") last.output.push(event.message);
          else here().items.push({ ...base, kind: "log", output: [event.message] });
        }
        break;
      }
      case "file_change":
        here().items.push({ ...base, kind: "file", path: event.path, diff: event.diff });
        break;
      case "status":
        here().items.push({ ...base, kind: "status", text: event.message });
        break;
      case "test_result": {
        const last = here().items.at(-1);
        const result = { test: event.test, outcome: event.outcome };
        if (last?.kind === "tests" && last.side === event.side && last.repeat === event.repeat)
          last.results.push(result);
        else
          here().items.push({
            ...base,
            kind: "tests",
            side: event.side,
            repeat: event.repeat,
            results: [result],
          });
        break;
      }
      case "rule":
        if (event.state === "holds" || event.state === "broken" || event.state === "not_applicable") {
          here().items.push({
            ...base,
            kind: "rule",
            rule: event.rule,
            state: event.state,
            detail: event.detail ?? null,
          });
        }
        break;
      case "verdict":
        here().items.push({ ...base, kind: "verdict", verdict: event.verdict, text: event.message ?? null });
        break;
      case "merge_request":
        here().items.push({ ...base, kind: "merge_request", id: event.id, text: event.message ?? null });
        break;
      case "error":
        here().items.push({ ...base, kind: "error", text: event.message, output: event.output ?? null });
        if (open) open.running = false;
        open = null;
        break;
      case "completed":
        if (open) open.running = false;
        open = null;
        break;
      default:
        break;
    }
  });
  return groups.filter((each) => each.items.length > 0 || each.state === "working");
}

export interface LogLine {
  text: string;
  kind: "command" | "output" | "status" | "error";
}

export function foldLog(events: readonly RunEvent[]): LogLine[] {
  const lines: LogLine[] = [];
  let streamed = 0;
  for (const event of events) {
    if (event.type === "log") {
      lines.push({ text: event.message, kind: "output" });
      streamed++;
    } else if (event.type === "command") {
      lines.push({ text: `$ ${event.command}`, kind: "command" });
      streamed = 0;
    } else if (event.type === "command_finished") {
      if (streamed === 0 && event.output) {
        for (const line of toLines(event.output)) lines.push({ text: line, kind: "output" });
      }
      streamed = 0;
    } else if (event.type === "status") lines.push({ text: event.message, kind: "status" });
    else if (event.type === "error") lines.push({ text: event.message, kind: "error" });
  }
  return lines;
}

export function toLines(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function lastText(group: Group): string | null {
  const last = group.items.at(-1);
  return last?.kind === "message" && last.author === "agent" ? last.text : null;
}

function findCommand(group: Group, command: string): Of<"command"> | undefined {
  return group.items.findLast(
    (item): item is Of<"command"> => item.kind === "command" && item.running && item.command === command,
  );
}
