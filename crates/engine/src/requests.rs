//! Requests for work: made by people, by alerts and by follow-up messages; each starts a run in the same transaction.

use crate::runs::Begin;
use crate::{Engine, events, incidents, quotas, repositories, runs, workspaces};
use domain::incident::{Incident, IncidentState};
use domain::merge_request::MergeRequest;
use domain::repository::Repository;
use domain::request::{self, Attachment, ChatMessage, LlmChoice, Request, RequestKind, RequestState};
use domain::run::{Run, RunStatus};
use domain::source::Source;
use domain::workspace::{Permission, Workspace};
use domain::{Error, RepositoryId, RequestId, Result, RunId, UserId, WorkspaceId, limits};
use serde_json::json;

/// The longest list answered at once.
const LIST_MAX: i64 = 500;

/// What a person or program asks for.
#[derive(Clone, Debug)]
pub struct NewRequest {
    pub id: Option<RequestId>,
    pub repository: RepositoryId,
    /// Workspace uid; `None` means the repository's own.
    pub workspace: Option<WorkspaceId>,
    pub prompt: String,
    pub source: String,
    pub sender: String,
    pub kind: RequestKind,
    pub executor: Option<String>,
    pub llm: LlmChoice,
    pub attachments: Vec<Attachment>,
}

/// A request with what is shown beside it.
#[derive(Clone, Debug)]
pub struct Whole {
    pub request: Request,
    pub messages: Vec<ChatMessage>,
    pub runs: Vec<Run>,
}

pub async fn create(engine: &Engine, user: UserId, new: NewRequest) -> Result<Request> {
    check_prompt("prompt", &new.prompt)?;
    if let Some(executor) = &new.executor {
        engine.executor(executor)?;
    }
    let mut tx = engine.store.write().await?;
    let repository = store::repositories::get(&mut tx, new.repository).await.map_err(|_| no_repository())?;
    workspaces::require(&mut tx, user, repository.workspace, Permission::Work).await.map_err(|_| no_repository())?;
    if new.workspace.is_some_and(|asked| asked != repository.workspace) {
        return Err(Error::field("project_id", "this repository link belongs to another workspace"));
    }
    repositories::check_runnable(engine, &repository)?;
    let now = engine.now();
    let request = Request {
        id: new.id.unwrap_or_else(|| engine.clock.fresh()),
        workspace: repository.workspace,
        user: Some(user),
        repository: Some(repository.id),
        incident: None,
        source: new.source,
        sender: new.sender,
        kind: new.kind,
        state: RequestState::Received,
        title: request::title_of(&new.prompt),
        prompt: new.prompt,
        executor: new.executor,
        llm: new.llm,
        attachments: new.attachments,
        created_at: now,
        updated_at: now,
    };
    quotas::charge_request(engine, &mut tx, request.workspace).await?;
    begin(engine, &mut tx, request.clone()).await?;
    tx.commit().await?;
    Ok(request)
}

/// The request that an incident asks for, in the transaction that decided it. The caller stores the incident.
pub async fn start_for_incident(engine: &Engine, tx: &mut store::Tx, incident: &mut Incident, source: &Source) -> Result<RequestId> {
    let repository = source
        .repository
        .ok_or_else(|| Error::conflict(format!("alert source `{}` has no repository; connect one to start runs", source.name)))?;
    repositories::check_runnable(engine, &store::repositories::get(tx, repository).await?)?;
    let request = of_incident(engine, incident, source);
    quotas::charge_request(engine, tx, request.workspace).await?;
    incident.request = Some(request.id);
    incident.state = IncidentState::Fixing;
    incident.no_run_reason = String::new();
    let id = request.id;
    begin(engine, tx, request).await?;
    Ok(id)
}

/// What an alert's run is asked for.
pub fn of_incident(engine: &Engine, incident: &Incident, source: &Source) -> Request {
    let now = engine.now();
    Request {
        id: engine.clock.fresh(),
        workspace: incident.workspace,
        user: None,
        repository: source.repository,
        incident: Some(incident.id),
        source: source.kind.clone(),
        sender: String::new(),
        kind: RequestKind::Fix,
        state: RequestState::Received,
        title: request::title_of(&format!("Fix {}", incident.title)),
        prompt: String::new(),
        executor: source.executor.clone(),
        llm: LlmChoice::default(),
        attachments: Vec::new(),
        created_at: now,
        updated_at: now,
    }
}

async fn begin(engine: &Engine, tx: &mut store::Tx, request: Request) -> Result<()> {
    store::requests::create(tx, &request).await?;
    let opening = if request.prompt.is_empty() { &request.title } else { &request.prompt };
    let message = ChatMessage {
        role: "user".into(),
        message: opening.clone(),
        attachments: request.attachments.clone(),
        run: None,
        created_at: engine.now(),
    };
    store::requests::add_message(tx, request.id, &message).await?;
    events::append(engine, tx, request.id, None, "user_prompt", json!({"message": opening})).await?;
    runs::enqueue(engine, tx, &request, Begin::Afresh).await?;
    Ok(())
}

/// A message about a request. It starts a follow-up run on the same branch, after the run that is at work; a run that
/// has not started yet takes it along.
pub async fn chat(engine: &Engine, user: UserId, id: RequestId, message: String, attachments: Vec<Attachment>) -> Result<RunId> {
    check_prompt("message", &message)?;
    let mut tx = engine.store.write().await?;
    let mut request = require(&mut tx, user, id, Permission::Work).await?;
    let run = follow_up(engine, &mut tx, &mut request, message, attachments).await?;
    tx.commit().await?;
    Ok(run)
}

/// As `chat`, inside the caller's transaction.
pub async fn follow_up(
    engine: &Engine,
    tx: &mut store::Tx,
    request: &mut Request,
    message: String,
    attachments: Vec<Attachment>,
) -> Result<RunId> {
    if request.state == RequestState::Done {
        return Err(Error::conflict("this request's merge request is merged; make a new request for further work"));
    }
    let said = ChatMessage { role: "user".into(), message: message.clone(), attachments, run: None, created_at: engine.now() };
    store::requests::add_message(tx, request.id, &said).await?;
    events::append(engine, tx, request.id, None, "user_message", json!({"message": message})).await?;
    // A run that has not started reads every message when it does.
    if let Some(waiting) = store::runs::by_request(tx, request.id).await?.into_iter().find(|run| run.status == RunStatus::Queued) {
        return Ok(waiting.id);
    }
    runs::enqueue(engine, tx, request, Begin::FollowUp).await
}

/// Runs it again from the start, unless a run is already on its way.
pub async fn execute(engine: &Engine, user: UserId, id: RequestId, llm: Option<LlmChoice>) -> Result<RunId> {
    let mut tx = engine.store.write().await?;
    let mut request = require(&mut tx, user, id, Permission::Work).await?;
    if let Some(llm) = llm {
        request.llm = llm;
        store::requests::update(&mut tx, &request).await?;
    }
    let active = store::runs::by_request(&mut tx, id).await?.into_iter().find(|run| !run.status.is_final());
    let run = match active {
        Some(run) => run.id,
        None => runs::enqueue(engine, &mut tx, &request, Begin::Afresh).await?,
    };
    tx.commit().await?;
    Ok(run)
}

pub async fn get(engine: &Engine, user: UserId, id: RequestId) -> Result<Whole> {
    let mut tx = engine.store.read().await?;
    let request = require(&mut tx, user, id, Permission::View).await?;
    whole(&mut tx, request).await
}

/// Newest first, of one workspace or of all that the caller is a member of.
pub async fn list(engine: &Engine, user: UserId, workspace: Option<WorkspaceId>) -> Result<Vec<Whole>> {
    let mut tx = engine.store.read().await?;
    let workspaces = workspaces::visible(&mut tx, user, workspace).await?;
    let mut all = Vec::new();
    for request in store::requests::list(&mut tx, &workspaces, store::Page::first(LIST_MAX)).await? {
        all.push(whole(&mut tx, request).await?);
    }
    Ok(all)
}

/// What other nouns say of a request, for its view.
pub struct Beside {
    pub workspace: Workspace,
    pub repository: Option<Repository>,
    pub merge_request: Option<MergeRequest>,
}

/// The caller has checked that the request may be seen.
pub async fn beside(engine: &Engine, request: &Request) -> Result<Beside> {
    let mut tx = engine.store.read().await?;
    let repository = match request.repository {
        Some(id) => store::repositories::get(&mut tx, id).await.ok(),
        None => None,
    };
    Ok(Beside {
        workspace: store::workspaces::get(&mut tx, request.workspace).await?,
        repository,
        merge_request: store::merge_requests::by_request(&mut tx, request.id).await?,
    })
}

async fn whole(tx: &mut store::Tx, request: Request) -> Result<Whole> {
    let messages = store::requests::messages(tx, request.id).await?;
    let runs = store::runs::by_request(tx, request.id).await?;
    Ok(Whole { request, messages, runs })
}

pub async fn cancel(engine: &Engine, user: UserId, id: RequestId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let mut request = require(&mut tx, user, id, Permission::Work).await?;
    let mut any = false;
    for run in store::runs::by_request(&mut tx, id).await? {
        if !run.status.is_final() {
            runs::ask_to_stop(engine, &mut tx, run).await?;
            any = true;
        }
    }
    if !any {
        return Err(Error::conflict(format!("request `{id}` has no run that could be cancelled")));
    }
    request.become_state(RequestState::Cancelled)?;
    request.updated_at = engine.now();
    store::requests::update(&mut tx, &request).await?;
    tx.commit().await
}

/// Removes the request with its runs, events and evidence. One with an open or merged merge request stays.
pub async fn delete(engine: &Engine, user: UserId, id: RequestId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let request = require(&mut tx, user, id, Permission::Work).await?;
    if store::runs::by_request(&mut tx, id).await?.iter().any(|run| !run.status.is_final()) {
        return Err(Error::conflict(format!("request `{id}` has a run at work; cancel it first")));
    }
    if store::merge_requests::by_request(&mut tx, id).await?.is_some() {
        return Err(Error::conflict(format!("request `{id}` has a merge request, whose proof belongs to it; close it instead")));
    }
    store::requests::delete(&mut tx, id).await?;
    if let Some(incident) = request.incident {
        incidents::forget_request(&mut tx, incident).await?;
    }
    tx.commit().await
}

/// The request, if the user may do this with it; a stranger learns nothing of its existence.
pub async fn require(tx: &mut store::Tx, user: UserId, id: RequestId, permission: Permission) -> Result<Request> {
    let missing = || Error::not_found(format!("there is no request `{id}`"));
    let request = store::requests::get(tx, id).await.map_err(|_| missing())?;
    workspaces::require(tx, user, request.workspace, permission).await.map_err(|error| match error.kind {
        domain::Kind::NotFound => missing(),
        _ => error,
    })?;
    Ok(request)
}

fn check_prompt(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::field(field, "this field may not be blank"));
    }
    if text.len() > limits::PROMPT_BYTES_MAX {
        return Err(Error::field(field, format!("at most {} bytes", limits::PROMPT_BYTES_MAX)));
    }
    Ok(())
}

fn no_repository() -> Error {
    Error::field("project_id", "there is no such repository link in your workspaces")
}
