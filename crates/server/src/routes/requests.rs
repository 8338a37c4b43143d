//! Requests for work and the conversation about them.

use crate::{AppState, Caller, Id, Json, MaybeJson, Paging, Query, Reply, Stamp00, routes::runs};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::request::{Attachment, ChatMessage, LlmChoice, RequestKind};
use domain::{Error, RepositoryId, RequestId, RunId};
use engine::requests::{self, NewRequest, Whole};
use engine::workspaces;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The names that clients know; every one is answered by the model that this server is set up with.
const PROVIDERS: [&str; 5] = ["openai", "azure_openai", "ollama", "google", "scripted"];

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, delete))
        .routes(routes!(execute))
        .routes(routes!(cancel))
        .routes(routes!(chat))
}

#[derive(Serialize, ToSchema)]
pub struct RequestView {
    #[schema(value_type = String, format = Uuid)]
    pub id: RequestId,
    /// The workspace's uid.
    pub tenant_id: String,
    pub source: String,
    pub sender: String,
    /// `fix` or `feature`.
    pub kind: &'static str,
    #[schema(value_type = Option<Object>)]
    pub project: Value,
    pub state: &'static str,
    #[schema(value_type = Object)]
    pub payload: Value,
    #[schema(value_type = Object)]
    pub artifacts: Value,
    #[schema(value_type = Object)]
    pub metadata: Value,
    #[schema(value_type = Option<String>, format = Uuid)]
    pub incident_id: Option<domain::IncidentId>,
    pub created_at: Stamp00,
    pub updated_at: Stamp00,
}

async fn view(state: &AppState, whole: Whole) -> Result<RequestView, Error> {
    let Whole { request, messages, runs: all } = whole;
    let beside = requests::beside(&state.engine, &request).await?;
    let newest = all.last();
    let execution =
        newest.map(|run| json!({"diff": run.record.patch, "reports": run.record.reports, "artifacts": {"branch": run.record.branch}}));
    let project = match &beside.repository {
        Some(link) => json!({"id": link.id, "provider": link.provider, "repository": link.repository,
            "base_url": if link.base_url.is_empty() { Value::Null } else { json!(link.base_url) }}),
        None => Value::Null,
    };
    let last_commit = newest.and_then(|run| run.record.patch_commit.clone());
    let summaries = runs::summaries(state, all).await?;
    Ok(RequestView {
        id: request.id,
        tenant_id: beside.workspace.uid.clone(),
        source: request.source,
        sender: request.sender,
        kind: request.kind.word(),
        state: request.state.word(),
        payload: json!({"title": request.title, "description": request.prompt, "context": {}, "attachments": request.attachments}),
        artifacts: json!({}),
        metadata: json!({
            "project": project,
            "workspace": {"uid": beside.workspace.uid, "name": beside.workspace.name},
            "llm": request.llm,
            "executor": request.executor,
            "prompt": request.prompt,
            "chat_messages": messages.iter().map(message_view).collect::<Vec<_>>(),
            "runs": summaries,
            "execution": execution,
            "last_commit": last_commit,
            "mr": beside.merge_request.map(|mr| json!({"id": mr.id, "title": mr.title, "description": mr.description,
                "target_branch": mr.target_branch, "source_branch": mr.source_branch, "ref": mr.reference})),
        }),
        project,
        incident_id: request.incident,
        created_at: Stamp00(request.created_at),
        updated_at: Stamp00(request.updated_at),
    })
}

fn message_view(message: &ChatMessage) -> Value {
    json!({"role": message.role, "message": message.message, "created_at": Stamp00(message.created_at),
        "attachments": message.attachments, "run_id": message.run})
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// A workspace uid.
    tenant_id: Option<String>,
    workspace_uid: Option<String>,
}

/// Requests of my workspaces, newest first.
#[utoipa::path(get, path = "/api/requests/", tag = "requests", params(Filter, Paging), responses((status = 200, body = Vec<RequestView>)))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Reply<Response> {
    let uid = filter.tenant_id.or(filter.workspace_uid);
    let workspace = workspaces::filtered(&state.engine, caller.user.id, uid.as_deref()).await?;
    let mut views = Vec::new();
    for whole in requests::list(&state.engine, caller.user.id, workspace).await? {
        views.push(view(&state, whole).await?);
    }
    Ok(paging.cut(views))
}

#[derive(Deserialize, ToSchema)]
struct Create {
    /// A repository link.
    project_id: String,
    prompt: String,
    #[serde(default)]
    tenant_id: String,
    #[serde(default = "direct_user")]
    source: String,
    #[serde(default)]
    sender: String,
    id: Option<String>,
    /// `fix` (the default) or `feature`.
    kind: Option<String>,
    executor: Option<String>,
    llm_provider: Option<String>,
    llm_model: Option<String>,
    reasoning_effort: Option<String>,
    reasoning_check: Option<bool>,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    attachments: Vec<Attachment>,
}

fn direct_user() -> String {
    "direct_user".to_string()
}

/// Asks for work; a run is queued at once.
#[utoipa::path(post, path = "/api/requests/", tag = "requests", request_body = Create, responses((status = 201, body = RequestView)))]
async fn create(State(state): State<AppState>, caller: Caller, Json(body): Json<Create>) -> Reply<Response> {
    let new = parse(&state, &caller, body).await?;
    let request = requests::create(&state.engine, caller.user.id, new).await?;
    let whole = requests::get(&state.engine, caller.user.id, request.id).await?;
    Ok((StatusCode::CREATED, Json(view(&state, whole).await?)).into_response())
}

async fn parse(state: &AppState, caller: &Caller, body: Create) -> Result<NewRequest, Error> {
    let repository: RepositoryId = body.project_id.parse().map_err(|_| Error::field("project_id", "this is no id of a repository link"))?;
    let id = match body.id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(id.parse().map_err(|_| Error::field("id", "this is no UUID"))?),
        None => None,
    };
    let kind = match body.kind.as_deref() {
        None | Some("") => RequestKind::Fix,
        Some(word) => RequestKind::parse(word).ok_or_else(|| Error::field("kind", "`fix` or `feature`"))?,
    };
    let workspace = match body.tenant_id.as_str() {
        "" | "tenant-default" => None,
        uid => workspaces::filtered(&state.engine, caller.user.id, Some(uid))
            .await
            .map_err(|_| Error::field("tenant_id", format!("there is no workspace `{uid}`")))?,
    };
    Ok(NewRequest {
        id,
        repository,
        workspace,
        prompt: body.prompt,
        source: body.source,
        sender: body.sender,
        kind,
        executor: body.executor.filter(|e| !e.is_empty()),
        llm: llm_choice(body.llm_provider, body.llm_model, body.reasoning_effort, body.reasoning_check)?,
        attachments: body.attachments,
    })
}

fn llm_choice(provider: Option<String>, model: Option<String>, effort: Option<String>, check: Option<bool>) -> Result<LlmChoice, Error> {
    let effort = effort.filter(|e| !e.is_empty());
    if let Some(word) = effort.as_deref().filter(|e| !matches!(*e, "low" | "medium" | "high")) {
        return Err(Error::field("reasoning_effort", format!("`{word}` is none of low, medium, high")));
    }
    let provider = provider.filter(|p| !p.is_empty());
    if let Some(word) = provider.as_deref().filter(|p| !PROVIDERS.contains(p)) {
        return Err(Error::field("llm_provider", format!("`{}` is none of {}", word.escape_default(), PROVIDERS.join(", "))));
    }
    Ok(LlmChoice {
        provider,
        model: model.filter(|m| !m.is_empty()),
        reasoning_effort: Some(effort.unwrap_or_else(|| "high".to_string())),
        reasoning_check: check,
    })
}

/// One request with its conversation and runs.
#[utoipa::path(get, path = "/api/requests/{id}/", tag = "requests", params(("id" = String, Path)), responses((status = 200, body = RequestView)))]
async fn get(State(state): State<AppState>, caller: Caller, Id(id): Id<RequestId>) -> Reply<Json<RequestView>> {
    let whole = requests::get(&state.engine, caller.user.id, id).await?;
    Ok(Json(view(&state, whole).await?))
}

/// Removes a request without a merge request, with its runs and events.
#[utoipa::path(delete, path = "/api/requests/{id}/", tag = "requests", params(("id" = String, Path)), responses((status = 204)))]
async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id<RequestId>) -> Reply<StatusCode> {
    requests::delete(&state.engine, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, Default, ToSchema)]
struct Execute {
    llm_provider: Option<String>,
    llm_model: Option<String>,
    reasoning_effort: Option<String>,
    reasoning_check: Option<bool>,
}

/// Runs the request again unless a run is on its way.
#[utoipa::path(post, path = "/api/requests/{id}/execute/", tag = "requests", params(("id" = String, Path)), request_body = Execute, responses((status = 202)))]
async fn execute(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    MaybeJson(body): MaybeJson<Execute>,
) -> Reply<Response> {
    let chosen = body.llm_provider.is_some() || body.llm_model.is_some() || body.reasoning_effort.is_some();
    let llm = llm_choice(body.llm_provider, body.llm_model, body.reasoning_effort, body.reasoning_check)?;
    let run = requests::execute(&state.engine, caller.user.id, id, chosen.then_some(llm)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "queued", "run_id": run}))).into_response())
}

/// Cancels the request's run.
#[utoipa::path(post, path = "/api/requests/{id}/cancel/", tag = "requests", params(("id" = String, Path)), responses((status = 202)))]
async fn cancel(State(state): State<AppState>, caller: Caller, Id(id): Id<RequestId>) -> Reply<Response> {
    requests::cancel(&state.engine, caller.user.id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "cancelling"}))).into_response())
}

#[derive(Deserialize, ToSchema)]
struct Chat {
    request_id: String,
    message: String,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    attachments: Vec<Attachment>,
}

#[derive(Serialize, ToSchema)]
struct Said {
    status: &'static str,
    #[schema(value_type = String, format = Uuid)]
    run_id: RunId,
}

/// Says something about a request; the agent goes on with it in a follow-up run.
#[utoipa::path(post, path = "/api/chat/", tag = "requests", request_body = Chat, responses((status = 202, body = Said)))]
async fn chat(State(state): State<AppState>, caller: Caller, Json(body): Json<Chat>) -> Reply<Response> {
    let id: RequestId = body.request_id.parse().map_err(|_| Error::field("request_id", "this is no UUID"))?;
    let run_id = requests::chat(&state.engine, caller.user.id, id, body.message, body.attachments).await?;
    Ok((StatusCode::ACCEPTED, Json(Said { status: "received", run_id })).into_response())
}
