import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { executorsQuery } from "../../api/queries";

interface Props {
  /** Null for the installation's own choice. */
  value: string | null;
  onChange: (executor: string | null) => void;
  error?: string;
}

/** Which agent does the work; nothing to choose where there is only one. */
export function ExecutorField({ value, onChange, error }: Props) {
  const executors = useQuery(executorsQuery).data ?? [];
  if (executors.length < 2) return null;
  const usual = executors.find((each) => each.default);
  return (
    <NativeSelect
      label="Agent"
      data={[
        {
          value: "",
          label: usual ? `As this installation has it: ${usual.label}` : "As this installation has it",
        },
        ...executors.map((each) => ({
          value: each.id,
          label: each.available ? each.label : `${each.label}, not here`,
          disabled: !each.available,
        })),
      ]}
      description={executors.find((each) => each.id === value)?.reason ?? undefined}
      value={value ?? ""}
      onChange={(event) => onChange(event.currentTarget.value || null)}
      error={error}
    />
  );
}
