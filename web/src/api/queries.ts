// What is read from the server, how it is keyed, and how often it is read again while something moves.

import { QueryClient, queryOptions } from "@tanstack/react-query";
import { api, ask } from "./client";
import { isProblem } from "./problem";
import type { IncidentDetail, MergeRequestStatus, RunDetail, RunSummary } from "./types";

const LIVE_MS = 2_000;
const LIST_MS = 4_000;
const QUIET_MS = 20_000;

export const queryClient = new QueryClient({
  defaultOptions: {
    // The server may be this very machine, which a browser that is "offline" reaches as well.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      staleTime: 1_000,
      retry: (count, error) => !(isProblem(error) && error.status >= 400 && error.status < 500) && count < 2,
    },
  },
});

export const keys = {
  me: ["me"] as const,
  inbox: ["inbox"] as const,
  incidents: ["incidents"] as const,
  runs: ["runs"] as const,
  mergeRequests: ["merge-requests"] as const,
  repositoryLinks: ["repository-links"] as const,
  alertSources: ["alert-sources"] as const,
  apiKeys: ["api-keys"] as const,
  members: ["members"] as const,
  sandboxes: ["sandboxes"] as const,
};

export const meQuery = queryOptions({
  queryKey: keys.me,
  queryFn: ({ signal }) => ask(api.GET("/api/auth/me/", { signal })),
  staleTime: 60_000,
});

export const authSettingsQuery = queryOptions({
  queryKey: ["auth-settings"],
  queryFn: ({ signal }) => ask(api.GET("/api/auth/settings/", { signal })),
  staleTime: 60_000,
});

export const systemQuery = queryOptions({
  queryKey: ["system"],
  queryFn: ({ signal }) => ask(api.GET("/api/system/", { signal })),
  staleTime: 300_000,
});

export const executorsQuery = queryOptions({
  queryKey: ["executors"],
  queryFn: ({ signal }) => ask(api.GET("/api/executors/", { signal })),
  staleTime: 300_000,
});

export const inboxQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.inbox, workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/inbox/", { params: { query: { workspace_uid: workspace } }, signal })),
    refetchInterval: LIST_MS,
  });

export const incidentsQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.incidents, "list", workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/incidents/", { params: { query: { workspace_uid: workspace } }, signal })),
    refetchInterval: LIST_MS,
  });

export const incidentQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.incidents, id],
    queryFn: ({ signal }) => ask(api.GET("/api/incidents/{id}/", { params: { path: { id } }, signal })),
    refetchInterval: (query) => (incidentMoves(query.state.data) ? LIVE_MS : QUIET_MS),
  });

export const runsQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.runs, "list", workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/runs/", { params: { query: { workspace_uid: workspace } }, signal })),
    refetchInterval: LIST_MS,
  });

/** `live` readers follow the event stream as well, so they poll only as a safety net. */
export const runQuery = (id: string, live = false) =>
  queryOptions({
    queryKey: [...keys.runs, id],
    queryFn: ({ signal }) => ask(api.GET("/api/runs/{id}/", { params: { path: { id } }, signal })),
    refetchInterval: ({ state: { data: run } }) => {
      if (runMoves(run)) return live ? LIVE_MS * 4 : LIVE_MS;
      return run && (waits(run.merge_request_status) || isWatched(run)) ? QUIET_MS : false;
    },
  });

export const mergeRequestsQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.mergeRequests, "list", workspace],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/api/merge-requests/", {
          params: { query: { workspace_uid: workspace, brief: true } },
          signal,
        }),
      ),
    refetchInterval: QUIET_MS,
  });

export const mergeRequestQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.mergeRequests, id],
    queryFn: ({ signal }) => ask(api.GET("/api/merge-requests/{id}/", { params: { path: { id } }, signal })),
    refetchInterval: QUIET_MS,
  });

export const repositoryLinksQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.repositoryLinks, workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/repository-links/", { params: { query: { workspace_uid: workspace } }, signal })),
  });

export const alertSourcesQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.alertSources, workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/alert-sources/", { params: { query: { workspace_uid: workspace } }, signal })),
    refetchInterval: LIST_MS,
  });

export const membersQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.members, workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/workspaces/{uid}/members/", { params: { path: { uid: workspace } }, signal })),
  });

export const workspaceQuery = (workspace: string) =>
  queryOptions({
    queryKey: ["workspace", workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/workspaces/{uid}/", { params: { path: { uid: workspace } }, signal })),
  });

export const usageQuery = (workspace: string) =>
  queryOptions({
    queryKey: ["usage", workspace],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/workspaces/{uid}/usage/", { params: { path: { uid: workspace } }, signal })),
  });

export const sandboxesQuery = (workspace: string) =>
  queryOptions({
    queryKey: [...keys.sandboxes, workspace],
    queryFn: ({ signal }) => ask(api.GET("/api/sandbox/sessions/", { signal })),
    // The server lists those of all my workspaces.
    select: (sessions) => sessions.filter((each) => each.workspace_uid === workspace),
    refetchInterval: LIST_MS,
  });

export const apiKeysQuery = queryOptions({
  queryKey: keys.apiKeys,
  queryFn: ({ signal }) => ask(api.GET("/api/api-keys/", { signal })),
});

export function runMoves(run: RunSummary | RunDetail | null | undefined): boolean {
  return run?.status === "queued" || run?.status === "running";
}

/** Whether a merge request is neither merged nor closed. */
export function waits(status: MergeRequestStatus | null | undefined): boolean {
  return status === "OPEN" || status === "DRAFT";
}

function isWatched(run: RunDetail): boolean {
  return run.steps.some((step) => step.name === "watch" && step.state === "working");
}

function incidentMoves(incident: IncidentDetail | undefined): boolean {
  if (!incident) return true;
  if (runMoves(incident.run)) return true;
  return incident.state === "open" && !incident.run && !incident.no_run_reason;
}
