// The drawer that makes an alert source.

import { Button, Drawer, NativeSelect, PasswordInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys } from "../../api/queries";
import type { AlertSource, AlertSourceChange, AlertSourceKind } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { FailureLine } from "../../components/note";
import table from "../../components/table.module.css";
import { RUNS_PER_HOUR, SettingsFields } from "./settings-fields";
import { KINDS } from "./snippets";

/** Runs cost money, so they begin by themselves only where somebody said so. */
const EMPTY: AlertSourceChange = { automatic_runs: false, runs_per_hour_max: RUNS_PER_HOUR };

/** What the sender proves itself by. */
const SECRETS: Partial<Record<AlertSourceKind, { label: string; description: string }>> = {
  sentry_webhook: {
    label: "Client secret",
    description: "From the internal integration in Sentry. It checks that a webhook is really from there.",
  },
  glitchtip: {
    label: "Base address",
    description: "Optional: the address of your GlitchTip. Deliveries that link to another host are refused.",
  },
  generic: {
    label: "Signing secret",
    description: "Optional: deliveries must then be signed with it in X-Signature-256.",
  },
};

export default function NewSource({
  opened,
  onClose,
  onMade,
}: {
  opened: boolean;
  onClose: () => void;
  onMade: (source: AlertSource) => void;
}) {
  const { uid } = useWorkspace();
  const queries = useQueryClient();
  const [kind, setKind] = useState<AlertSourceKind>("sentry_sdk");
  const [clientSecret, setClientSecret] = useState("");
  const [change, setChange] = useState<AlertSourceChange>(EMPTY);
  const create = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/api/alert-sources/", {
          body: {
            ...change,
            name: change.name ?? "",
            automatic_runs: change.automatic_runs ?? false,
            kind,
            workspace_uid: uid,
            ...(clientSecret && kind in SECRETS ? { client_secret: clientSecret } : {}),
          },
        }),
      ),
    onSuccess: (source) => {
      void queries.invalidateQueries({ queryKey: keys.alertSources });
      setChange(EMPTY);
      setClientSecret("");
      onMade(source);
    },
  });
  const fields = isProblem(create.error) ? create.error.fields : {};
  const asked = SECRETS[kind];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      title="Connect alerts"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form className={table.form} onSubmit={submit}>
        <NativeSelect
          label="Kind"
          description={KINDS.find((each) => each.value === kind)?.description}
          data={KINDS.map(({ value, label }) => ({ value, label }))}
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value as AlertSourceKind)}
          error={fields.kind}
        />
        <SettingsFields change={change} onChange={setChange} fields={fields} focused />
        {asked && (
          <PasswordInput
            label={asked.label}
            description={asked.description}
            required={kind === "sentry_webhook"}
            withAsterisk={false}
            autoComplete="off"
            value={clientSecret}
            onChange={(event) => setClientSecret(event.currentTarget.value)}
            error={fields.client_secret}
            visibilityToggleButtonProps={{ "aria-label": "Show it" }}
          />
        )}
        {Object.keys(fields).length === 0 && <FailureLine error={create.error} />}
        <div className={table.acts}>
          <Button type="submit" variant="filled" loading={create.isPending} disabled={!change.name?.trim()}>
            Create the source
          </Button>
        </div>
      </form>
    </Drawer>
  );
}
