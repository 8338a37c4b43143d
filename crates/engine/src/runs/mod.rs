//! Runs: how they are queued, read, cancelled and retried. `drive` carries one out, step by step.

pub mod agent;
mod bundle;
pub mod drive;
pub mod homes;
pub mod prepare;
pub mod propose;
pub mod prove;

use crate::{Engine, events, incidents, workspaces};
use domain::merge_request::{MergeRequest, MergeRequestStatus};
use domain::request::{Request, RequestState};
use domain::run::{Run, RunRecord, RunStatus, Step, StepRecord, StepState};
use domain::usage::Usage;
use domain::workspace::Permission;
use domain::{Error, IncidentId, MergeRequestId, RequestId, Result, RunId, UserId, WorkspaceId};
use serde_json::json;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use store::queue::{Cancelled, NewJob};
use store::workspaces::Numbered;

pub const JOB: &str = "run";
/// The longest list answered at once.
const LIST_MAX: i64 = 500;

pub fn job_key(run: RunId) -> String {
    format!("run:{run}")
}

/// Where a new run begins.
pub enum Begin<'a> {
    Afresh,
    /// From what an earlier run left before this step.
    From(&'a Run, Step),
    /// From the newest patch that the request has when the run's turn comes.
    FollowUp,
}

/// A queued run with its job and event, in the caller's transaction. Runs of one request work one after the other:
/// they share its branch.
pub async fn enqueue(engine: &Engine, tx: &mut store::Tx, request: &Request, begin: Begin<'_>) -> Result<RunId> {
    if request.repository.is_none() {
        return Err(Error::conflict("this request's repository is gone; make a new request for another").code("no_repository"));
    }
    if request.state == RequestState::Done {
        return Err(Error::conflict("this request's merge request is merged; make a new request for further work"));
    }
    let executor = request.executor.clone().unwrap_or_else(|| engine.settings.default_executor.clone());
    let run = Run {
        id: engine.clock.fresh(),
        request: request.id,
        workspace: request.workspace,
        incident: request.incident,
        number: store::workspaces::next_number(tx, request.workspace, Numbered::Run).await?,
        status: RunStatus::Queued,
        step: None,
        live_line: String::new(),
        live_since: None,
        executor,
        model: request.llm.model.clone().filter(|m| !m.is_empty()).unwrap_or_else(|| engine.model.model.clone()),
        verdict: None,
        error: String::new(),
        record: match begin {
            Begin::Afresh => record(request, None),
            Begin::From(run, step) => record(request, Some((run, step))),
            Begin::FollowUp => RunRecord { is_follow_up: true, ..record(request, None) },
        },
        created_at: engine.now(),
        started_at: None,
        finished_at: None,
    };
    store::runs::create(tx, &run).await?;
    let job = NewJob {
        id: engine.clock.fresh(),
        kind: JOB.into(),
        payload: json!({"run_id": run.id}),
        workspace: Some(request.workspace),
        key: Some(job_key(run.id)),
        lane: Some(format!("request:{}", request.id)),
        priority: 0,
        run_at: engine.now(),
    };
    store::queue::enqueue(tx, job).await?;
    if let Some(incident) = request.incident {
        incidents::is_worked_on(engine, tx, incident).await?;
    }
    events::append(
        engine,
        tx,
        request.id,
        Some(run.id),
        "status",
        json!({"stage": "queued", "message": format!("run {} is queued", run.number)}),
    )
    .await?;
    Ok(run.id)
}

fn record(request: &Request, from: Option<(&Run, Step)>) -> RunRecord {
    let fresh = |name| StepRecord {
        name,
        state: StepState::Waiting,
        started_at: None,
        finished_at: None,
        summary: String::new(),
        usage: Usage::default(),
    };
    let mut record = RunRecord { branch: request.branch(), ..RunRecord::default() };
    if let Some((old, step)) = from.filter(|(_, step)| *step > Step::Prepare) {
        record = old.record.clone();
        record.usage = Usage::default();
        record.is_follow_up = false;
        record.steps.retain(|s| s.name < step);
        if step <= Step::Patch {
            record.agent_turns = 0;
            record.mend = None;
            // A session lies in the home of the run that it belongs to.
            record.session = None;
        }
        if step <= Step::Prove {
            record.rules.clear();
            record.tests.clear();
            record.wrong_versions.clear();
            record.other_tests = None;
            record.bundle_digest = None;
        }
    }
    for step in Step::ALL {
        if !record.steps.iter().any(|s| s.name == step) {
            record.steps.push(fresh(step));
        }
    }
    record
}

/// What a follow-up begins with: the newest patch that people talk about, on the base that it was made for.
async fn follow_up_record(tx: &mut store::Tx, request: &Request) -> Result<RunRecord> {
    let earlier = store::runs::by_request(tx, request.id).await?;
    let earlier = earlier.iter().rev().find(|run| run.status.is_final() && !run.record.patch.is_empty());
    Ok(record(request, earlier.map(|run| (run, Step::Reproduce))))
}

/// The run, if the user may do this with it.
pub async fn require(tx: &mut store::Tx, user: UserId, id: RunId, permission: Permission) -> Result<Run> {
    let missing = || Error::not_found(format!("there is no run `{id}`"));
    let run = store::runs::get(tx, id).await.map_err(|_| missing())?;
    workspaces::require(tx, user, run.workspace, permission).await.map_err(|error| match error.kind {
        domain::Kind::NotFound => missing(),
        _ => error,
    })?;
    Ok(run)
}

pub async fn get(engine: &Engine, user: UserId, id: RunId) -> Result<(Run, Request)> {
    let mut tx = engine.store.read().await?;
    let run = require(&mut tx, user, id, Permission::View).await?;
    let request = store::requests::get(&mut tx, run.request).await?;
    Ok((run, request))
}

/// Newest first, each with its request's title.
pub async fn list(engine: &Engine, user: UserId, workspace: Option<WorkspaceId>) -> Result<Vec<Run>> {
    let mut tx = engine.store.read().await?;
    let workspaces = workspaces::visible(&mut tx, user, workspace).await?;
    store::runs::list(&mut tx, &workspaces, store::Page::first(LIST_MAX)).await
}

/// How the merge request of a run's request stands.
#[derive(Clone, Copy, Debug)]
pub struct Proposed {
    pub id: MergeRequestId,
    pub status: MergeRequestStatus,
    pub is_ready: bool,
}

impl Proposed {
    fn of(merge_request: &MergeRequest) -> Proposed {
        Proposed { id: merge_request.id, status: merge_request.status, is_ready: merge_request.is_ready() }
    }
}

/// What other nouns say of some runs, for a list's rows.
#[derive(Default)]
pub struct Beside {
    pub titles: HashMap<RequestId, String>,
    pub merge_requests: HashMap<RequestId, Proposed>,
    /// Short ids, such as `CHECKOUT-41`.
    pub incidents: HashMap<IncidentId, String>,
    pub workspace_uids: HashMap<WorkspaceId, String>,
}

/// The caller has checked that the runs may be seen.
pub async fn beside(engine: &Engine, all: &[Run]) -> Result<Beside> {
    let mut tx = engine.store.read().await?;
    let mut beside = Beside::default();
    for run in all {
        if let Entry::Vacant(place) = beside.titles.entry(run.request) {
            place.insert(store::requests::get(&mut tx, run.request).await?.title);
            if let Some(merge_request) = store::merge_requests::by_request(&mut tx, run.request).await? {
                beside.merge_requests.insert(run.request, Proposed::of(&merge_request));
            }
        }
        if let Entry::Vacant(place) = beside.workspace_uids.entry(run.workspace) {
            place.insert(store::workspaces::get(&mut tx, run.workspace).await?.uid);
        }
        if let Some(id) = run.incident
            && let Entry::Vacant(place) = beside.incidents.entry(id)
        {
            let incident = store::incidents::get(&mut tx, id).await?;
            let source = store::sources::get(&mut tx, incident.source).await?;
            place.insert(incident.short_id(&source.name));
        }
    }
    Ok(beside)
}

/// The signed bundle of a run's proof, with the run's number for a file name.
pub async fn bundle_of(engine: &Engine, user: UserId, id: RunId) -> Result<(i64, String)> {
    let mut tx = engine.store.read().await?;
    let run = require(&mut tx, user, id, Permission::View).await?;
    match store::evidence::by_run(&mut tx, id).await? {
        Some(bundle) => Ok((run.number, bundle.envelope)),
        None => Err(Error::not_found(format!("run {} has no evidence yet", run.number))),
    }
}

pub async fn cancel(engine: &Engine, user: UserId, id: RunId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let run = require(&mut tx, user, id, Permission::Work).await?;
    if run.status.is_final() {
        return Err(Error::conflict(format!("run {} is {}; there is nothing to cancel", run.number, run.status.word())));
    }
    let request = store::requests::get(&mut tx, run.request).await?;
    ask_to_stop(engine, &mut tx, run).await?;
    settle_request(engine, &mut tx, request, RequestState::Cancelled).await?;
    tx.commit().await
}

/// A run that a worker has ends when that worker notices, within seconds. One that waits, to begin or to be tried again,
/// ends here, since nobody else will tell.
pub async fn ask_to_stop(engine: &Engine, tx: &mut store::Tx, mut run: Run) -> Result<()> {
    match store::queue::cancel(tx, &job_key(run.id), engine.now()).await? {
        Cancelled::Requested => Ok(()),
        Cancelled::BeforeStart | Cancelled::Nothing => drive::conclude(engine, tx, &mut run, RunStatus::Cancelled, drive::CANCELLED).await,
    }
}

/// A new run of the same request that keeps what came before `from` and does the rest again.
pub async fn retry(engine: &Engine, user: UserId, id: RunId, from: Option<Step>) -> Result<RunId> {
    let mut tx = engine.store.write().await?;
    let run = require(&mut tx, user, id, Permission::Work).await?;
    if !run.status.is_final() {
        return Err(Error::conflict(format!("run {} is still {}; cancel it first", run.number, run.status.word())));
    }
    let request = store::requests::get(&mut tx, run.request).await?;
    let busy = match run.incident {
        Some(incident) => incidents::run_at_work(&mut tx, incident).await?,
        None => store::runs::active_of(&mut tx, request.id).await?.pop(),
    };
    if let Some(busy) = busy {
        return Err(Error::conflict(format!("run {} is {}; wait for it or cancel it", busy.number, busy.status.word())));
    }
    let from = from.map(|step| first_possible(&run, step));
    let begin = from.map_or(Begin::Afresh, |step| Begin::From(&run, step));
    let new = enqueue(engine, &mut tx, &request, begin).await?;
    tx.commit().await?;
    Ok(new)
}

/// Re-running can't skip over a step that never finished, nor over the proof: a verdict and its evidence belong to one run.
fn first_possible(run: &Run, asked: Step) -> Step {
    let unfinished = run.record.steps.iter().find(|s| s.state != StepState::Done).map_or(Step::Watch, |s| s.name);
    asked.min(unfinished).clamp(Step::Prepare, Step::Prove)
}

pub async fn delete(engine: &Engine, user: UserId, id: RunId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let run = require(&mut tx, user, id, Permission::Work).await?;
    if !run.status.is_final() {
        return Err(Error::conflict(format!("run {} is {}; cancel it first", run.number, run.status.word())));
    }
    if store::merge_requests::by_request(&mut tx, run.request).await?.is_some_and(|mr| mr.run == id) {
        return Err(Error::conflict(format!("run {} is the proof of a merge request; it stays with it", run.number)));
    }
    store::runs::delete(&mut tx, id).await?;
    tx.commit().await
}

/// The last step begins when somebody merges: from now on a recurrence of the fault says that the fix was none.
pub(crate) async fn start_watching(engine: &Engine, tx: &mut store::Tx, id: RunId) -> Result<()> {
    let mut run = store::runs::get(tx, id).await?;
    if let Some(step) = run.record.steps.iter_mut().find(|s| s.name == Step::Watch) {
        if run.incident.is_some() {
            step.state = StepState::Working;
            step.started_at = Some(engine.now());
            step.summary = "a recurrence reopens the incident".to_string();
        } else {
            // A person's request has no alert that could come back.
            step.state = StepState::Skipped;
        }
        store::runs::update(tx, &run).await?;
    }
    Ok(())
}

/// The fault that this run was to mend was seen again.
pub(crate) async fn end_watching(engine: &Engine, tx: &mut store::Tx, id: RunId, summary: String) -> Result<()> {
    let mut run = store::runs::get(tx, id).await?;
    if let Some(step) = run.record.steps.iter_mut().find(|s| s.name == Step::Watch) {
        step.state = StepState::Failed;
        step.finished_at = Some(engine.now());
        step.summary = summary;
        store::runs::update(tx, &run).await?;
    }
    Ok(())
}

/// Moves the request's state where its machine allows; a request that went on already stays as it is.
pub(crate) async fn settle_request(engine: &Engine, tx: &mut store::Tx, mut request: Request, next: RequestState) -> Result<()> {
    if request.state.may_become(next) && request.state != next {
        request.state = next;
        request.updated_at = engine.now();
        store::requests::update(tx, &request).await?;
    }
    Ok(())
}
