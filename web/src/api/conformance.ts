// The hand-written nouns refine the generated schema (closed words instead of strings, shapes instead of objects). This
// file makes drift a type error: every member that the app reads must be one that the server says it sends.

import type { components } from "./schema";
import type * as ours from "./types";

type Served = components["schemas"];
/** Names of members that only we know; `never` when there are none. */
type Unknown<Ours, Theirs> = Exclude<keyof Ours, keyof Theirs>;

interface Checked {
  problem: Unknown<ours.Problem, Served["Problem"]>;
  authSettings: Unknown<ours.AuthSettings, Served["AuthSettings"]>;
  user: Unknown<ours.User, Served["User"]>;
  apiKey: Unknown<ours.ApiKey, Served["ApiKey"]>;
  newApiKey: Unknown<ours.NewApiKey, Served["NewApiKey"]>;
  repositoryLink: Unknown<ours.RepositoryLink, Served["RepositoryLink"]>;
  alertSource: Unknown<ours.AlertSource, Served["AlertSource"]>;
  incident: Unknown<ours.Incident, Served["Incident"]>;
  incidentDetail: Unknown<ours.IncidentDetail, Served["IncidentDetail"]>;
  incidentEvent: Unknown<ours.IncidentEvent, Served["IncidentEvent"]>;
  runSummary: Unknown<ours.RunSummary, Served["RunSummary"]>;
  runDetail: Unknown<ours.RunDetail, Served["RunDetail"]>;
  step: Unknown<ours.Step, Served["StepView"]>;
  usage: Unknown<ours.Usage, Served["UsageView"]>;
  mergeRequest: Unknown<ours.MergeRequest, Served["MergeRequest"]>;
  comment: Unknown<ours.Comment, Served["MergeRequestComment"]>;
  executor: Unknown<ours.Executor, Served["Executor"]>;
  system: Unknown<ours.System, Served["System"]>;
  inbox: Unknown<ours.Inbox, Served["Inbox"]>;
  inboxItem: Unknown<ours.InboxItem, Served["InboxItem"]>;
}

/** An error here names the member that the server does not send. */
export const CONFORMS: { [Noun in keyof Checked]: Checked[Noun] extends never ? true : Checked[Noun] } = {
  problem: true,
  authSettings: true,
  user: true,
  apiKey: true,
  newApiKey: true,
  repositoryLink: true,
  alertSource: true,
  incident: true,
  incidentDetail: true,
  incidentEvent: true,
  runSummary: true,
  runDetail: true,
  step: true,
  usage: true,
  mergeRequest: true,
  comment: true,
  executor: true,
  system: true,
  inbox: true,
  inboxItem: true,
};
