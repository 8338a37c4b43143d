// What a run runs on: executor, model, money, sandbox with its guarantees, and what it tried to reach.

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Egress, Guarantee, RunDetail } from "../../api/types";
import { compact, money, shortCommit } from "../../components/format";
import { breakable } from "../../components/inline";
import { StateIcon } from "../../components/state-icon";
import { Ago } from "../../components/time/now";
import { egressRows } from "./egress";
import css from "./facts.module.css";

export function RunFacts({ run }: { run: RunDetail }) {
  const { usage } = run;
  return (
    <>
      <section className={css.section} aria-label="Facts">
        <h2>Facts</h2>
        <dl className={css.facts}>
          {run.incident_id && (
            <Fact name="Incident">
              <Link to="/incidents/$id" params={{ id: run.incident_id }}>
                {run.incident_short_id}
              </Link>
            </Fact>
          )}
          <Fact name="Executor">{run.executor || "not chosen yet"}</Fact>
          {run.model && (
            <Fact name="Model">
              <code>{run.model}</code>
            </Fact>
          )}
          {usage && (
            <Fact name="Tokens">
              {compact(usage.input_tokens)} in, {compact(usage.output_tokens)} out
            </Fact>
          )}
          {usage && usage.cost_usd !== null && (
            <Fact name="Cost">
              {money(usage.cost_usd)}
              {usage.budget_usd !== null && (
                <>
                  <span className={css.muted}> of {money(usage.budget_usd)}</span>
                  <meter
                    className={css.meter}
                    min={0}
                    max={usage.budget_usd}
                    value={usage.cost_usd}
                    aria-label="Share of the budget"
                  />
                </>
              )}
            </Fact>
          )}
          {run.suspect && (
            <Fact name="Suspect">
              <code title={run.suspect.subject}>{shortCommit(run.suspect.commit)}</code> by{" "}
              {run.suspect.author}, <Ago at={run.suspect.at} />
            </Fact>
          )}
          {run.base_commit && (
            <Fact name="Base">
              <code>
                {run.base_branch ? `${run.base_branch} ` : ""}
                {shortCommit(run.base_commit)}
              </code>
            </Fact>
          )}
          {run.branch && (
            <Fact name="Branch">
              <code>{breakable(run.branch)}</code>
            </Fact>
          )}
        </dl>
      </section>
      {run.sandbox && run.sandbox.guarantees.length > 0 && (
        <section className={css.section} aria-label="Sandbox">
          <div className={css.head}>
            <h2>Sandbox</h2>
            <code className={css.muted}>{run.sandbox.mode}</code>
          </div>
          <Guarantees guarantees={run.sandbox.guarantees} />
          <EgressPart egress={run.egress} />
        </section>
      )}
    </>
  );
}

export function Guarantees({ guarantees }: { guarantees: Guarantee[] }) {
  return (
    <ul className={css.guarantees}>
      {guarantees.map((each) => (
        <li key={each.promise} data-state={each.state} title={each.detail}>
          <StateIcon
            state={each.state === "holds" ? "done" : each.state === "missing" ? "broken" : "unverified"}
            label={each.state}
          />
          <span>
            {each.promise}
            {each.state !== "holds" && <span className={css.muted}> {each.detail || each.state}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}

function EgressPart({ egress }: { egress: Egress[] }) {
  const rows = egressRows(egress);
  const sum = (allowed: boolean) =>
    rows.filter((row) => row.allowed === allowed).reduce((total, row) => total + row.count, 0);
  return (
    <div className={css.egress}>
      <div className={css.head}>
        <span>Egress</span>
        <span className={css.muted}>
          {rows.length === 0 ? (
            "nothing tried to leave"
          ) : (
            <>
              {sum(true)} allowed, <strong>{sum(false)} refused</strong>
            </>
          )}
        </span>
      </div>
      {rows
        .filter((row) => !row.allowed)
        .map((row) => (
          <code key={row.host} className={css.muted} title={row.reason ?? undefined}>
            refused {breakable(row.host)}
          </code>
        ))}
    </div>
  );
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={css.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
