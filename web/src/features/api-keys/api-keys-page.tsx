// API keys: one line each. A new key is shown once.

import { Button, Drawer, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { apiKeysQuery, keys } from "../../api/queries";
import type { ApiKey, NewApiKey } from "../../api/types";
import { ConfirmButton } from "../../components/confirm-button";
import { CopyLine } from "../../components/copy-button";
import { ListSkeleton } from "../../components/list";
import { EmptyNote, ErrorNote, FailureLine } from "../../components/note";
import { Page } from "../../components/page";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";

export default function ApiKeysPage() {
  const all = useQuery(apiKeysQuery);
  const [making, setMaking] = useState(false);
  const make = (
    <Button variant="filled" onClick={() => setMaking(true)}>
      New key
    </Button>
  );
  return (
    <Page bare title="API keys" here="API keys" actions={make} phoneActions={make}>
      {all.isPending && <ListSkeleton rows={3} />}
      {all.error && !all.data && <ErrorNote error={all.error} retry={() => all.refetch()} />}
      {all.data?.length === 0 && (
        <EmptyNote>
          No key yet. A key lets a program or the Python toolkit act as you, in the header X-Api-Key.
        </EmptyNote>
      )}
      {all.data && all.data.length > 0 && (
        <div className={table.wrap}>
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">State</th>
                <th scope="col" className={table.wide}>
                  Created
                </th>
                <th scope="col" className={table.wide}>
                  Last used
                </th>
                <th scope="col">
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {all.data.map((key) => (
                <KeyRow key={key.id} apiKey={key} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <NewKeyDrawer opened={making} onClose={() => setMaking(false)} />
    </Page>
  );
}

function KeyRow({ apiKey }: { apiKey: ApiKey }) {
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => ask(api.DELETE("/api/api-keys/{id}/", { params: { path: { id: apiKey.id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.apiKeys }),
  });
  return (
    <tr>
      <td className={table.main}>{apiKey.name}</td>
      <td>
        <StateWord state={apiKey.is_active ? "done" : "unverified"}>
          {apiKey.is_active ? "Active" : "Revoked"}
        </StateWord>
      </td>
      <td className={table.wide}>
        <Ago at={apiKey.created_at} />
      </td>
      <td className={table.wide}>
        {apiKey.last_used_at ? <Ago at={apiKey.last_used_at} /> : <span className={table.muted}>never</span>}
      </td>
      <td>
        {apiKey.is_active && (
          <ConfirmButton
            label="Revoke"
            sure="Revoke it now"
            onConfirm={() => revoke.mutate()}
            loading={revoke.isPending}
          />
        )}
        <FailureLine error={revoke.error} />
      </td>
    </tr>
  );
}

function NewKeyDrawer({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [name, setName] = useState("");
  const [made, setMade] = useState<NewApiKey | null>(null);
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: () => ask(api.POST("/api/api-keys/", { body: { name: name.trim() } })),
    onSuccess: (key) => {
      setMade(key);
      void queries.invalidateQueries({ queryKey: keys.apiKeys });
    },
  });
  const close = () => {
    onClose();
    setMade(null);
    setName("");
    create.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <Drawer
      opened={opened}
      onClose={close}
      title={made ? `Key ${made.name}` : "New key"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made ? (
        <div className={table.form}>
          <div className={table.once} role="status">
            <p>This is the only time the key is shown. Copy it now; afterwards it can only be revoked.</p>
            <CopyLine text={made.key} label="Copy the key" />
          </div>
          <p className={table.note}>
            Send it in the header X-Api-Key, or give it to the Python toolkit as ASTRA_FORGE_API_KEY.
          </p>
          <div className={table.acts}>
            <Button variant="filled" onClick={close}>
              I have copied it
            </Button>
          </div>
        </div>
      ) : (
        <form className={table.form} onSubmit={submit}>
          <TextInput
            label="Name"
            description="What it is for, so that you know later what you revoke."
            required
            withAsterisk={false}
            maxLength={255}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={isProblem(create.error) ? create.error.fields.name : undefined}
            data-autofocus
          />
          {!(isProblem(create.error) && create.error.fields.name) && <FailureLine error={create.error} />}
          <div className={table.acts}>
            <Button type="submit" variant="filled" loading={create.isPending} disabled={name.trim() === ""}>
              Create the key
            </Button>
          </div>
        </form>
      )}
    </Drawer>
  );
}
