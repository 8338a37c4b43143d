// Asks for a change in words: a request, whose run starts at once.

import { Button, Drawer, NativeSelect, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { isProblem } from "../../api/problem";
import { keys, repositoryLinksQuery } from "../../api/queries";
import { useWorkspace } from "../../app/workspace";
import { Inline } from "../../components/inline";
import { EmptyNote, FailureLine } from "../../components/note";
import form from "../../components/table.module.css";
import { ExecutorField } from "./executor-field";
import { useModelRefusal } from "./use-model";

export default function NewRequestDrawer({ onClose }: { onClose: () => void }) {
  const { uid } = useWorkspace();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const repositories = useQuery(repositoryLinksQuery(uid));
  const [chosen, setChosen] = useState("");
  const [prompt, setPrompt] = useState("");
  const [executor, setExecutor] = useState<string | null>(null);
  const project = chosen || repositories.data?.[0]?.id || "";
  const refusal = useModelRefusal();
  const create = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/api/requests/", {
          body: { project_id: project, prompt, tenant_id: uid, source: "direct_user", sender: "", executor },
        }),
      ),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: keys.runs });
      void queries.invalidateQueries({ queryKey: keys.inbox });
      void navigate({ to: "/runs", search: {} });
    },
  });
  const fields = isProblem(create.error) ? create.error.fields : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <Drawer opened onClose={onClose} title="New request" closeButtonProps={{ "aria-label": "Close" }}>
      {repositories.data?.length === 0 ? (
        <EmptyNote
          action={
            <Link to="/repositories" search={{ new: true }}>
              Connect a repository
            </Link>
          }
        >
          A request needs a repository to work on.
        </EmptyNote>
      ) : (
        <form className={form.form} onSubmit={submit}>
          <NativeSelect
            label="Repository"
            data={(repositories.data ?? []).map((link) => ({ value: link.id, label: link.repository }))}
            value={project}
            onChange={(event) => setChosen(event.currentTarget.value)}
            error={fields.project_id}
          />
          <Textarea
            label="What should change"
            description="The first line is its title. A pasted traceback makes it an incident of its own."
            autosize
            minRows={6}
            maxRows={18}
            value={prompt}
            onChange={(event) => setPrompt(event.currentTarget.value)}
            error={fields.prompt}
            data-autofocus
          />
          <ExecutorField value={executor} onChange={setExecutor} error={fields.executor} />
          {refusal && (
            <p className={form.note}>
              <Inline text={refusal} />
            </p>
          )}
          {Object.keys(fields).length === 0 && <FailureLine error={create.error} />}
          <div className={form.acts}>
            <Button
              type="submit"
              variant="filled"
              loading={create.isPending}
              disabled={prompt.trim() === "" || project === ""}
            >
              Start the run
            </Button>
          </div>
        </form>
      )}
    </Drawer>
  );
}
