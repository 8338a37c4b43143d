// A run as it is at this moment: the server's answer, brought forward by the stream.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { keys, runMoves, runQuery } from "../../api/queries";
import { RunStream, type StreamSnapshot } from "../../api/run-stream";
import type { RunDetail, RunEvent } from "../../api/types";
import { ofRun } from "./activity";
import { asksForMore, bringForward, newerThan } from "./overlay";

const REFETCH_MS = 600;
const NOTHING: StreamSnapshot = { events: [], state: "connecting", lastFrameAt: null };
const noStream = { subscribe: () => () => undefined, snapshot: () => NOTHING };

export interface LiveRun {
  run: RunDetail | undefined;
  events: RunEvent[];
  stream: StreamSnapshot;
  moving: boolean;
  error: unknown;
  retry: () => void;
}

export function useRun(id: string): LiveRun {
  const query = useQuery(runQuery(id, true));
  const detail = query.data;
  const stream = useStream(detail);
  const events = useMemo(() => (detail ? ofRun(stream.events, detail.id) : []), [detail, stream.events]);
  const run = useMemo(() => detail && bringForward(detail, events), [detail, events]);
  useRefetch(detail, events);
  return {
    run,
    events,
    stream,
    moving: runMoves(run),
    error: query.error,
    retry: () => void query.refetch(),
  };
}

function useStream(detail: RunDetail | undefined): StreamSnapshot {
  const requestId = detail?.request_id;
  const seed = useRef<readonly RunEvent[]>([]);
  if (detail) seed.current = detail.events;
  const stream = useMemo(
    () => (requestId ? new RunStream({ requestId, seed: seed.current }) : noStream),
    [requestId],
  );
  return useSyncExternalStore(stream.subscribe, stream.snapshot);
}

/** Some events mean that the server now has more to tell: a diff, a verdict, a merge request. */
function useRefetch(detail: RunDetail | undefined, events: RunEvent[]): void {
  const queries = useQueryClient();
  const id = detail?.id;
  const isNew = detail && newerThan(detail);
  const last = (isNew && events.findLast((event) => isNew(event) && asksForMore(event))?.seq) ?? 0;
  useEffect(() => {
    if (last === 0 || !id) return;
    const timer = setTimeout(() => {
      void queries.invalidateQueries({ queryKey: [...keys.runs, id] });
      void queries.invalidateQueries({ queryKey: keys.inbox });
    }, REFETCH_MS);
    return () => clearTimeout(timer);
  }, [queries, id, last]);
}
