// One card: sign in, or make an account. The first account of an installation is made here too.

import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { authSettingsQuery, keys } from "../../api/queries";
import { Mark } from "../../components/glyph";
import { FailureLine } from "../../components/note";
import css from "./sign-in.module.css";

export default function SignInPage() {
  const { next } = useSearch({ from: "/sign-in" });
  const settings = useQuery(authSettingsQuery);
  const [chosen, setChosen] = useState<"sign-in" | "register" | null>(null);
  const mode = chosen ?? (settings.data?.first_start ? "register" : "sign-in");
  const [username, setUsername] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const navigate = useNavigate();
  const queries = useQueryClient();

  useEffect(() => {
    document.title = mode === "register" ? "Create an account · AstraForge" : "Sign in · AstraForge";
  }, [mode]);

  const enter = useMutation({
    mutationFn: () =>
      mode === "register"
        ? ask(api.POST("/api/auth/register/", { body: { username, password, ...(email ? { email } : {}) } }))
        : ask(api.POST("/api/auth/login/", { body: { username, password } })),
    onSuccess: async (user) => {
      if (user.access.status !== "approved") return;
      queries.setQueryData(keys.me, user);
      await navigate({ to: next ?? "/", replace: true });
    },
  });
  const waits = enter.isSuccess && enter.data.access.status !== "approved";
  const fields = isProblem(enter.error) ? enter.error.fields : {};
  const named = Boolean(fields.username ?? fields.password ?? fields.email);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    enter.mutate();
  };

  return (
    <main className={css.page}>
      <form className={css.card} onSubmit={submit}>
        <div className={css.brand}>
          <Mark size={22} />
          AstraForge
        </div>
        <h1 className={css.title}>{mode === "register" ? "Create an account" : "Sign in"}</h1>
        {settings.data?.first_start && mode === "register" && (
          <p className={css.lead}>This installation has no account yet. The first one owns it.</p>
        )}
        {waits ? (
          <p role="status">
            The account <strong>{username}</strong> waits for approval by an owner of this installation.
          </p>
        ) : (
          <>
            <TextInput
              label="Name"
              name="username"
              autoComplete="username"
              autoCapitalize="none"
              required
              withAsterisk={false}
              maxLength={150}
              value={username}
              error={fields.username}
              onChange={(event) => setUsername(event.currentTarget.value)}
            />
            {mode === "register" && (
              <TextInput
                label="Mail address"
                description="Optional. Shown to the people you work with."
                type="email"
                name="email"
                autoComplete="email"
                value={email}
                error={fields.email}
                onChange={(event) => setEmail(event.currentTarget.value)}
              />
            )}
            <PasswordInput
              label="Password"
              description={mode === "register" ? "At least 8 characters." : undefined}
              name="password"
              autoComplete={mode === "register" ? "new-password" : "current-password"}
              required
              withAsterisk={false}
              minLength={mode === "register" ? 8 : undefined}
              value={password}
              error={fields.password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
            />
            {!named && <FailureLine error={enter.error} />}
            <Button type="submit" variant="filled" fullWidth loading={enter.isPending}>
              {mode === "register" ? "Create the account" : "Sign in"}
            </Button>
            <button
              type="button"
              className={css.other}
              onClick={() => {
                setChosen(mode === "register" ? "sign-in" : "register");
                enter.reset();
              }}
            >
              {mode === "register" ? "Sign in with an account" : "Create an account"}
            </button>
          </>
        )}
      </form>
    </main>
  );
}
