// Speaks to the agent at any time: a run of its own takes up what is said, on the patch there is.

import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useState } from "react";
import { api, ask } from "../../api/client";
import { keys } from "../../api/queries";
import { MOD } from "../../app/platform";
import { Glyph } from "../../components/glyph";
import { FailureLine } from "../../components/note";
import css from "./composer.module.css";

export function Composer({ requestId, moving }: { requestId: string; moving: boolean }) {
  const [text, setText] = useState("");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const send = useMutation({
    mutationFn: (message: string) =>
      ask(api.POST("/api/chat/", { body: { request_id: requestId, message } })),
    onSuccess: ({ run_id }) => {
      setText("");
      void queries.invalidateQueries({ queryKey: keys.runs });
      // Whoever follows a run goes on following it; the new one is a press away.
      if (!moving) void navigate({ to: "/runs/$id", params: { id: run_id } });
    },
  });
  const submit = () => {
    if (text.trim() !== "" && !send.isPending) send.mutate(text);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) {
      event.preventDefault();
      submit();
    }
  };
  return (
    <div className={css.composer}>
      <div className={css.box}>
        <textarea
          className={css.text}
          rows={Math.min(6, Math.max(1, text.split("\n").length))}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={onKey}
          placeholder={
            moving ? "Say more. A run after this one takes it up." : "Ask for a change. A new run starts."
          }
          aria-label="Message to the agent"
        />
        <kbd className={css.key}>{MOD === "⌘" ? "⌘↵" : "Ctrl ↵"}</kbd>
        <Button
          variant="filled"
          size="xs"
          onClick={submit}
          disabled={text.trim() === ""}
          loading={send.isPending}
          aria-label="Send"
        >
          <span className={css.word}>Send</span>
          <Glyph name="up" className={css.arrow} />
        </Button>
      </div>
      {moving && send.data && (
        <p className={css.sent} role="status">
          <Link to="/runs/$id" params={{ id: send.data.run_id }}>
            The next run
          </Link>{" "}
          takes it up.
        </p>
      )}
      <FailureLine error={send.error} />
    </div>
  );
}
