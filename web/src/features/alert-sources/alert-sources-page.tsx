// Alert sources: one line each; made, read and changed in a side drawer.

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { alertSourcesQuery } from "../../api/queries";
import type { AlertSource } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { plural } from "../../components/format";
import { breakable } from "../../components/inline";
import { ListSkeleton } from "../../components/list";
import { EmptyNote, ErrorNote } from "../../components/note";
import { Page } from "../../components/page";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";
import { NewSourceDrawer, SourceDrawer } from "./alert-source-drawer";
import { kindLabel } from "./snippets";

export default function AlertSourcesPage() {
  const { uid } = useWorkspace();
  const search = useSearch({ from: "/shell/alert-sources" });
  const navigate = useNavigate();
  const all = useQuery(alertSourcesQuery(uid));
  const [making, setMaking] = useState(search.new ?? false);
  const [opened, setOpened] = useState<AlertSource | null>(null);
  const current = all.data?.find((each) => each.id === opened?.id) ?? null;
  const stopMaking = () => {
    setMaking(false);
    if (search.new) void navigate({ to: "/alert-sources", search: {}, replace: true });
  };
  const make = (
    <Button variant="filled" onClick={() => setMaking(true)}>
      Connect alerts
    </Button>
  );
  return (
    <Page bare title="Alert sources" here="Alert sources" actions={make} phoneActions={make}>
      {all.isPending && <ListSkeleton rows={3} />}
      {all.error && !all.data && <ErrorNote error={all.error} retry={() => all.refetch()} />}
      {all.data?.length === 0 && (
        <EmptyNote>
          No alert source yet. Give a Sentry SDK the DSN of one, and its crashes become incidents here.
        </EmptyNote>
      )}
      {all.data && all.data.length > 0 && (
        <div className={table.wrap}>
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" className={table.wide}>
                  Kind
                </th>
                <th scope="col" className={table.wide}>
                  Repository
                </th>
                <th scope="col" className={table.wide}>
                  Runs
                </th>
                <th scope="col">Last event</th>
              </tr>
            </thead>
            <tbody>
              {all.data.map((source) => (
                <SourceRow key={source.id} source={source} onOpen={() => setOpened(source)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <NewSourceDrawer
        opened={making}
        onClose={stopMaking}
        onMade={(source) => {
          stopMaking();
          setOpened(source);
        }}
      />
      {opened && (
        <SourceDrawer
          key={opened.id}
          source={current ?? opened}
          secret={opened.secret ?? null}
          onClose={() => setOpened(null)}
        />
      )}
    </Page>
  );
}

function SourceRow({ source, onOpen }: { source: AlertSource; onOpen: () => void }) {
  return (
    <tr>
      <td>
        <button type="button" className={table.open} onClick={onOpen}>
          {source.name}
        </button>
      </td>
      <td className={table.wide}>{kindLabel(source.kind)}</td>
      <td className={table.wide}>
        {source.repository ? (
          breakable(source.repository.repository)
        ) : (
          <StateWord state="needs_you">no repository</StateWord>
        )}
      </td>
      <td className={table.wide}>
        {source.automatic_runs ? `automatic, ${source.runs_per_hour_max} an hour at most` : "by hand"}
      </td>
      <td>
        {source.last_event_at ? (
          <>
            <Ago at={source.last_event_at} />
            <span className={table.muted}>, {plural(source.events_total, "event")}</span>
          </>
        ) : (
          <span className={table.muted}>waits for its first</span>
        )}
      </td>
    </tr>
  );
}
