//! The step that decides: our own runner shows whether the fix is real, whatever the agent said.

use super::drive::{Flow, Work};
use super::prepare;
use crate::proof::{self, ProofContext, ProofEvent, ProofInput, Side};
use domain::evidence::{Proof, RuleState, Verdict};
use domain::git::{Commit, Signature};
use domain::{Error, Result, limits};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SANDBOXES_AT_ONCE: usize = 2;

pub async fn step(work: &mut Work) -> Result<(Flow, String)> {
    // A worker died between the verdict and the end of its step: what was judged and signed stands.
    if work.run.verdict.is_some() {
        let kept = work.run.record.reports.get("proof_summary").and_then(|s| s.as_str());
        let summary = kept.unwrap_or_default().to_string();
        return Ok((Flow::Next, summary));
    }
    let base = work.run.record.base_commit.clone().ok_or_else(|| Error::internal("prepare left no base commit"))?;
    let head = commit(work, &base).await?;
    work.run.record.patch_commit = Some(head.clone());
    let config = proof::project_file::read(work.engine.git.as_ref(), work.repository.id, &base).await?;
    let input = ProofInput {
        repository: work.repository.id,
        run: Some(work.run.id),
        base,
        head,
        incident: work.alert().cloned(),
        kind: work.request.kind,
        prompt: work.request.prompt.clone(),
        layer: prepare::proof_layer(work),
        config,
    };
    let proof = judge(work, &input).await?;
    let summary = in_words(&proof);
    if let Some(mend) =
        proof.mend.clone().filter(|_| proof.verdict == Verdict::Unproven && work.run.record.agent_turns < limits::AGENT_TURNS_PER_RUN_MAX)
    {
        keep(work, &proof);
        work.run.record.mend = Some(mend);
        return Ok((Flow::BackToPatch, summary));
    }
    keep(work, &proof);
    work.run.verdict = Some(proof.verdict);
    super::bundle::sign(work, &input, &proof).await?;
    work.save_with("verdict", json!({"verdict": proof.verdict.word(), "message": summary})).await?;
    Ok((Flow::Next, summary))
}

/// Exactly the agent's diff on exactly the base, under our name; the same patch always makes the same commit.
async fn commit(work: &Work, base: &Commit) -> Result<Commit> {
    let settings = &work.engine.settings;
    let author =
        Signature { name: settings.git_author_name.clone(), email: settings.git_author_email.clone(), at: work.run.created_at.as_second() };
    let message = format!("{}\n\nAstraForge-Request: {}\n", work.request.title, work.request.id);
    let patch = work.run.record.patch.clone().into();
    work.engine.git.commit_patch(work.repository.id, base, &patch, &message, &author).await
}

/// Runs the proof and tells what it does while it does it.
async fn judge(work: &mut Work, input: &ProofInput) -> Result<Proof> {
    let context = ProofContext {
        git: work.engine.git.clone(),
        provisioner: work.provisioner.clone(),
        harnesses: work.engine.harnesses.clone(),
        scanner: work.engine.scanner.clone(),
        clock: work.engine.clock.clone(),
        assets_dir: work.engine.settings.data_dir.join("harnesses"),
        parallel: SANDBOXES_AT_ONCE,
    };
    // The number of events is bounded by the number of tests and rules, so the channel may be unbounded.
    let (sender, receiver) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let stop = stop_on_cancel(work, cancel.clone());
    let input = input.clone();
    let running = tokio::spawn(async move {
        let progress = move |event: ProofEvent| {
            let _ = sender.send(event);
        };
        proof::prove(&context, &input, &progress, &cancel).await
    });
    let told = tell(work, receiver).await;
    stop.abort();
    told?;
    running.await.map_err(|e| Error::internal("the proof panicked").because(e))?
}

fn stop_on_cancel(work: &Work, cancel: CancellationToken) -> tokio::task::JoinHandle<()> {
    let mut asked = work.cancel.clone();
    tokio::spawn(async move {
        if asked.wait_for(|cancelled| *cancelled).await.is_ok() {
            cancel.cancel();
        }
    })
}

async fn tell(work: &mut Work, mut receiver: mpsc::UnboundedReceiver<ProofEvent>) -> Result<()> {
    while let Some(event) = receiver.recv().await {
        match event {
            ProofEvent::Running(line) => {
                work.say_live(&format!("running {line}"));
                work.log.write("command", json!({"stage": "prove", "command": line, "cwd": null})).await;
                work.save_live().await?;
            }
            ProofEvent::Test { side, test, repeat, outcome } => {
                let side = match side {
                    Side::Base => "base",
                    Side::Patch => "patch",
                };
                work.log.write("test_result", json!({"side": side, "repeat": repeat, "test": test, "outcome": outcome})).await;
            }
            ProofEvent::Rule(rule) => work.log.write("rule", json!(rule)).await,
        }
    }
    Ok(())
}

fn keep(work: &mut Work, proof: &Proof) {
    let record = &mut work.run.record;
    record.rules = proof.rules.clone();
    record.tests = proof.tests.clone();
    record.wrong_versions = proof.wrong_versions.clone();
    record.other_tests = Some(proof.other_tests);
    record.reports.insert("proof_ms".into(), json!(proof.duration_ms));
    if !proof.reason.is_empty() {
        record.reports.insert("proof_reason".into(), json!(proof.reason));
    }
    if proof.is_new_behaviour {
        record.reports.insert("is_new_behaviour".into(), json!(true));
    }
    record.reports.insert("proof_summary".into(), json!(in_words(proof)));
}

fn in_words(proof: &Proof) -> String {
    match proof.verdict {
        Verdict::Proven => {
            let holding = proof.rules.iter().filter(|r| r.state == RuleState::Holds).count();
            let judged = proof.rules.iter().filter(|r| r.state != RuleState::NotApplicable).count();
            format!("proven, {holding} of {judged} rules hold")
        }
        Verdict::NotApplicable => format!("not applicable: {}", proof.reason),
        Verdict::Unproven => match proof.rules.iter().find(|r| r.state == RuleState::Broken) {
            Some(rule) => format!("unproven ({}): {}", rule.code, rule.detail),
            None => format!("unproven: {}", proof.reason),
        },
    }
}
