// Folds the event stream of a run into what the screen shows: items grouped by step, and the plain log. Pure.

import type { Outcome, RuleName, RuleState, RunEvent, StepName, StepState, Verdict } from "../../api/types";

/** Output arrives in pieces that end anywhere. */
export interface Output {
  output: string[];
  /** True while the last line may go on with the next piece. */
  partial: boolean;
}

export type Item = { key: string; at: string | null } & (
  | { kind: "message"; author: "agent" | "you"; text: string }
  | { kind: "thinking"; text: string }
  | { kind: "tool"; name: string; text: string }
  | { kind: "plan"; entries: { text: string; done: boolean }[] }
  | ({
      kind: "command";
      call: string | null;
      command: string;
      exit: number | null;
      durationMs: number | null;
      running: boolean;
    } & Output)
  | { kind: "file"; path: string; diff: string }
  | { kind: "status"; text: string }
  | ({ kind: "log" } & Output)
  | { kind: "tests"; side: "base" | "patch"; repeat: number; results: { test: string; outcome: Outcome }[] }
  | { kind: "rule"; rule: RuleName; state: RuleState; detail: string | null }
  | { kind: "verdict"; verdict: Verdict; text: string | null }
  | { kind: "merge_request"; id: string; text: string | null }
  | { kind: "error"; text: string; output: string | null }
);

export interface Group {
  key: string;
  step: StepName | null;
  /** Which attempt at the step it is, from 1. */
  attempt: number;
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
      attempt: 1 + groups.filter((each) => each.step === step).length,
      state: null,
      summary: null,
      items: [],
    };
    groups.push(next);
    return next;
  };
  const stop = () => {
    if (open) open.running = false;
    open = null;
  };

  events.forEach((event, index) => {
    const base = { key: `${event.seq || index}`, at: event.created_at ?? null };
    const put = (item: Item) => here().items.push(item);
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
        target.summary = event.summary || target.summary;
        open = event.state === "working" ? open : null;
        break;
      }
      case "assistant_message":
        if (lastText(here()) !== event.message) {
          put({ ...base, kind: "message", author: "agent", text: event.message });
        }
        open = null;
        break;
      case "user_message":
        put({ ...base, kind: "message", author: "you", text: event.message });
        break;
      case "thinking":
        put({ ...base, kind: "thinking", text: event.message });
        break;
      case "tool":
        put({ ...base, kind: "tool", name: event.name, text: event.message });
        break;
      case "plan":
        put({
          ...base,
          kind: "plan",
          entries: event.items.map(({ content, status }) => ({
            text: content,
            done: status === "completed",
          })),
        });
        break;
      case "command": {
        const item = newCommand(base, event.command, event.call_id ?? null);
        // A command without an id of its own ends when the next one begins: nobody tells of its end.
        if (open?.call === null) stop();
        open = item;
        put(item);
        break;
      }
      case "command_finished": {
        let target = findCommand(here(), event.call_id ?? null, event.command);
        if (!target) {
          target = newCommand(base, event.command, event.call_id ?? null);
          put(target);
        }
        if (target.output.length === 0 && event.output) extend(target, event.output);
        target.partial = false;
        target.running = false;
        target.exit = event.exit_code;
        target.durationMs = event.duration_ms;
        if (target === open) open = null;
        break;
      }
      case "log": {
        const last = here().items.at(-1);
        const target = (event.call_id ? findCommand(here(), event.call_id, "") : null) ?? open;
        if (target) extend(target, event.message);
        else if (last?.kind === "log") extend(last, event.message);
        else {
          const item: Of<"log"> = { ...base, kind: "log", output: [], partial: false };
          extend(item, event.message);
          put(item);
        }
        break;
      }
      case "file_change":
        put({ ...base, kind: "file", path: event.path, diff: event.diff });
        break;
      case "status":
        put({ ...base, kind: "status", text: event.message });
        break;
      case "test_result": {
        const last = here().items.at(-1);
        const result = { test: event.test, outcome: event.outcome };
        const { side, repeat } = event;
        if (last?.kind === "tests" && last.side === side && last.repeat === repeat) last.results.push(result);
        else put({ ...base, kind: "tests", side, repeat, results: [result] });
        break;
      }
      case "rule": {
        const { rule, state, detail = null } = event;
        if (state !== "waiting" && state !== "working") put({ ...base, kind: "rule", rule, state, detail });
        break;
      }
      case "verdict":
        put({ ...base, kind: "verdict", verdict: event.verdict, text: event.message ?? null });
        break;
      case "merge_request":
        put({ ...base, kind: "merge_request", id: event.id, text: event.message ?? null });
        break;
      case "error":
        put({ ...base, kind: "error", text: event.message, output: event.output ?? null });
        stop();
        break;
      case "completed":
      case "cancelled":
        stop();
        break;
      default:
        break;
    }
  });
  return groups.filter((each) => each.items.length > 0 || each.state === "working");
}

/** Every line that was printed or told, in order. */
export function foldLog(events: readonly RunEvent[]): string[] {
  const log: Output = { output: [], partial: false };
  let hasStreamed = false;
  for (const event of events) {
    if (event.type === "log") {
      extend(log, event.message);
      hasStreamed = true;
      continue;
    }
    if (event.type === "command") {
      log.output.push(`$ ${event.command}`);
      hasStreamed = false;
    } else if (event.type === "command_finished") {
      if (!hasStreamed && event.output) extend(log, event.output);
      hasStreamed = false;
    } else if (event.type === "status" || event.type === "error") log.output.push(event.message);
    log.partial = false;
  }
  return log.output;
}

function extend(to: Output, text: string): void {
  if (text === "") return;
  const lines = text.split("\n");
  if (to.partial) to.output.push(`${to.output.pop() ?? ""}${lines.shift() ?? ""}`);
  to.partial = !text.endsWith("\n");
  if (!to.partial) lines.pop();
  for (const line of lines) to.output.push(line);
}

function newCommand(base: { key: string; at: string | null }, command: string, call: string | null) {
  const item: Of<"command"> = {
    ...base,
    kind: "command",
    call,
    command,
    output: [],
    partial: false,
    exit: null,
    durationMs: null,
    running: true,
  };
  return item;
}

function lastText(group: Group): string | null {
  const last = group.items.at(-1);
  return last?.kind === "message" && last.author === "agent" ? last.text : null;
}

/** The running command of this call, or, where calls have no ids, of these words. */
function findCommand(group: Group, call: string | null, command: string): Of<"command"> | null {
  const found = group.items.findLast(
    (item): item is Of<"command"> =>
      item.kind === "command" && item.running && (call ? item.call === call : item.command === command),
  );
  return found ?? null;
}
