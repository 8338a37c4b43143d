// One sandbox: what it is, how long it lives, and a command to run in it.

import { Button, Drawer, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { keys } from "../../api/queries";
import type { ExecView, SandboxSession } from "../../api/types";
import { Terminal, toLines } from "../../components/code/terminal";
import { CopyLine } from "../../components/copy-button";
import { bytes } from "../../components/format";
import { RemoveButton } from "../../components/listed";
import { FailureLine } from "../../components/note";
import { StateWord } from "../../components/state-icon";
import { sandboxSaid } from "../../components/states";
import table from "../../components/table.module.css";
import { clock, duration } from "../../components/time/format";
import { Ago } from "../../components/time/now";
import { Fact } from "../runs/facts";
import { limits, sandboxName } from "./session";

export default function SandboxDrawer({
  session,
  onClose,
}: {
  session: SandboxSession;
  onClose: () => void;
}) {
  const queries = useQueryClient();
  const refresh = () => queries.invalidateQueries({ queryKey: keys.sandboxes });
  const path = { params: { path: { id: session.id } } };
  const stop = useMutation({
    mutationFn: () => ask(api.POST("/api/sandbox/sessions/{id}/stop/", path)),
    onSettled: refresh,
  });
  const remove = async () => {
    await ask(api.DELETE("/api/sandbox/sessions/{id}/", path));
    onClose();
    await refresh();
  };
  const said = sandboxSaid(session.status);
  const isReady = session.status === "ready";
  return (
    <Drawer
      opened
      onClose={onClose}
      title={sandboxName(session)}
      size="640px"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <div className={table.form}>
        <StateWord state={said.state}>{said.word}</StateWord>
        {session.error_message && <FailureLine error={session.error_message} />}
        <CopyLine text={session.id} label="Copy the id" />
        <dl className={table.facts}>
          <Fact name="Kind">{session.mode}</Fact>
          <Fact name="Limits">{limits(session)}</Fact>
          <Fact name="Used">
            {duration(session.cpu_seconds * 1_000)} of a core, {bytes(session.storage_bytes)} stored
          </Fact>
          <Fact name="Made">
            <Ago at={session.created_at} />
          </Fact>
          {session.last_activity_at && (
            <Fact name="Last used">
              <Ago at={session.last_activity_at} />
            </Fact>
          )}
          <Fact name="Ends">
            after {clock(session.idle_timeout_sec * 1_000)} unused, {clock(session.max_lifetime_sec * 1_000)}{" "}
            in all
          </Fact>
          <Fact name="Workspace">
            <code>{session.workspace_path}</code>
          </Fact>
        </dl>
        {isReady && <Command session={session} />}
        <div className={table.part}>
          <p className={table.note}>
            Stopped, it keeps its files for seven days and starts again when it is used.
          </p>
          <div className={table.codeHead}>
            {isReady && (
              <Button size="xs" onClick={() => stop.mutate()} loading={stop.isPending}>
                Stop
              </Button>
            )}
            <RemoveButton label="Delete with its files" sure="Delete it now" remove={remove} />
          </div>
          <FailureLine error={stop.error} />
        </div>
      </div>
    </Drawer>
  );
}

function Command({ session }: { session: SandboxSession }) {
  const [line, setLine] = useState("");
  const run = useMutation({
    mutationFn: (command: string) =>
      ask(
        api.POST("/api/sandbox/sessions/{id}/exec/", {
          params: { path: { id: session.id } },
          body: { command },
        }),
      ),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (line.trim()) run.mutate(line);
  };
  return (
    <form className={table.part} onSubmit={submit}>
      <h3>Run a command</h3>
      <div className={table.codeHead}>
        <TextInput
          aria-label="Command"
          placeholder="ls -la"
          value={line}
          onChange={(event) => setLine(event.currentTarget.value)}
          className={table.grow}
          autoCapitalize="none"
          spellCheck={false}
        />
        <Button type="submit" loading={run.isPending} disabled={line.trim() === ""}>
          Run
        </Button>
      </div>
      {run.data && <Outcome command={run.variables} outcome={run.data} />}
      <FailureLine error={run.error} />
    </form>
  );
}

function Outcome({ command, outcome }: { command: string; outcome: ExecView }) {
  const lines = [...toLines(outcome.stdout), ...toLines(outcome.stderr)];
  const dropped = outcome.stdout_dropped_bytes + outcome.stderr_dropped_bytes;
  return (
    <>
      <p className={table.note} role="status">
        {outcome.reason === "exited" ? `exit ${outcome.exit_code}` : outcome.reason} in{" "}
        {duration(outcome.duration_sec * 1_000)}
        {dropped > 0 && `, ${bytes(dropped)} left out of the middle`}
      </p>
      {lines.length > 0 && <Terminal lines={lines} label={`Output of ${command}`} folded />}
    </>
  );
}
