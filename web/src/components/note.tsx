// What a page says in place of its content: an error with its way out, an empty list with the one act that fills it.

import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { isProblem } from "../api/problem";
import { Sentence } from "./inline";
import css from "./note.module.css";
import { StateIcon } from "./state-icon";

export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const text =
    isProblem(error) || error instanceof Error ? error.message : "Something failed without a message.";
  return (
    <div className={css.note} role="alert">
      <StateIcon state="broken" />
      <p className={css.text}>
        <Sentence text={text} />
      </p>
      {retry && (
        <Button size="xs" onClick={retry}>
          Retry
        </Button>
      )}
    </div>
  );
}

export function EmptyNote({ children, action }: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className={css.empty}>
      <p>{children}</p>
      {action}
    </div>
  );
}

/** A failure of an act, under the button that caused it. */
export function FailureLine({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <p className={css.failure} role="alert">
      <Sentence text={error instanceof Error ? error.message : String(error)} />
    </p>
  );
}
