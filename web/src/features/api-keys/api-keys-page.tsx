// API keys: one line each. A new key is shown once.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy } from "react";
import { api, ask } from "../../api/client";
import { apiKeysQuery, keys } from "../../api/queries";
import { useNewForm } from "../../app/new-form";
import { OnceAsked, RemoveButton, TablePage } from "../../components/listed";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";

const NewKey = lazy(() => import("./new-key"));

export default function ApiKeysPage() {
  const all = useQuery(apiKeysQuery);
  const queries = useQueryClient();
  const form = useNewForm();
  const revoke = async (id: string) => {
    await ask(api.DELETE("/api/api-keys/{id}/", { params: { path: { id } } }));
    await queries.invalidateQueries({ queryKey: keys.apiKeys });
  };
  return (
    <TablePage
      title="API keys"
      act={{ label: "New key", run: form.open }}
      query={all}
      empty="No key yet. A key lets a program or the Python toolkit act as you, in the header X-Api-Key."
      keyOf={(key) => key.id}
      columns={[
        { name: "Name", main: true, cell: (key) => key.name },
        {
          name: "State",
          cell: (key) => (
            <StateWord state={key.is_active ? "done" : "unverified"}>
              {key.is_active ? "Active" : "Revoked"}
            </StateWord>
          ),
        },
        { name: "Created", wide: true, cell: (key) => <Ago at={key.created_at} /> },
        {
          name: "Last used",
          wide: true,
          cell: (key) =>
            key.last_used_at ? <Ago at={key.last_used_at} /> : <span className={table.muted}>never</span>,
        },
        {
          name: "",
          cell: (key) =>
            key.is_active && (
              <RemoveButton label="Revoke" sure="Revoke it now" remove={() => revoke(key.id)} />
            ),
        },
      ]}
    >
      <OnceAsked asked={form.opened}>
        <NewKey opened={form.opened} onClose={form.close} />
      </OnceAsked>
    </TablePage>
  );
}
