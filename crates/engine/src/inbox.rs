//! What wants a person's eye first: four groups made from incidents, runs and merge requests.

use crate::incidents::{Fix, Listed};
use crate::merge_requests::{self, Whole};
use crate::{Engine, incidents, runs, workspaces};
use domain::incident::IncidentState;
use domain::merge_request::MergeRequestStatus;
use domain::run::{Run, RunStatus};
use domain::{IncidentId, RequestId, Result, RunId, Timestamp, UserId};
use std::collections::{HashMap, HashSet};

pub enum Item {
    Incident(Box<Listed>),
    Run(Box<Run>),
    MergeRequest(Box<Whole>),
}

impl Item {
    pub fn at(&self) -> Timestamp {
        match self {
            Item::Incident(listed) => listed.incident.last_seen,
            Item::Run(run) => run.finished_at.or(run.started_at).unwrap_or(run.created_at),
            Item::MergeRequest(whole) => whole.merge_request.updated_at,
        }
    }
}

#[derive(Default)]
pub struct Inbox {
    /// Incidents that nothing works on, runs that failed, patches that are not proven.
    pub needs_you: Vec<Item>,
    pub working: Vec<Item>,
    pub ready_to_merge: Vec<Item>,
    pub done: Vec<Item>,
}

pub async fn of(engine: &Engine, user: UserId, workspace_uid: Option<&str>) -> Result<Inbox> {
    let workspace = workspaces::filtered(engine, user, workspace_uid).await?;
    let incidents = incidents::list(engine, user, workspace_uid).await?;
    let by_id: HashMap<IncidentId, &Listed> = incidents.iter().map(|listed| (listed.incident.id, listed)).collect();
    let mut inbox = Inbox::default();
    let runs = runs::list(engine, user, workspace).await?;
    let at_work: HashSet<RequestId> = runs.iter().filter(|run| run.status == RunStatus::Running).map(|run| run.request).collect();
    let mut told: HashSet<RequestId> = HashSet::new();
    for run in runs {
        // Only the newest run of a request says how it stands, but for one that waits behind the run at work.
        if run.status == RunStatus::Queued && at_work.contains(&run.request) || !told.insert(run.request) {
            continue;
        }
        match run.status {
            RunStatus::Queued | RunStatus::Running => inbox.working.push(Item::Run(Box::new(run))),
            RunStatus::Failed if still_matters(run.incident, &by_id, |newest| newest == run.id) => {
                inbox.needs_you.push(Item::Run(Box::new(run)))
            }
            RunStatus::Failed | RunStatus::Cancelled => inbox.done.push(Item::Run(Box::new(run))),
            RunStatus::Completed => {}
        }
    }
    for whole in merge_requests::list(engine, user, workspace_uid).await? {
        let merge_request = &whole.merge_request;
        let group = match merge_request.status {
            MergeRequestStatus::Merged | MergeRequestStatus::Closed => &mut inbox.done,
            _ if merge_request.is_ready() => &mut inbox.ready_to_merge,
            // It stays open on its page; nobody need decide on it.
            _ if !still_matters(merge_request.incident, &by_id, |_| true) => continue,
            _ => &mut inbox.needs_you,
        };
        group.push(Item::MergeRequest(Box::new(whole)));
    }
    for listed in incidents {
        if waits(&listed) {
            inbox.needs_you.push(Item::Incident(Box::new(listed)));
        }
    }
    for group in [&mut inbox.needs_you, &mut inbox.working, &mut inbox.ready_to_merge, &mut inbox.done] {
        group.sort_by_key(|item| std::cmp::Reverse(item.at()));
    }
    Ok(inbox)
}

/// Whether what came of an incident's run is still of interest: the incident is not settled, and its newest run is one of these.
fn still_matters(incident: Option<IncidentId>, by_id: &HashMap<IncidentId, &Listed>, is_newest: impl Fn(RunId) -> bool) -> bool {
    let Some(listed) = incident.and_then(|id| by_id.get(&id)) else { return true };
    let is_settled = matches!(listed.incident.state, IncidentState::Resolved | IncidentState::Ignored);
    !is_settled && listed.run.as_ref().is_none_or(|run| is_newest(run.id))
}

/// A run at work, one that failed, and a fix that waits for a decision stand in the inbox themselves. Any other incident that
/// is open stands for itself: nobody began, somebody cancelled, or the fix was turned down or did not hold.
fn waits(listed: &Listed) -> bool {
    let is_open = matches!(listed.incident.state, IncidentState::Open | IncidentState::Regressed);
    let has_stopped = |run: &Run| matches!(run.status, RunStatus::Completed | RunStatus::Cancelled);
    let is_decided = |fix: &Fix| matches!(fix.merge_request.status, MergeRequestStatus::Merged | MergeRequestStatus::Closed);
    // What came back did so although a fix may wait.
    let has_come_back = listed.incident.state == IncidentState::Regressed;
    is_open && listed.run.as_ref().is_none_or(has_stopped) && (has_come_back || listed.merge_request.as_ref().is_none_or(is_decided))
}
