// All merge requests: those that wait for somebody first.

import { useQuery } from "@tanstack/react-query";
import { mergeRequestsQuery } from "../../api/queries";
import type { MergeRequest } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { Counts } from "../../components/diff/counts";
import { plural } from "../../components/format";
import { Inline } from "../../components/inline";
import { ListGroup, ListRow, ListSkeleton, useListKeys } from "../../components/list";
import { EmptyNote, ErrorNote } from "../../components/note";
import { Facts, Page } from "../../components/page";
import { MiniStrip } from "../../components/proof/strip";
import { StateWord } from "../../components/state-icon";
import { mergeRequestSaid } from "../../components/states";
import { Ago } from "../../components/time/now";

export default function MergeRequestsPage() {
  const { uid } = useWorkspace();
  const all = useQuery(mergeRequestsQuery(uid));
  useListKeys();
  const open = all.data?.filter((each) => each.status === "OPEN" || each.status === "DRAFT") ?? [];
  const ready = open.filter((each) => each.verdict === "proven");
  const decide = open.filter((each) => each.verdict !== "proven");
  const done = all.data?.filter((each) => !open.includes(each)) ?? [];
  return (
    <Page bare title="Merge requests" here="Merge requests">
      {all.isPending && <ListSkeleton />}
      {all.error && !all.data && <ErrorNote error={all.error} retry={() => all.refetch()} />}
      {all.data?.length === 0 && (
        <EmptyNote>No merge request yet. A run opens one when its fix is proven.</EmptyNote>
      )}
      <Group title="Needs you" state="needs_you" items={decide} />
      <Group title="Ready to merge" state="proven" items={ready} />
      <Group title="Done" state="done" items={done} />
    </Page>
  );
}

interface GroupProps {
  title: string;
  state: "needs_you" | "proven" | "done";
  items: MergeRequest[];
}

function Group({ title, state, items }: GroupProps) {
  if (items.length === 0) return null;
  return (
    <ListGroup title={title} state={state} count={items.length}>
      {items.map((each) => (
        <MergeRequestRow key={each.id} mr={each} />
      ))}
    </ListGroup>
  );
}

function MergeRequestRow({ mr }: { mr: MergeRequest }) {
  const said = mergeRequestSaid(mr);
  return (
    <ListRow
      link={{ to: "/merge-requests/$id", id: mr.id }}
      title={<Inline text={mr.title} />}
      beneath={
        <Facts small>
          {[`!${mr.number}`, mr.repository].filter(Boolean).join(", ")}
          {mr.incident_short_id && `fixes ${mr.incident_short_id}`}
          <span>
            <Counts additions={mr.additions} deletions={mr.deletions} quiet /> in{" "}
            {plural(mr.files_changed, "file")}
          </span>
        </Facts>
      }
      proof={<MiniStrip tests={mr.tests} />}
      state={<StateWord state={said.state}>{said.word}</StateWord>}
      age={<Ago at={mr.merged_at ?? mr.created_at} bare />}
    />
  );
}
