// Connected repositories: one line each, made in a side drawer.

import { Button, Drawer, NativeSelect, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys, repositoryLinksQuery } from "../../api/queries";
import type { NewRepositoryLink, RepositoryLink, RepositoryProvider } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { ConfirmButton } from "../../components/confirm-button";
import { CopyLine } from "../../components/copy-button";
import { breakable } from "../../components/inline";
import { ListSkeleton } from "../../components/list";
import { EmptyNote, ErrorNote, FailureLine } from "../../components/note";
import { Page } from "../../components/page";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";

const PROVIDERS: { value: RepositoryProvider; label: string }[] = [
  { value: "github", label: "GitHub" },
  { value: "gitlab", label: "GitLab" },
  { value: "gitea", label: "Gitea" },
  { value: "local", label: "On this machine" },
];

export const providerLabel = (provider: RepositoryProvider) =>
  PROVIDERS.find((each) => each.value === provider)?.label ?? provider;

export default function RepositoryLinksPage() {
  const { uid } = useWorkspace();
  const search = useSearch({ from: "/shell/repositories" });
  const navigate = useNavigate();
  const all = useQuery(repositoryLinksQuery(uid));
  const [making, setMaking] = useState(search.new ?? false);
  const close = () => {
    setMaking(false);
    if (search.new) void navigate({ to: "/repositories", search: {}, replace: true });
  };
  const make = (
    <Button variant="filled" onClick={() => setMaking(true)}>
      Connect a repository
    </Button>
  );
  return (
    <Page bare title="Repositories" here="Repositories" actions={make} phoneActions={make}>
      {all.isPending && <ListSkeleton rows={3} />}
      {all.error && !all.data && <ErrorNote error={all.error} retry={() => all.refetch()} />}
      {all.data?.length === 0 && (
        <EmptyNote>
          No repository is connected. A fix needs one to work on; its tests must run without a network.
        </EmptyNote>
      )}
      {all.data && all.data.length > 0 && (
        <div className={table.wrap}>
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Repository</th>
                <th scope="col">Where</th>
                <th scope="col" className={table.wide}>
                  Branch
                </th>
                <th scope="col" className={table.wide}>
                  Connected
                </th>
                <th scope="col">
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {all.data.map((link) => (
                <LinkRow key={link.id} link={link} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <ConnectDrawer opened={making} onClose={close} />
    </Page>
  );
}

function LinkRow({ link }: { link: RepositoryLink }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => ask(api.DELETE("/api/repository-links/{id}/", { params: { path: { id: link.id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.repositoryLinks }),
  });
  return (
    <tr>
      <td className={table.main}>{breakable(link.repository)}</td>
      <td>
        {providerLabel(link.provider)}
        {link.base_url && !/^https:\/\/(gitlab|github)\.com\/?$/.test(link.base_url) && (
          <span className={`${table.muted} ${table.wide}`}> {link.base_url.replace(/^https?:\/\//, "")}</span>
        )}
      </td>
      <td className={table.wide}>{link.default_branch ? <code>{link.default_branch}</code> : ""}</td>
      <td className={table.wide}>
        <Ago at={link.created_at} />
      </td>
      <td>
        <ConfirmButton
          label="Disconnect"
          sure="Disconnect it now"
          onConfirm={() => remove.mutate()}
          loading={remove.isPending}
        />
        <FailureLine error={remove.error} />
      </td>
    </tr>
  );
}

function ConnectDrawer({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { uid } = useWorkspace();
  const queries = useQueryClient();
  const [provider, setProvider] = useState<RepositoryProvider>("github");
  const [repository, setRepository] = useState("");
  const [token, setToken] = useState("");
  const [address, setAddress] = useState("");
  const [made, setMade] = useState<RepositoryLink | null>(null);
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
      if (link.clone_url) setMade(link);
      else close();
    },
  });
  const close = () => {
    onClose();
    setMade(null);
    setRepository("");
    setToken("");
    setAddress("");
    connect.reset();
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
      title={made ? made.repository : "Connect a repository"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made?.clone_url ? (
        <div className={table.form}>
          <p>The repository is on this machine. Push to it, or clone it, at this address.</p>
          <CopyLine text={made.clone_url} label="Copy the clone address" />
          {made.default_branch && (
            <p className={table.note}>
              Its default branch is <code>{made.default_branch}</code>.
            </p>
          )}
          <div className={table.acts}>
            <Button variant="filled" onClick={close}>
              Close
            </Button>
          </div>
        </div>
      ) : (
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
                  : provider === "gitlab"
                    ? "Optional: https://gitlab.com unless you give another."
                    : "Such as https://git.example.com"
              }
              required={provider === "gitea"}
              withAsterisk={false}
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
      )}
    </Drawer>
  );
}
