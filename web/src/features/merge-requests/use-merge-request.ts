// A merge request and everything that can be done to it. Marks and comments show at once and are put right by the
// server's next answer.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api, ask } from "../../api/client";
import { inboxQuery, keys, mergeRequestQuery } from "../../api/queries";
import type { Comment, MergeRequest, RunSummary } from "../../api/types";
import { useWorkspace } from "../../app/workspace";

export function useMergeRequest(id: string) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const query = useQuery(mergeRequestQuery(id));
  const path = { params: { path: { id } } };
  const key = [...keys.mergeRequests, id];
  const refresh = () => {
    void queries.invalidateQueries({ queryKey: keys.mergeRequests });
    void queries.invalidateQueries({ queryKey: keys.inbox });
    void queries.invalidateQueries({ queryKey: keys.runs });
    void queries.invalidateQueries({ queryKey: keys.incidents });
  };

  const approveAndMerge = useMutation({
    mutationFn: async (shown: MergeRequest) => {
      const { approved_by, patch_commit } = shown;
      if (!approved_by)
        await ask(api.POST("/api/merge-requests/{id}/approve/", { ...path, body: { patch_commit } }));
      await ask(api.POST("/api/merge-requests/{id}/merge/", path));
    },
    onSettled: refresh,
  });
  const close = useMutation({
    mutationFn: () => ask(api.POST("/api/merge-requests/{id}/close/", path)),
    onSettled: refresh,
  });
  const override = useMutation({
    mutationFn: (reason: string) =>
      ask(api.POST("/api/merge-requests/{id}/override/", { ...path, body: { reason } })),
    onSettled: refresh,
  });
  const review = useMutation({
    mutationFn: (body: { path: string; reviewed: boolean }) =>
      ask(api.POST("/api/merge-requests/{id}/reviewed/", { ...path, body })),
    onMutate: (body) => {
      queries.setQueryData<MergeRequest>(
        key,
        (now) =>
          now && {
            ...now,
            reviewed: [
              ...now.reviewed.filter((each) => each !== body.path),
              ...(body.reviewed ? [body.path] : []),
            ],
          },
      );
    },
    onError: refresh,
  });
  const comment = useMutation({
    mutationFn: (body: Pick<Comment, "path" | "line" | "side" | "body">) =>
      ask(api.POST("/api/merge-requests/{id}/comments/", { ...path, body })),
    onSettled: refresh,
  });
  const send = useMutation({
    mutationFn: () => ask(api.POST("/api/merge-requests/{id}/comments/send/", path)),
    onSettled: refresh,
    onSuccess: ({ run_id }) => navigate({ to: "/runs/$id", params: { id: run_id } }),
  });
  /** Begins at the target branch's newest commit and proposes here again. */
  const rerun = useMutation({
    mutationFn: (run: string) =>
      ask(
        api.POST("/api/runs/{id}/retry/", { params: { path: { id: run } }, body: { from_step: "prepare" } }),
      ),
    onSettled: refresh,
    onSuccess: ({ run_id }) => navigate({ to: "/runs/$id", params: { id: run_id } }),
  });
  const acts = { approveAndMerge, close, override, review, comment, send, rerun };
  const error = Object.values(acts).find((act) => act.error)?.error ?? null;
  return { query, ...acts, error };
}

/** The run that works on it further, from what the shell has read for its count: this asks for nothing itself. */
export function useFollowUp(mr: MergeRequest): RunSummary | null {
  const { uid } = useWorkspace();
  const inbox = useQuery({ ...inboxQuery(uid), enabled: false });
  const working = inbox.data?.working.map((item) => item.run) ?? [];
  return working.find((run) => run?.request_id === mr.request_id && run.id !== mr.run_id) ?? null;
}

export type MergeRequestActs = ReturnType<typeof useMergeRequest>;
