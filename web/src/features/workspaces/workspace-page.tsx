// The workspace itself: what it is called, what it used this month, and who is in it.

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, lazy, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { membersQuery, usageQuery, workspaceQuery } from "../../api/queries";
import type { WorkspaceMember } from "../../api/types";
import { useNewForm } from "../../app/new-form";
import { useWorkspace } from "../../app/workspace";
import { grouped } from "../../components/format";
import { RemoveButton, TablePage } from "../../components/listed";
import { FailureLine } from "../../components/note";
import { Ago } from "../../components/time/now";
import { Fact } from "../runs/facts";
import { ROLES, roleLabel, useRefresh } from "./members";
import css from "./workspace-page.module.css";

const AddMember = lazy(() => import("./add-member"));

export default function WorkspacePage() {
  const { uid, name, user, role } = useWorkspace();
  const members = useQuery(membersQuery(uid));
  const form = useNewForm();
  const manages = role !== "member";
  return (
    <TablePage
      title="Workspace"
      act={manages ? { label: "Add a member", run: form.open } : null}
      lead={<About key={`${uid} ${name}`} manages={manages} />}
      query={members}
      empty="Nobody is in this workspace."
      keyOf={(member) => member.user}
      columns={[
        {
          name: "Member",
          main: true,
          cell: (member) => (member.user === user.id ? `${member.username}, you` : member.username),
        },
        { name: "Mail address", wide: true, cell: (member) => member.email },
        {
          name: "Role",
          cell: (member) => (manages ? <RoleSelect member={member} /> : roleLabel(member.role)),
        },
        { name: "Joined", wide: true, cell: (member) => <Ago at={member.joined_at} /> },
        {
          name: "",
          cell: (member) => (manages || member.user === user.id) && <Leave member={member} />,
        },
      ]}
    >
      {form.opened && <AddMember onClose={form.close} />}
    </TablePage>
  );
}

function About({ manages }: { manages: boolean }) {
  const { uid, name } = useWorkspace();
  const usage = useQuery(usageQuery(uid)).data;
  const budget = useQuery(workspaceQuery(uid)).data?.automatic_runs_per_hour_max;
  const [typed, setTyped] = useState(name);
  const refresh = useRefresh();
  const rename = useMutation({
    mutationFn: () =>
      ask(api.PATCH("/api/workspaces/{uid}/", { params: { path: { uid } }, body: { name: typed.trim() } })),
    onSuccess: refresh,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    rename.mutate();
  };
  return (
    <div className={css.about}>
      {manages ? (
        <form className={css.name} onSubmit={submit}>
          <TextInput
            label="Name"
            maxLength={255}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            error={isProblem(rename.error) ? rename.error.message : undefined}
          />
          <Button
            type="submit"
            loading={rename.isPending}
            disabled={typed.trim() === "" || typed.trim() === name}
          >
            Rename
          </Button>
        </form>
      ) : (
        <h2>{name}</h2>
      )}
      {manages && budget !== undefined && <Budget key={budget} max={budget} />}
      {usage && (
        <dl className={css.facts} aria-label="Used this month">
          <Fact name="Requests this month">
            {used(usage.usage.requests_per_month, usage.limits.requests_per_month)}
          </Fact>
          <Fact name="Sandbox sessions this month">
            {used(usage.usage.sandbox_sessions_per_month, usage.limits.sandbox_sessions_per_month)}
          </Fact>
          <Fact name="Sandboxes now">
            {used(usage.usage.active_sandboxes, usage.limits.sandbox_concurrent)}
          </Fact>
          {!manages && budget !== undefined && (
            <Fact name="Runs an hour that alerts may start">{grouped(budget)}</Fact>
          )}
        </dl>
      )}
    </div>
  );
}

/** Over all sources; each has its own budget besides. */
function Budget({ max }: { max: number }) {
  const { uid } = useWorkspace();
  const queries = useQueryClient();
  const [typed, setTyped] = useState(String(max));
  const save = useMutation({
    mutationFn: () =>
      ask(
        api.PATCH("/api/workspaces/{uid}/", {
          params: { path: { uid } },
          body: { automatic_runs_per_hour_max: Number(typed) },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: workspaceQuery(uid).queryKey }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className={css.budget} onSubmit={submit}>
      <TextInput
        type="number"
        label="Runs an hour that alerts may start"
        min={0}
        max={1_000}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        error={isProblem(save.error) ? save.error.message : undefined}
      />
      <Button type="submit" loading={save.isPending} disabled={typed === "" || Number(typed) === max}>
        Save
      </Button>
    </form>
  );
}

function used(count: number, limit: number | null | undefined): string {
  return limit === null || limit === undefined ? grouped(count) : `${grouped(count)} of ${grouped(limit)}`;
}

function RoleSelect({ member }: { member: WorkspaceMember }) {
  const { uid } = useWorkspace();
  const refresh = useRefresh();
  const change = useMutation({
    mutationFn: (role: string) =>
      ask(
        api.PATCH("/api/workspaces/{uid}/members/{user}/", {
          params: { path: { uid, user: member.user } },
          body: { role },
        }),
      ),
    onSettled: refresh,
  });
  return (
    <>
      <NativeSelect
        aria-label={`Role of ${member.username}`}
        data={ROLES}
        value={change.isPending ? change.variables : member.role}
        onChange={(event) => change.mutate(event.currentTarget.value)}
        className={css.role}
      />
      <FailureLine error={change.error} />
    </>
  );
}

function Leave({ member }: { member: WorkspaceMember }) {
  const { uid, user } = useWorkspace();
  const navigate = useNavigate();
  const refresh = useRefresh();
  const own = member.user === user.id;
  const remove = async () => {
    await ask(
      api.DELETE("/api/workspaces/{uid}/members/{user}/", { params: { path: { uid, user: member.user } } }),
    );
    if (own) await navigate({ to: "/" });
    await refresh();
  };
  return (
    <RemoveButton
      label={own ? "Leave" : "Remove"}
      sure={own ? "Leave it now" : "Remove them now"}
      remove={remove}
    />
  );
}
