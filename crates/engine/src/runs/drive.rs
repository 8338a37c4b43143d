//! Carries out one run, step by step. Every step's outcome is stored before the next begins, so a worker that dies
//! is replaced and the run goes on from the last finished step.

use super::{agent, follow_up_record, homes, prepare, propose, prove, settle_request};
use crate::events::RunLog;
use crate::worker::fenced;
use crate::{Engine, events, incidents, llm};
use domain::alert::Alert;
use domain::incident::{Incident, IncidentState};
use domain::repository::Repository;
use domain::request::{ChatMessage, Request, RequestState};
use domain::run::{Run, RunStatus, Step, StepState};
use domain::sandbox::Provisioner;
use domain::{Error, IncidentId, Kind, Result, RunId};
use serde_json::json;
use std::sync::Arc;
use store::queue::Lease;
use tokio::sync::watch;

pub(super) const CANCELLED: &str = "cancelled";

/// What the steps share while one worker carries out one run.
pub struct Work {
    pub engine: Engine,
    pub run: Run,
    pub request: Request,
    pub messages: Vec<ChatMessage>,
    pub incident: Option<Incident>,
    pub repository: Repository,
    pub provisioner: Arc<dyn Provisioner>,
    pub log: RunLog,
    pub lease: Lease,
    pub cancel: watch::Receiver<bool>,
}

/// Where to go after a step.
pub enum Flow {
    Next,
    /// The proof failed in a way the agent can mend.
    BackToPatch,
}

/// Returns an error only when another attempt may go better; everything else is the run's own outcome.
pub async fn carry_out(engine: &Engine, id: RunId, lease: &Lease, cancel: watch::Receiver<bool>, last_attempt: bool) -> Result<()> {
    let Some(mut work) = Work::load(engine, id, lease, cancel).await? else {
        return Ok(());
    };
    let outcome = work.steps().await;
    work.log.flush().await;
    match outcome {
        Ok(()) => work.end(RunStatus::Completed, String::new()).await,
        Err(_) if *work.cancel.borrow() => work.end(RunStatus::Cancelled, CANCELLED.into()).await,
        Err(error) if error.kind.is_passing() && !last_attempt => {
            work.log.status("retry", format!("{error}; trying again")).await;
            work.log.flush().await;
            Err(error)
        }
        Err(error) => {
            tracing::warn!(run = %id, ?error, "run failed");
            work.end(RunStatus::Failed, error.message).await
        }
    }
}

impl Work {
    async fn load(engine: &Engine, id: RunId, lease: &Lease, cancel: watch::Receiver<bool>) -> Result<Option<Work>> {
        let mut tx = fenced(engine, lease).await?;
        let mut run = match store::runs::get(&mut tx, id).await {
            Ok(run) => run,
            Err(error) if error.kind == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if run.status.is_final() {
            return Ok(None);
        }
        let mut request = store::requests::get(&mut tx, run.request).await?;
        let messages = store::requests::messages(&mut tx, request.id).await?;
        let incident = match request.incident {
            Some(incident) => Some(store::incidents::get(&mut tx, incident).await?),
            None => None,
        };
        let repository = request.repository.ok_or_else(|| Error::conflict("the request has no repository"))?;
        let repository = store::repositories::get(&mut tx, repository).await?;
        let resumed = run.status == RunStatus::Running;
        if !resumed && run.record.is_follow_up {
            run.record = follow_up_record(&mut tx, &request).await?;
        }
        run.status = RunStatus::Running;
        run.started_at.get_or_insert(engine.now());
        request.become_state(RequestState::Executing)?;
        request.updated_at = engine.now();
        store::requests::update(&mut tx, &request).await?;
        store::runs::update(&mut tx, &run).await?;
        let message = if resumed { "a new worker goes on from the last finished step" } else { "a worker took the run" };
        events::append(engine, &mut tx, request.id, Some(id), "status", json!({"stage": "worker", "message": message})).await?;
        tx.commit().await?;
        let provisioner = engine.provisioner(&engine.settings.default_provisioner)?;
        let log = RunLog::start(engine, request.id, id, lease.clone());
        Ok(Some(Work {
            engine: engine.clone(),
            run,
            request,
            messages,
            incident,
            repository,
            provisioner,
            log,
            lease: lease.clone(),
            cancel,
        }))
    }

    async fn steps(&mut self) -> Result<()> {
        while let Some(step) = self.next_step() {
            // Watching begins with the merge, which is a person's act.
            if step == Step::Watch {
                break;
            }
            self.check_cancelled()?;
            self.begin(step).await?;
            let before = self.run.record.usage;
            let done = match step {
                Step::Alert => self.alert_summary(),
                Step::Prepare => prepare::step(self).await?,
                Step::Reproduce | Step::Patch => {
                    agent::step(self).await?;
                    continue;
                }
                Step::Prove => match prove::step(self).await? {
                    (Flow::Next, summary) => summary,
                    (Flow::BackToPatch, summary) => {
                        self.back_to_patch(summary).await?;
                        continue;
                    }
                },
                Step::Propose => propose::step(self).await?,
                Step::Watch => break,
            };
            self.finish(step, done, before).await?;
        }
        Ok(())
    }

    fn next_step(&self) -> Option<Step> {
        self.run.record.steps.iter().find(|s| !matches!(s.state, StepState::Done | StepState::Skipped)).map(|s| s.name)
    }

    fn alert_summary(&self) -> String {
        match &self.incident {
            Some(incident) if incident.times_seen == 1 => format!("{}, seen once", incident.kind_or_title()),
            Some(incident) => format!("{}, seen {} times", incident.kind_or_title(), incident.times_seen),
            None => "asked by a person".to_string(),
        }
    }

    pub fn alert(&self) -> Option<&Alert> {
        self.incident.as_ref().map(|i| &i.alert)
    }

    pub fn check_cancelled(&self) -> Result<()> {
        if *self.cancel.borrow() || self.engine.shutdown.is_cancelled() {
            return Err(Error::unavailable("the run was asked to stop"));
        }
        Ok(())
    }

    pub async fn begin(&mut self, step: Step) -> Result<()> {
        let now = self.engine.now();
        let record = self.run.record.step_mut(step);
        record.state = StepState::Working;
        record.started_at = Some(now);
        record.finished_at = None;
        record.summary = String::new();
        self.run.step = Some(step);
        self.say_live(&format!("{} …", doing(step)));
        self.save_with("step", json!({"step": step.word(), "state": "working", "summary": ""})).await
    }

    pub async fn finish(&mut self, step: Step, summary: String, before: domain::usage::Usage) -> Result<()> {
        let now = self.engine.now();
        let spent = spent_since(&self.run.record.usage, &before);
        let record = self.run.record.step_mut(step);
        record.state = StepState::Done;
        record.finished_at = Some(now);
        record.summary = summary.clone();
        record.usage = spent;
        self.save_with("step", json!({"step": step.word(), "state": "done", "summary": summary})).await
    }

    async fn back_to_patch(&mut self, summary: String) -> Result<()> {
        for record in self.run.record.steps.iter_mut().filter(|s| s.name >= Step::Patch) {
            record.state = StepState::Waiting;
        }
        self.save_with("step", json!({"step": "prove", "state": "failed", "summary": summary})).await
    }

    pub fn say_live(&mut self, line: &str) {
        self.run.live_line = events::without(line, &llm::run_secrets(&self.engine, self.run.id));
        self.run.live_since = Some(self.engine.now());
    }

    /// A transaction of whoever holds the run's job: `Conflict` once another worker has it.
    pub async fn write(&self) -> Result<store::Tx> {
        fenced(&self.engine, &self.lease).await
    }

    /// Stores the run and an event about it together, after everything logged so far.
    pub async fn save_with(&mut self, kind: &str, fields: serde_json::Value) -> Result<()> {
        self.log.flush().await;
        let mut tx = self.write().await?;
        store::runs::update(&mut tx, &self.run).await?;
        events::append(&self.engine, &mut tx, self.request.id, Some(self.run.id), kind, fields).await?;
        tx.commit().await
    }

    pub async fn save(&mut self) -> Result<()> {
        let mut tx = self.write().await?;
        store::runs::update(&mut tx, &self.run).await?;
        tx.commit().await
    }

    /// Only the line of the moment: it changes often.
    pub async fn save_live(&mut self) -> Result<()> {
        let mut tx = self.write().await?;
        store::runs::set_live(&mut tx, self.run.id, &self.run.live_line, self.run.live_since).await?;
        tx.commit().await
    }

    /// The run's last transaction: its status, its request's, its incident's, and the closing event.
    async fn end(&mut self, status: RunStatus, error: String) -> Result<()> {
        self.log.flush().await;
        let mut tx = self.write().await?;
        conclude(&self.engine, &mut tx, &mut self.run, status, &error).await?;
        tx.commit().await?;
        homes::remove(&self.engine, self.run.id).await;
        Ok(())
    }
}

/// Ends as failed whatever run can't go on: its job is parked.
pub async fn give_up(engine: &Engine, id: RunId, lease: &Lease, error: &str) -> Result<()> {
    let mut tx = fenced(engine, lease).await?;
    let mut run = match store::runs::get(&mut tx, id).await {
        Ok(run) if !run.status.is_final() => run,
        Ok(_) => return Ok(()),
        Err(error) if error.kind == Kind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    conclude(engine, &mut tx, &mut run, RunStatus::Failed, error).await?;
    tx.commit().await?;
    homes::remove(engine, id).await;
    Ok(())
}

/// The run's end and what follows from it for its request and incident.
pub(super) async fn conclude(engine: &Engine, tx: &mut store::Tx, run: &mut Run, status: RunStatus, error: &str) -> Result<()> {
    let now = engine.now();
    let first_line = error.lines().next().unwrap_or_default();
    if status != RunStatus::Completed
        && let Some(step) = run.step
    {
        let record = run.record.step_mut(step);
        record.state = StepState::Failed;
        record.finished_at = Some(now);
        record.summary = first_line.to_string();
    }
    run.status = status;
    run.error = error.to_string();
    run.finished_at = Some(now);
    run.live_line = String::new();
    run.live_since = None;
    store::runs::update(tx, run).await?;
    let request = store::requests::get(tx, run.request).await?;
    let (kind, fields, state) = match status {
        RunStatus::Completed => ("completed", json!({"message": closing_words(run)}), None),
        RunStatus::Cancelled => ("cancelled", json!({"message": "the run was cancelled"}), Some(RequestState::Cancelled)),
        _ => ("error", json!({"stage": "failed", "message": error}), Some(RequestState::Failed)),
    };
    if let Some(state) = state {
        if let Some(incident) = request.incident {
            reopen_incident(engine, tx, incident, run.number, first_line).await?;
        }
        settle_request(engine, tx, request, state).await?;
    }
    events::append(engine, tx, run.request, Some(run.id), kind, fields).await?;
    Ok(())
}

async fn reopen_incident(engine: &Engine, tx: &mut store::Tx, id: IncidentId, run_number: i64, why: &str) -> Result<()> {
    let mut incident = store::incidents::get(tx, id).await?;
    if incident.state == IncidentState::Fixing {
        incident.state = incidents::state_now(tx, id).await?;
        if incident.state != IncidentState::Fixing {
            incident.no_run_reason = incidents::ended(run_number, why);
        }
        incident.updated_at = engine.now();
        store::incidents::update(tx, &incident).await?;
    }
    Ok(())
}

fn doing(step: Step) -> &'static str {
    match step {
        Step::Alert => "reading the alert",
        Step::Prepare => "preparing the workspace",
        Step::Reproduce => "reproducing the fault",
        Step::Patch => "changing the code",
        Step::Prove => "proving the patch",
        Step::Propose => "opening the merge request",
        Step::Watch => "watching",
    }
}

fn closing_words(run: &Run) -> String {
    match run.verdict {
        Some(verdict) => format!("run {} ended: {}", run.number, verdict.word().replace('_', " ")),
        None => format!("run {} ended", run.number),
    }
}

fn spent_since(now: &domain::usage::Usage, before: &domain::usage::Usage) -> domain::usage::Usage {
    domain::usage::Usage {
        calls: now.calls - before.calls,
        input_tokens: now.input_tokens - before.input_tokens,
        cached_input_tokens: now.cached_input_tokens - before.cached_input_tokens,
        output_tokens: now.output_tokens - before.output_tokens,
        cost_usd: now.cost_usd.map(|c| c - before.cost_usd.unwrap_or(0.0)),
    }
}
