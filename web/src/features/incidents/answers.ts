// The four answers at the head of an incident: what broke, is it being fixed, can the fix be trusted, what to do. Pure.

import { runMoves } from "../../api/queries";
import type { IncidentDetail, RunDetail, RunSummary } from "../../api/types";
import { changeInWords, type DiffFile } from "../../components/diff/parse";
import { orderedRules, ruleSentence, standing } from "../../components/proof/rows";
import { runSaid, type Said, stepDoing, verdictSaid } from "../../components/states";
import { framePath, suspect } from "./frames";

export interface Answer {
  said: Said | null;
  text: string;
  beneath: string;
}

export interface Answers {
  broke: Answer;
  fix: Answer;
  trust: Answer;
  you: Answer;
}

export function answers(incident: IncidentDetail, run: RunDetail | undefined, files: DiffFile[]): Answers {
  return {
    broke: broke(incident),
    fix: fix(incident, files),
    trust: fixIsOver(incident) ? NO_FIX_YET : trust(incident.run, run),
    you: you(incident),
  };
}

/** Why the fix that the newest run proposed is none any more. */
function fixIsOver({ state, run }: IncidentDetail): "came_back" | "closed" | null {
  if (run?.status !== "completed" || (state !== "open" && state !== "regressed")) return null;
  if (run.merge_request_status === "MERGED") return "came_back";
  return run.merge_request_status === "CLOSED" ? "closed" : null;
}

/** Whether its newest run has come to an end and left the fault as it was. */
export function mayRunAgain(incident: IncidentDetail): boolean {
  const status = incident.run?.status;
  return status === "failed" || status === "cancelled" || fixIsOver(incident) !== null;
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
  const { run } = incident;
  if (incident.state === "resolved") {
    return {
      said: { state: "done", word: "Resolved" },
      text: "Resolved",
      beneath: run ? `by run ${run.number}` : "by hand",
    };
  }
  if (!run) {
    const waits = incident.no_run_reason === null;
    return {
      said: { state: waits ? "waiting" : "unverified", word: "" },
      text: waits ? "A run starts shortly" : "No run",
      beneath: incident.no_run_reason ?? "",
    };
  }
  const over = fixIsOver(incident);
  if (over === "came_back") {
    const said: Said = { state: "broken", word: "" };
    return { said, text: `The fix of run ${run.number} did not hold`, beneath: incident.no_run_reason ?? "" };
  }
  if (over === "closed") {
    const said: Said = { state: "unverified", word: "" };
    return { said, text: "No run", beneath: `the merge request of run ${run.number} was closed` };
  }
  const said = runSaid(run);
  if (run.status === "running") {
    const doing = run.step ? stepDoing(run.step).toLowerCase() : "working";
    return { said, text: `Run ${run.number} is ${doing}`, beneath: run.live_line ?? "" };
  }
  if (run.status === "queued") return { said, text: `Run ${run.number} is queued`, beneath: "" };
  if (run.status === "failed")
    return { said, text: `Run ${run.number} failed`, beneath: "no fix is proposed" };
  if (run.status === "cancelled") return { said, text: `Run ${run.number} was cancelled`, beneath: "" };
  return {
    said: { state: "done", word: "" },
    text: `Run ${run.number} proposed a fix`,
    beneath: files.length > 0 ? changeInWords(files) : "",
  };
}

const NO_FIX_YET: Answer = { said: { state: "waiting", word: "" }, text: "There is no fix yet", beneath: "" };

function trust(summary: RunSummary | null, run: RunDetail | undefined): Answer {
  const verdict = run?.verdict ?? summary?.verdict ?? null;
  const rules = run?.rules ?? [];
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
  if (verdict === "proven") return { said, text: "Yes, it is proven", beneath: standing(rules) };
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
  const { run, run_obstacle: obstacle } = incident;
  if (incident.state === "resolved" || incident.state === "ignored")
    return { said: null, text: "Nothing", beneath: "" };
  if (runMoves(run)) return { said: null, text: "Nothing now", beneath: "You are asked before it merges" };
  const said: Said = { state: "needs_you", word: "" };
  if (run?.merge_request_id && !fixIsOver(incident)) {
    return run.verdict === "proven"
      ? { said, text: "Review and merge", beneath: "the merge request is ready" }
      : { said, text: "Decide on the draft", beneath: "send it back, or override with a reason" };
  }
  if (obstacle)
    return { said, ...(WAYS_OUT[obstacle.code] ?? { text: "Fix it by hand", beneath: obstacle.detail }) };
  if (run && mayRunAgain(incident)) return { said, text: "Run it again, or fix it by hand", beneath: "" };
  if (!run && incident.no_run_reason) return { said, text: "Start a run, or fix it by hand", beneath: "" };
  return { said: null, text: "Nothing now", beneath: "" };
}
