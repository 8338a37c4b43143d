// One path for an installation where nothing has happened yet: a crash of our own, your repository, your alerts.

import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, ask } from "../../api/client";
import { alertSourcesQuery, keys, repositoryLinksQuery, systemQuery } from "../../api/queries";
import { useWorkspace } from "../../app/workspace";
import { FailureLine } from "../../components/note";
import { ProofStrip } from "../../components/proof/strip";
import { StateIcon, StateWord } from "../../components/state-icon";
import { STEPS, stepLabel } from "../../components/states";
import { Fact, Guarantees } from "../runs/facts";
import css from "./first-start.module.css";

const EMPTY_PROOF = {
  tests: [],
  rules: [],
  mutants: [],
  verdict: null,
  base_commit: null,
  patch_commit: null,
  evidence_url: null,
  bundle_digest: null,
  key_id: null,
};

export default function FirstStart() {
  const { uid } = useWorkspace();
  const system = useQuery(systemQuery);
  const repositories = useQuery(repositoryLinksQuery(uid));
  const sources = useQuery(alertSourcesQuery(uid));
  const repository = repositories.data?.[0];
  const source = sources.data?.[0];
  return (
    <div className={css.page}>
      <div className={css.path}>
        <h1>Nothing has crashed here yet</h1>
        <p className={css.lead}>
          AstraForge turns a crash into a merge request that is proven on this machine. Start with a crash you
          can watch.
        </p>
        <ol className={css.steps}>
          <Step number={1} title="A crash of our own">
            <Crash
              scripted={system.data?.model.scripted ?? true}
              available={system.data?.demo_available ?? true}
            />
          </Step>
          <Step number={2} title="Your repository">
            <p>
              Import it from a web address or a folder on this machine. Its tests must run without a network.
            </p>
            {repository ? (
              <StateWord state="done">{repository.repository} is connected</StateWord>
            ) : (
              <Button component={Link} to="/repositories" search={{ new: true } as never}>
                Connect a repository
              </Button>
            )}
          </Step>
          <Step number={3} title="Your alerts">
            <p>Point a Sentry SDK’s DSN here, or forward the webhooks of Sentry or GlitchTip.</p>
            {source ? (
              <StateWord state="waiting">
                <Link to="/alert-sources">{source.name}</Link> waits for its first event
              </StateWord>
            ) : (
              <Button component={Link} to="/alert-sources" search={{ new: true } as never}>
                Connect alerts
              </Button>
            )}
          </Step>
        </ol>
      </div>
      <aside className={css.side} aria-label="What a proof looks like, and this machine">
        <ProofStrip proof={EMPTY_PROOF} />
        {system.data && (
          <section className={css.machine}>
            <h2>This machine</h2>
            <dl className={css.facts}>
              <Fact name="Sandbox">{system.data.provisioner}</Fact>
              <Fact name="Model">
                {system.data.model.scripted
                  ? "recorded words"
                  : (system.data.model.model ?? system.data.model.provider)}
              </Fact>
              <Fact name="Version">{system.data.version}</Fact>
            </dl>
            <Guarantees guarantees={system.data.guarantees} />
          </section>
        )}
      </aside>
    </div>
  );
}

function Step({ number, title, children }: { number: number; title: string; children: ReactNode }) {
  return (
    <li className={css.step}>
      <span className={css.number} aria-hidden="true">
        {number}
      </span>
      <div className={css.stepBody}>
        <h2>{title}</h2>
        {children}
      </div>
    </li>
  );
}

function Crash({ scripted, available }: { scripted: boolean; available: boolean }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const crash = useMutation({
    mutationFn: () => ask(api.POST("/api/demo/crash/")),
    onSuccess: async (answer) => {
      void queries.invalidateQueries({ queryKey: keys.inbox });
      await navigate({ to: "/incidents/$id", params: { id: answer.incident_id } });
    },
  });
  return (
    <>
      <p>
        Starts <code>examples/checkout-service</code> with the real Sentry SDK, lets it raise an exception and
        follows the run to a proven merge request.
      </p>
      <div className={css.crash}>
        <Button
          variant="filled"
          onClick={() => crash.mutate()}
          loading={crash.isPending}
          disabled={!available}
        >
          Crash the example
        </Button>
        <span className={css.note}>
          {!available
            ? "The example is not part of this installation."
            : scripted
              ? "Needs no model key: the model’s words are recorded, everything else is real."
              : "Uses your model; everything runs on this machine."}
        </span>
      </div>
      <FailureLine error={crash.error} />
      <ul className={css.preview} aria-label="The steps it will take">
        {STEPS.slice(0, 6).map((step) => (
          <li key={step}>
            <StateIcon state="waiting" size={12} />
            {stepLabel(step)}
          </li>
        ))}
      </ul>
    </>
  );
}
