import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys } from "../../api/queries";
import { FailureLine } from "../../components/note";
import table from "../../components/table.module.css";

interface Props {
  onClose: () => void;
  onMade: (uid: string) => void;
}

/** Incidents, repositories and people of one team, apart from those of others. */
export default function NewWorkspace({ onClose, onMade }: Props) {
  const [name, setName] = useState("");
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: () => ask(api.POST("/api/workspaces/", { body: { name: name.trim() } })),
    onSuccess: async ({ uid }) => {
      await queries.invalidateQueries({ queryKey: keys.me });
      onMade(uid);
    },
  });
  const field = isProblem(create.error) ? create.error.fields.name : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <Modal opened onClose={onClose} title="New workspace" closeButtonProps={{ "aria-label": "Close" }}>
      <form className={table.form} onSubmit={submit}>
        <TextInput
          label="Name"
          description="It has its own repositories, alert sources and members. You own it."
          required
          withAsterisk={false}
          maxLength={255}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={field}
          data-autofocus
        />
        {!field && <FailureLine error={create.error} />}
        <div className={table.acts}>
          <Button type="submit" variant="filled" loading={create.isPending} disabled={name.trim() === ""}>
            Create the workspace
          </Button>
        </div>
      </form>
    </Modal>
  );
}
