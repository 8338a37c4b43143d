// Rows of a list: what it is, one line beneath, its state and its age. `j`/`k` move, Enter opens.

import { Skeleton } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useCommands } from "../app/commands";
import css from "./list.module.css";
import { type State, StateIcon } from "./state-icon";

export function useListKeys(): void {
  const move = (step: 1 | -1) => {
    const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    const next =
      rows[at < 0 ? (step === 1 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
    next?.focus();
  };
  useCommands([
    { keys: "j", label: "Next row", run: () => move(1) },
    { keys: "k", label: "Previous row", run: () => move(-1) },
  ]);
}

interface GroupProps {
  title: string;
  state: State;
  count: number;
  aside?: ReactNode;
  children: ReactNode;
}

export function ListGroup({ title, state, count, aside, children }: GroupProps) {
  return (
    <section aria-label={title}>
      <div className={css.groupHead}>
        <StateIcon state={state} />
        <h2>{title}</h2>
        <span className={css.count}>{count}</span>
        {aside && <span className={css.aside}>{aside}</span>}
      </div>
      <ul>{children}</ul>
    </section>
  );
}

interface RowProps {
  link: { to: LinkProps["to"]; id: string };
  title: ReactNode;
  beneath?: ReactNode;
  /** Between the text and the state: a small strip. */
  proof?: ReactNode;
  state?: ReactNode;
  action?: ReactNode;
  age?: ReactNode;
  /** One line, for what is over. */
  small?: boolean;
}

export function ListRow({ link, title, beneath, proof, state, action, age, small = false }: RowProps) {
  return (
    <li className={small ? css.small : css.row}>
      <Link to={link.to as "/runs/$id"} params={{ id: link.id }} className={css.link} data-row>
        <span className={css.title}>{title}</span>
        {beneath && <span className={css.beneath}>{beneath}</span>}
      </Link>
      {proof && <span className={css.proof}>{proof}</span>}
      {state && <span className={css.state}>{state}</span>}
      {action && <span className={css.action}>{action}</span>}
      {age && <span className={css.age}>{age}</span>}
    </li>
  );
}

export function ListSkeleton({ rows = 6 }: { rows?: number }) {
  return (
    <ul aria-busy="true" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <li key={index} className={css.row}>
          <span className={css.link}>
            <Skeleton width={`${52 - (index % 3) * 9}%`} height={14} mt={3} />
            <Skeleton width={`${34 + (index % 2) * 8}%`} height={12} mt={8} />
          </span>
          <Skeleton width={96} height={14} />
        </li>
      ))}
    </ul>
  );
}
