// Every screen in every state, and what the server answers there.

import type { Page } from "playwright-core";
import type { IncidentDetail, RunDetail, RunEvent } from "../src/api/types";
import { doneEvents, failedEvents, liveEvents, longDiff } from "./fixtures/events";
import { emptyInbox, followUpInbox, inbox, longInbox } from "./fixtures/inbox";
import * as incidents from "./fixtures/incidents";
import * as settings from "./fixtures/settings";
import * as story from "./fixtures/story";

/** A value answers 200; a number alone is that status; `pending` never answers. */
export type Answer = unknown;
export const pending = Symbol("pending");
export const problem = (status: number, detail: string, code = "error") => ({
  __problem: { status, detail, code },
});

export interface Scene {
  name: string;
  path: string;
  answers?: Record<string, Answer>;
  events?: RunEvent[];
  /** What to do before the picture. */
  act?: (page: Page) => Promise<void>;
}

export const everywhere: Record<string, Answer> = {
  "/api/auth/me/": story.user,
  "/api/auth/settings/": story.user.auth,
  "/api/system/": story.system,
  "/api/inbox/": inbox,
  "/api/incidents/": incidents.incidents,
  "/api/incidents/incident-41/": incidents.incidentDetail,
  "/api/runs/": story.runs,
  "/api/runs/run-318/": { ...story.liveRun, events: liveEvents },
  "/api/runs/run-316/": story.unprovenRun,
  "/api/runs/run-312/": story.failedRun,
  "/api/merge-requests/": incidents.mergeRequests,
  "/api/merge-requests/mr-57/": incidents.provenMergeRequest,
  "/api/merge-requests/mr-55/": incidents.unprovenMergeRequest,
  "/api/repository-links/": settings.repositoryLinks,
  "/api/alert-sources/": settings.alertSources,
  "/api/api-keys/": settings.apiKeys,
  "/api/executors/": settings.executors,
  "/api/sandbox/sessions/": settings.sessions,
  "/api/workspaces/72e5ce398a10/": settings.workspace,
  "/api/workspaces/72e5ce398a10/members/": settings.members,
  "/api/workspaces/72e5ce398a10/usage/": settings.usage,
};

const nothing = {
  "/api/inbox/": emptyInbox,
  "/api/incidents/": [],
  "/api/runs/": [],
  "/api/merge-requests/": [],
  "/api/repository-links/": [],
  "/api/alert-sources/": [],
  "/api/api-keys/": [],
  "/api/sandbox/sessions/": [],
};

const inConflict = {
  "/api/merge-requests/mr-57/": {
    ...incidents.provenMergeRequest,
    behind_by: 2,
    conflicts: ["cart/total.py"],
    can_merge: false,
    cannot_merge_reason:
      "it conflicts with branch `main` in cart/total.py; rerun it from Prepare, which begins at the newest commit",
  },
};

const signedOut = { "/api/auth/me/": problem(403, "Sign in first.", "unauthenticated") };
const done: RunDetail = { ...story.provenRun, events: doneEvents };
const refusal =
  "No model is configured: this server answers from a recording that knows only the bundled example. Set `OPENAI_API_KEY` (and `LLM_MODEL`) in its environment or its settings file and start it again; docs/configuration.md names every setting.";
const noModel = { "/api/system/": { ...story.system, model: { ...story.system.model, refusal } } };
const modellessRun: RunDetail = { ...story.failedRun, error: refusal };
const noRun: IncidentDetail = {
  ...incidents.incidentDetail,
  ...incidents.incidents[2],
  id: "incident-41",
  run: null,
  runs: [],
};
const modelObstacle = { code: "no_model", detail: refusal };
const repositoryObstacle = { code: "no_repository", detail: "no repository is connected to this source" };
const executorObstacle = {
  code: "executor_unavailable",
  detail:
    "there is no Codex for this machine below /srv/astraforge/clis/codex; install it with `npm install --prefix /srv/astraforge/clis/codex @openai/codex`",
};
const click = (name: string | RegExp) => async (page: Page) => {
  await page.getByRole("button", { name }).filter({ visible: true }).first().click();
};

export const scenes: Scene[] = [
  { name: "sign-in", path: "/sign-in", answers: signedOut },
  {
    name: "sign-in-first",
    path: "/sign-in",
    answers: { ...signedOut, "/api/auth/settings/": { ...story.user.auth, first_start: true } },
  },
  {
    name: "sign-in-refused",
    path: "/sign-in",
    answers: { ...signedOut, "/api/auth/login/": problem(401, "The name or the password is wrong.") },
    act: async (page) => {
      await page.getByLabel("Name").fill("ines");
      await page.getByLabel("Password", { exact: true }).fill("not this one");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").waitFor();
    },
  },
  {
    name: "signed-out",
    path: "/runs/run-318",
    answers: signedOut,
    act: (page) => page.getByLabel("Name").waitFor({ timeout: 5_000 }),
  },
  { name: "first-start", path: "/", answers: nothing },
  { name: "inbox", path: "/" },
  {
    name: "inbox-long",
    path: "/",
    answers: { "/api/inbox/": longInbox },
    act: (page) => page.getByText("5 more in").scrollIntoViewIfNeeded(),
  },
  { name: "inbox-loading", path: "/", answers: { "/api/inbox/": pending } },
  {
    name: "inbox-error",
    path: "/",
    answers: {
      "/api/inbox/": problem(
        503,
        "The database is locked by a backup. It answers again when the backup ends.",
      ),
    },
    act: (page) => page.getByRole("alert").waitFor(),
  },
  {
    name: "palette",
    path: "/",
    act: async (page) => page.keyboard.press("Control+k").then(() => page.getByRole("combobox").waitFor()),
  },
  {
    name: "keys",
    path: "/",
    act: async (page) => page.keyboard.press("?").then(() => page.getByRole("dialog").waitFor()),
  },
  { name: "incidents", path: "/incidents" },
  { name: "incidents-empty", path: "/incidents", answers: nothing },
  { name: "incident-live", path: "/incidents/incident-41", events: liveEvents },
  {
    name: "incident-proven",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...incidents.incidentDetail,
        state: "fix_proposed",
        run: story.provenSummary,
        merge_request: incidents.waitingFix,
      },
      "/api/runs/run-318/": story.provenRun,
    },
  },
  {
    name: "incident-follow-up-failed",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...incidents.incidentDetail,
        state: "fix_proposed",
        run: story.followUpRun,
        runs: [story.followUpRun, story.provenSummary],
        merge_request: incidents.waitingFix,
      },
      "/api/runs/run-319/": story.followUpRun,
    },
  },
  {
    name: "incident-regressed",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...incidents.incidentDetail,
        state: "regressed",
        run: { ...story.provenSummary, merge_request_status: "MERGED" },
        merge_request: incidents.mergedFix,
        no_run_reason: "automatic runs are off for this source",
      },
      "/api/runs/run-318/": { ...story.provenRun, merge_request_status: "MERGED" },
    },
  },
  {
    name: "incident-no-run",
    path: "/incidents/incident-41",
    answers: { "/api/incidents/incident-41/": noRun },
  },
  {
    name: "incident-long-name",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...incidents.incidentDetail,
        ...incidents.incidents[3],
        id: "incident-41",
      },
      "/api/runs/run-318/": story.provenRun,
    },
  },
  {
    name: "incident-missing",
    path: "/incidents/nowhere",
    answers: {
      "/api/incidents/nowhere/": problem(404, "There is no incident `nowhere` in your workspaces."),
    },
  },
  { name: "runs", path: "/runs" },
  { name: "request-new", path: "/runs", act: click("New request") },
  { name: "runs-empty", path: "/runs", answers: nothing },
  { name: "run-live", path: "/runs/run-318", events: liveEvents },
  { name: "run-loading", path: "/runs/run-318", answers: { "/api/runs/run-318/": pending } },
  { name: "run-activity", path: "/runs/run-318?tab=activity", events: liveEvents },
  { name: "run-diff", path: "/runs/run-318?tab=diff", events: liveEvents },
  { name: "run-log", path: "/runs/run-318?tab=log", events: liveEvents },
  { name: "run-steps", path: "/runs/run-318?tab=steps", events: liveEvents },
  { name: "run-proven", path: "/runs/run-318", answers: { "/api/runs/run-318/": done } },
  { name: "run-unproven", path: "/runs/run-316?tab=proof" },
  {
    name: "run-failed",
    path: "/runs/run-312?tab=activity",
    answers: { "/api/runs/run-312/": { ...story.failedRun, events: failedEvents } },
  },
  {
    name: "run-no-model",
    path: "/runs/run-312?tab=activity",
    answers: { ...noModel, "/api/runs/run-312/": modellessRun },
  },
  { name: "request-new-no-model", path: "/runs", answers: noModel, act: click("New request") },
  {
    name: "incident-no-model",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...noRun,
        no_run_reason: "no model is configured that could work on it",
        run_obstacle: modelObstacle,
      },
    },
  },
  {
    name: "incident-no-repository",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...noRun,
        no_run_reason: repositoryObstacle.detail,
        run_obstacle: repositoryObstacle,
      },
    },
  },
  {
    name: "incident-no-executor",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...noRun,
        alert: { ...noRun.alert, breadcrumbs: [] },
        no_run_reason: executorObstacle.detail,
        run_obstacle: executorObstacle,
      },
    },
  },
  {
    name: "incident-run-without-model",
    path: "/incidents/incident-41",
    answers: {
      "/api/incidents/incident-41/": {
        ...incidents.incidentDetail,
        state: "open",
        run: story.failedSummary,
        run_obstacle: modelObstacle,
      },
      "/api/runs/run-312/": modellessRun,
    },
  },
  { name: "merge-requests", path: "/merge-requests" },
  { name: "merge-requests-empty", path: "/merge-requests", answers: nothing },
  { name: "merge-request-proven", path: "/merge-requests/mr-57" },
  {
    name: "merge-request-follow-up",
    path: "/merge-requests/mr-57",
    answers: { "/api/inbox/": followUpInbox },
  },
  {
    name: "merge-request-behind",
    path: "/merge-requests/mr-57",
    answers: {
      "/api/merge-requests/mr-57/": { ...incidents.provenMergeRequest, behind_by: 3 },
      "/api/inbox/": emptyInbox,
    },
  },
  {
    name: "merge-request-conflict",
    path: "/merge-requests/mr-57",
    answers: { ...inConflict, "/api/inbox/": emptyInbox },
  },
  {
    name: "merge-request-conflict-follow-up",
    path: "/merge-requests/mr-57",
    answers: { ...inConflict, "/api/inbox/": followUpInbox },
  },
  { name: "merge-request-diff", path: "/merge-requests/mr-57?tab=diff" },
  { name: "merge-request-mutants", path: "/merge-requests/mr-57", act: click(/^Show 7/) },
  { name: "proof-log", path: "/merge-requests/mr-57", act: click(/failed, show the log/) },
  { name: "merge-request-unproven", path: "/merge-requests/mr-55" },
  { name: "merge-request-unproven-diff", path: "/merge-requests/mr-55?tab=diff" },
  { name: "merge-request-override", path: "/merge-requests/mr-55", act: click("Override with a reason…") },
  {
    name: "merge-request-recurred",
    path: "/merge-requests/mr-57",
    answers: {
      "/api/merge-requests/mr-57/": {
        ...incidents.mergedMergeRequest,
        merged_at: story.before(86_400),
        recurred_at: story.before(90),
        recurred_in: "checkout-service@4.18.4",
      },
    },
  },
  {
    name: "merge-request-merged",
    path: "/merge-requests/mr-57",
    answers: { "/api/merge-requests/mr-57/": incidents.mergedMergeRequest },
  },
  {
    name: "merge-request-long-diff",
    path: "/merge-requests/mr-57?tab=diff",
    answers: {
      "/api/merge-requests/mr-57/": {
        ...incidents.provenMergeRequest,
        diff: longDiff(),
        additions: 5_094,
        files_changed: 28,
        title:
          "Take every conversion rate of the settlement ledger from one table instead of twenty-four adapters that each keep a rounded copy of their own",
      },
    },
  },
  { name: "repositories", path: "/repositories" },
  { name: "repositories-empty", path: "/repositories", answers: nothing },
  { name: "repositories-new", path: "/repositories?new=true" },
  { name: "alert-sources", path: "/alert-sources" },
  { name: "alert-sources-new", path: "/alert-sources?new=true" },
  { name: "alert-source", path: "/alert-sources", act: click("checkout") },
  { name: "sandboxes", path: "/sandboxes" },
  { name: "sandbox", path: "/sandboxes", act: click("notebook") },
  { name: "workspace", path: "/workspace" },
  { name: "workspace-member-new", path: "/workspace?new=true" },
  { name: "account", path: "/account" },
  {
    name: "account-refused",
    path: "/account",
    answers: {
      "POST /api/auth/password/": {
        __problem: {
          ...problem(400, "this is not your password", "invalid").__problem,
          current_password: ["this is not your password"],
        },
      },
    },
    act: async (page) => {
      await page.getByLabel("Current password", { exact: true }).fill("not this one");
      await page.getByLabel("New password", { exact: true }).fill("correct horse battery");
      await page.getByRole("button", { name: "Change the password" }).click();
      await page.getByText("this is not your password").waitFor();
    },
  },
  {
    name: "account-changed",
    path: "/account",
    answers: { "POST /api/auth/password/": 204 },
    act: async (page) => {
      await page.getByLabel("Current password", { exact: true }).fill("correct horse");
      await page.getByLabel("New password", { exact: true }).fill("correct horse battery");
      await page.getByRole("button", { name: "Change the password" }).click();
      await page.getByRole("status").getByText("The password is changed").waitFor();
    },
  },
  { name: "api-keys", path: "/api-keys" },
  {
    name: "api-key-once",
    path: "/api-keys",
    answers: {
      "POST /api/api-keys/": {
        ...settings.apiKeys[0],
        name: "toolkit",
        key: "u3Jd0q9wXzq1m2VtH7yPq0n4Rk8bLs6cFe5aGx1TzWE",
      },
    },
    act: async (page) => {
      await page.getByRole("button", { name: "New key" }).filter({ visible: true }).click();
      await page.getByRole("textbox", { name: "Name" }).fill("toolkit");
      await page.getByRole("button", { name: "Create the key" }).click();
      await page.getByText("only time the key is shown").waitFor();
    },
  },
];
