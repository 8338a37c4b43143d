// The diff with reviewed marks, and the comments that are gathered here and sent to the agent together.

import { Button, Textarea } from "@mantine/core";
import { type FormEvent, useMemo, useState } from "react";
import type { Comment, MergeRequest, Side } from "../../api/types";
import { Diff } from "../../components/diff/diff";
import { parseDiff } from "../../components/diff/parse";
import { plural } from "../../components/format";
import { breakable } from "../../components/inline";
import { Ago } from "../../components/time/now";
import css from "./reviewed-diff.module.css";
import type { MergeRequestActs } from "./use-merge-request";

interface Props {
  mr: MergeRequest;
  acts: MergeRequestActs;
}

interface Place {
  path: string;
  side: Side;
  line: number;
}

/** `canSend` is false where the page has another button that sends. */
export function ReviewedDiff({ mr, acts, canSend }: Props & { canSend: boolean }) {
  const files = useMemo(() => parseDiff(mr.diff), [mr.diff]);
  const [writing, setWriting] = useState<Place | null>(null);
  const under = (path: string, side: Side, line: number) => {
    const here = mr.comments.filter((each) => each.path === path && each.side === side && each.line === line);
    const form = writing?.path === path && writing.side === side && writing.line === line;
    if (here.length === 0 && !form) return null;
    return (
      <div className={css.under}>
        {here.map((comment) => (
          <CommentCard key={comment.id} comment={comment} />
        ))}
        {form && <CommentForm place={writing} acts={acts} onDone={() => setWriting(null)} />}
      </div>
    );
  };
  return (
    <>
      {canSend && <SendBar mr={mr} acts={acts} />}
      <Diff
        files={files}
        review={{
          reviewed: mr.reviewed,
          onReviewed: (path, reviewed) => acts.review.mutate({ path, reviewed }),
          under,
          onComment: (path, side, line) => setWriting({ path, side, line }),
        }}
      />
    </>
  );
}

export function CommentList({ mr, acts }: Props) {
  if (mr.comments.length === 0) {
    return <p className={css.none}>No comment yet. Press a line number in the diff to write one.</p>;
  }
  return (
    <>
      <SendBar mr={mr} acts={acts} />
      <ul className={css.list}>
        {mr.comments.map((comment) => (
          <li key={comment.id}>
            <code className={css.place}>{breakable(`${comment.path}:${comment.line}`)}</code>
            <CommentCard comment={comment} />
          </li>
        ))}
      </ul>
    </>
  );
}

function SendBar({ mr, acts }: Props) {
  const unsent = mr.comments.filter((comment) => !comment.sent).length;
  if (unsent === 0 || mr.status === "MERGED" || mr.status === "CLOSED") return null;
  return (
    <div className={css.bar} role="status">
      <span>
        {plural(unsent, "comment")} not sent yet. Sending starts a run that answers all of them together.
      </span>
      <Button size="xs" onClick={() => acts.send.mutate()} loading={acts.send.isPending}>
        Send to the agent
      </Button>
    </div>
  );
}

function CommentCard({ comment }: { comment: Comment }) {
  return (
    <article className={css.card} aria-label={`Comment by ${comment.author}`}>
      <p className={css.by}>
        <strong>{comment.author}</strong> <Ago at={comment.created_at} />
        {comment.sent ? "" : ", not sent yet"}
      </p>
      <p className={css.body}>{comment.body}</p>
    </article>
  );
}

function CommentForm({ place, acts, onDone }: { place: Place; acts: MergeRequestActs; onDone: () => void }) {
  const [body, setBody] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    acts.comment.mutate({ ...place, body: body.trim() }, { onSuccess: onDone });
  };
  return (
    <form className={css.card} onSubmit={submit}>
      <Textarea
        aria-label={`Comment on line ${place.line}`}
        placeholder="What should change here?"
        autosize
        minRows={2}
        autoFocus
        value={body}
        onChange={(event) => setBody(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && onDone()}
      />
      <div className={css.acts}>
        <Button
          size="xs"
          variant="filled"
          type="submit"
          disabled={body.trim() === ""}
          loading={acts.comment.isPending}
        >
          Keep the comment
        </Button>
        <Button size="xs" onClick={onDone}>
          Discard
        </Button>
      </div>
    </form>
  );
}
