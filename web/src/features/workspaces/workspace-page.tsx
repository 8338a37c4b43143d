// The workspace itself: what it is called, what it used this month, and who is in it.

import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys, membersQuery, usageQuery, workspaceQuery } from "../../api/queries";
import type { Role, WorkspaceMember } from "../../api/types";
import { useNewForm } from "../../app/new-form";
import { useWorkspace } from "../../app/workspace";
import { grouped } from "../../components/format";
import { RemoveButton, TablePage } from "../../components/listed";
import { FailureLine } from "../../components/note";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";
import { NativeSelect, NumberInput, TextInput } from "../../theme/fields";
import { Drawer } from "../../theme/layers";
import { Fact } from "../runs/facts";
import css from "./workspace-page.module.css";

const ROLES: { value: Role; label: string }[] = [
  { value: "member", label: "Member" },
  { value: "admin", label: "Admin" },
  { value: "owner", label: "Owner" },
];

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
      {form.opened && <AddDrawer onClose={form.close} />}
    </TablePage>
  );
}

const roleLabel = (role: Role) => ROLES.find((each) => each.value === role)?.label ?? role;

function useRefresh() {
  const queries = useQueryClient();
  return () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: keys.members }),
      queries.invalidateQueries({ queryKey: keys.me }),
    ]);
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
  const [typed, setTyped] = useState<number | string>(max);
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
      <NumberInput
        label="Runs an hour that alerts may start"
        min={0}
        max={1_000}
        allowDecimal={false}
        value={typed}
        onChange={setTyped}
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

function AddDrawer({ onClose }: { onClose: () => void }) {
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
