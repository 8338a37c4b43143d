// What can be done here, by key or by name. A component declares its commands; `?` shows those that have keys, and ⌘K
// finds all of them.

import { useEffect, useRef } from "react";

export interface Command {
  /** Keys pressed one after another, such as `g i` or `?`. */
  keys?: string;
  label: string;
  run: () => void;
}

const SEQUENCE_MS = 900;
const active = new Set<{ current: Command[] }>();
let typed = "";
let typedAt = 0;

export function useCommands(commands: Command[]): void {
  const entry = useRef(commands);
  entry.current = commands;
  useEffect(() => {
    active.add(entry);
    return () => {
      active.delete(entry);
    };
  }, []);
}

export function allCommands(): Command[] {
  const seen = new Map<string, Command>();
  for (const entry of active) {
    for (const command of entry.current) seen.set(command.keys ?? command.label, command);
  }
  return [...seen.values()];
}

/** Handles one key press; true when a command took it. */
export function pressKey(event: KeyboardEvent): boolean {
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || isTyping(event.target))
    return false;
  if (document.querySelector("[role=dialog], [role=menu]")) return false;
  const fresh = event.timeStamp - typedAt > SEQUENCE_MS;
  typedAt = event.timeStamp;
  const candidates = fresh || typed === "" ? [event.key] : [`${typed} ${event.key}`, event.key];
  for (const keys of candidates) {
    const hit = allCommands().find((command) => command.keys === keys);
    if (hit) {
      typed = "";
      event.preventDefault();
      hit.run();
      return true;
    }
  }
  typed = event.key;
  return false;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select")
  );
}
