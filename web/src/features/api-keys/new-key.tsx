// A new API key, which is shown once.

import { Button, Drawer, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys } from "../../api/queries";
import type { NewApiKey } from "../../api/types";
import { CopyLine } from "../../components/copy-button";
import { FailureLine } from "../../components/note";
import table from "../../components/table.module.css";

export default function NewKey({ opened, onClose }: { opened: boolean; onClose: () => void }) {
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
      // A slip beside the drawer must not lose what is shown only once.
      closeOnClickOutside={made === null}
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
