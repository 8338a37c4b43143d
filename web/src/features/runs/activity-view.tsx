// The run as one column of cards in order, grouped by step: words, commands, edits, results.

import { Link } from "@tanstack/react-router";
import { memo, useMemo, useState } from "react";
import type { RunEvent } from "../../api/types";
import { Terminal, toLines } from "../../components/code/terminal";
import { Counts } from "../../components/diff/counts";
import { DiffLines } from "../../components/diff/diff-file";
import { parseDiff } from "../../components/diff/parse";
import { plural } from "../../components/format";
import { Glyph } from "../../components/glyph";
import { breakable, Inline } from "../../components/inline";
import { Markdown } from "../../components/markdown";
import { ruleName } from "../../components/proof/rows";
import { StateIcon, StateWord } from "../../components/state-icon";
import { ruleState, stepLabel, verdictSaid } from "../../components/states";
import { duration, exact, timeOfDay } from "../../components/time/format";
import { Clock } from "../../components/time/now";
import { foldActivity, type Group, type Item } from "./activity";
import css from "./activity-view.module.css";

export function ActivityView({ events, moving }: { events: RunEvent[]; moving: boolean }) {
  const groups = useMemo(
    () => foldActivity(events).filter((group) => moving || group.items.length > 0),
    [events, moving],
  );
  const [folds, setFolds] = useState<Record<string, boolean>>({});
  const working = groups.findLastIndex((group) => group.state === "working");
  const newest = moving && working >= 0 ? working : groups.length - 1;
  if (groups.length === 0)
    return <p className={css.none}>{moving ? "Waiting for the first event." : "Nothing was recorded."}</p>;
  return (
    <div className={css.activity}>
      {groups.map((group, index) => {
        const open = folds[group.key] ?? opensByItself(group, index, newest, groups.length);
        const name = `${group.step ? stepLabel(group.step) : "Start"}${group.attempt > 1 ? `, attempt ${group.attempt}` : ""}`;
        return (
          <section key={group.key} className={css.group} aria-label={name}>
            <button
              type="button"
              className={css.groupHead}
              aria-expanded={open}
              onClick={() => setFolds((now) => ({ ...now, [group.key]: !open }))}
            >
              <Glyph name={open ? "down" : "right"} />
              <span className={css.groupName}>{name}</span>
              <span className={css.groupSummary}>{group.summary && <Inline text={group.summary} />}</span>
              <span className={css.groupCount}>{plural(group.items.length, "event")}</span>
            </button>
            {open && (
              <ol className={css.items}>
                {group.items.map((item, at) => (
                  <ItemRow
                    key={item.key}
                    item={item}
                    size={
                      item.kind === "command" || item.kind === "log"
                        ? item.output.length
                        : item.kind === "tests"
                          ? item.results.length
                          : 0
                    }
                    last={moving && index === newest && at === group.items.length - 1}
                  />
                ))}
              </ol>
            )}
          </section>
        );
      })}
    </div>
  );
}

/** The step at hand is open, and the patch: what the agent did is what a reader comes for. */
function opensByItself(group: Group, index: number, newest: number, count: number): boolean {
  return index === newest || group.step === "patch" || group.state === "failed" || count <= 2;
}

/** `size` is only there to tell React that output grew: items are extended in place. */
const ItemRow = memo(function ItemRow({ item, last }: { item: Item; size: number; last: boolean }) {
  return (
    <li className={css.item} data-kind={item.kind}>
      <time className={css.time} dateTime={item.at ?? undefined} title={item.at ? exact(item.at) : undefined}>
        {item.at ? timeOfDay(item.at) : ""}
      </time>
      <div className={css.content}>
        <ItemBody item={item} last={last} />
      </div>
    </li>
  );
});

function ItemBody({ item, last }: { item: Item; last: boolean }) {
  switch (item.kind) {
    case "message":
      return (
        <div className={item.author === "you" ? css.yours : undefined}>
          {item.author === "you" && <span className={css.author}>You</span>}
          <Markdown text={item.text} />
        </div>
      );
    case "thinking":
      return <ThinkingItem text={item.text} />;
    case "tool":
      return (
        <span className={css.quiet}>
          <code>{item.name}</code> {item.text}
        </span>
      );
    case "plan":
      return (
        <ul className={css.plan} aria-label="Plan">
          {item.entries.map((entry, index) => (
            <li key={index}>
              <StateIcon
                state={entry.done ? "done" : "waiting"}
                size={14}
                label={entry.done ? "done" : "open"}
              />
              <span>{entry.text}</span>
            </li>
          ))}
        </ul>
      );
    case "command":
      return <CommandItem item={item} last={last} />;
    case "file":
      return <FileItem item={item} />;
    case "log":
      return <Terminal lines={item.output} label="Output" folded live={last} />;
    case "status":
      return <span className={css.quiet}>{item.text}</span>;
    case "tests":
      return <TestsItem item={item} />;
    case "rule":
      return (
        <StateWord state={ruleState(item.state)}>
          <span className={css.ruleText}>
            {ruleName(item.rule)}
            {item.detail && (
              <span className={css.quiet}>
                {" "}
                <Inline text={item.detail} />
              </span>
            )}
          </span>
        </StateWord>
      );
    case "verdict": {
      const said = verdictSaid(item.verdict);
      return (
        <StateWord state={said.state}>
          {said.word}
          {item.text ? `: ${item.text}` : ""}
        </StateWord>
      );
    }
    case "merge_request":
      return (
        <Link to="/merge-requests/$id" params={{ id: item.id }}>
          {item.text ?? "merge request opened"}
        </Link>
      );
    case "error":
      return (
        <>
          <StateWord state="broken">{item.text}</StateWord>
          {item.output && <Terminal lines={toLines(item.output)} label="Output of the failure" folded />}
        </>
      );
  }
}

/** Thoughts are many and long: one line each until somebody asks. */
function ThinkingItem({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className={css.command} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Glyph name={open ? "down" : "right"} />
        <span className={css.thought}>{open ? "Thoughts" : text.split("\n")[0]}</span>
      </button>
      {open && (
        <div className={css.quiet}>
          <Markdown text={text} />
        </div>
      )}
    </>
  );
}

function CommandItem({ item, last }: { item: Extract<Item, { kind: "command" }>; last: boolean }) {
  const live = item.running && last;
  const failed = item.exit !== null && item.exit !== 0;
  const [chosen, setOpen] = useState<boolean | null>(null);
  const open = chosen ?? (live || (failed && item.output.length > 0));
  return (
    <>
      <button type="button" className={css.command} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Glyph name={open ? "down" : "right"} />
        <code>{breakable(item.command)}</code>
        <span className={css.result} data-failed={failed || undefined}>
          {live ? (
            <StateWord state="working" size={14}>
              <Clock from={item.at} />
            </StateWord>
          ) : (
            commandResult(item)
          )}
        </span>
      </button>
      {open &&
        (item.output.length > 0 ? (
          <Terminal lines={item.output} label={`Output of ${item.command}`} folded live={live} />
        ) : (
          <p className={css.quiet}>{live ? "No output yet." : "No output."}</p>
        ))}
    </>
  );
}

function commandResult(item: Extract<Item, { kind: "command" }>): string {
  const took = item.durationMs === null ? "" : ` in ${duration(item.durationMs)}`;
  if (item.exit === null) return item.running ? "" : took.trim();
  return `exit ${item.exit}${took}`;
}

function FileItem({ item }: { item: Extract<Item, { kind: "file" }> }) {
  const file = useMemo(() => parseDiff(item.diff)[0], [item.diff]);
  const [open, setOpen] = useState(true);
  return (
    <>
      <button type="button" className={css.command} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Glyph name={open ? "down" : "right"} />
        <code className={css.path}>{breakable(item.path)}</code>
        <span className={css.result}>
          {file ? <Counts additions={file.additions} deletions={file.deletions} quiet /> : "changed"}
        </span>
      </button>
      {open && file && (
        <div className={css.diff}>
          <DiffLines file={file} mode="unified" />
        </div>
      )}
    </>
  );
}

function TestsItem({ item }: { item: Extract<Item, { kind: "tests" }> }) {
  const failed = item.results.filter(
    (result) => result.outcome === "failed" || result.outcome === "error",
  ).length;
  const passed = item.results.filter((result) => result.outcome === "passed").length;
  const asItMust = item.side === "base" && passed === 0;
  const words = [passed > 0 ? `${passed} passed` : null, failed > 0 ? `${failed} failed` : null]
    .filter(Boolean)
    .join(", ");
  return (
    <div className={css.tests}>
      <span>
        <span className={css.quiet}>{item.side === "base" ? "on base" : "on the patch"}</span>{" "}
        {plural(item.results.length, "test")}, repeat {item.repeat}
      </span>
      <StateWord state={failed > 0 ? "broken" : "proven"} size={14}>
        {asItMust ? "fails, as it must" : words}
      </StateWord>
    </div>
  );
}
