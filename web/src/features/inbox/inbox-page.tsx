// The first page: what needs you, what is being worked on, what is ready, what is over. An installation where
// nothing ever happened shows the path to the first crash instead.

import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { follow } from "../../api/client";
import { inboxQuery, keys } from "../../api/queries";
import type { Inbox, InboxGroup, InboxItem } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { grouped } from "../../components/format";
import { Inline } from "../../components/inline";
import { ListGroup, ListRow, ListSkeleton, useListKeys } from "../../components/list";
import { ErrorNote, FailureLine } from "../../components/note";
import { Facts, Page, PageHead } from "../../components/page";
import { MiniStrip } from "../../components/proof/strip";
import { type State, StateWord } from "../../components/state-icon";
import { Ago, Clock } from "../../components/time/now";
import { LiveLine } from "../runs/live-line";
import { headline, isEmpty, itemName, itemSaid, more, subline } from "./inbox";
import css from "./inbox-page.module.css";

const FirstStart = lazy(() => import("./first-start"));

export default function InboxPage() {
  const { uid } = useWorkspace();
  const inbox = useQuery(inboxQuery(uid));
  useListKeys();
  const waiting = inbox.data?.totals.needs_you ?? 0;
  const title = waiting > 0 ? `(${waiting}) Inbox` : "Inbox";
  if (inbox.data && isEmpty(inbox.data)) {
    return (
      <Page title={title} here="Inbox">
        <Suspense fallback={<ListSkeleton />}>
          <FirstStart />
        </Suspense>
      </Page>
    );
  }
  return (
    <Page bare={!inbox.data} title={title} here="Inbox">
      {inbox.isPending && <ListSkeleton />}
      {inbox.error && !inbox.data && <ErrorNote error={inbox.error} retry={() => inbox.refetch()} />}
      {inbox.data && <Groups inbox={inbox.data} />}
    </Page>
  );
}

function Groups({ inbox }: { inbox: Inbox }) {
  return (
    <>
      <PageHead>
        <h1>{headline(inbox)}</h1>
        <p className={css.subline}>{subline(inbox)}</p>
      </PageHead>
      {GROUPS.map((group) => (
        <Group key={group.id} inbox={inbox} {...group} />
      ))}
    </>
  );
}

const INCIDENTS = { to: "/incidents", label: "Incidents" } as const;
const RUNS = { to: "/runs", label: "Runs" } as const;
const MERGE_REQUESTS = { to: "/merge-requests", label: "Merge requests" } as const;

interface GroupOf {
  id: InboxGroup;
  title: string;
  state: State;
  small?: boolean;
  /** The pages that list all of it. */
  lists: (typeof INCIDENTS | typeof RUNS | typeof MERGE_REQUESTS)[];
}

const GROUPS: GroupOf[] = [
  { id: "needs_you", title: "Needs you", state: "needs_you", lists: [INCIDENTS, RUNS, MERGE_REQUESTS] },
  { id: "working", title: "Working", state: "working", lists: [RUNS] },
  { id: "ready_to_merge", title: "Ready to merge", state: "proven", lists: [MERGE_REQUESTS] },
  { id: "done", title: "Done", state: "done", small: true, lists: [RUNS, MERGE_REQUESTS] },
];

function Group({ inbox, id, title, state, small = false, lists }: GroupOf & { inbox: Inbox }) {
  const items = inbox[id];
  if (items.length === 0) return null;
  const left = more(inbox, id);
  return (
    <ListGroup title={title} state={state} count={inbox.totals[id]}>
      {items.map((item) => (
        <ItemRow key={`${item.kind}-${item.id}`} item={item} small={small} />
      ))}
      {left > 0 && (
        <li className={css.more}>
          {grouped(left)} more in{" "}
          {lists.map(({ to, label }, index) => (
            <span key={to}>
              {index > 0 && (index === lists.length - 1 ? " and " : ", ")}
              <Link to={to}>{label}</Link>
            </span>
          ))}
        </li>
      )}
    </ListGroup>
  );
}

const ADDRESS = {
  incident: "/incidents/$id",
  run: "/runs/$id",
  merge_request: "/merge-requests/$id",
} as const;

function ItemRow({ item, small }: { item: InboxItem; small: boolean }) {
  const said = itemSaid(item);
  const live = item.run?.status === "running" ? item.run : null;
  return (
    <ListRow
      small={small}
      link={{ to: ADDRESS[item.kind], id: item.id }}
      title={<Inline text={item.title} />}
      beneath={<Beneath item={item} />}
      proof={!small && <MiniStrip tests={item.tests} />}
      state={
        <StateWord state={said.state}>
          {said.word} {live?.live_since && <Clock from={live.live_since} />}
        </StateWord>
      }
      action={small ? undefined : <ItemAction item={item} />}
      age={<Ago at={item.at} bare />}
    />
  );
}

/** What it is, and either what it does at this moment or what the server says of it. */
function Beneath({ item }: { item: InboxItem }) {
  const live = item.run?.status === "running" ? item.run.live_line : null;
  return (
    <Facts small>
      {[itemName(item), item.repository].filter(Boolean).join(", ")}
      {item.kind !== "incident" && item.incident_short_id && `fixes ${item.incident_short_id}`}
      {item.run && live ? (
        <LiveLine run={item.run} withClock={false} />
      ) : (
        item.subtitle && (
          <span>
            <Inline text={item.subtitle} />
          </span>
        )
      )}
    </Facts>
  );
}

/** The server names the act; a reading address is a way to the thing, anything else is done in place. */
function ItemAction({ item }: { item: InboxItem }) {
  const queries = useQueryClient();
  const { action } = item;
  const act = useMutation({
    mutationFn: () => follow(action?.method ?? "POST", action?.url ?? ""),
    onSettled: () => {
      for (const key of [keys.inbox, keys.runs, keys.incidents, keys.mergeRequests]) {
        void queries.invalidateQueries({ queryKey: key });
      }
    },
  });
  if (!action && item.kind !== "merge_request") return null;
  if (!action || action.method === "GET") {
    return (
      <Button size="xs" component={Link} to={ADDRESS[item.kind]} params={{ id: item.id } as never}>
        {action?.label ?? (item.state === "proven" || item.state === "overridden" ? "Review" : "Decide")}
      </Button>
    );
  }
  return (
    <>
      <Button size="xs" onClick={() => act.mutate()} loading={act.isPending}>
        {action.label}
      </Button>
      <FailureLine error={act.error} />
    </>
  );
}
