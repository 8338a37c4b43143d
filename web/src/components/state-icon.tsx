// The states a thing can be in, each readable without its colour: the shape alone tells them apart.

import type { CSSProperties, ReactNode } from "react";
import css from "./state-icon.module.css";

export type State =
  | "broken"
  | "proven"
  | "working"
  | "waiting"
  | "needs_you"
  | "unproven"
  | "done"
  | "unverified";

const SHAPES: Record<State, ReactNode> = {
  broken: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8" className={css.knockout} />
    </>
  ),
  proven: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path d="m4.9 8.3 2.2 2.2 4-4.4" className={css.knockout} />
    </>
  ),
  working: (
    <>
      <circle cx="8" cy="8" r="6.2" className={css.rest} />
      <path d="M8 1.8A6.2 6.2 0 0 1 14.2 8" className={css.stroke} />
      <circle cx="8" cy="8" r="2.1" fill="currentColor" />
    </>
  ),
  waiting: <circle cx="8" cy="8" r="6.2" className={css.stroke} strokeDasharray="1.6 2.3" />,
  needs_you: (
    <>
      <path d="M8 1.4 14.6 8 8 14.6 1.4 8 8 1.4Z" className={css.stroke} strokeLinejoin="round" />
      <circle cx="8" cy="8" r="1.9" fill="currentColor" />
    </>
  ),
  unproven: (
    <>
      <circle cx="8" cy="8" r="6.2" className={css.stroke} />
      <path d="m4 4 8 8" className={css.stroke} />
    </>
  ),
  done: (
    <>
      <circle cx="8" cy="8" r="6.4" className={css.thin} />
      <path d="m5.2 8.3 2 2 3.7-4.2" className={css.thin} />
    </>
  ),
  unverified: (
    <>
      <circle cx="8" cy="8" r="6.4" className={css.thin} />
      <path d="M5.2 8h5.6" className={css.thin} />
    </>
  ),
};

export function StateIcon({ state, size = 16, label }: { state: State; size?: number; label?: string }) {
  return (
    <svg
      viewBox="0 0 16 16"
      width={size}
      height={size}
      className={`${css.icon} ${css[state]}`}
      style={{ "--size": `${size}px` } as CSSProperties}
      role={label ? "img" : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      {SHAPES[state]}
    </svg>
  );
}

/** Icon, word and colour together. */
export function StateWord({ state, children, size }: { state: State; children: ReactNode; size?: number }) {
  return (
    <span className={`${css.word} ${css[state]}`}>
      <StateIcon state={state} size={size} />
      <span>{children}</span>
    </span>
  );
}

/** The word in its colour, where the icon stands beside it already. */
export function StateText({ state, children }: { state: State; children: ReactNode }) {
  return <span className={`${css.text} ${css[state]}`}>{children}</span>;
}
