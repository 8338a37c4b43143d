// Alert sources: one line each; made, read and changed in a side drawer.

import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, useState } from "react";
import { alertSourcesQuery } from "../../api/queries";
import type { AlertSource } from "../../api/types";
import { useNewForm } from "../../app/new-form";
import { useWorkspace } from "../../app/workspace";
import { plural } from "../../components/format";
import { breakable } from "../../components/inline";
import { OnceAsked, TablePage } from "../../components/listed";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";
import { kindLabel } from "./snippets";

const NewSource = lazy(() => import("./new-source"));
const SourceDrawer = lazy(() => import("./source-drawer"));

export default function AlertSourcesPage() {
  const { uid } = useWorkspace();
  const all = useQuery(alertSourcesQuery(uid));
  const form = useNewForm();
  const [opened, setOpened] = useState<AlertSource | null>(null);
  const current = all.data?.find((each) => each.id === opened?.id) ?? null;
  return (
    <TablePage
      title="Alert sources"
      act={{ label: "Connect alerts", run: form.open }}
      query={all}
      empty="No alert source yet. Give a Sentry SDK the DSN of one, and its crashes become incidents here."
      keyOf={(source) => source.id}
      columns={[
        {
          name: "Name",
          main: true,
          cell: (source) => (
            <button type="button" className={table.open} onClick={() => setOpened(source)}>
              {source.name}
            </button>
          ),
        },
        { name: "Kind", wide: true, cell: (source) => kindLabel(source.kind) },
        {
          name: "Repository",
          wide: true,
          cell: (source) =>
            source.repository ? (
              breakable(source.repository.repository)
            ) : (
              <StateWord state="needs_you">no repository</StateWord>
            ),
        },
        {
          name: "Runs",
          wide: true,
          cell: (source) =>
            source.automatic_runs ? `automatic, ${source.runs_per_hour_max} an hour at most` : "by hand",
        },
        { name: "Last event", cell: lastEvent },
      ]}
    >
      <OnceAsked asked={form.opened}>
        <NewSource
          opened={form.opened}
          onClose={form.close}
          onMade={(source) => {
            form.close();
            setOpened(source);
          }}
        />
      </OnceAsked>
      {opened && (
        <SourceDrawer
          key={opened.id}
          source={current ?? opened}
          secret={opened.secret ?? null}
          onClose={() => setOpened(null)}
        />
      )}
    </TablePage>
  );
}

function lastEvent(source: AlertSource): ReactNode {
  if (!source.last_event_at) return <span className={table.muted}>waits for its first</span>;
  return (
    <>
      <Ago at={source.last_event_at} />
      <span className={table.muted}>, {plural(source.events_total, "event")}</span>
    </>
  );
}
