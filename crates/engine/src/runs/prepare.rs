//! The step before the agent: which commit, which test framework, and its layer of tools and dependencies.
//!
//! How a layer is built is in `layers`.

use super::agent;
use super::drive::Work;
use crate::evidence::incident::same_file;
use crate::layers::{Built, Layer, Watcher, Workshop};
use crate::{merge_requests, releases};
use async_trait::async_trait;
use domain::git::{Commit, LineChange};
use domain::harness::{FileClass, TestHarness};
use domain::sandbox::ExecOutput;
use domain::{Error, Kind, Result};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

const LOG_BYTES_MAX: usize = 8 << 10;

pub async fn step(work: &mut Work) -> Result<String> {
    agent::check_model(work)?;
    let base = base_commit(work).await?;
    work.run.record.base_commit = Some(base.clone());
    work.run.record.base_branch = work.repository.default_branch.clone();
    work.log.status("clone", format!("{} at {}", work.repository.repository, base.short())).await;
    work.run.record.suspect = suspect(work, &base).await?;
    let workshop = workshop(work);
    work.run.record.set_up = workshop.detect(work.repository.id, &base).await?;
    let Some(set_up) = work.run.record.set_up.clone() else {
        return Ok("no test framework was recognised".to_string());
    };
    let started = Instant::now();
    let (repository, run) = (work.repository.id, Some(work.run.id));
    let built = workshop.build(repository, &base, &set_up, run, &mut Telling(work)).await?;
    let decisions = work.engine.egress.take(work.run.id);
    for decision in decisions.iter().filter(|d| !d.allowed) {
        let message = format!("refused {}:{}: {}", decision.host, decision.port, decision.reason);
        work.log.write("egress", json!({"host": decision.host, "port": decision.port, "allowed": false, "message": message})).await;
    }
    work.run.record.egress.extend(decisions);
    work.save().await?;
    let label = harness(work).map_or(set_up.harness.as_str(), |h| h.label()).to_string();
    Ok(match built {
        Built::Nothing => format!("{label}, nothing to install"),
        Built::FromCache => format!("{label}, set-up from cache"),
        Built::Now => format!("{label}, set up in {:.1} s", started.elapsed().as_secs_f64()),
    })
}

/// What later sandboxes mount and see.
pub fn layer(work: &Work) -> Layer {
    match &work.run.record.set_up {
        Some(set_up) => workshop(work).layer(work.repository.id, set_up),
        None => Layer::default(),
    }
}

/// The same layer as proof wants it.
pub fn proof_layer(work: &Work) -> Option<domain::harness::Layer> {
    workshop(work).proof_layer(work.repository.id, work.run.record.set_up.as_ref()?)
}

fn workshop(work: &Work) -> Workshop {
    let settings = &work.engine.settings;
    Workshop {
        git: work.engine.git.clone(),
        provisioner: work.provisioner.clone(),
        harnesses: work.engine.harnesses.clone(),
        clock: work.engine.clock.clone(),
        data_dir: settings.data_dir.clone(),
        registries: settings.registries.clone(),
        set_up_env: settings.set_up_env.clone(),
    }
}

/// What the repository is tested with, in words.
pub fn test_framework(work: &Work) -> String {
    harness(work).map_or("in the repository's own test framework".to_string(), |h| h.label().to_string())
}

pub fn looks_like_a_test(work: &Work, path: &str) -> bool {
    harness(work).is_some_and(|h| matches!(h.classify(path, None, None), FileClass::Test | FileClass::Harness))
}

fn harness(work: &Work) -> Option<&Arc<dyn TestHarness>> {
    let id = &work.run.record.set_up.as_ref()?.harness;
    work.engine.harnesses.iter().find(|h| h.id() == id)
}

/// Who last changed the line that crashed. Only a hint for the agent and the reader, so a file that can't be told from another gives none.
async fn suspect(work: &Work, base: &Commit) -> Result<Option<LineChange>> {
    let Some(frame) = work.alert().and_then(|alert| alert.suspect()).filter(|frame| frame.in_app && frame.lineno > 0) else {
        return Ok(None);
    };
    let git = &work.engine.git;
    let files = git.files(work.repository.id, base).await?;
    let mut same = files.iter().filter(|file| same_file(file, &frame.filename));
    match (same.next(), same.next()) {
        (Some(path), None) => git.last_change(work.repository.id, base, path, frame.lineno).await,
        _ => Ok(None),
    }
}

/// The release's commit if the alert names one that we have, else the newest of the default branch; also that where a
/// fix of the release was proposed and can't be merged any more.
async fn base_commit(work: &Work) -> Result<Commit> {
    if let Some(commit) = &work.run.record.base_commit {
        return Ok(commit.clone());
    }
    let git = &work.engine.git;
    if let Some(alert) = work.alert()
        && let Some(commit) = releases::commit(git.as_ref(), work.repository.id, &alert.release).await?
        && !merge_requests::is_in_conflict(&work.engine, &work.repository, work.run.request).await?
    {
        return Ok(commit);
    }
    git.resolve(work.repository.id, &work.repository.default_branch).await.map_err(|error| match error.kind {
        Kind::NotFound => Error::conflict(format!(
            "repository `{}` has no branch `{}` yet; push to it first",
            work.repository.repository, work.repository.default_branch
        )),
        _ => error,
    })
}

/// Tells the run's log what set-up does.
struct Telling<'a>(&'a mut Work);

#[async_trait]
impl Watcher for Telling<'_> {
    async fn started(&mut self, line: &str) -> Result<()> {
        let work = &mut *self.0;
        work.check_cancelled()?;
        work.say_live(&format!("setting up: {line}"));
        work.save_with("command", json!({"stage": "setup", "command": line, "cwd": null})).await
    }

    async fn finished(&mut self, line: &str, output: &ExecOutput) -> Result<()> {
        let text = crate::events::head_and_tail(&output.text(), LOG_BYTES_MAX);
        let milliseconds = output.duration.as_millis() as u64;
        let fields = json!({"stage": "setup", "command": line, "exit_code": output.exit.code, "duration_ms": milliseconds, "output": text});
        self.0.log.write("command_finished", fields).await;
        Ok(())
    }
}
