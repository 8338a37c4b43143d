// What can be set of an alert source, when it is made and afterwards.

import { NativeSelect, Switch, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { repositoryLinksQuery } from "../../api/queries";
import type { AlertSourceChange } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { ExecutorField } from "../runs/executor-field";

export const RUNS_PER_HOUR = 6;

interface FieldsProps {
  change: AlertSourceChange;
  onChange: (change: AlertSourceChange) => void;
  fields: Record<string, string>;
  /** True where these fields are what the drawer is opened for. */
  focused?: boolean;
}

export function SettingsFields({ change, onChange, fields, focused = false }: FieldsProps) {
  const { uid } = useWorkspace();
  const repositories = useQuery(repositoryLinksQuery(uid));
  return (
    <>
      <TextInput
        label="Name"
        description="Incidents are numbered by it: CHECKOUT-41."
        required
        withAsterisk={false}
        value={change.name ?? ""}
        onChange={(event) => onChange({ ...change, name: event.currentTarget.value })}
        error={fields.name}
        data-autofocus={focused || undefined}
      />
      <NativeSelect
        label="Repository"
        description="Where its fixes are made. Without one an incident has no run."
        data={[
          { value: "", label: "None yet" },
          ...(repositories.data ?? []).map((link) => ({ value: link.id, label: link.repository })),
        ]}
        value={change.repository_id ?? ""}
        onChange={(event) => onChange({ ...change, repository_id: event.currentTarget.value || null })}
        error={fields.repository_id}
      />
      <ExecutorField
        value={change.executor ?? null}
        onChange={(executor) => onChange({ ...change, executor })}
        error={fields.executor}
      />
      <Switch
        label="Start a run for each new incident"
        description="Where it is off, an incident waits until somebody starts its run."
        checked={change.automatic_runs ?? false}
        onChange={(event) => onChange({ ...change, automatic_runs: event.currentTarget.checked })}
      />
      <TextInput
        type="number"
        label="Runs an hour at most"
        min={0}
        max={1_000}
        value={change.runs_per_hour_max ?? RUNS_PER_HOUR}
        onChange={(event) =>
          onChange({ ...change, runs_per_hour_max: event.currentTarget.valueAsNumber || 0 })
        }
        error={fields.runs_per_hour_max}
        disabled={!change.automatic_runs}
      />
    </>
  );
}
