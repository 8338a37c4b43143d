import type { Mutant } from "../../api/types";
import { breakable, Inline } from "../inline";
import { StateIcon } from "../state-icon";
import css from "./mutants.module.css";

/** Wrong versions of the fix, and which tests noticed each. Survivors first: they are what a reader looks for. */
export function Mutants({ mutants }: { mutants: Mutant[] }) {
  const ordered = [...mutants].sort(
    (a, b) => Number(a.caught_by.length > 0) - Number(b.caught_by.length > 0),
  );
  return (
    <ul className={css.list} aria-label="Wrong versions of the fix">
      {ordered.map((mutant) => (
        <li key={`${mutant.file}:${mutant.line}:${mutant.description}`} className={css.item}>
          <StateIcon
            state={mutant.caught_by.length > 0 ? "proven" : "unproven"}
            label={mutant.caught_by.length > 0 ? "caught" : "survived"}
          />
          <div className={css.text}>
            <span>
              <Inline text={mutant.description} />
            </span>
            <code className={css.place}>{breakable(`${mutant.file}:${mutant.line}`)}</code>
            {mutant.caught_by.length > 0 ? (
              <span className={css.by}>
                caught by <code>{breakable(mutant.caught_by.map(shortTest).join(", "))}</code>
              </span>
            ) : (
              <span className={css.by}>no test noticed</span>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}

function shortTest(id: string): string {
  return id.split("::").pop() ?? id;
}
