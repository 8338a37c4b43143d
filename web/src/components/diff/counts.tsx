import { grouped } from "../format";
import css from "./counts.module.css";

/** `+23 −2`, with a true minus. */
export function Counts({
  additions,
  deletions,
  quiet = false,
}: {
  additions: number;
  deletions: number;
  quiet?: boolean;
}) {
  return (
    <span className={quiet ? css.quiet : css.counts}>
      <span className={css.added}>+{grouped(additions)}</span>{" "}
      <span className={css.deleted}>−{grouped(deletions)}</span>
    </span>
  );
}
