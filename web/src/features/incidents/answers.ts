// The four answers at the head of an incident: what broke, is it being fixed, can the fix be trusted, what to do. Pure.

import { runMoves, waits } from "../../api/queries";
import type { Incident, IncidentDetail, IncidentMergeRequest, RunDetail, RunSummary } from "../../api/types";
import { changeInWords, type DiffFile } from "../../components/diff/parse";
import { orderedRules, ruleSentence, standing } from "../../components/proof/rows";
import { runSaid, type Said, stepDoing, verdictSaid } from "../../components/states";
import { framePath, suspect } from "./frames";

export interface Answer {
  said: Said | null;
  text: string;
  beneath: string;
  link?: { to: "/runs/$id" | "/merge-requests/$id"; id: string };
}

export interface Answers {
  broke: Answer;
  fix: Answer;
  trust: Answer;
  you: Answer;
}

/** `run` is the incident's newest one with everything it has, once that is known. */
export function answers(incident: IncidentDetail, run: RunDetail | undefined, files: DiffFile[]): Answers {
  return {
    broke: broke(incident),
    fix: fix(incident, files),
    trust: trust(incident, run),
    you: you(incident),
  };
}

/** Whether a run may be started: it is broken, nothing works on it, and no fix waits for a decision. */
export function mayRun({ state, run, merge_request: mr }: Incident): boolean {
  return isBroken(state) && !runMoves(run) && !waits(mr?.status);
}

function isBroken(state: Incident["state"]): boolean {
  return state === "open" || state === "regressed";
}

function broke({ alert, culprit, title }: IncidentDetail): Answer {
  const thrown = alert.exceptions.at(-1);
  const frame = thrown && suspect(thrown);
  const place = frame
    ? `\`${framePath(frame)}${frame.lineno ? `:${frame.lineno}` : ""}\`${frame.function ? ` in \`${frame.function}\`` : ""}`
    : culprit && `\`${culprit}\``;
  const text = alert.transaction || culprit || title;
  return { said: null, text, beneath: text === culprit && !frame ? "" : place };
}

function fix(incident: IncidentDetail, files: DiffFile[]): Answer {
  const { state, run, merge_request: mr } = incident;
  if (state === "resolved") {
    const said: Said = { state: "done", word: "Resolved" };
    if (mr?.status !== "MERGED") return { said, text: "Resolved", beneath: "by hand" };
    return { said, text: "Resolved", beneath: `by ${runOf(mr)}`, ...toRunOf(mr) };
  }
  if (run && runMoves(run)) return atWork(run);
  if (mr && waits(mr.status)) return proposed(mr, run, files);
  if (mr?.status === "MERGED" && isBroken(state)) {
    const said: Said = { state: "broken", word: "" };
    const beneath = endedSince(mr, run) || (incident.no_run_reason ?? "");
    return { said, text: `The fix of ${runOf(mr)} did not hold`, beneath, ...toRunOf(mr) };
  }
  if (!run) {
    const isExpected = incident.no_run_reason === null && mayRun(incident);
    return {
      said: { state: isExpected ? "waiting" : "unverified", word: "" },
      text: isExpected ? "A run starts shortly" : "No run",
      beneath: incident.no_run_reason ?? "",
    };
  }
  const link = { to: "/runs/$id", id: run.id } as const;
  const said = runSaid(run);
  if (run.status === "failed")
    return { said, text: `Run ${run.number} failed`, beneath: "no fix is proposed", link };
  if (run.status === "cancelled") return { said, text: `Run ${run.number} was cancelled`, beneath: "", link };
  if (mr?.status === "CLOSED" && isBroken(state)) {
    const beneath = `the merge request of ${runOf(mr)} was closed`;
    return { said: { state: "unverified", word: "" }, text: "No run", beneath, ...toRunOf(mr) };
  }
  const beneath = files.length > 0 ? changeInWords(files) : "";
  return { said: { state: "done", word: "" }, text: `Run ${run.number} proposed a fix`, beneath, link };
}

function atWork(run: RunSummary): Answer {
  const link = { to: "/runs/$id", id: run.id } as const;
  const said = runSaid(run);
  if (run.status === "queued") return { said, text: `Run ${run.number} is queued`, beneath: "", link };
  const doing = run.step ? stepDoing(run.step).toLowerCase() : "working";
  return { said, text: `Run ${run.number} is ${doing}`, beneath: run.live_line ?? "", link };
}

function proposed(mr: IncidentMergeRequest, run: RunSummary | null, files: DiffFile[]): Answer {
  const text = mr.run_number === null ? "A fix is proposed" : `Run ${mr.run_number} proposed a fix`;
  const isOfRun = run?.id === mr.run_id && files.length > 0;
  const beneath = isOfRun ? changeInWords(files) : endedSince(mr, run);
  return { said: { state: "done", word: "" }, text, beneath, ...toRunOf(mr) };
}

/** What became of a newer run than the one whose fix it is. */
function endedSince(mr: IncidentMergeRequest, run: RunSummary | null): string {
  if (!run || run.id === mr.run_id) return "";
  if (run.status === "failed") return `run ${run.number} after it failed`;
  return run.status === "cancelled" ? `run ${run.number} after it was cancelled` : "";
}

function runOf(mr: IncidentMergeRequest): string {
  return mr.run_number === null ? "a deleted run" : `run ${mr.run_number}`;
}

function toRunOf(mr: IncidentMergeRequest): Pick<Answer, "link"> {
  return mr.run_number === null ? {} : { link: { to: "/runs/$id", id: mr.run_id } };
}

const NO_FIX_YET: Answer = { said: { state: "waiting", word: "" }, text: "There is no fix yet", beneath: "" };

function trust(incident: IncidentDetail, run: RunDetail | undefined): Answer {
  const { run: summary, merge_request } = incident;
  if (
    mayRun(incident) &&
    merge_request &&
    (merge_request.status === "MERGED" || summary?.status === "completed")
  )
    return NO_FIX_YET;
  const mr = runMoves(summary) || merge_request?.status === "CLOSED" ? null : merge_request;
  const verdict = mr?.verdict ?? run?.verdict ?? summary?.verdict ?? null;
  const rules = (mr && run?.id !== mr.run_id ? null : run?.rules) ?? [];
  if (!verdict) {
    if (!summary) return NO_FIX_YET;
    const said: Said = { state: "waiting", word: "" };
    const broken = rules.filter((rule) => rule.state === "broken").length;
    return {
      said,
      text: "Not yet known",
      beneath:
        rules.length > 0
          ? `${standing(rules)} so far, ${broken === 0 ? "none failed" : `${broken} failed`}`
          : "",
    };
  }
  const said = verdictSaid(verdict);
  if (verdict === "proven")
    return { said, text: "Yes, it is proven", beneath: rules.length > 0 ? standing(rules) : "" };
  const broken = orderedRules(rules).find((rule) => rule.state === "broken");
  return {
    said,
    text: verdict === "unproven" ? "No, it is unproven" : "Proof does not apply",
    beneath: broken ? ruleSentence(broken) : "",
  };
}

/** What lets a run start again, by the code of what is in its way. */
const WAYS_OUT: Record<string, Pick<Answer, "text" | "beneath">> = {
  no_model: { text: "Configure a model", beneath: "set `OPENAI_API_KEY` on the server" },
  executor_unavailable: { text: "Choose another executor", beneath: "in the alert source's settings" },
  forge_unavailable: { text: "Connect another repository", beneath: "in the alert source's settings" },
  no_repository: { text: "Connect a repository", beneath: "in the alert source's settings" },
};

function you(incident: IncidentDetail): Answer {
  const { state, run, merge_request: mr, run_obstacle: obstacle } = incident;
  if (state === "resolved" || state === "ignored") return { said: null, text: "Nothing", beneath: "" };
  const isFixWaiting = waits(mr?.status);
  if (run && runMoves(run)) {
    const beneath = isFixWaiting
      ? `a fix waits while run ${run.number} works on it`
      : "You are asked before it merges";
    return { said: null, text: "Nothing now", beneath };
  }
  const said: Said = { state: "needs_you", word: "" };
  if (mr && isFixWaiting) {
    const link = { to: "/merge-requests/$id", id: mr.id } as const;
    return mr.is_ready
      ? { said, text: "Review and merge", beneath: "the merge request is ready", link }
      : { said, text: "Decide on the draft", beneath: "send it back, or override with a reason", link };
  }
  if (obstacle)
    return { said, ...(WAYS_OUT[obstacle.code] ?? { text: "Fix it by hand", beneath: obstacle.detail }) };
  if (!mayRun(incident)) return { said: null, text: "Nothing now", beneath: "" };
  if (run) return { said, text: "Run it again, or fix it by hand", beneath: "" };
  if (incident.no_run_reason) return { said, text: "Start a run, or fix it by hand", beneath: "" };
  return { said: null, text: "Nothing now", beneath: "" };
}
