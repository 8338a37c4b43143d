import { Button, Modal, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { FailureLine } from "../../components/note";
import css from "./override-modal.module.css";
import type { MergeRequestActs } from "./use-merge-request";

export default function OverrideModal({ acts, onClose }: { acts: MergeRequestActs; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    acts.override.mutate(reason.trim(), { onSuccess: onClose });
  };
  return (
    <Modal opened onClose={onClose} title="Override the proof" closeButtonProps={{ "aria-label": "Close" }}>
      <form className={css.form} onSubmit={submit}>
        <p>
          The verdict stays as it is. Your name and this reason are kept with the merge request, and it can be
          merged.
        </p>
        <Textarea
          label="Reason"
          required
          withAsterisk={false}
          autosize
          minRows={3}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
        <FailureLine error={acts.override.error} />
        <div className={css.acts}>
          <Button onClick={onClose}>Keep the verdict</Button>
          <Button
            type="submit"
            variant="filled"
            disabled={reason.trim() === ""}
            loading={acts.override.isPending}
          >
            Override
          </Button>
        </div>
      </form>
    </Modal>
  );
}
