//! Runs: lists, one run with everything its reader wants, its live log, its evidence, and cancel, retry, delete.

use crate::layers::compression;
use crate::{AppState, Caller, Id, Json, MaybeJson, Paging, Query, Reply, Stamp00, sse};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::git::LineChange;
use domain::run::{Run, RunRecord, Step, StepRecord};
use domain::usage::Usage;
use domain::{Error, Kind, RequestId, RunId, limits};
use engine::{events, requests, runs, workspaces};
use futures::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete).layer(compression()))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(log_stream))
        .routes(routes!(bundle))
}

/// A row of a list.
#[derive(Serialize, ToSchema)]
pub struct RunSummary {
    #[schema(value_type = String, format = Uuid)]
    pub id: RunId,
    pub number: i64,
    #[schema(value_type = String, format = Uuid)]
    pub request_id: RequestId,
    pub request_title: String,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    pub status: &'static str,
    pub step: Option<&'static str>,
    /// What it does right now, in a few words.
    pub live_line: Option<String>,
    pub live_since: Option<Stamp00>,
    pub started_at: Option<Stamp00>,
    pub finished_at: Option<Stamp00>,
    pub created_at: Stamp00,
    /// In characters.
    pub diff_size: usize,
    /// `proven`, `unproven`, `not_applicable`, or null before proof.
    pub verdict: Option<&'static str>,
    pub executor: String,
    pub model: String,
    #[schema(value_type = Option<String>, format = Uuid)]
    pub incident_id: Option<domain::IncidentId>,
    pub incident_short_id: Option<String>,
    #[schema(value_type = Option<String>, format = Uuid)]
    pub merge_request_id: Option<domain::MergeRequestId>,
    /// `DRAFT`, `OPEN`, `MERGED` or `CLOSED`.
    pub merge_request_status: Option<&'static str>,
    /// Proven, by whichever run it carries, or overridden by a person for the patch that it holds.
    pub merge_request_ready: bool,
    pub workspace_uid: String,
    pub error: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct StepView {
    pub name: &'static str,
    #[schema(value_type = String)]
    pub state: Value,
    pub started_at: Option<Stamp00>,
    pub finished_at: Option<Stamp00>,
    pub summary: String,
    pub cost_usd: Option<f64>,
    pub tokens: u64,
}

#[derive(Serialize, ToSchema)]
pub struct UsageView {
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub tokens_max: u64,
    pub cost_usd: Option<f64>,
    pub budget_usd: Option<f64>,
}

#[derive(Serialize, ToSchema)]
pub struct RunDetail {
    #[serde(flatten)]
    pub summary: RunSummary,
    pub steps: Vec<StepView>,
    /// Each with `rule`, `state`, `detail`, and where it is broken `code`, `file`, `line`, `mend`.
    #[schema(value_type = Vec<Object>)]
    pub rules: Value,
    #[schema(value_type = Vec<Object>)]
    pub tests: Value,
    #[schema(value_type = Vec<Object>)]
    pub mutants: Value,
    #[schema(value_type = Object)]
    pub other_tests: Value,
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
    pub diff: String,
    #[schema(value_type = Object)]
    pub reports: Value,
    #[schema(value_type = Object)]
    pub artifacts: Value,
    pub usage: UsageView,
    #[schema(value_type = Object)]
    pub sandbox: Value,
    #[schema(value_type = Vec<Object>)]
    pub egress: Value,
    pub evidence_url: Option<String>,
    pub bundle_digest: Option<String>,
    pub key_id: Option<String>,
    pub base_commit: Option<String>,
    /// Who last changed the line that crashed.
    pub suspect: Option<SuspectView>,
    pub patch_commit: Option<String>,
    pub base_branch: String,
    pub branch: String,
    pub prompt: String,
    pub what_broke: String,
    pub why: String,
    pub what_changed: String,
}

/// Summaries of runs with what other nouns say of them, read in one go.
pub async fn summaries(state: &AppState, all: Vec<Run>) -> Result<Vec<RunSummary>, Error> {
    let names = Names::read(state, &all).await?;
    Ok(all.iter().map(|run| names.summary(run)).collect())
}

struct Names {
    titles: HashMap<RequestId, String>,
    merge_requests: HashMap<RequestId, runs::Proposed>,
    incidents: HashMap<domain::IncidentId, String>,
    uids: HashMap<domain::WorkspaceId, String>,
}

impl Names {
    async fn read(state: &AppState, all: &[Run]) -> Result<Names, Error> {
        let beside = runs::beside(&state.engine, all).await?;
        Ok(Names { titles: beside.titles, merge_requests: beside.merge_requests, incidents: beside.incidents, uids: beside.workspace_uids })
    }

    fn summary(&self, run: &Run) -> RunSummary {
        let merge_request = self.merge_requests.get(&run.request);
        RunSummary {
            id: run.id,
            number: run.number,
            request_id: run.request,
            request_title: self.titles.get(&run.request).cloned().unwrap_or_default(),
            status: run.status.word(),
            step: run.step.map(Step::word),
            live_line: (!run.live_line.is_empty()).then(|| run.live_line.clone()),
            live_since: run.live_since.map(Stamp00),
            started_at: run.started_at.map(Stamp00),
            finished_at: run.finished_at.map(Stamp00),
            created_at: Stamp00(run.created_at),
            diff_size: run.record.patch.chars().count(),
            verdict: run.verdict.map(|v| v.word()),
            executor: run.executor.clone(),
            model: run.model.clone(),
            incident_id: run.incident,
            incident_short_id: run.incident.and_then(|id| self.incidents.get(&id).cloned()),
            merge_request_id: merge_request.map(|proposed| proposed.id),
            merge_request_status: merge_request.map(|proposed| proposed.status.word()),
            merge_request_ready: merge_request.is_some_and(|proposed| proposed.is_ready),
            workspace_uid: self.uids.get(&run.workspace).cloned().unwrap_or_default(),
            error: (!run.error.is_empty()).then(|| run.error.clone()),
        }
    }
}

/// The commit that a crashing line was last changed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Suspect)]
pub struct SuspectView {
    pub path: String,
    pub line: u32,
    pub commit: String,
    pub author: String,
    pub at: Stamp00,
    pub subject: String,
}

impl From<LineChange> for SuspectView {
    fn from(change: LineChange) -> Self {
        let LineChange { path, line, commit, author, at, subject } = change;
        SuspectView { path, line, commit: commit.to_string(), author, at: Stamp00(at), subject }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    workspace_uid: Option<String>,
    /// The older name of the same filter.
    tenant_id: Option<String>,
}

/// Runs of my workspaces, newest first.
#[utoipa::path(get, path = "/api/runs/", tag = "runs", params(Filter, Paging), responses((status = 200, body = Vec<RunSummary>)))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Reply<Response> {
    let uid = filter.workspace_uid.or(filter.tenant_id);
    let workspace = workspaces::filtered(&state.engine, caller.user.id, uid.as_deref()).await?;
    let all = runs::list(&state.engine, caller.user.id, workspace).await?;
    Ok(paging.cut(summaries(&state, all).await?))
}

/// One run.
#[utoipa::path(get, path = "/api/runs/{id}/", tag = "runs", params(("id" = String, Path)), responses((status = 200, body = RunDetail)))]
async fn get(State(state): State<AppState>, caller: Caller, Id(id): Id<RunId>) -> Reply<Json<RunDetail>> {
    let (run, request) = runs::get(&state.engine, caller.user.id, id).await?;
    let log = events::of_run(&state.engine, request.id, id).await?;
    let summary = Names::read(&state, std::slice::from_ref(&run)).await?.summary(&run);
    let key_id = evidence_key(&state, &run);
    Ok(Json(detail(run, request.prompt, summary, log, key_id)))
}

fn evidence_key(state: &AppState, run: &Run) -> Option<String> {
    run.record.bundle_digest.as_ref().map(|_| state.engine.signer.key_id())
}

fn detail(run: Run, prompt: String, summary: RunSummary, events: Vec<Value>, key_id: Option<String>) -> RunDetail {
    let RunRecord {
        steps,
        is_follow_up: _,
        base_branch,
        base_commit,
        suspect,
        set_up: _,
        patch,
        patch_commit,
        branch,
        session: _,
        agent_turns,
        mend: _,
        final_message,
        rules,
        tests,
        wrong_versions,
        other_tests,
        bundle_digest,
        guarantees,
        sandbox_mode,
        egress,
        usage,
        mut reports,
        what_broke,
        why,
        what_changed,
    } = run.record;
    reports.insert("agent_turns".into(), json!(agent_turns));
    let commit = patch_commit.as_ref().map(|c| c.as_str().to_string());
    RunDetail {
        steps: steps.into_iter().map(step_view).collect(),
        rules: json!(rules),
        tests: json!(tests),
        mutants: json!(wrong_versions),
        other_tests: json!(other_tests),
        events,
        diff: patch,
        reports: Value::Object(reports),
        artifacts: json!({"branch": branch, "commit": commit, "final_message": final_message, "history": ""}),
        usage: usage_view(&usage),
        sandbox: json!({"mode": Some(sandbox_mode).filter(|mode| !mode.is_empty()), "guarantees": guarantees}),
        egress: json!(egress),
        evidence_url: bundle_digest.as_ref().map(|_| format!("/api/runs/{}/evidence/", run.id)),
        bundle_digest,
        key_id,
        base_commit: base_commit.map(|c| c.as_str().to_string()),
        suspect: suspect.map(SuspectView::from),
        patch_commit: commit,
        base_branch,
        branch,
        prompt,
        what_broke,
        why,
        what_changed,
        summary,
    }
}

fn step_view(step: StepRecord) -> StepView {
    StepView {
        name: step.name.word(),
        state: json!(step.state),
        started_at: step.started_at.map(Stamp00),
        finished_at: step.finished_at.map(Stamp00),
        summary: step.summary,
        cost_usd: step.usage.cost_usd,
        tokens: step.usage.tokens(),
    }
}

fn usage_view(usage: &Usage) -> UsageView {
    UsageView {
        calls: usage.calls,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        tokens_max: limits::RUN_TOKENS_MAX,
        cost_usd: usage.cost_usd,
        budget_usd: None,
    }
}

/// Asks a run to stop; a running one stops within seconds.
#[utoipa::path(post, path = "/api/runs/{id}/cancel/", tag = "runs", params(("id" = String, Path)), responses((status = 202)))]
async fn cancel(State(state): State<AppState>, caller: Caller, Id(id): Id<RunId>) -> Reply<Response> {
    runs::cancel(&state.engine, caller.user.id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "cancelling"}))).into_response())
}

#[derive(Deserialize, Default, ToSchema)]
struct Retry {
    /// Keep what came before this step: `prepare`, `reproduce`, `patch` or `prove`. `propose` begins at `prove` too.
    from_step: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Retried {
    #[schema(value_type = String, format = Uuid)]
    run_id: RunId,
}

/// Runs the request again, from the start or from a step: at the latest from `prove`, since each run has a verdict of its own.
#[utoipa::path(post, path = "/api/runs/{id}/retry/", tag = "runs", params(("id" = String, Path)), request_body = Retry, responses((status = 202, body = Retried)))]
async fn retry(State(state): State<AppState>, caller: Caller, Id(id): Id<RunId>, MaybeJson(body): MaybeJson<Retry>) -> Reply<Response> {
    let from = match body.from_step.as_deref() {
        None | Some("") => None,
        Some(word) => Some(Step::parse(word).ok_or_else(|| Error::field("from_step", format!("`{word}` is no step of a run")))?),
    };
    let run = runs::retry(&state.engine, caller.user.id, id, from).await?;
    Ok((StatusCode::ACCEPTED, Json(Retried { run_id: run })).into_response())
}

/// Removes a run that ended and proves no merge request.
#[utoipa::path(delete, path = "/api/runs/{id}/", tag = "runs", params(("id" = String, Path)), responses((status = 204)))]
async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id<RunId>) -> Reply<StatusCode> {
    runs::delete(&state.engine, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct After {
    /// The number of the last event you have seen; `Last-Event-ID` says the same.
    after: Option<String>,
}

/// The log of a REQUEST, across its runs: first what happened, then what happens.
#[utoipa::path(get, path = "/api/runs/{id}/logs/stream", tag = "runs", params(("id" = String, Path), After),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn log_stream(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Reply<Response> {
    let after = sse::after(&headers, query.after.as_deref())?;
    let permit = state.limits.stream(caller.user.id)?;
    let whole = requests::get(&state.engine, caller.user.id, id).await.map_err(|error| match error.kind {
        Kind::NotFound => Error::not_found(format!("{}; a log belongs to a request, which a run names as `request_id`", error.message)),
        _ => error,
    });
    let request = whole?.request.id;
    let tail = events::Tail::new(&state.engine, request, after);
    let beat = |message| sse::Frame::message(json!({"request_id": request, "type": "heartbeat", "message": message}));
    let (hello, heartbeat) = (beat("stream_ready"), beat("quiet"));
    let live = stream::unfold(tail, |mut tail| async move {
        let batch = tail.next().await?;
        Some((batch, tail))
    });
    let frames = futures::StreamExt::flat_map(live, |batch| {
        stream::iter(batch.into_iter().map(|event| sse::Frame::message(numbered(event.payload, event.seq)).id(event.seq)))
    });
    let frames = futures::StreamExt::chain(stream::once(async move { hello }), frames);
    Ok(sse::respond(&state, permit, frames, heartbeat))
}

fn numbered(mut payload: Value, seq: i64) -> Value {
    if let Value::Object(map) = &mut payload {
        map.insert("seq".into(), json!(seq));
    }
    payload
}

/// The signed bundle of a run's proof, for `astraforge verify`.
#[utoipa::path(get, path = "/api/runs/{id}/evidence/", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, description = "DSSE envelope", body = Object)))]
async fn bundle(State(state): State<AppState>, caller: Caller, Id(id): Id<RunId>) -> Reply<Response> {
    let (number, envelope) = runs::bundle_of(&state.engine, caller.user.id, id).await?;
    let mut response = envelope.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let name = format!("attachment; filename=\"run-{number}.dsse.json\"");
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).expect("a number is ASCII"));
    Ok(response)
}
