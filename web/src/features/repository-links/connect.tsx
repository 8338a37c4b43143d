// The drawer that connects a repository.

import { Button, Drawer, NativeSelect, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys } from "../../api/queries";
import type { NewRepositoryLink, RepositoryLink, RepositoryProvider } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { FailureLine } from "../../components/note";
import table from "../../components/table.module.css";
import { PROVIDERS } from "./providers";

export default function Connect({
  opened,
  onClose,
  onMade,
}: {
  opened: boolean;
  onClose: () => void;
  onMade: (link: RepositoryLink) => void;
}) {
  const { uid } = useWorkspace();
  const queries = useQueryClient();
  const [provider, setProvider] = useState<RepositoryProvider>("local");
  const [repository, setRepository] = useState("");
  const [token, setToken] = useState("");
  const [address, setAddress] = useState("");
  const local = provider === "local";
  const connect = useMutation({
    mutationFn: () => {
      const body: NewRepositoryLink = { provider, repository: repository.trim(), workspace_uid: uid };
      if (!local) body.access_token = token;
      if (local && address.trim()) body.source = address.trim();
      if (!local && provider !== "github" && address.trim()) body.base_url = address.trim();
      return ask(api.POST("/api/repository-links/", { body }));
    },
    onSuccess: (link) => {
      void queries.invalidateQueries({ queryKey: keys.repositoryLinks });
      reset();
      onMade(link);
    },
  });
  const reset = () => {
    setRepository("");
    setToken("");
    setAddress("");
    connect.reset();
  };
  const close = () => {
    reset();
    onClose();
  };
  const fields = isProblem(connect.error) ? connect.error.fields : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    connect.mutate();
  };
  return (
    <Drawer
      opened={opened}
      onClose={close}
      title="Connect a repository"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form className={table.form} onSubmit={submit}>
        <NativeSelect
          label="Where it is"
          data={PROVIDERS}
          value={provider}
          onChange={(event) => setProvider(event.currentTarget.value as RepositoryProvider)}
          error={fields.provider}
        />
        <TextInput
          label={local ? "Name" : "Repository"}
          description={local ? "It gets a place in the built-in forge." : "owner/name, or its full address"}
          required
          withAsterisk={false}
          value={repository}
          onChange={(event) => setRepository(event.currentTarget.value)}
          error={fields.repository}
          data-autofocus
        />
        {provider !== "github" && (
          <TextInput
            label={local ? "Take it from" : "Address of the forge"}
            description={
              local
                ? "Optional: a folder or a clone address to start from. Empty makes an empty repository."
                : "Optional: https://gitlab.com unless you give another."
            }
            value={address}
            onChange={(event) => setAddress(event.currentTarget.value)}
            error={fields.base_url ?? fields.source}
          />
        )}
        {!local && (
          <PasswordInput
            label="Access token"
            description="Needs to read and write code and to open merge requests. It is stored encrypted, never shown again, and never reaches a sandbox."
            required
            withAsterisk={false}
            autoComplete="off"
            value={token}
            onChange={(event) => setToken(event.currentTarget.value)}
            error={fields.access_token}
            visibilityToggleButtonProps={{ "aria-label": "Show the token" }}
          />
        )}
        {Object.keys(fields).length === 0 && <FailureLine error={connect.error} />}
        <div className={table.acts}>
          <Button type="submit" variant="filled" loading={connect.isPending}>
            Connect
          </Button>
        </div>
      </form>
    </Drawer>
  );
}
