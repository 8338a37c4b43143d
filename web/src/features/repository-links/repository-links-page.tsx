// Connected repositories: one line each, made in a side drawer.

import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys, repositoryLinksQuery } from "../../api/queries";
import type { NewRepositoryLink, RepositoryLink, RepositoryProvider } from "../../api/types";
import { useNewForm } from "../../app/new-form";
import { useWorkspace } from "../../app/workspace";
import { CopyLine } from "../../components/copy-button";
import { breakable } from "../../components/inline";
import { RemoveButton, TablePage } from "../../components/listed";
import { FailureLine } from "../../components/note";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";
import { NativeSelect, PasswordInput, TextInput } from "../../theme/fields";
import { Drawer } from "../../theme/layers";

const PROVIDERS: { value: RepositoryProvider; label: string }[] = [
  { value: "local", label: "On this machine" },
  { value: "github", label: "GitHub" },
  { value: "gitlab", label: "GitLab" },
];

export const providerLabel = (provider: RepositoryProvider) =>
  PROVIDERS.find((each) => each.value === provider)?.label ?? provider;

export default function RepositoryLinksPage() {
  const { uid } = useWorkspace();
  const queries = useQueryClient();
  const all = useQuery(repositoryLinksQuery(uid));
  const form = useNewForm();
  const [opened, setOpened] = useState<RepositoryLink | null>(null);
  const remove = async (id: string) => {
    await ask(api.DELETE("/api/repository-links/{id}/", { params: { path: { id } } }));
    await queries.invalidateQueries({ queryKey: keys.repositoryLinks });
  };
  return (
    <TablePage
      title="Repositories"
      act={{ label: "Connect a repository", run: form.open }}
      query={all}
      empty="No repository is connected. A fix needs one to work on; its tests must run without a network."
      keyOf={(link) => link.id}
      columns={[
        {
          name: "Repository",
          main: true,
          cell: (link) => (
            <>
              <button type="button" className={table.open} onClick={() => setOpened(link)}>
                {breakable(link.repository)}
              </button>
              {link.unavailable && (
                <StateWord state="needs_you" size={14}>
                  {link.unavailable}
                </StateWord>
              )}
            </>
          ),
        },
        { name: "Where", cell: where },
        {
          name: "Branch",
          wide: true,
          cell: (link) => link.default_branch && <code>{breakable(link.default_branch)}</code>,
        },
        { name: "Connected", wide: true, cell: (link) => <Ago at={link.created_at} /> },
        {
          name: "",
          cell: (link) => (
            <RemoveButton label="Disconnect" sure="Disconnect it now" remove={() => remove(link.id)} />
          ),
        },
      ]}
    >
      <ConnectDrawer
        opened={form.opened}
        onClose={form.close}
        onMade={(link) => {
          form.close();
          setOpened(link);
        }}
      />
      {opened && <LinkDrawer link={opened} onClose={() => setOpened(null)} />}
    </TablePage>
  );
}

function where(link: RepositoryLink): ReactNode {
  const ownForge = link.base_url && !/^https:\/\/(gitlab|github)\.com\/?$/.test(link.base_url);
  return (
    <>
      {providerLabel(link.provider)}
      {ownForge && (
        <span className={`${table.muted} ${table.wide}`}> {link.base_url.replace(/^https?:\/\//, "")}</span>
      )}
    </>
  );
}

/** Where it lies and how it is reached. */
function LinkDrawer({ link, onClose }: { link: RepositoryLink; onClose: () => void }) {
  return (
    <Drawer opened onClose={onClose} title={link.repository} closeButtonProps={{ "aria-label": "Close" }}>
      <div className={table.form}>
        {link.unavailable && <StateWord state="needs_you">{link.unavailable}</StateWord>}
        {link.clone_url && (
          <div className={table.form}>
            <p>
              Push to it, or clone it, at this address. Any name does; the password is an API key of yours.
            </p>
            <CopyLine text={`git clone ${link.clone_url}`} label="Copy the command" />
            <Link to="/api-keys">Make an API key</Link>
          </div>
        )}
        <p className={table.note}>
          {link.default_branch ? (
            <>
              Fixes go to <code>{link.default_branch}</code>.
            </>
          ) : (
            "It has no branch yet."
          )}
        </p>
      </div>
    </Drawer>
  );
}

function ConnectDrawer({
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
