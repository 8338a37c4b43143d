// The API's nouns, written by hand until the generated `schema.ts` replaces this file. Names and fields are the
// server's; nothing here is shaped for the screen.

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  errors?: { field?: string; detail?: string }[];
}

export interface AuthSettings {
  require_approval: boolean;
  allow_all_users: boolean;
  waitlist_enabled: boolean;
  self_hosted: boolean;
  billing_enabled: boolean;
  supported_providers: string[];
  /** True while nobody has an account yet: the sign-in card then offers to make the first one. */
  first_start?: boolean;
}

export interface WorkspaceMembership {
  uid: string;
  name: string;
  role: "owner" | "admin" | "member";
}

export interface User {
  username: string;
  email: string;
  access: { status: "pending" | "approved" | "blocked"; waitlist_enforced?: boolean };
  workspaces: WorkspaceMembership[];
  default_workspace: string | null;
  auth: AuthSettings;
}

export interface Credentials {
  username: string;
  password: string;
  email?: string;
}

export interface ApiKey {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
  is_active: boolean;
}

export interface NewApiKey extends ApiKey {
  key: string;
}

export type RepositoryProvider = "github" | "gitlab" | "gitea" | "local";

export interface RepositoryLink {
  id: string;
  provider: RepositoryProvider;
  repository: string;
  base_url: string | null;
  workspace: { uid: string; name: string };
  clone_url?: string | null;
  default_branch?: string | null;
  created_at: string;
  updated_at: string;
}

export interface NewRepositoryLink {
  provider: RepositoryProvider;
  repository: string;
  workspace_uid: string;
  access_token?: string;
  base_url?: string;
  source?: string;
}

export type AlertSourceKind = "sentry_sdk" | "sentry_webhook" | "glitchtip" | "generic";

export interface AlertSource {
  id: string;
  workspace_uid: string;
  name: string;
  kind: AlertSourceKind;
  project_number: number | null;
  dsn: string | null;
  webhook_url: string | null;
  repository: { id: string; provider: RepositoryProvider; repository: string } | null;
  automatic_runs: boolean;
  executor: string | null;
  runs_per_hour_max: number;
  last_event_at: string | null;
  last_event_title: string | null;
  events_total: number;
  created_at: string;
  /** Only in the answer that made the source. */
  secret?: string | null;
}

export interface AlertSourceChange {
  name?: string;
  kind?: AlertSourceKind;
  workspace_uid?: string;
  repository_id?: string | null;
  automatic_runs?: boolean;
  runs_per_hour_max?: number;
  client_secret?: string;
}

export type IncidentState = "open" | "fixing" | "fix_proposed" | "resolved" | "regressed" | "ignored";

export interface Incident {
  id: string;
  number: number;
  short_id: string;
  workspace_uid: string;
  source: { id: string; name: string };
  title: string;
  kind: string;
  culprit: string;
  level: string;
  platform: string;
  state: IncidentState;
  first_seen: string;
  last_seen: string;
  times_seen: number;
  users_seen: number;
  release: string | null;
  environment: string | null;
  request_id: string | null;
  run: RunSummary | null;
  no_run_reason: string | null;
}

export interface Frame {
  filename: string | null;
  abs_path: string | null;
  module: string | null;
  function: string | null;
  lineno: number | null;
  colno: number | null;
  in_app: boolean;
  pre_context: string[];
  context_line: string | null;
  post_context: string[];
  vars: Record<string, string>;
}

export interface AlertException {
  kind: string;
  value: string;
  module: string | null;
  handled: boolean | null;
  frames: Frame[];
}

export interface Breadcrumb {
  at: string | null;
  category: string | null;
  level: string | null;
  message: string | null;
  data: Record<string, unknown> | null;
}

export interface AlertRequest {
  method: string | null;
  url: string | null;
  query: string | null;
  headers: string[][];
  data: unknown;
}

export interface Alert {
  event_id: string;
  title: string;
  level: string;
  platform: string;
  release: string | null;
  environment: string | null;
  server_name: string | null;
  transaction: string | null;
  at: string;
  exceptions: AlertException[];
  breadcrumbs: Breadcrumb[];
  request: AlertRequest | null;
  tags: string[][];
  user: Record<string, unknown> | null;
  contexts: Record<string, unknown>;
  url: string | null;
}

export interface IncidentEvent {
  id: string;
  event_id: string;
  at: string;
  title: string;
  release: string | null;
  environment: string | null;
}

export interface IncidentDetail extends Incident {
  alert: Alert;
  events: IncidentEvent[];
  runs: RunSummary[];
}

export type RunStatus = "queued" | "running" | "completed" | "failed" | "cancelled";
export type StepName = "alert" | "prepare" | "reproduce" | "patch" | "prove" | "propose" | "watch";
export type StepState = "waiting" | "working" | "done" | "failed" | "skipped";
export type Verdict = "proven" | "unproven" | "not_applicable";

export interface RunSummary {
  id: string;
  number: number;
  request_id: string;
  request_title: string;
  status: RunStatus;
  step: StepName | null;
  live_line: string | null;
  live_since: string | null;
  started_at: string | null;
  finished_at: string | null;
  created_at: string;
  diff_size: number;
  verdict: Verdict | null;
  executor: string | null;
  model: string | null;
  incident_id: string | null;
  incident_short_id: string | null;
  merge_request_id: string | null;
  workspace_uid: string;
}

export interface Step {
  name: StepName;
  state: StepState;
  started_at: string | null;
  finished_at: string | null;
  summary: string | null;
  cost_usd: number | null;
}

export type RuleName =
  | "guardrails"
  | "red"
  | "green"
  | "no_regression"
  | "strength"
  | "nothing_up_its_sleeve";
export type RuleState = "waiting" | "working" | "holds" | "broken" | "not_applicable";

export interface Rule {
  rule: RuleName;
  state: RuleState;
  detail: string | null;
  file?: string | null;
  line?: number | null;
  mend?: string | null;
}

export type Outcome = "passed" | "failed" | "error" | "skipped";

export interface TestResult {
  outcome: Outcome;
  /** What the test printed and raised, cut to a few kilobytes. */
  log?: string | null;
  /** Where to read the same, for a log that is kept elsewhere. */
  log_ref?: string | null;
}

export interface ProofTest {
  id: string;
  file: string;
  name: string;
  base: TestResult[];
  patch: TestResult[];
}

export interface Mutant {
  description: string;
  file: string;
  line: number;
  caught_by: string[];
}

export interface Guarantee {
  promise: string;
  state: "holds" | "missing" | "unverified";
  detail: string;
}

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cost_usd: number | null;
  budget_usd: number | null;
  tokens_max?: number | null;
}

/** One decision of the egress proxy, or several alike with their count. */
export interface Egress {
  host: string;
  port?: number;
  allowed?: boolean;
  reason?: string;
  verdict?: string;
  count?: number;
}

export interface RunDetail extends RunSummary {
  steps: Step[];
  rules: Rule[];
  tests: ProofTest[];
  mutants: Mutant[];
  diff: string;
  reports: Record<string, unknown>;
  artifacts: Record<string, unknown>;
  events: RunEvent[];
  usage: Usage | null;
  sandbox: { mode: string | null; guarantees: Guarantee[] } | null;
  egress: Egress[];
  evidence_url: string | null;
  bundle_digest: string | null;
  key_id: string | null;
  error: string | null;
  base_commit: string | null;
  patch_commit: string | null;
  base_branch: string | null;
  branch: string | null;
  prompt: string | null;
}

interface EventBase {
  request_id: string;
  run_id?: string | null;
  seq?: number;
  created_at?: string;
  stage?: string | null;
}

/** One frame of the run-log stream. Kinds that the app doesn't know are kept and ignored. */
export type RunEvent = EventBase &
  (
    | { type: "heartbeat"; message?: string }
    | { type: "user_prompt"; message: string }
    | { type: "user_message"; message: string }
    | { type: "assistant_message"; message: string }
    | { type: "status"; message: string }
    | { type: "log"; message: string }
    | { type: "command"; command: string; cwd?: string | null }
    | {
        type: "command_finished";
        command: string;
        exit_code: number | null;
        duration_ms: number | null;
        output?: string | null;
      }
    | { type: "file_change"; path: string; diff: string }
    | { type: "test_result"; side: "base" | "patch"; repeat: number; test: string; outcome: Outcome }
    | { type: "step"; step: StepName; state: StepState; summary?: string | null }
    | { type: "rule"; rule: RuleName; state: RuleState; detail?: string | null }
    | { type: "verdict"; verdict: Verdict; message?: string }
    | { type: "merge_request"; id: string; message?: string }
    | ({ type: "usage" } & Partial<Usage>)
    | { type: "error"; message: string; output?: string | null; exit_code?: number | null }
    | { type: "completed"; message?: string }
  );

export type MergeRequestStatus = "OPEN" | "MERGED" | "CLOSED" | "DRAFT";
export type Side = "base" | "patch";

export interface Comment {
  id: string;
  path: string;
  line: number;
  side: Side;
  body: string;
  author: string;
  created_at: string;
  sent: boolean;
}

export interface MergeRequestSummary {
  id: string;
  ref: string | null;
  request_id: string;
  request_title: string;
  title: string;
  description: string;
  target_branch: string;
  source_branch: string;
  status: MergeRequestStatus;
  created_at: string;
  number: number;
  run_id: string | null;
  incident_id: string | null;
  incident_short_id: string | null;
  verdict: Verdict | null;
  additions: number;
  deletions: number;
  files_changed: number;
  repository: string | null;
  tests: ProofTest[];
  rules: Rule[];
  merged_at: string | null;
  approved_by: string | null;
}

export interface MergeRequest extends MergeRequestSummary {
  diff: string;
  mutants: Mutant[];
  evidence_url: string | null;
  bundle_digest: string | null;
  key_id: string | null;
  approved_at: string | null;
  merge_commit: string | null;
  base_commit: string | null;
  patch_commit: string | null;
  what_broke: string | null;
  why: string | null;
  what_changed: string | null;
  override: { by: string; reason: string; at: string } | null;
  can_merge: boolean;
  cannot_merge_reason: string | null;
  reviewed: string[];
  comments: Comment[];
}

export interface NewComment {
  path: string;
  line: number;
  side: Side;
  body: string;
}

export interface Executor {
  id: string;
  label: string;
  available: boolean;
  /** Why it can't be used here, with the way out. */
  reason?: string | null;
  default: boolean;
}

export interface System {
  version: string;
  provisioner: string;
  guarantees: Guarantee[];
  model: { provider: string | null; model: string | null; scripted: boolean };
  demo_available: boolean;
}

export interface InboxItem {
  kind: "incident" | "run" | "merge_request";
  id: string;
  number: number;
  title: string;
  subtitle: string | null;
  state: string;
  at: string;
  href: string;
  run: RunSummary | null;
  action: { label: string; method: string; url: string } | null;
}

export interface Inbox {
  needs_you: InboxItem[];
  working: InboxItem[];
  ready_to_merge: InboxItem[];
  done: InboxItem[];
}
