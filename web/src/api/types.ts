// The API's nouns: the generated ones, with words in place of strings where the server knows only a few, and shapes in
// place of bare objects. A refinement of a member that the server does not send is a type error, so there is nothing
// to keep in step by hand.

import type { components } from "./schema";

type Served = components["schemas"];

/** The server sends null where it has nothing, so every member is there; `Changes` may say otherwise. */
type Refine<
  Noun,
  Changes extends { [Name in keyof Changes]: Name extends keyof Noun ? unknown : never },
> = Omit<Required<Noun>, keyof Changes> & Changes;

export type Problem = Partial<Served["Problem"]>;
export type AuthSettings = Refine<
  Served["AuthSettings"],
  {
    /** True while nobody has an account yet: the sign-in card then offers to make the first one. */
    first_start?: boolean | null;
  }
>;
export type User = Refine<
  Served["User"],
  {
    access: Refine<
      Served["AccessView"],
      { status: "pending" | "approved" | "blocked"; waitlist_email_sent?: boolean | null }
    >;
    workspaces: Refine<Served["UserWorkspace"], { role: Role }>[];
    auth: AuthSettings;
  }
>;

export type Role = "owner" | "admin" | "member";
export type Workspace = Refine<Served["Workspace"], { role: Role }>;
export type WorkspaceMember = Refine<Served["WorkspaceMember"], { role: Role }>;
export type WorkspaceUsage = Required<Served["WorkspaceUsage"]>;

export type ApiKey = Required<Served["ApiKey"]>;
export type NewApiKey = Required<Served["NewApiKey"]>;

export type RepositoryProvider = "github" | "gitlab" | "local";
export type RepositoryLink = Refine<Served["RepositoryLink"], { provider: RepositoryProvider }>;
export type NewRepositoryLink = Refine<
  Served["NewRepositoryLink"],
  { provider: RepositoryProvider; access_token?: string; base_url?: string; source?: string }
>;

export type AlertSourceKind = "sentry_sdk" | "sentry_webhook" | "glitchtip" | "generic";
export type AlertSource = Refine<
  Served["AlertSource"],
  {
    kind: AlertSourceKind;
    /** Only in the answer that made the source. */
    secret?: string | null;
  }
>;
export type AlertSourceChange = Served["AlertSourceChange"];

export type IncidentState = "open" | "fixing" | "fix_proposed" | "resolved" | "regressed" | "ignored";
export type Sightings = Served["Sightings"];

/** The merge request that counts for an incident: one that waits, else the newest that was merged, else closed. */
export type IncidentMergeRequest = Refine<
  Served["IncidentMergeRequest"],
  { status: MergeRequestStatus; verdict: Verdict }
>;

interface IncidentWords {
  state: IncidentState;
  run: RunSummary | null;
  merge_request: IncidentMergeRequest | null;
}

export type Incident = Refine<Served["Incident"], IncidentWords>;
export type IncidentEvent = Required<Served["IncidentEvent"]>;
export type IncidentDetail = Refine<
  Served["IncidentDetail"],
  IncidentWords & {
    alert: Alert;
    events: IncidentEvent[];
    runs: RunSummary[];
  }
>;

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

export type RunStatus = "queued" | "running" | "completed" | "failed" | "cancelled";
export type StepName = "alert" | "prepare" | "reproduce" | "patch" | "prove" | "propose" | "watch";
export type StepState = "waiting" | "working" | "done" | "failed" | "skipped";
export type Verdict = "proven" | "unproven" | "not_applicable";

interface RunWords {
  status: RunStatus;
  step: StepName | null;
  verdict: Verdict | null;
  merge_request_status: MergeRequestStatus | null;
}

export type RunSummary = Refine<Served["RunSummary"], RunWords>;
export type Step = Refine<Served["StepView"], { name: StepName; state: StepState }>;
export type Usage = Required<Served["UsageView"]>;
export type RunDetail = Refine<
  Served["RunDetail"],
  RunWords & {
    steps: Step[];
    rules: Rule[];
    tests: ProofTest[];
    mutants: Mutant[];
    events: RunEvent[];
    usage: Usage | null;
    sandbox: { mode: string | null; guarantees: Guarantee[] } | null;
    egress: Egress[];
  }
>;

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

export type Guarantee = Refine<Served["Guarantee"], { state: "holds" | "missing" | "unverified" }>;

/** One decision of the egress proxy, or several alike with their count. */
export interface Egress {
  host: string;
  port?: number;
  allowed?: boolean;
  reason?: string;
  verdict?: string;
  count?: number;
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
    | { type: "thinking"; message: string }
    | { type: "tool"; name: string; message: string }
    | { type: "plan"; items: { content: string; status: string }[] }
    | { type: "status"; message: string }
    /** A piece of output: it begins and ends anywhere in a line. */
    | { type: "log"; message: string; call_id?: string }
    | { type: "command"; command: string; cwd?: string | null; call_id?: string }
    | {
        type: "command_finished";
        command: string;
        exit_code: number | null;
        duration_ms: number | null;
        output?: string | null;
        call_id?: string;
      }
    | { type: "file_change"; path: string; diff: string }
    | { type: "test_result"; side: Side; repeat: number; test: string; outcome: Outcome }
    | { type: "step"; step: StepName; state: StepState; summary?: string | null }
    | { type: "rule"; rule: RuleName; state: RuleState; detail?: string | null }
    | { type: "verdict"; verdict: Verdict; message?: string }
    | { type: "merge_request"; id: string; message?: string }
    | ({ type: "usage" } & Partial<Usage>)
    | { type: "error"; message: string; output?: string | null; exit_code?: number | null }
    | { type: "completed" | "cancelled"; message?: string }
  );

export type MergeRequestStatus = "OPEN" | "MERGED" | "CLOSED" | "DRAFT";
export type Side = "base" | "patch";
export type Comment = Refine<Served["MergeRequestComment"], { side: Side }>;
export type MergeRequest = Refine<
  Served["MergeRequest"],
  {
    status: MergeRequestStatus;
    verdict: Verdict;
    rules: Rule[];
    tests: ProofTest[];
    mutants: Mutant[];
    comments: Comment[];
  }
>;

export type Executor = Required<Served["Executor"]>;
export type System = Refine<Served["System"], { guarantees: Guarantee[] }>;

export type InboxItem = Refine<
  Served["InboxItem"],
  { kind: "incident" | "run" | "merge_request"; run: RunSummary | null; tests: ProofTest[] }
>;
export type InboxGroup = "needs_you" | "working" | "ready_to_merge" | "done";
export type Inbox = Refine<Served["Inbox"], Record<InboxGroup, InboxItem[]>>;

export type SandboxSession = Refine<
  Served["SandboxSession"],
  { status: "starting" | "ready" | "failed" | "terminated" }
>;
export type ExecView = Required<Served["ExecView"]>;
export type SandboxFile = Refine<Served["SandboxFile"], { kind: "file" | "directory" | "symlink" | "other" }>;

interface Refined {
  AuthSettings: AuthSettings;
  User: User;
  Workspace: Workspace;
  WorkspaceMember: WorkspaceMember;
  ApiKey: ApiKey;
  NewApiKey: NewApiKey;
  RepositoryLink: RepositoryLink;
  AlertSource: AlertSource;
  Incident: Incident;
  IncidentDetail: IncidentDetail;
  RunSummary: RunSummary;
  RunDetail: RunDetail;
  MergeRequest: MergeRequest;
  MergeRequestComment: Comment;
  Executor: Executor;
  System: System;
  Inbox: Inbox;
  SandboxSession: SandboxSession;
  ExecView: ExecView;
  SandboxFile: SandboxFile;
}

/** What an answer is for the app: the refined noun where there is one. */
export type Ours<Answer> = Answer extends readonly (infer Each)[] ? One<Each>[] : One<Answer>;

type One<Answer> = {
  [Name in keyof Refined]: [Answer, Served[Name]] extends [Served[Name], Answer] ? Refined[Name] : never;
}[keyof Refined] extends infer Found
  ? [Found] extends [never]
    ? Answer
    : Found
  : never;
