// What a run runs on: executor, model, money, sandbox with its guarantees, and what it tried to reach.

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Guarantee, RunDetail } from "../../api/types";
import { compact, money, plural, shortCommit } from "../../components/format";
import { breakable } from "../../components/inline";
import { StateIcon } from "../../components/state-icon";
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
          <Fact name="Executor">{run.executor ?? "not chosen yet"}</Fact>
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
      {run.sandbox && (
        <section className={css.section} aria-label="Sandbox">
          <div className={css.head}>
            <h2>Sandbox</h2>
            <code className={css.muted}>{run.sandbox.mode}</code>
          </div>
          <Guarantees guarantees={run.sandbox.guarantees} />
          <Egress egress={run.egress} />
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

function Egress({ egress }: { egress: RunDetail["egress"] }) {
  const refused = egress.filter((each) => !/^allow/.test(each.verdict));
  const allowed = egress
    .filter((each) => /^allow/.test(each.verdict))
    .reduce((sum, each) => sum + each.count, 0);
  const refusals = refused.reduce((sum, each) => sum + each.count, 0);
  return (
    <div className={css.egress}>
      <div className={css.head}>
        <span>Egress</span>
        <span className={css.muted}>
          {egress.length === 0 ? "nothing tried to leave" : `${allowed} allowed, `}
          {egress.length > 0 && <strong>{plural(refusals, "refused", "refused")}</strong>}
        </span>
      </div>
      {refused.map((each) => (
        <code key={each.host} className={css.muted}>
          {each.verdict} {breakable(each.host)}
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
