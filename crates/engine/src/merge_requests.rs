//! What people do with a proposed fix: read, review, approve, merge, close, override its verdict, send comments back.
//!
//! `runs::propose` opens and updates merge requests; nothing here makes one.

use crate::incidents::{self, recurrence};
use crate::{Engine, events, repositories, requests, runs, workspaces};
use domain::account::User;
use domain::evidence::{RuleResult, RuleState, Verdict};
use domain::forge::Proposal;
use domain::git::{Standing, conflict_words};
use domain::incident::IncidentState;
use domain::merge_request::{Comment, MergeRequest, MergeRequestStatus, Override};
use domain::repository::Repository;
use domain::request::RequestState;
use domain::run::{Run, Step};
use domain::workspace::Permission;
use domain::{Error, IncidentId, Kind, MergeRequestId, RepositoryId, RequestId, Result, RunId, UserId, WorkspaceId};
use serde_json::json;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use store::Page;

const COMMENTS_MAX: usize = 500;
const COMMENT_BYTES_MAX: usize = 16 << 10;
const REASON_CHARS_MAX: usize = 2_000;
const REVIEWED_MAX: usize = 1_000;
const PATH_BYTES_MAX: usize = 4_096;

/// A merge request with what is shown beside it.
#[derive(Clone, Debug)]
pub struct Whole {
    pub merge_request: MergeRequest,
    pub request_title: String,
    /// The run whose proof it carries.
    pub run: Option<Run>,
    pub repository: Option<Repository>,
    pub workspace_uid: String,
    pub incident_short_id: Option<String>,
    /// The address people open.
    pub reference: String,
    /// What a merge would meet; asked for one merge request that is open, never for lists.
    pub standing: Option<Standing>,
}

impl Whole {
    /// Why it can't be merged, even once approved; `None` when it can.
    pub fn obstacle(&self) -> Option<String> {
        match check_ready(&self.merge_request) {
            Err(error) => Some(error.message),
            Ok(()) if self.repository.is_none() => Some("its repository is no longer linked".into()),
            Ok(()) => self
                .standing
                .as_ref()
                .filter(|standing| !standing.conflicts.is_empty())
                .map(|standing| conflict_words(&self.merge_request.target_branch, &standing.conflicts)),
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewComment {
    pub path: String,
    pub line: u32,
    pub side: String,
    pub body: String,
}

/// Newest first.
pub async fn list(engine: &Engine, user: UserId, workspace_uid: Option<&str>) -> Result<Vec<Whole>> {
    let mut tx = engine.store.read().await?;
    let asked = workspaces::filter(&mut tx, user, workspace_uid).await?;
    let visible = workspaces::visible(&mut tx, user, asked).await?;
    let all = store::merge_requests::list(&mut tx, &visible, Page::default()).await?;
    let mut seen = Seen::default();
    let mut wholes = Vec::with_capacity(all.len());
    for merge_request in all {
        wholes.push(seen.whole(engine, &mut tx, merge_request).await?);
    }
    Ok(wholes)
}

pub async fn get(engine: &Engine, user: UserId, id: MergeRequestId) -> Result<Whole> {
    let mut whole = {
        let mut tx = engine.store.read().await?;
        let merge_request = require(&mut tx, user, id, Permission::View).await?;
        Seen::default().whole(engine, &mut tx, merge_request).await?
    };
    if let Some(repository) = &whole.repository {
        whole.standing = standing(engine, repository, &whole.merge_request).await;
    }
    Ok(whole)
}

/// What merging would meet now; `None` when it is merged or closed, and where the forge can't say.
async fn standing(engine: &Engine, repository: &Repository, mr: &MergeRequest) -> Option<Standing> {
    check_open(mr).ok()?;
    let asked = async { engine.forge(&repository.provider)?.standing(repository, &proposal(mr)).await };
    asked.await.inspect_err(|error| tracing::warn!(merge_request = %mr.id, %error, "its target branch can't be compared")).ok()
}

/// Whether the request has a merge request that its target branch can't take any more.
pub(crate) async fn is_in_conflict(engine: &Engine, repository: &Repository, request: RequestId) -> Result<bool> {
    let mr = store::merge_requests::by_request(&mut engine.store.read().await?, request).await?;
    let Some(mr) = mr else { return Ok(false) };
    Ok(standing(engine, repository, &mr).await.is_some_and(|standing| !standing.conflicts.is_empty()))
}

/// The merge request of a request, for clients that know only the latter.
pub async fn of_request(engine: &Engine, user: UserId, request: RequestId) -> Result<MergeRequestId> {
    let mut tx = engine.store.read().await?;
    requests::require(&mut tx, user, request, Permission::View).await?;
    let found = store::merge_requests::by_request(&mut tx, request).await?;
    found.map(|mr| mr.id).ok_or_else(|| Error::conflict(format!("request `{request}` has no merge request yet")))
}

/// Holds for the patch as it is now, which is `seen` where the caller says what was looked at; a new version has to be
/// approved anew.
pub async fn approve(engine: &Engine, user: &User, id: MergeRequestId, seen: Option<&str>) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let mut mr = require(&mut tx, user.id, id, Permission::Decide).await?;
    if seen.is_some_and(|commit| commit != mr.patch_commit.as_str()) {
        return Err(Error::conflict(format!("!{} holds another patch by now; look at it first", mr.number)).code("patch_moved"));
    }
    check_ready(&mr)?;
    if mr.decisions.approved_commit.as_ref() == Some(&mr.patch_commit) {
        return Ok(());
    }
    mr.decisions.approved_by = Some(user.id);
    mr.decisions.approved_by_name = Some(user.username.clone());
    mr.decisions.approved_at = Some(engine.now());
    mr.decisions.approved_commit = Some(mr.patch_commit.clone());
    save(engine, &mut tx, &mut mr).await?;
    let request = store::requests::get(&mut tx, mr.request).await?;
    runs::settle_request(engine, &mut tx, request, RequestState::Reviewed).await?;
    tell(engine, &mut tx, &mr, "approved", format!("{} approved merge request !{}", user.username, mr.number)).await?;
    tx.commit().await
}

/// Merges on the forge, then records it. Safe to repeat: a second call finds the first one's merge.
pub async fn merge(engine: &Engine, user: &User, id: MergeRequestId) -> Result<()> {
    let (mr, repository) = {
        let mut tx = engine.store.read().await?;
        let mr = require(&mut tx, user.id, id, Permission::Decide).await?;
        mr.check_mergeable()?;
        let repository = store::repositories::find(&mut tx, mr.repository).await?;
        (mr, repository.ok_or_else(|| Error::conflict("its repository is no longer linked to the workspace"))?)
    };
    repositories::check_runnable(engine, &repository)?;
    let merge_commit = engine.forge(&repository.provider)?.merge(&repository, &proposal(&mr)).await?;
    let mut tx = engine.store.write().await?;
    let newest = store::merge_requests::get(&mut tx, id).await?;
    if newest.status == MergeRequestStatus::Merged {
        return Ok(());
    }
    // A follow-up run may have proposed a newer patch meanwhile; what is recorded is what was merged.
    let mut now = MergeRequest { decisions: newest.decisions, ..mr };
    now.status = MergeRequestStatus::Merged;
    now.decisions.merged_by = Some(user.id);
    now.decisions.merged_at = Some(engine.now());
    now.decisions.merge_commit = Some(merge_commit.clone());
    if let Some(incident) = now.incident {
        now.decisions.releases_without_fix = recurrence::releases_until_now(&mut tx, incident).await?;
    }
    save(engine, &mut tx, &mut now).await?;
    stop_follow_ups(engine, &mut tx, now.request).await?;
    let request = store::requests::get(&mut tx, now.request).await?;
    runs::settle_request(engine, &mut tx, request, RequestState::Done).await?;
    settle_incident(engine, &mut tx, now.incident, IncidentState::Resolved).await?;
    runs::start_watching(engine, &mut tx, now.run).await?;
    let message = format!("{} merged !{} into {} as {}", user.username, now.number, now.target_branch, merge_commit.short());
    tell(engine, &mut tx, &now, "merged", message).await?;
    tx.commit().await
}

/// Closes it unmerged. A follow-up run on its request opens it again.
pub async fn close(engine: &Engine, user: &User, id: MergeRequestId) -> Result<()> {
    let (mr, repository) = {
        let mut tx = engine.store.read().await?;
        let mr = require(&mut tx, user.id, id, Permission::Decide).await?;
        check_open(&mr)?;
        let repository = store::repositories::find(&mut tx, mr.repository).await?;
        (mr, repository)
    };
    if let Some(repository) = &repository {
        engine.forge(&repository.provider)?.close(repository, &proposal(&mr)).await?;
    }
    let mut tx = engine.store.write().await?;
    let mut mr = require(&mut tx, user.id, id, Permission::Decide).await?;
    check_open(&mr)?;
    mr.status = MergeRequestStatus::Closed;
    save(engine, &mut tx, &mut mr).await?;
    let next = match mr.incident {
        Some(id) => incidents::state_now(&mut tx, id).await?,
        None => IncidentState::Open,
    };
    settle_incident(engine, &mut tx, mr.incident, next).await?;
    tell(engine, &mut tx, &mr, "closed", format!("{} closed merge request !{}", user.username, mr.number)).await?;
    tx.commit().await
}

/// A person takes responsibility for a patch that is not proven. The reason is kept, and holds for this patch alone.
pub async fn override_verdict(engine: &Engine, user: &User, id: MergeRequestId, reason: &str) -> Result<()> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(Error::field("reason", format!("say why, in 1 to {REASON_CHARS_MAX} characters; it is kept with the merge request")));
    }
    let mut tx = engine.store.write().await?;
    let mut mr = require(&mut tx, user.id, id, Permission::Decide).await?;
    check_open(&mr)?;
    if mr.verdict == Verdict::Proven {
        return Err(Error::conflict("the fix is proven; there is nothing to override"));
    }
    mr.decisions.overridden =
        Some(Override { by: user.username.clone(), reason: reason.to_string(), at: engine.now(), commit: mr.patch_commit.clone() });
    mr.status = MergeRequestStatus::Open;
    save(engine, &mut tx, &mut mr).await?;
    let message = format!("{} overrode the verdict `{}` of !{}: {reason}", user.username, mr.verdict.word().replace('_', " "), mr.number);
    tell(engine, &mut tx, &mr, "overridden", message).await?;
    tx.commit().await
}

/// Marks a file as read, or not.
pub async fn set_reviewed(engine: &Engine, user: UserId, id: MergeRequestId, path: &str, reviewed: bool) -> Result<()> {
    check_path(path)?;
    let mut tx = engine.store.write().await?;
    let mut mr = require(&mut tx, user, id, Permission::Work).await?;
    mr.decisions.reviewed.retain(|known| known != path);
    if reviewed {
        if mr.decisions.reviewed.len() >= REVIEWED_MAX {
            return Err(Error::limit(format!("at most {REVIEWED_MAX} files can be marked")));
        }
        mr.decisions.reviewed.push(path.to_string());
    }
    save(engine, &mut tx, &mut mr).await?;
    tx.commit().await
}

/// Keeps a comment on a line of the diff until all of them are sent together.
pub async fn comment(engine: &Engine, user: &User, id: MergeRequestId, new: NewComment) -> Result<Comment> {
    check_path(&new.path)?;
    let body = new.body.trim();
    if body.is_empty() || body.len() > COMMENT_BYTES_MAX {
        return Err(Error::field("body", format!("a comment has 1 to {COMMENT_BYTES_MAX} bytes")));
    }
    if !matches!(new.side.as_str(), "base" | "patch") {
        return Err(Error::field("side", "`base` or `patch`"));
    }
    let mut tx = engine.store.write().await?;
    let mut mr = require(&mut tx, user.id, id, Permission::Work).await?;
    if mr.decisions.comments.len() >= COMMENTS_MAX {
        return Err(Error::limit(format!("a merge request takes {COMMENTS_MAX} comments; send a message to its request instead")));
    }
    let comment = Comment {
        id: engine.clock.fresh(),
        path: new.path,
        line: new.line.max(1),
        side: new.side,
        body: body.to_string(),
        author: user.username.clone(),
        created_at: engine.now(),
        sent: false,
    };
    mr.decisions.comments.push(comment.clone());
    save(engine, &mut tx, &mut mr).await?;
    tx.commit().await?;
    Ok(comment)
}

/// Sends every comment that was not sent yet to the agent, as one message that starts a follow-up run.
pub async fn send_comments(engine: &Engine, user: UserId, id: MergeRequestId) -> Result<RunId> {
    let mut tx = engine.store.write().await?;
    let mut mr = require(&mut tx, user, id, Permission::Work).await?;
    let broken = broken_rules(&mut tx, &mr).await?;
    let message = message_of(&mr, &broken).ok_or_else(|| Error::conflict("there are no comments that were not sent yet"))?;
    mr.decisions.comments.iter_mut().for_each(|comment| comment.sent = true);
    save(engine, &mut tx, &mut mr).await?;
    let mut request = store::requests::get(&mut tx, mr.request).await?;
    let run = requests::follow_up(engine, &mut tx, &mut request, message, Vec::new()).await?;
    tx.commit().await?;
    Ok(run)
}

/// The merge request, if the user may do this with it; a stranger learns nothing of its existence.
pub async fn require(tx: &mut store::Tx, user: UserId, id: MergeRequestId, permission: Permission) -> Result<MergeRequest> {
    let missing = || Error::not_found(format!("there is no merge request `{id}`"));
    let mr = store::merge_requests::get(tx, id).await.map_err(|_| missing())?;
    workspaces::require(tx, user, mr.workspace, permission).await.map_err(|error| match error.kind {
        Kind::NotFound => missing(),
        _ => error,
    })?;
    Ok(mr)
}

fn check_open(mr: &MergeRequest) -> Result<()> {
    match mr.status {
        MergeRequestStatus::Open | MergeRequestStatus::Draft => Ok(()),
        MergeRequestStatus::Merged => Err(Error::conflict(format!("merge request !{} is merged already", mr.number))),
        MergeRequestStatus::Closed => Err(Error::conflict(format!("merge request !{} is closed; reopen it by a follow-up run", mr.number))),
    }
}

fn check_ready(mr: &MergeRequest) -> Result<()> {
    check_open(mr)?;
    if mr.is_ready() {
        return Ok(());
    }
    Err(Error::conflict("the fix is not proven; send it back to the agent, or override the verdict with a reason"))
}

fn proposal(mr: &MergeRequest) -> Proposal {
    Proposal {
        source_branch: mr.source_branch.clone(),
        target_branch: mr.target_branch.clone(),
        commit: mr.patch_commit.clone(),
        previous: Some(mr.patch_commit.clone()),
        title: mr.title.clone(),
        description: mr.description.clone(),
        draft: mr.status == MergeRequestStatus::Draft,
    }
}

async fn save(engine: &Engine, tx: &mut store::Tx, mr: &mut MergeRequest) -> Result<()> {
    mr.updated_at = engine.now();
    store::merge_requests::update(tx, mr).await
}

async fn tell(engine: &Engine, tx: &mut store::Tx, mr: &MergeRequest, action: &str, message: String) -> Result<()> {
    let fields = json!({"stage": "mr", "action": action, "message": message, "id": mr.id, "number": mr.number});
    events::append(engine, tx, mr.request, Some(mr.run), "merge_request", fields).await.map(drop)
}

/// Work on a patch that can no longer go anywhere is stopped; watching for the fault to come back goes on.
async fn stop_follow_ups(engine: &Engine, tx: &mut store::Tx, request: RequestId) -> Result<()> {
    for run in store::runs::by_request(tx, request).await? {
        if !run.status.is_final() && run.step != Some(Step::Watch) {
            runs::ask_to_stop(engine, tx, run).await?;
        }
    }
    Ok(())
}

/// Only from the states that this merge request brought about.
async fn settle_incident(engine: &Engine, tx: &mut store::Tx, id: Option<IncidentId>, next: IncidentState) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let mut incident = store::incidents::get(tx, id).await?;
    let ours = match next {
        IncidentState::Resolved => incident.state != IncidentState::Ignored,
        _ => incident.state == IncidentState::FixProposed,
    };
    if ours && incident.state != next {
        incident.state = next;
        incident.updated_at = engine.now();
        store::incidents::update(tx, &incident).await?;
    }
    Ok(())
}

/// What keeps it from being merged; nothing, once a person took responsibility.
async fn broken_rules(tx: &mut store::Tx, mr: &MergeRequest) -> Result<Vec<RuleResult>> {
    if mr.is_ready() {
        return Ok(Vec::new());
    }
    match store::runs::get(tx, mr.run).await {
        Ok(run) => Ok(run.record.rules.into_iter().filter(|rule| rule.state == RuleState::Broken).collect()),
        Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn message_of(mr: &MergeRequest, broken: &[RuleResult]) -> Option<String> {
    let comments: Vec<&Comment> = mr.decisions.comments.iter().filter(|comment| !comment.sent).collect();
    if comments.is_empty() && broken.is_empty() {
        return None;
    }
    let mut message = String::new();
    if !broken.is_empty() {
        let _ = writeln!(message, "The fix is not proven. What does not hold:");
    }
    for RuleResult { rule, state: _, detail, code: _, file, line, mend } in broken {
        let place = match (file, line) {
            (Some(file), Some(line)) => format!(" (`{file}`, line {line})"),
            (Some(file), None) => format!(" (`{file}`)"),
            _ => String::new(),
        };
        let _ = writeln!(message, "\n{}: {detail}{place}", rule.word());
        if let Some(mend) = mend {
            let _ = writeln!(message, "What would mend it: {mend}");
        }
    }
    if !comments.is_empty() {
        let between = if broken.is_empty() { "" } else { "\n" };
        let _ = writeln!(message, "{between}Comments on merge request !{}:", mr.number);
    }
    for comment in comments {
        let side = if comment.side == "base" { " (as it was before the patch)" } else { "" };
        let _ = write!(message, "\n`{}`, line {}{side}:\n{}\n", comment.path, comment.line, comment.body);
    }
    Some(message)
}

fn check_path(path: &str) -> Result<()> {
    if path.is_empty() || path.len() > PATH_BYTES_MAX || path.contains('\0') {
        return Err(Error::field("path", "name a file of the diff"));
    }
    Ok(())
}

/// What a list reads once however many rows name it.
#[derive(Default)]
struct Seen {
    uids: HashMap<WorkspaceId, String>,
    repositories: HashMap<RepositoryId, Option<Repository>>,
}

impl Seen {
    async fn whole(&mut self, engine: &Engine, tx: &mut store::Tx, mr: MergeRequest) -> Result<Whole> {
        if let Entry::Vacant(place) = self.uids.entry(mr.workspace) {
            place.insert(store::workspaces::get(tx, mr.workspace).await?.uid);
        }
        if let Entry::Vacant(place) = self.repositories.entry(mr.repository) {
            place.insert(store::repositories::find(tx, mr.repository).await?);
        }
        let repository = self.repositories[&mr.repository].clone();
        let run = match store::runs::get(tx, mr.run).await {
            Ok(run) => Some(run),
            Err(error) if error.kind == Kind::NotFound => None,
            Err(error) => return Err(error),
        };
        let incident_short_id = match mr.incident {
            None => None,
            Some(id) => {
                let incident = store::incidents::get(tx, id).await?;
                let source = store::sources::get(tx, incident.source).await?;
                Some(incident.short_id(&source.name))
            }
        };
        let reference = match &repository {
            Some(repository) if !repositories::is_built_in(engine, repository) => mr.reference.clone(),
            _ => format!("{}/merge-requests/{}", engine.settings.public_url, mr.id),
        };
        Ok(Whole {
            request_title: store::requests::get(tx, mr.request).await?.title,
            run,
            repository,
            workspace_uid: self.uids[&mr.workspace].clone(),
            incident_short_id,
            reference,
            standing: None,
            merge_request: mr,
        })
    }
}
