// The routes the app calls, in the shape `openapi-typescript` generates, so that the generated `paths` can take
// this file's place without a change to any caller.

import type {
  AlertSource,
  AlertSourceChange,
  ApiKey,
  AuthSettings,
  Comment,
  Credentials,
  Executor,
  Inbox,
  Incident,
  IncidentDetail,
  MergeRequest,
  MergeRequestSummary,
  NewApiKey,
  NewComment,
  NewRepositoryLink,
  Problem,
  RepositoryLink,
  RunDetail,
  RunSummary,
  StepName,
  System,
  User,
} from "./types";

type Json<T> = { content: { "application/json": T } };
type Empty = { content: { "application/json": Record<string, never> } };

interface Operation<Answer, Body, Query, Path> {
  parameters: { query?: Query; header?: never; path: Path; cookie?: never };
  requestBody: { content: { "application/json": Body } };
  responses: { 200: Json<Answer>; default: { content: { "application/json": Problem } } };
}

interface Reading<Answer, Query, Path> {
  parameters: { query?: Query; header?: never; path: Path; cookie?: never };
  responses: { 200: Json<Answer>; default: { content: { "application/json": Problem } } };
}

interface Collection<Answer, Query = { workspace_uid?: string }> {
  parameters: { query?: Query; header?: never; path?: never; cookie?: never };
  responses: { 200: Json<Answer>; default: { content: { "application/json": Problem } } };
}

interface Creation<Answer, Body> {
  parameters: { query?: never; header?: never; path?: never; cookie?: never };
  requestBody: { content: { "application/json": Body } };
  responses: { 200: Json<Answer>; default: { content: { "application/json": Problem } } };
}

type ById = { id: string };
type One<Answer> = Reading<Answer, never, ById>;
type Act<Answer, Body = Record<string, never>> = Operation<Answer, Body, never, ById>;
type Nothing = Empty["content"]["application/json"];

export interface paths {
  "/api/auth/csrf/": { get: Collection<Nothing, never> };
  "/api/auth/settings/": { get: Collection<AuthSettings, never> };
  "/api/auth/me/": { get: Collection<User, never> };
  "/api/auth/login/": { post: Creation<User, Credentials> };
  "/api/auth/register/": { post: Creation<User, Credentials> };
  "/api/auth/logout/": { post: Creation<Nothing, Record<string, never>> };

  "/api/api-keys/": { get: Collection<ApiKey[], never>; post: Creation<NewApiKey, { name: string }> };
  "/api/api-keys/{id}/": { delete: One<Nothing> };

  "/api/repository-links/": {
    get: Collection<RepositoryLink[]>;
    post: Creation<RepositoryLink, NewRepositoryLink>;
  };
  "/api/repository-links/{id}/": { delete: One<Nothing> };

  "/api/alert-sources/": { get: Collection<AlertSource[]>; post: Creation<AlertSource, AlertSourceChange> };
  "/api/alert-sources/{id}/": { patch: Act<AlertSource, AlertSourceChange>; delete: One<Nothing> };
  "/api/alert-sources/{id}/test-event/": { post: Act<{ incident_id: string }> };

  "/api/incidents/": { get: Collection<Incident[]> };
  "/api/incidents/{id}/": { get: One<IncidentDetail> };
  "/api/incidents/{id}/run/": { post: Act<{ request_id: string }> };
  "/api/incidents/{id}/resolve/": { post: Act<Incident> };

  "/api/runs/": { get: Collection<RunSummary[]> };
  "/api/runs/{id}/": { get: One<RunDetail>; delete: One<Nothing> };
  "/api/runs/{id}/cancel/": { post: Act<Nothing> };
  "/api/runs/{id}/retry/": { post: Act<{ run_id: string }, { from_step?: StepName }> };
  "/api/chat/": { post: Creation<{ status: string }, { request_id: string; message: string }> };

  "/api/merge-requests/": { get: Collection<MergeRequestSummary[]> };
  "/api/merge-requests/{id}/": { get: One<MergeRequest> };
  "/api/merge-requests/{id}/approve/": { post: Act<MergeRequest> };
  "/api/merge-requests/{id}/merge/": { post: Act<MergeRequest> };
  "/api/merge-requests/{id}/close/": { post: Act<MergeRequest> };
  "/api/merge-requests/{id}/override/": { post: Act<MergeRequest, { reason: string }> };
  "/api/merge-requests/{id}/reviewed/": { post: Act<Nothing, { path: string; reviewed: boolean }> };
  "/api/merge-requests/{id}/comments/": { post: Act<Comment, NewComment> };
  "/api/merge-requests/{id}/comments/send/": { post: Act<Nothing> };

  "/api/requests/": {
    post: Creation<
      { id: string },
      { project_id: string; prompt: string; tenant_id: string; source: string; sender: string }
    >;
  };

  "/api/inbox/": { get: Collection<Inbox> };
  "/api/executors/": { get: Collection<Executor[], never> };
  "/api/system/": { get: Collection<System, never> };
  "/api/demo/crash/": { post: Creation<{ incident_id: string }, Record<string, never>> };
}
