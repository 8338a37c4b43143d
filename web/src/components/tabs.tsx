// Tabs over panes of one page. The chosen one lives in the address, so a reload and a shared link keep it.

import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";
import css from "./tabs.module.css";

export interface Tab<Id extends string> {
  id: Id;
  label: string;
  count?: ReactNode;
}

interface Props<Id extends string> {
  label: string;
  tabs: Tab<Id>[];
  value: Id;
  onChange: (id: Id) => void;
}

export function Tabs<Id extends string>({ label, tabs, value, onChange }: Props<Id>) {
  const list = useRef<HTMLDivElement>(null);
  const shown = useRef(tabs[0]?.id);
  useEffect(() => {
    if (shown.current === value) return;
    shown.current = value;
    // In the next frame, so that it forces no layout of its own.
    const frame = requestAnimationFrame(() =>
      list.current
        ?.querySelector(`#${tabId(value)}`)
        ?.scrollIntoView({ block: "nearest", inline: "nearest" }),
    );
    return () => cancelAnimationFrame(frame);
  }, [value]);
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const at = tabs.findIndex((tab) => tab.id === value);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    onChange(next.id);
    list.current?.querySelector<HTMLButtonElement>(`#${tabId(next.id)}`)?.focus();
  };
  return (
    <div className={css.tabs} role="tablist" aria-label={label} ref={list} onKeyDown={move}>
      {tabs.map((tab) => (
        <button
          key={tab.id}
          id={tabId(tab.id)}
          type="button"
          role="tab"
          aria-selected={tab.id === value}
          aria-controls={tab.id === value ? panelId(tab.id) : undefined}
          tabIndex={tab.id === value ? 0 : -1}
          className={css.tab}
          onClick={() => onChange(tab.id)}
        >
          {tab.label}
          {tab.count !== undefined && tab.count !== null && <span className={css.count}>{tab.count}</span>}
        </button>
      ))}
    </div>
  );
}

export const tabId = (id: string) => `tab-${id}`;
export const panelId = (id: string) => `panel-${id}`;

/** The attributes a pane needs to belong to its tab. */
export const panelProps = (id: string) => ({
  id: panelId(id),
  role: "tabpanel",
  "aria-labelledby": tabId(id),
});
