// What every list has in common: the skeleton while it loads, the error with its way out, the sentence where it is empty.

import { Button } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, Suspense, useState } from "react";
import { ConfirmButton } from "./confirm-button";
import { ListSkeleton } from "./list";
import { EmptyNote, ErrorNote, FailureLine } from "./note";
import { Page } from "./page";
import table from "./table.module.css";

interface ListedProps<Item> {
  query: Pick<UseQueryResult<Item[]>, "data" | "error" | "refetch">;
  empty: ReactNode;
  emptyAction?: ReactNode;
  /** How many rows the skeleton has. */
  rows?: number;
  children: (items: Item[]) => ReactNode;
}

export function Listed<Item>({ query, empty, emptyAction, rows, children }: ListedProps<Item>) {
  if (query.data) {
    return query.data.length > 0 ? children(query.data) : <EmptyNote action={emptyAction}>{empty}</EmptyNote>;
  }
  return query.error ? (
    <ErrorNote error={query.error} retry={() => query.refetch()} />
  ) : (
    <ListSkeleton rows={rows} />
  );
}

export interface Column<Item> {
  /** Empty for the column of acts. */
  name: string;
  cell: (item: Item) => ReactNode;
  /** Left out where there is little room. */
  wide?: boolean;
  /** The name of the thing. */
  main?: boolean;
}

interface TablePageProps<Item> extends Omit<ListedProps<Item>, "children"> {
  title: string;
  /** What makes another one. */
  act: { label: string; run: () => void } | null;
  columns: Column<Item>[];
  keyOf: (item: Item) => string | number;
  /** Above the table. */
  lead?: ReactNode;
  /** Drawers and dialogs, each a file of its own that is loaded when first asked for. */
  children?: ReactNode;
}

/** A page that is one table: one line each, made and changed in a side drawer. */
export function TablePage<Item>({
  title,
  act,
  columns,
  keyOf,
  lead,
  children,
  ...listed
}: TablePageProps<Item>) {
  const button = act && (
    <Button variant="filled" onClick={act.run}>
      {act.label}
    </Button>
  );
  return (
    <Page bare title={title} here={title} actions={button} phoneActions={button}>
      {lead}
      <Listed rows={3} {...listed}>
        {(items) => (
          <div className={table.wrap}>
            <table className={table.table}>
              <thead>
                <tr>
                  {columns.map(({ name, wide }) => (
                    <th key={name} scope="col" className={wide ? table.wide : undefined}>
                      {name || <span className="visually-hidden">Actions</span>}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {items.map((item) => (
                  <tr key={keyOf(item)}>
                    {columns.map(({ name, cell, wide, main }) => (
                      <td key={name} className={wide ? table.wide : main ? table.main : undefined}>
                        {cell(item)}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Listed>
      <Suspense fallback={null}>{children}</Suspense>
    </Page>
  );
}

/** Nothing until it is first asked for. From then on it stays, so that closing it loses nothing that was typed. */
export function OnceAsked({ asked, children }: { asked: boolean; children: ReactNode }) {
  const [wasAsked, remember] = useState(asked);
  if (asked && !wasAsked) remember(true);
  return asked || wasAsked ? children : null;
}

/** Takes one thing away: asks once more, and says why where it can't. */
export function RemoveButton({
  label,
  sure,
  remove,
}: {
  label: string;
  sure: string;
  remove: () => Promise<unknown>;
}) {
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const act = () => {
    setPending(true);
    setError(null);
    remove()
      .catch(setError)
      .finally(() => setPending(false));
  };
  return (
    <>
      <ConfirmButton label={label} sure={sure} onConfirm={act} loading={pending} />
      <FailureLine error={error} />
    </>
  );
}
