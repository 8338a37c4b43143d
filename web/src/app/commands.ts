// Keyboard commands. A component declares the ones it answers to; `?` shows all that are declared at the moment.

import { useEffect, useRef } from "react";

export interface Shortcut {
  /** Keys pressed one after another, such as `g i` or `?`. */
  keys: string;
  label: string;
  run: () => void;
}

const SEQUENCE_MS = 900;
const active = new Set<{ current: Shortcut[] }>();
let typed = "";
let typedAt = 0;

export function useShortcuts(shortcuts: Shortcut[]): void {
  const entry = useRef(shortcuts);
  entry.current = shortcuts;
  useEffect(() => {
    active.add(entry);
    return () => {
      active.delete(entry);
    };
  }, []);
}

export function allShortcuts(): Shortcut[] {
  const seen = new Map<string, Shortcut>();
  for (const entry of active) for (const shortcut of entry.current) seen.set(shortcut.keys, shortcut);
  return [...seen.values()];
}

/** Handles one key press; true when a command took it. */
export function pressKey(event: KeyboardEvent): boolean {
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || isTyping(event.target))
    return false;
  if (document.querySelector("[role=dialog]")) return false;
  const fresh = event.timeStamp - typedAt > SEQUENCE_MS;
  typedAt = event.timeStamp;
  const candidates = fresh || typed === "" ? [event.key] : [`${typed} ${event.key}`, event.key];
  for (const keys of candidates) {
    const hit = allShortcuts().find((shortcut) => shortcut.keys === keys);
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
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
