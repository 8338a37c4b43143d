//! The last step of a run: one branch and one merge request per request, updated by follow-ups, never doubled.

use super::drive::Work;
use super::settle_request;
use crate::events;
use domain::evidence::{Rule, RuleState, Verdict};
use domain::forge::Proposal;
use domain::git::Commit;
use domain::incident::IncidentState;
use domain::merge_request::{Decisions, MergeRequest, MergeRequestStatus};
use domain::request::RequestState;
use domain::run::RunRecord;
use domain::{Error, Result};
use serde_json::json;
use std::fmt::Write;
use store::workspaces::Numbered;

pub async fn step(work: &mut Work) -> Result<String> {
    refuse_what_may_not_leave(&work.run.record)?;
    let commit = work.run.record.patch_commit.clone().ok_or_else(|| Error::internal("prove left no patch commit"))?;
    let verdict = work.run.verdict.unwrap_or(Verdict::NotApplicable);
    explain(work);
    let proposal = Proposal {
        source_branch: work.run.record.branch.clone(),
        target_branch: work.run.record.base_branch.clone(),
        commit: commit.clone(),
        previous: published(work).await?,
        title: work.request.title.clone(),
        description: description(work, verdict),
        draft: verdict != Verdict::Proven,
    };
    let forge = work.engine.forge(&work.repository.provider)?;
    work.log.status("git", format!("pushing {} to {}", commit.short(), proposal.source_branch)).await;
    let proposed = forge.propose(&work.repository, &proposal).await?;
    let (number, fresh) = record(work, proposal, proposed.reference, commit, verdict).await?;
    Ok(format!(
        "merge request !{number} {}{}",
        if fresh { "opened" } else { "updated" },
        if verdict == Verdict::Proven { "" } else { " as a draft" }
    ))
}

/// What an earlier run of this request left on its branch.
async fn published(work: &Work) -> Result<Option<Commit>> {
    let mut tx = work.engine.store.read().await?;
    Ok(unmerged(&mut tx, work).await?.map(|merge_request| merge_request.patch_commit))
}

/// The request's merge request as it is now, unless somebody merged it.
async fn unmerged(tx: &mut store::Tx, work: &Work) -> Result<Option<MergeRequest>> {
    match store::merge_requests::by_request(tx, work.request.id).await? {
        Some(merged) if merged.status == MergeRequestStatus::Merged => {
            Err(Error::conflict(format!("merge request !{} was merged meanwhile; make a new request for further work", merged.number)))
        }
        found => Ok(found),
    }
}

/// A secret or a file that no patch may carry is not even pushed.
fn refuse_what_may_not_leave(record: &RunRecord) -> Result<()> {
    let broken = record.rules.iter().find(|r| r.rule == Rule::Guardrails && r.state == RuleState::Broken);
    match broken {
        Some(rule) => Err(Error::conflict(format!("nothing was proposed: {}", rule.detail))),
        None => Ok(()),
    }
}

async fn record(work: &mut Work, proposal: Proposal, reference: String, commit: Commit, verdict: Verdict) -> Result<(i64, bool)> {
    work.log.flush().await;
    let now = work.engine.now();
    let base = work.run.record.base_commit.clone().ok_or_else(|| Error::internal("prepare left no base commit"))?;
    let diff = String::from_utf8_lossy(&work.engine.git.diff(work.repository.id, &base, &commit).await?).into_owned();
    let status = if proposal.draft { MergeRequestStatus::Draft } else { MergeRequestStatus::Open };
    let mut tx = work.write().await?;
    let existing = unmerged(&mut tx, work).await?;
    let fresh = existing.is_none();
    let merge_request = match existing {
        Some(mut old) => MergeRequest {
            decisions: {
                if old.patch_commit != commit {
                    // Somebody read these files as they were.
                    old.decisions.reviewed.clear();
                }
                old.decisions
            },
            run: work.run.id,
            reference,
            title: proposal.title,
            description: proposal.description,
            base_commit: base,
            patch_commit: commit,
            diff,
            status,
            verdict,
            updated_at: now,
            ..old
        },
        None => MergeRequest {
            id: work.engine.clock.fresh(),
            workspace: work.request.workspace,
            request: work.request.id,
            run: work.run.id,
            repository: work.repository.id,
            incident: work.request.incident,
            number: store::workspaces::next_number(&mut tx, work.request.workspace, Numbered::MergeRequest).await?,
            reference,
            title: proposal.title,
            description: proposal.description,
            source_branch: proposal.source_branch,
            target_branch: proposal.target_branch,
            base_commit: base,
            patch_commit: commit,
            diff,
            status,
            verdict,
            decisions: Decisions::default(),
            created_at: now,
            updated_at: now,
        },
    };
    if fresh {
        store::merge_requests::create(&mut tx, &merge_request).await?;
    } else {
        store::merge_requests::update(&mut tx, &merge_request).await?;
    }
    let request = store::requests::get(&mut tx, work.request.id).await?;
    settle_request(&work.engine, &mut tx, request, RequestState::MrOpened).await?;
    if let Some(id) = work.request.incident {
        let mut incident = store::incidents::get(&mut tx, id).await?;
        if matches!(incident.state, IncidentState::Fixing | IncidentState::Open | IncidentState::Regressed) {
            incident.state = IncidentState::FixProposed;
            incident.no_run_reason = String::new();
            incident.updated_at = now;
            store::incidents::update(&mut tx, &incident).await?;
        }
    }
    store::runs::update(&mut tx, &work.run).await?;
    let message = format!("merge request !{} is {}", merge_request.number, if fresh { "open" } else { "updated" });
    let fields = json!({"stage": "mr", "message": message, "id": merge_request.id, "number": merge_request.number});
    events::append(&work.engine, &mut tx, work.request.id, Some(work.run.id), "merge_request", fields).await?;
    tx.commit().await?;
    Ok((merge_request.number, fresh))
}

/// The three paragraphs a reader wants, from the agent's last words; the alert stands in where the agent was silent.
fn explain(work: &mut Work) {
    let (broke, why, changed) = sections(&work.run.record.final_message);
    let fallback = work.alert().map(|a| format!("`{}`", a.headline())).unwrap_or_else(|| work.request.title.clone());
    let record = &mut work.run.record;
    record.what_broke = if broke.is_empty() { fallback } else { broke };
    record.why = why;
    record.what_changed = if changed.is_empty() && record.why.is_empty() { record.final_message.clone() } else { changed };
}

const HEADINGS: [&str; 3] = ["what broke", "why", "what changed"];

/// Splits text under the headings `What broke`, `Why`, `What changed`, however they are marked.
fn sections(text: &str) -> (String, String, String) {
    let mut parts: [String; 3] = Default::default();
    let mut current = None;
    for line in text.lines() {
        let bare = line.trim().trim_matches(|c: char| matches!(c, '#' | '*' | ':' | ' ')).to_lowercase();
        if let Some(index) = HEADINGS.iter().position(|h| *h == bare) {
            current = Some(index);
            continue;
        }
        if let Some(index) = current {
            parts[index].push_str(line);
            parts[index].push('\n');
        }
    }
    let [a, b, c] = parts.map(|p| p.trim().to_string());
    (a, b, c)
}

fn description(work: &Work, verdict: Verdict) -> String {
    let record = &work.run.record;
    let mut out = format!("<!-- astraforge:run={} -->\n", work.run.id);
    for (title, text) in [("What broke", &record.what_broke), ("Why", &record.why), ("What changed", &record.what_changed)] {
        if !text.is_empty() {
            let _ = write!(out, "\n## {title}\n\n{text}\n");
        }
    }
    let _ = write!(out, "\n## Proof: {}\n\n| rule | state | what was seen |\n|---|---|---|\n", verdict.word().replace('_', " "));
    for rule in &record.rules {
        let state = match rule.state {
            RuleState::Holds => "holds",
            RuleState::Broken => "broken",
            _ => "not judged",
        };
        let _ =
            writeln!(out, "| {} | {state} | {} |", rule.rule.word().replace('_', " "), rule.detail.replace('|', "\\|").replace('\n', " "));
    }
    if let Some(digest) = &record.bundle_digest {
        let _ = write!(
            out,
            "\nSigned by this installation's runner, not by the agent: `{digest}`.\n\nCheck it again: `astraforge verify run-{}.dsse.json --repo .`\n",
            work.run.number
        );
    }
    out.push_str("\n<!-- /astraforge -->\n");
    out
}

#[cfg(test)]
mod tests {
    use super::sections;

    #[test]
    fn sections_are_found_under_any_kind_of_heading() {
        let (broke, why, changed) = sections("Done.\n## What broke\nA crash.\n\n**Why**\nNo check.\nWhat changed:\nA check.\n");
        assert_eq!((broke.as_str(), why.as_str(), changed.as_str()), ("A crash.", "No check.", "A check."));
        assert_eq!(sections("free text").0, "");
    }
}
