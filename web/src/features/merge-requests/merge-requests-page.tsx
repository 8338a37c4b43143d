// All merge requests: those that wait for somebody first.

import { useQuery } from "@tanstack/react-query";
import { mergeRequestsQuery, waits } from "../../api/queries";
import type { MergeRequest } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { Counts } from "../../components/diff/counts";
import { plural } from "../../components/format";
import { Inline } from "../../components/inline";
import { ListGroup, ListRow, useListKeys } from "../../components/list";
import { Listed } from "../../components/listed";
import { Facts, Page } from "../../components/page";
import { MiniStrip } from "../../components/proof/strip";
import { StateWord } from "../../components/state-icon";
import { mergeRequestSaid } from "../../components/states";
import { Ago } from "../../components/time/now";

export default function MergeRequestsPage() {
  const { uid } = useWorkspace();
  const all = useQuery(mergeRequestsQuery(uid));
  useListKeys();
  return (
    <Page bare title="Merge requests" here="Merge requests">
      <Listed query={all} empty="No merge request yet. A run opens one when it has made a fix.">
        {(mergeRequests) => <Groups mergeRequests={mergeRequests} />}
      </Listed>
    </Page>
  );
}

function Groups({ mergeRequests }: { mergeRequests: MergeRequest[] }) {
  const open = mergeRequests.filter((each) => waits(each.status));
  return (
    <>
      <Group title="Needs you" state="needs_you" items={open.filter((each) => !each.can_merge)} />
      <Group title="Ready to merge" state="proven" items={open.filter((each) => each.can_merge)} />
      <Group title="Done" state="done" items={mergeRequests.filter((each) => !open.includes(each))} />
    </>
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
