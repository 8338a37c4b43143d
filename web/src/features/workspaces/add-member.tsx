// The drawer that adds a member.

import { Button, Drawer, NativeSelect, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { useWorkspace } from "../../app/workspace";
import { FailureLine } from "../../components/note";
import table from "../../components/table.module.css";
import { ROLES, useRefresh } from "./members";

export default function AddMember({ onClose }: { onClose: () => void }) {
  const { uid } = useWorkspace();
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<string>("member");
  const refresh = useRefresh();
  const add = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/api/workspaces/{uid}/members/", {
          params: { path: { uid } },
          body: { username: username.trim(), role },
        }),
      ),
    onSuccess: () => {
      void refresh();
      onClose();
    },
  });
  const fields = isProblem(add.error) ? add.error.fields : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <Drawer opened onClose={onClose} title="Add a member" closeButtonProps={{ "aria-label": "Close" }}>
      <form className={table.form} onSubmit={submit}>
        <TextInput
          label="Name"
          description="As they sign in here. They need an account first."
          required
          withAsterisk={false}
          autoCapitalize="none"
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
          error={fields.username}
          data-autofocus
        />
        <NativeSelect
          label="Role"
          description="Members do everything but manage members."
          data={ROLES}
          value={role}
          onChange={(event) => setRole(event.currentTarget.value)}
          error={fields.role}
        />
        {Object.keys(fields).length === 0 && <FailureLine error={add.error} />}
        <div className={table.acts}>
          <Button type="submit" variant="filled" loading={add.isPending} disabled={username.trim() === ""}>
            Add
          </Button>
        </div>
      </form>
    </Drawer>
  );
}
