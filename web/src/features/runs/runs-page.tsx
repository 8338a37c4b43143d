// All runs of the workspace, the moving ones first.

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { runMoves, runsQuery } from "../../api/queries";
import type { RunSummary } from "../../api/types";
import { useNewForm } from "../../app/new-form";
import { useWorkspace } from "../../app/workspace";
import { Inline } from "../../components/inline";
import { ListGroup, ListRow, useListKeys } from "../../components/list";
import { Listed } from "../../components/listed";
import { Facts, Page } from "../../components/page";
import { StateWord } from "../../components/state-icon";
import { runSaid } from "../../components/states";
import { Ago, Clock } from "../../components/time/now";
import { LiveLine } from "./live-line";

const NewRequest = lazy(() => import("./new-request"));

export default function RunsPage() {
  const { uid } = useWorkspace();
  const runs = useQuery(runsQuery(uid));
  const form = useNewForm();
  useListKeys();
  const make = <Button onClick={form.open}>New request</Button>;
  return (
    <Page bare title="Runs" here="Runs" actions={make} phoneActions={make}>
      <Listed
        query={runs}
        empty="No run yet. One starts when an alert arrives, or when you ask for a change."
      >
        {(all) => <Groups runs={all} />}
      </Listed>
      <Suspense fallback={null}>{form.opened && <NewRequest onClose={form.close} />}</Suspense>
    </Page>
  );
}

function Groups({ runs }: { runs: RunSummary[] }) {
  const working = runs.filter(runMoves);
  const over = runs.filter((run) => !runMoves(run));
  return (
    <>
      {working.length > 0 && (
        <ListGroup title="Working" state="working" count={working.length}>
          {working.map((run) => (
            <RunRow key={run.id} run={run} />
          ))}
        </ListGroup>
      )}
      {over.length > 0 && (
        <ListGroup title="Done" state="done" count={over.length}>
          {over.map((run) => (
            <RunRow key={run.id} run={run} />
          ))}
        </ListGroup>
      )}
    </>
  );
}

function RunRow({ run }: { run: RunSummary }) {
  const said = runSaid(run);
  const moving = runMoves(run);
  return (
    <ListRow
      link={{ to: "/runs/$id", id: run.id }}
      title={<Inline text={run.request_title} />}
      beneath={
        <Facts small>
          {[`Run ${run.number}`, run.incident_short_id, run.executor].filter(Boolean).join(", ")}
          {moving && run.live_line && <LiveLine run={run} withClock={false} />}
        </Facts>
      }
      state={
        <StateWord state={said.state}>
          {said.word} {moving && run.live_since && <Clock from={run.live_since} />}
        </StateWord>
      }
      age={<Ago at={run.finished_at ?? run.started_at ?? run.created_at} bare />}
    />
  );
}
