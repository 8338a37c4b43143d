//! Requests for work and the conversation about each.

use crate::value::{Arg, At, Doc, Page, conflict, doc, found, insert, places, touched, update as update_sql, word};
use crate::{Tx, args, events};
use domain::event::request_topic;
use domain::request::{Attachment, ChatMessage, LlmChoice, Request, RequestKind, RequestState};
use domain::{IncidentId, RepositoryId, RequestId, Result, RunId, Timestamp, UserId, WorkspaceId};

const COLUMNS: &str = "id, workspace_id, user_id, repository_id, incident_id, source, sender, kind, state, title, prompt, executor, llm, attachments, created_at, updated_at";

/// `Conflict` when the id is in use.
pub async fn create(tx: &mut Tx, request: &Request) -> Result<()> {
    tx.run(insert("requests", COLUMNS), args_of(request))
        .await
        .map_err(conflict(format!("a request `{}` exists already, or what it names is gone", request.id)))?;
    Ok(())
}

/// In a write transaction the request is held against other writers until the end.
pub async fn get(tx: &mut Tx, id: RequestId) -> Result<Request> {
    let row = find(tx, id).await?;
    found(row, "request", id)
}

pub async fn find(tx: &mut Tx, id: RequestId) -> Result<Option<Request>> {
    let sql = tx.locked(format!("select {COLUMNS} from requests where id = $1"));
    tx.maybe::<Row>(sql, args![id]).await?.map(Row::noun).transpose()
}

pub async fn update(tx: &mut Tx, request: &Request) -> Result<()> {
    let rows = tx.run(update_sql("requests", COLUMNS), args_of(request)).await?;
    touched(rows, "request", request.id)
}

pub async fn set_state(tx: &mut Tx, id: RequestId, state: RequestState, now: Timestamp) -> Result<()> {
    let rows = tx.run("update requests set state = $2, updated_at = $3 where id = $1", args![id, state.word(), now]).await?;
    touched(rows, "request", id)
}

/// Newest first.
pub async fn list(tx: &mut Tx, workspaces: &[WorkspaceId], page: Page) -> Result<Vec<Request>> {
    if workspaces.is_empty() {
        return Ok(vec![]);
    }
    let within = places(1, workspaces.len());
    let sql = format!("select {COLUMNS} from requests where workspace_id in ({within}) order by created_at desc, id desc{}", page.clause());
    tx.all::<Row>(sql, workspaces.iter().map(|w| (*w).into()).collect()).await?.into_iter().map(Row::noun).collect()
}

/// Requests made for one incident, newest first.
pub async fn by_incident(tx: &mut Tx, incident: IncidentId) -> Result<Vec<Request>> {
    let sql = format!("select {COLUMNS} from requests where incident_id = $1 order by created_at desc, id desc limit 1000");
    tx.all::<Row>(sql, args![incident]).await?.into_iter().map(Row::noun).collect()
}

/// With everything that hangs on it: runs, evidence, merge requests, messages, tokens and events.
pub async fn delete(tx: &mut Tx, id: RequestId) -> Result<()> {
    tx.run("update incidents set request_id = null where request_id = $1", args![id]).await?;
    events::delete(tx, &request_topic(id)).await?;
    let rows = tx.run("delete from requests where id = $1", args![id]).await?;
    touched(rows, "request", id)
}

pub async fn add_message(tx: &mut Tx, request: RequestId, message: &ChatMessage) -> Result<()> {
    let ChatMessage { role, message, attachments, run, created_at } = message;
    let sql = insert("chat_messages", "request_id, role, message, attachments, run_id, created_at");
    tx.run(sql, args![request, role, message, doc(attachments), *run, *created_at])
        .await
        .map_err(conflict(format!("there is no request `{request}` to talk about")))?;
    Ok(())
}

/// In the order they were said; the newest thousand.
pub async fn messages(tx: &mut Tx, request: RequestId) -> Result<Vec<ChatMessage>> {
    let sql = "select role, message, attachments, run_id, created_at from chat_messages where request_id = $1 order by id desc limit 1000";
    let rows: Vec<MessageRow> = tx.all(sql, args![request]).await?;
    Ok(rows.into_iter().rev().map(MessageRow::noun).collect())
}

fn args_of(request: &Request) -> Vec<Arg> {
    let Request {
        id,
        workspace,
        user,
        repository,
        incident,
        source,
        sender,
        kind,
        state,
        title,
        prompt,
        executor,
        llm,
        attachments,
        created_at,
        updated_at,
    } = request;
    args![
        *id,
        *workspace,
        *user,
        *repository,
        *incident,
        source,
        sender,
        kind.word(),
        state.word(),
        title,
        prompt,
        executor.clone(),
        doc(llm),
        doc(attachments),
        *created_at,
        *updated_at,
    ]
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    workspace_id: uuid::Uuid,
    user_id: Option<i64>,
    repository_id: Option<uuid::Uuid>,
    incident_id: Option<uuid::Uuid>,
    source: String,
    sender: String,
    kind: String,
    state: String,
    title: String,
    prompt: String,
    executor: Option<String>,
    llm: Doc<LlmChoice>,
    attachments: Doc<Vec<Attachment>>,
    created_at: At,
    updated_at: At,
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    role: String,
    message: String,
    attachments: Doc<Vec<Attachment>>,
    run_id: Option<uuid::Uuid>,
    created_at: At,
}

impl Row {
    fn noun(self) -> Result<Request> {
        let Row {
            id,
            workspace_id,
            user_id,
            repository_id,
            incident_id,
            source,
            sender,
            kind,
            state,
            title,
            prompt,
            executor,
            llm,
            attachments,
            created_at,
            updated_at,
        } = self;
        Ok(Request {
            id: RequestId(id),
            workspace: WorkspaceId(workspace_id),
            user: user_id.map(UserId),
            repository: repository_id.map(RepositoryId),
            incident: incident_id.map(IncidentId),
            source,
            sender,
            kind: word("requests.kind", &kind, RequestKind::parse)?,
            state: word("requests.state", &state, RequestState::parse)?,
            title,
            prompt,
            executor,
            llm: llm.0,
            attachments: attachments.0,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        })
    }
}

impl MessageRow {
    fn noun(self) -> ChatMessage {
        let MessageRow { role, message, attachments, run_id, created_at } = self;
        ChatMessage { role, message, attachments: attachments.0, run: run_id.map(RunId), created_at: created_at.into() }
    }
}
