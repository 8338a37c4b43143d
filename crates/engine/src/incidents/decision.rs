//! Whether a run starts by itself, and if not, why not: in words, because people read them.

use crate::{Engine, prompt, repositories, requests};
use domain::incident::{Incident, IncidentState};
use domain::source::Source;
use domain::{Kind, Result};
use jiff::SignedDuration;

const OFF: &str = "automatic runs are off for this source";
const NO_REPOSITORY: &str = "no repository is connected to this source";
const NO_MODEL: &str = "no model is configured that could work on it";
const BUDGET: &str = "the budget of";
const ENDED: &str = "ended without a fix";

/// Why no run could work on an incident, not even one that a person asks for.
#[derive(Clone, Debug)]
pub struct Obstacle {
    /// `no_repository`, `forge_unavailable`, `executor_unavailable` or `no_model`.
    pub code: &'static str,
    pub detail: String,
}

/// Starts a run or says why none was started. The incident is stored already; the caller stores what changed here.
pub async fn decide(engine: &Engine, tx: &mut store::Tx, incident: &mut Incident, source: &Source) -> Result<()> {
    if let Some(reason) = refusal(engine, tx, incident, source).await? {
        incident.no_run_reason = reason;
        return Ok(());
    }
    match requests::start_for_incident(engine, tx, incident, source).await {
        Ok(_) => Ok(()),
        // The workspace's quota is checked before anything is written.
        Err(error) if error.kind == Kind::Limit => {
            incident.no_run_reason = error.message;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// What an incident says whose run has ended.
pub fn ended(run_number: i64, why: &str) -> String {
    format!("run {run_number} {ENDED}: {why}")
}

/// Whether an incident may get a run now although an earlier decision said no: the reason may have passed. What a run could
/// not mend waits for a person.
pub fn may_reconsider(incident: &Incident) -> bool {
    matches!(incident.state, IncidentState::Open | IncidentState::Regressed)
        && !incident.no_run_reason.is_empty()
        && !incident.no_run_reason.contains(ENDED)
}

async fn refusal(engine: &Engine, tx: &mut store::Tx, incident: &Incident, source: &Source) -> Result<Option<String>> {
    if !source.automatic_runs {
        return Ok(Some(OFF.to_string()));
    }
    if let Some(busy) = super::run_at_work(tx, incident.id).await? {
        return Ok(Some(format!("run {} still works on it", busy.number)));
    }
    if let Some(obstacle) = repository_obstacle(engine, tx, source).await? {
        return Ok(Some(obstacle.detail));
    }
    if let Some(reason) = unsuited(incident) {
        return Ok(Some(reason));
    }
    if let Some(obstacle) = executor_obstacle(engine, source).await {
        return Ok(Some(obstacle.detail));
    }
    if model_obstacle(engine, incident, source).is_some() {
        return Ok(Some(NO_MODEL.to_string()));
    }
    let budget = i64::from(source.runs_per_hour_max);
    let since = engine.now() - SignedDuration::from_hours(1);
    if store::incidents::runs_since(tx, source.id, since).await? >= budget {
        return Ok(Some(format!("{BUDGET} {budget} runs an hour is used up")));
    }
    let budget = i64::from(store::workspaces::get(tx, source.workspace).await?.automatic_runs_per_hour_max);
    if store::incidents::workspace_runs_since(tx, source.workspace, since).await? >= budget {
        return Ok(Some(format!("{BUDGET} {budget} runs an hour of this workspace is used up")));
    }
    Ok(None)
}

/// What the alert itself lacks.
fn unsuited(incident: &Incident) -> Option<String> {
    if !matches!(incident.level.as_str(), "error" | "fatal" | "critical" | "") {
        return Some(format!("level is {}", incident.level));
    }
    let has_stack = incident.alert.exceptions.iter().any(|e| !e.frames.is_empty());
    (!has_stack).then(|| "there is no stack trace".to_string())
}

pub async fn obstacle(engine: &Engine, tx: &mut store::Tx, incident: &Incident, source: &Source) -> Result<Option<Obstacle>> {
    let of_repository = repository_obstacle(engine, tx, source).await?;
    let of_others = executor_obstacle(engine, source).await.or_else(|| model_obstacle(engine, incident, source));
    Ok(of_repository.or(of_others))
}

async fn executor_obstacle(engine: &Engine, source: &Source) -> Option<Obstacle> {
    let detail = match engine.executor(source.executor.as_deref().unwrap_or(&engine.settings.default_executor)) {
        Ok(executor) => executor.unavailable().await?,
        // It was there when the source was made.
        Err(error) => error.message,
    };
    Some(Obstacle { code: "executor_unavailable", detail })
}

async fn repository_obstacle(engine: &Engine, tx: &mut store::Tx, source: &Source) -> Result<Option<Obstacle>> {
    let Some(id) = source.repository else {
        return Ok(Some(Obstacle { code: "no_repository", detail: NO_REPOSITORY.to_string() }));
    };
    let repository = store::repositories::get(tx, id).await?;
    let refused = repositories::check_runnable(engine, &repository).err();
    Ok(refused.map(|error| Obstacle { code: "forge_unavailable", detail: error.message }))
}

/// Known before any call where the run's first prompt is in no recording.
fn model_obstacle(engine: &Engine, incident: &Incident, source: &Source) -> Option<Obstacle> {
    let request = requests::of_incident(engine, incident, source);
    let nonce = engine.clock.token_hex(8);
    let prompt = prompt::of(&prompt::Brief {
        request: &request,
        alert: Some(&incident.alert),
        suspect: None,
        earlier: &[],
        messages: &[],
        language: "",
        nonce: &nonce,
        has_earlier_patch: false,
        mend: None,
    });
    engine.model.provider.refuses(&prompt).map(|detail| Obstacle { code: "no_model", detail })
}
