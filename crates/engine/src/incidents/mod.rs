//! Incidents: how alerts become them, and what people read and do about them.
//!
//! `intake` takes alerts in and commits them in groups, `grouping` says how an alert changes its incident, `decision`
//! whether a run starts by itself.

mod decision;
mod grouping;
pub mod intake;
pub mod recurrence;

use crate::{Engine, requests, workspaces};
pub use decision::{Obstacle, ended};
use domain::incident::{Incident, IncidentState};
use domain::merge_request::{MergeRequest, MergeRequestStatus};
use domain::run::{Run, RunStatus};
use domain::source::Source;
use domain::workspace::{Permission, Workspace};
use domain::{AlertSourceId, Error, IncidentId, Kind, RequestId, Result, UserId, WorkspaceId};
pub use intake::Intake;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
pub use store::incidents::AlertEvent;

/// The longest list answered at once.
const LIST_MAX: i64 = 500;

/// An incident with what is shown beside it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub incident: Incident,
    pub short_id: String,
    pub source_name: String,
    pub workspace_uid: String,
    /// The run that works on it, else the newest that did.
    pub run: Option<Run>,
    /// The merge request that counts: one that waits for a decision, else the newest that was merged, else one that was closed.
    pub merge_request: Option<Fix>,
}

/// A merge request as its incident tells of it.
#[derive(Clone, Debug)]
pub struct Fix {
    pub merge_request: MergeRequest,
    /// The number of the run whose proof it carries.
    pub run_number: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Whole {
    pub listed: Listed,
    /// Newest first.
    pub events: Vec<AlertEvent>,
    /// Newest first.
    pub runs: Vec<Run>,
    pub obstacle: Option<Obstacle>,
}

/// Newest alert first, of one workspace or of all that the user is a member of.
pub async fn list(engine: &Engine, user: UserId, workspace_uid: Option<&str>) -> Result<Vec<Listed>> {
    let mut tx = engine.store.read().await?;
    let asked = workspaces::filter(&mut tx, user, workspace_uid).await?;
    let visible = workspaces::visible(&mut tx, user, asked).await?;
    let filter = store::incidents::Filter { workspaces: visible, ..Default::default() };
    let all = store::incidents::list(&mut tx, &filter, store::Page::first(LIST_MAX)).await?;
    let mut beside = Beside::default();
    let mut listed = Vec::with_capacity(all.len());
    for incident in all {
        listed.push(beside.of(&mut tx, incident).await?);
    }
    Ok(listed)
}

/// Why no run could work on it, not even one that a person asks for.
pub async fn obstacle(engine: &Engine, incident: &Incident) -> Result<Option<Obstacle>> {
    let mut tx = engine.store.read().await?;
    let source = store::sources::get(&mut tx, incident.source).await?;
    decision::obstacle(engine, &mut tx, incident, &source).await
}

pub async fn get(engine: &Engine, user: UserId, id: IncidentId) -> Result<Whole> {
    let mut tx = engine.store.read().await?;
    let incident = require(&mut tx, user, id, Permission::View).await?;
    let events = store::incidents::events(&mut tx, id, store::Page::first(domain::limits::EVENTS_PER_INCIDENT_MAX as i64)).await?;
    let runs = store::runs::by_incident(&mut tx, id, store::Page::first(LIST_MAX)).await?;
    let source = store::sources::get(&mut tx, incident.source).await?;
    let obstacle = decision::obstacle(engine, &mut tx, &incident, &source).await?;
    let listed = Beside::default().of(&mut tx, incident).await?;
    Ok(Whole { listed, events, runs, obstacle })
}

/// Starts a run because a person asked, whatever the source's rules for automatic runs say.
pub async fn run(engine: &Engine, user: UserId, id: IncidentId) -> Result<RequestId> {
    let mut tx = engine.store.write().await?;
    let mut incident = require(&mut tx, user, id, Permission::Work).await?;
    let source = store::sources::get(&mut tx, incident.source).await?;
    if let Some(busy) = run_at_work(&mut tx, id).await? {
        return Err(Error::conflict(format!("run {} works on this incident already; wait for it or cancel it", busy.number)));
    }
    if let Some(Obstacle { code, detail }) = decision::obstacle(engine, &mut tx, &incident, &source).await? {
        return Err(Error::conflict(format!("no run can start: {detail}")).code(code));
    }
    let request = requests::start_for_incident(engine, &mut tx, &mut incident, &source).await?;
    save(engine, &mut tx, &mut incident).await?;
    tx.commit().await?;
    Ok(request)
}

/// Seen again, it counts as regressed.
pub async fn resolve(engine: &Engine, user: UserId, id: IncidentId) -> Result<Whole> {
    become_state(engine, user, id, IncidentState::Resolved).await
}

/// Further alerts only count.
pub async fn ignore(engine: &Engine, user: UserId, id: IncidentId) -> Result<Whole> {
    become_state(engine, user, id, IncidentState::Ignored).await
}

async fn become_state(engine: &Engine, user: UserId, id: IncidentId, state: IncidentState) -> Result<Whole> {
    let mut tx = engine.store.write().await?;
    let mut incident = require(&mut tx, user, id, Permission::Decide).await?;
    incident.state = state;
    save(engine, &mut tx, &mut incident).await?;
    tx.commit().await?;
    get(engine, user, id).await
}

async fn save(engine: &Engine, tx: &mut store::Tx, incident: &mut Incident) -> Result<()> {
    incident.updated_at = engine.now();
    store::incidents::update(tx, incident).await
}

/// Its request was deleted: an earlier one that has runs stands in its place.
pub(crate) async fn forget_request(tx: &mut store::Tx, id: IncidentId) -> Result<()> {
    let mut incident = store::incidents::get(tx, id).await?;
    if incident.request.is_none() {
        incident.request = store::runs::by_incident(tx, id, store::Page::first(1)).await?.pop().map(|run| run.request);
        store::incidents::update(tx, &incident).await?;
    }
    Ok(())
}

/// A run is on its way: whatever was said of why there is none is over.
pub(crate) async fn is_worked_on(engine: &Engine, tx: &mut store::Tx, id: IncidentId) -> Result<()> {
    let mut incident = store::incidents::get(tx, id).await?;
    incident.no_run_reason = String::new();
    if matches!(incident.state, IncidentState::Open | IncidentState::Regressed) {
        incident.state = IncidentState::Fixing;
    }
    save(engine, tx, &mut incident).await
}

/// A run that is queued or running, of whichever of the incident's requests.
pub(crate) async fn run_at_work(tx: &mut store::Tx, id: IncidentId) -> Result<Option<Run>> {
    let newest = store::runs::by_incident(tx, id, store::Page::first(LIST_MAX)).await?;
    Ok(newest.into_iter().find(|run| !run.status.is_final()))
}

/// Where an incident stands when a run came to nothing or a fix was turned down: as its other runs and merge requests leave it.
pub(crate) async fn state_now(tx: &mut store::Tx, id: IncidentId) -> Result<IncidentState> {
    if run_at_work(tx, id).await?.is_some() {
        return Ok(IncidentState::Fixing);
    }
    Ok(match merge_request_of(tx, id).await?.map(|fix| fix.merge_request.status) {
        Some(MergeRequestStatus::Open | MergeRequestStatus::Draft) => IncidentState::FixProposed,
        Some(MergeRequestStatus::Merged) => IncidentState::Regressed,
        Some(MergeRequestStatus::Closed) | None => IncidentState::Open,
    })
}

/// The incident, if the user may do this with it; a stranger learns nothing of its existence.
pub async fn require(tx: &mut store::Tx, user: UserId, id: IncidentId, permission: Permission) -> Result<Incident> {
    let missing = || Error::not_found(format!("there is no incident `{id}`"));
    let incident = store::incidents::get(tx, id).await.map_err(|_| missing())?;
    workspaces::require(tx, user, incident.workspace, permission).await.map_err(|error| match error.kind {
        Kind::NotFound => missing(),
        _ => error,
    })?;
    Ok(incident)
}

/// Sources and workspaces that many incidents share, read once each.
#[derive(Default)]
struct Beside {
    sources: HashMap<AlertSourceId, Source>,
    workspaces: HashMap<WorkspaceId, Workspace>,
}

impl Beside {
    async fn of(&mut self, tx: &mut store::Tx, incident: Incident) -> Result<Listed> {
        if let Entry::Vacant(place) = self.sources.entry(incident.source) {
            place.insert(store::sources::get(tx, incident.source).await?);
        }
        if let Entry::Vacant(place) = self.workspaces.entry(incident.workspace) {
            place.insert(store::workspaces::get(tx, incident.workspace).await?);
        }
        let (run, merge_request) = match incident.request {
            Some(_) => (run_of(tx, incident.id).await?, merge_request_of(tx, incident.id).await?),
            None => (None, None),
        };
        let source_name = self.sources[&incident.source].name.clone();
        Ok(Listed {
            short_id: incident.short_id(&source_name),
            source_name,
            workspace_uid: self.workspaces[&incident.workspace].uid.clone(),
            run,
            merge_request,
            incident,
        })
    }
}

/// A follow-up may wait in the queue behind the run that works.
async fn run_of(tx: &mut store::Tx, id: IncidentId) -> Result<Option<Run>> {
    let mut newest = store::runs::by_incident(tx, id, store::Page::first(2)).await?;
    let at = newest.iter().position(|run| run.status == RunStatus::Running).unwrap_or(0);
    Ok((at < newest.len()).then(|| newest.swap_remove(at)))
}

async fn merge_request_of(tx: &mut store::Tx, id: IncidentId) -> Result<Option<Fix>> {
    let all = store::merge_requests::by_incident(tx, id).await?;
    let rank = |status| match status {
        MergeRequestStatus::Open | MergeRequestStatus::Draft => 0,
        MergeRequestStatus::Merged => 1,
        MergeRequestStatus::Closed => 2,
    };
    let Some(merge_request) = all.into_iter().min_by_key(|merge_request| rank(merge_request.status)) else { return Ok(None) };
    let run_number = store::runs::get(tx, merge_request.run).await.ok().map(|run| run.number);
    Ok(Some(Fix { merge_request, run_number }))
}
