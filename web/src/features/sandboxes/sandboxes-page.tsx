// Sandbox sessions: what programs of yours have open, one line each, and a look inside.

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, useState } from "react";
import { sandboxesQuery } from "../../api/queries";
import { useWorkspace } from "../../app/workspace";
import { TablePage } from "../../components/listed";
import { StateWord } from "../../components/state-icon";
import { sandboxSaid } from "../../components/states";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";
import { limits, sandboxName } from "./session";

const SandboxDrawer = lazy(() => import("./sandbox-drawer"));

export default function SandboxesPage() {
  const { uid } = useWorkspace();
  const all = useQuery(sandboxesQuery(uid));
  const [opened, setOpened] = useState<string | null>(null);
  const current = all.data?.find((each) => each.id === opened);
  return (
    <TablePage
      title="Sandboxes"
      act={null}
      query={all}
      empty="No sandbox yet. A program makes one over the API, or with the Python toolkit; both need an API key."
      emptyAction={
        <Button component={Link} to="/api-keys" search={{ new: true } as never}>
          New key
        </Button>
      }
      keyOf={(session) => session.id}
      columns={[
        {
          name: "Sandbox",
          main: true,
          cell: (session) => (
            <button type="button" className={table.open} onClick={() => setOpened(session.id)}>
              {sandboxName(session)}
            </button>
          ),
        },
        {
          name: "State",
          cell: (session) => {
            const said = sandboxSaid(session.status);
            return <StateWord state={said.state}>{said.word}</StateWord>;
          },
        },
        { name: "Kind", wide: true, cell: (session) => session.mode },
        {
          name: "Limits",
          wide: true,
          cell: limits,
        },
        {
          name: "Last used",
          cell: (session) => <Ago at={session.last_activity_at ?? session.created_at} />,
        },
      ]}
    >
      {current && <SandboxDrawer key={current.id} session={current} onClose={() => setOpened(null)} />}
    </TablePage>
  );
}
