// The person who is signed in: who they are here, and their password.

import { Button, PasswordInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { useWorkspace } from "../../app/workspace";
import { FailureLine } from "../../components/note";
import { Page } from "../../components/page";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Fact } from "../runs/facts";
import css from "./account-page.module.css";

export default function AccountPage() {
  const { user } = useWorkspace();
  return (
    <Page bare title="Account" here="Account">
      <div className={css.parts}>
        <dl className={css.facts} aria-label="Who you are">
          <Fact name="Name">{user.username}</Fact>
          {user.email && <Fact name="Mail address">{user.email}</Fact>}
          {user.is_admin && <Fact name="This installation">you administer it</Fact>}
        </dl>
        <PasswordForm username={user.username} />
      </div>
    </Page>
  );
}

function PasswordForm({ username }: { username: string }) {
  const [current, setCurrent] = useState("");
  const [fresh, setFresh] = useState("");
  const change = useMutation({
    mutationFn: () =>
      ask(api.POST("/api/auth/password/", { body: { current_password: current, new_password: fresh } })),
    onSuccess: () => {
      setCurrent("");
      setFresh("");
    },
  });
  const fields = isProblem(change.error) ? change.error.fields : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <form className={table.form} onSubmit={submit}>
      <h2>Password</h2>
      {/* Tells a password manager whose password this is. */}
      <input hidden readOnly name="username" autoComplete="username" value={username} />
      <PasswordInput
        label="Current password"
        name="current_password"
        autoComplete="current-password"
        required
        withAsterisk={false}
        value={current}
        error={fields.current_password}
        onChange={(event) => setCurrent(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": "Show the current password" }}
      />
      <PasswordInput
        label="New password"
        description="At least 8 characters."
        name="new_password"
        autoComplete="new-password"
        required
        withAsterisk={false}
        minLength={8}
        value={fresh}
        error={fields.new_password}
        onChange={(event) => setFresh(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": "Show the new password" }}
      />
      <p className={table.note}>
        A new password signs you out everywhere else. Your <Link to="/api-keys">API keys</Link> go on working
        until you revoke them.
      </p>
      {Object.keys(fields).length === 0 && <FailureLine error={change.error} />}
      {change.isSuccess && (
        <p role="status">
          <StateWord state="done">The password is changed, and your other sessions have ended.</StateWord>
        </p>
      )}
      <div className={table.acts}>
        <Button
          type="submit"
          variant="filled"
          loading={change.isPending}
          disabled={current === "" || fresh === ""}
        >
          Change the password
        </Button>
      </div>
    </form>
  );
}
