//! Incidents: what alerts were grouped into, and what is done about them.

use crate::problem::ProblemView;
use crate::routes::runs::{self, RunSummary};
use crate::{AppState, Caller, Id, Json, Paging, Query, Reply, Stamp};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::alert::Alert;
use domain::incident::Incident;
use domain::run::Run;
use domain::sightings::Sightings;
use domain::{AlertId, AlertSourceId, Error, IncidentId, MergeRequestId, RequestId, RunId};
use engine::incidents::{self, AlertEvent, Fix, Listed, Obstacle, Whole};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(run)).routes(routes!(resolve)).routes(routes!(ignore))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
pub struct IncidentView {
    #[schema(value_type = String, format = Uuid)]
    pub id: IncidentId,
    pub number: i64,
    /// `CHECKOUT-41`
    pub short_id: String,
    pub workspace_uid: String,
    pub source: IncidentSource,
    pub title: String,
    /// The thrown exception's type, or empty.
    pub kind: String,
    pub culprit: String,
    pub level: String,
    pub platform: String,
    /// `open`, `fixing`, `fix_proposed`, `resolved`, `regressed` or `ignored`.
    pub state: &'static str,
    pub first_seen: Stamp,
    pub last_seen: Stamp,
    pub times_seen: i64,
    pub users_seen: i64,
    /// When it was seen; null where nothing was counted since this is kept.
    pub sightings: Option<SightingsView>,
    pub release: Option<String>,
    pub environment: Option<String>,
    #[schema(value_type = Option<String>, format = Uuid)]
    pub request_id: Option<RequestId>,
    /// The run that works on it, else the newest that did.
    pub run: Option<RunSummary>,
    /// One that waits for a decision, else the newest that was merged, else the newest that was closed. It may be of another
    /// run than `run`.
    pub merge_request: Option<FixView>,
    /// Why no run works on it, in words.
    pub no_run_reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = IncidentMergeRequest)]
pub struct FixView {
    #[schema(value_type = String, format = Uuid)]
    pub id: MergeRequestId,
    pub number: i64,
    /// `DRAFT`, `OPEN`, `MERGED` or `CLOSED`.
    pub status: &'static str,
    pub verdict: &'static str,
    /// Proven, or overridden by a person for the patch that it holds.
    pub is_ready: bool,
    /// When the fault came back although this was merged.
    pub recurred_at: Option<Stamp>,
    /// The run whose proof it carries.
    #[schema(value_type = String, format = Uuid)]
    pub run_id: RunId,
    pub run_number: Option<i64>,
}

impl From<Fix> for FixView {
    fn from(Fix { merge_request, run_number }: Fix) -> Self {
        FixView {
            id: merge_request.id,
            number: merge_request.number,
            status: merge_request.status.word(),
            verdict: merge_request.verdict.word(),
            is_ready: merge_request.is_ready(),
            recurred_at: merge_request.decisions.recurrence.map(|recurrence| Stamp(recurrence.at)),
            run_id: merge_request.run,
            run_number,
        }
    }
}

/// Counts in equal spans, oldest first; after the last one nothing was seen.
#[derive(Serialize, ToSchema)]
#[schema(as = Sightings)]
pub struct SightingsView {
    pub since: Stamp,
    pub span_seconds: i64,
    pub counts: Vec<u32>,
}

impl From<Sightings> for SightingsView {
    fn from(sightings: Sightings) -> Self {
        let Sightings { since, span_seconds, counts } = sightings;
        SightingsView { since: Stamp(since), span_seconds, counts }
    }
}

#[derive(Serialize, ToSchema)]
pub struct IncidentSource {
    #[schema(value_type = String, format = Uuid)]
    pub id: AlertSourceId,
    pub name: String,
}

#[derive(Serialize, ToSchema)]
pub struct IncidentDetail {
    #[serde(flatten)]
    pub incident: IncidentView,
    /// The newest alert, scrubbed: `title`, `exceptions` with `frames`, `breadcrumbs`, `request`, `tags`, …
    #[schema(value_type = Object)]
    pub alert: Alert,
    /// Newest first; older ones only count.
    pub events: Vec<IncidentEvent>,
    pub runs: Vec<RunSummary>,
    /// Why no run could work on it, not even one that a person asks for; else null.
    pub run_obstacle: Option<ObstacleView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RunObstacle)]
pub struct ObstacleView {
    /// `no_repository`, `forge_unavailable`, `executor_unavailable` or `no_model`.
    pub code: &'static str,
    pub detail: String,
}

#[derive(Serialize, ToSchema)]
pub struct IncidentEvent {
    #[schema(value_type = String, format = Uuid)]
    pub id: AlertId,
    pub event_id: String,
    pub at: Stamp,
    pub title: String,
    pub release: Option<String>,
    pub environment: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct RunStarted {
    #[schema(value_type = String, format = Uuid)]
    pub request_id: RequestId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    workspace_uid: Option<String>,
}

async fn views(state: &AppState, all: Vec<Listed>) -> Result<Vec<IncidentView>, Error> {
    let runs: Vec<Run> = all.iter().filter_map(|listed| listed.run.clone()).collect();
    let mut summaries = runs::summaries(state, runs).await?.into_iter();
    // Summaries come in the order of the runs they are of.
    Ok(all
        .into_iter()
        .map(|listed| {
            let run = listed.run.as_ref().and_then(|_| summaries.next());
            view(listed, run)
        })
        .collect())
}

fn view(listed: Listed, summary: Option<RunSummary>) -> IncidentView {
    let Listed { incident, short_id, source_name, workspace_uid, run: _, merge_request } = listed;
    let Incident {
        id,
        workspace: _,
        source,
        number,
        fingerprint: _,
        title,
        kind,
        culprit,
        level,
        platform,
        state,
        first_seen,
        last_seen,
        times_seen,
        users_seen,
        sightings,
        release,
        environment,
        request,
        no_run_reason,
        alert: _,
        created_at: _,
        updated_at: _,
    } = incident;
    IncidentView {
        id,
        number,
        short_id,
        workspace_uid,
        source: IncidentSource { id: source, name: source_name },
        title,
        kind,
        culprit,
        level,
        platform,
        state: state.word(),
        first_seen: Stamp(first_seen),
        last_seen: Stamp(last_seen),
        times_seen,
        users_seen,
        sightings: sightings.map(SightingsView::from),
        release: said(release),
        environment: said(environment),
        request_id: request,
        run: summary,
        merge_request: merge_request.map(FixView::from),
        no_run_reason: said(no_run_reason),
    }
}

fn said(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

async fn detail(state: &AppState, whole: Whole) -> Result<IncidentDetail, Error> {
    let Whole { listed, events, runs, obstacle } = whole;
    let alert = listed.incident.alert.clone();
    let incident = views(state, vec![listed]).await?.pop().ok_or_else(|| Error::internal("one incident gives one view"))?;
    let run_obstacle = obstacle.map(|Obstacle { code, detail }| ObstacleView { code, detail });
    let (events, runs) = (events.into_iter().map(event).collect(), runs::summaries(state, runs).await?);
    Ok(IncidentDetail { incident, alert, events, runs, run_obstacle })
}

fn event(event: AlertEvent) -> IncidentEvent {
    let AlertEvent { id, incident: _, received_at, alert } = event;
    IncidentEvent {
        id,
        event_id: alert.event_id,
        at: Stamp(received_at),
        title: alert.title,
        release: said(alert.release),
        environment: said(alert.environment),
    }
}

/// Incidents of my workspaces, newest alert first
#[utoipa::path(get, path = "/api/incidents/", tag = "incidents", params(Filter, Paging), responses(
    (status = 200, body = Vec<IncidentView>), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Reply<Response> {
    let all = incidents::list(&state.engine, caller.user.id, filter.workspace_uid.as_deref()).await?;
    Ok(paging.cut(views(&state, all).await?))
}

/// One incident with its newest alert, its events and its runs
#[utoipa::path(get, path = "/api/incidents/{id}/", tag = "incidents", params(("id" = String, Path)), responses(
    (status = 200, body = IncidentDetail), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn get(State(state): State<AppState>, caller: Caller, Id(id): Id<IncidentId>) -> Reply<Json<IncidentDetail>> {
    let whole = incidents::get(&state.engine, caller.user.id, id).await?;
    Ok(Json(detail(&state, whole).await?))
}

/// Start a run on it now, whatever the rules for automatic runs say
#[utoipa::path(post, path = "/api/incidents/{id}/run/", tag = "incidents", params(("id" = String, Path)), responses(
    (status = 202, body = RunStarted), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn run(State(state): State<AppState>, caller: Caller, Id(id): Id<IncidentId>) -> Reply<Response> {
    let request_id = incidents::run(&state.engine, caller.user.id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(RunStarted { request_id })).into_response())
}

/// Mark it as resolved; seen again, it counts as regressed
#[utoipa::path(post, path = "/api/incidents/{id}/resolve/", tag = "incidents", params(("id" = String, Path)), responses(
    (status = 200, body = IncidentDetail), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn resolve(State(state): State<AppState>, caller: Caller, Id(id): Id<IncidentId>) -> Reply<Json<IncidentDetail>> {
    let whole = incidents::resolve(&state.engine, caller.user.id, id).await?;
    Ok(Json(detail(&state, whole).await?))
}

/// Only count it from now on
#[utoipa::path(post, path = "/api/incidents/{id}/ignore/", tag = "incidents", params(("id" = String, Path)), responses(
    (status = 200, body = IncidentDetail), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn ignore(State(state): State<AppState>, caller: Caller, Id(id): Id<IncidentId>) -> Reply<Json<IncidentDetail>> {
    let whole = incidents::ignore(&state.engine, caller.user.id, id).await?;
    Ok(Json(detail(&state, whole).await?))
}
