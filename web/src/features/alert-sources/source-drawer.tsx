// One alert source: its address to copy, a snippet per language, a test event, the last event, and its settings.

import { Button, Drawer, NativeSelect } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys } from "../../api/queries";
import type { AlertSource, AlertSourceChange } from "../../api/types";
import { ConfirmButton } from "../../components/confirm-button";
import { CopyButton, CopyLine } from "../../components/copy-button";
import { Inline } from "../../components/inline";
import { FailureLine } from "../../components/note";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";
import { SettingsFields } from "./settings-fields";
import { address, curl, isWhole, kindLabel, SNIPPETS, STEPS } from "./snippets";

export default function SourceDrawer({
  source,
  secret,
  onClose,
}: {
  source: AlertSource;
  secret: string | null;
  onClose: () => void;
}) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => ask(api.DELETE("/api/alert-sources/{id}/", { params: { path: { id: source.id } } })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.alertSources });
      onClose();
    },
  });
  return (
    <Drawer
      opened
      onClose={onClose}
      // A slip beside the drawer must not lose what is shown only once.
      closeOnClickOutside={secret === null}
      title={source.name}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <div className={table.form}>
        <Address source={source} secret={secret} />
        <LastEvent source={source} />
        <Instructions source={source} secret={secret} />
        <Settings source={source} />
        <div className={table.part}>
          <p className={table.note}>
            Its incidents go with it. Events that are sent to it afterwards are refused.
          </p>
          <div>
            <ConfirmButton
              label="Delete the source"
              sure="Delete it now"
              onConfirm={() => remove.mutate()}
              loading={remove.isPending}
            />
          </div>
          <FailureLine error={remove.error} />
        </div>
      </div>
    </Drawer>
  );
}

function Address({ source, secret }: { source: AlertSource; secret: string | null }) {
  const shown = address(source, secret);
  if (!shown) return null;
  if (source.dsn) {
    return (
      <div className={table.pair}>
        <p className={table.note}>DSN. Its key is public by design: it may only hand in alerts.</p>
        <CopyLine text={shown} label="Copy the DSN" />
      </div>
    );
  }
  if (isWhole(shown)) {
    return (
      <div className={table.once} role="status">
        <p>This is the only time the whole address is shown. Copy it now.</p>
        <CopyLine text={shown} label="Copy the address" />
      </div>
    );
  }
  return (
    <div className={table.pair}>
      <p className={table.note}>Address for the {kindLabel(source.kind)}</p>
      <code className={table.code}>{shown}</code>
      <p className={table.note}>
        Its token was shown once, when the source was made. Where it is lost, make a new source.
      </p>
    </div>
  );
}

function LastEvent({ source }: { source: AlertSource }) {
  const queries = useQueryClient();
  const test = useMutation({
    mutationFn: () =>
      ask(api.POST("/api/alert-sources/{id}/test-event/", { params: { path: { id: source.id } } })),
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: keys.alertSources });
      void queries.invalidateQueries({ queryKey: keys.incidents });
    },
  });
  return (
    <div className={table.part}>
      <h3>Last event</h3>
      {source.last_event_at ? (
        <p>
          <code>{source.last_event_title}</code>
          <span className={table.muted}>
            {" "}
            <Ago at={source.last_event_at} />
          </span>
        </p>
      ) : (
        <StateWord state="waiting">Waits for its first event</StateWord>
      )}
      <div className={table.codeHead}>
        <Button size="xs" onClick={() => test.mutate()} loading={test.isPending}>
          Send a test event
        </Button>
        {test.data?.incident_id && (
          <Link to="/incidents/$id" params={{ id: test.data.incident_id }}>
            Open the incident it made
          </Link>
        )}
      </div>
      <FailureLine error={test.error} />
    </div>
  );
}

function Instructions({ source, secret }: { source: AlertSource; secret: string | null }) {
  const shown = address(source, secret);
  if (!shown) return null;
  if (source.dsn) return <Snippets dsn={source.dsn} />;
  if (source.kind === "sentry_webhook" || source.kind === "glitchtip") {
    return (
      <div className={table.part}>
        <h3>At the other end</h3>
        <ol className={table.steps}>
          {STEPS[source.kind].map((step) => (
            <li key={step}>
              <Inline text={step} />
            </li>
          ))}
        </ol>
      </div>
    );
  }
  return (
    <div className={table.part}>
      <Snippet head={<h3>Try it</h3>} text={curl(shown)} />
    </div>
  );
}

function Snippets({ dsn }: { dsn: string }) {
  const [language, setLanguage] = useState(SNIPPETS[0]?.language);
  const text = SNIPPETS.find((each) => each.language === language)?.text(dsn) ?? "";
  return (
    <div className={table.part}>
      <Snippet
        head={
          <NativeSelect
            aria-label="Language"
            data={SNIPPETS.map((each) => each.language)}
            value={language}
            onChange={(event) => setLanguage(event.currentTarget.value)}
          />
        }
        text={text}
      />
    </div>
  );
}

function Snippet({ head, text }: { head: ReactNode; text: string }) {
  return (
    <>
      <div className={table.codeHead}>
        {head}
        <CopyButton text={text} label="Copy the snippet" />
      </div>
      <pre className={table.code}>{text}</pre>
    </>
  );
}

function Settings({ source }: { source: AlertSource }) {
  const queries = useQueryClient();
  const [change, setChange] = useState<AlertSourceChange>({
    name: source.name,
    repository_id: source.repository?.id ?? null,
    executor: source.executor,
    automatic_runs: source.automatic_runs,
    runs_per_hour_max: source.runs_per_hour_max,
  });
  const save = useMutation({
    mutationFn: () =>
      ask(api.PATCH("/api/alert-sources/{id}/", { params: { path: { id: source.id } }, body: change })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.alertSources }),
  });
  const fields = isProblem(save.error) ? save.error.fields : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className={table.part} onSubmit={submit}>
      <h3>Settings</h3>
      <SettingsFields change={change} onChange={setChange} fields={fields} />
      {Object.keys(fields).length === 0 && <FailureLine error={save.error} />}
      <div className={table.acts}>
        {save.isSuccess && <span className={table.note}>Saved</span>}
        <Button type="submit" loading={save.isPending} disabled={!change.name?.trim()}>
          Save
        </Button>
      </div>
    </form>
  );
}
