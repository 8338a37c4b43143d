//! What wants a person's eye first: four groups made from incidents, runs and merge requests.

use crate::merge_requests::{self, Whole};
use crate::{Engine, incidents, runs, workspaces};
use domain::incident::IncidentState;
use domain::merge_request::MergeRequestStatus;
use domain::run::{Run, RunStatus};
use domain::{RequestId, Result, Timestamp, UserId};
use std::collections::HashSet;

/// A group shows its newest; the lists have the rest.
const GROUP_MAX: usize = 30;

pub enum Item {
    Incident(Box<incidents::Listed>),
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
    let mut inbox = Inbox::default();
    let mut told: HashSet<RequestId> = HashSet::new();
    for run in runs::list(engine, user, workspace).await? {
        // Only the newest run of a request says how it stands.
        if !told.insert(run.request) {
            continue;
        }
        match run.status {
            RunStatus::Queued | RunStatus::Running => inbox.working.push(Item::Run(Box::new(run))),
            RunStatus::Failed => inbox.needs_you.push(Item::Run(Box::new(run))),
            RunStatus::Cancelled => inbox.done.push(Item::Run(Box::new(run))),
            RunStatus::Completed => {}
        }
    }
    let mut proposed: HashSet<RequestId> = HashSet::new();
    for whole in merge_requests::list(engine, user, workspace_uid).await? {
        let merge_request = &whole.merge_request;
        let group = match merge_request.status {
            MergeRequestStatus::Merged | MergeRequestStatus::Closed => &mut inbox.done,
            _ if merge_request.is_ready() => &mut inbox.ready_to_merge,
            _ => &mut inbox.needs_you,
        };
        if matches!(merge_request.status, MergeRequestStatus::Open | MergeRequestStatus::Draft) {
            proposed.insert(merge_request.request);
        }
        group.push(Item::MergeRequest(Box::new(whole)));
    }
    for listed in incidents::list(engine, user, workspace_uid).await? {
        if waits(&listed, &proposed) {
            inbox.needs_you.push(Item::Incident(Box::new(listed)));
        }
    }
    for group in [&mut inbox.needs_you, &mut inbox.working, &mut inbox.ready_to_merge, &mut inbox.done] {
        group.sort_by_key(|item| std::cmp::Reverse(item.at()));
        group.truncate(GROUP_MAX);
    }
    Ok(inbox)
}

/// A run that failed or was cancelled stands in the inbox itself, and so does a fix that waits for a decision. An incident
/// that is open although its run ended well stands for itself: the fix was turned down, or did not hold.
fn waits(listed: &incidents::Listed, proposed: &HashSet<RequestId>) -> bool {
    let is_open = matches!(listed.incident.state, IncidentState::Open | IncidentState::Regressed);
    let is_over = |run: &Run| run.status == RunStatus::Completed && !proposed.contains(&run.request);
    is_open && listed.run.as_ref().is_none_or(is_over)
}
