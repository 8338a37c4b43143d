//! Alert sources: what may send alerts to a workspace.

use crate::problem::ProblemView;
use crate::{AppState, Caller, Id, Json, Paging, Query, Reply, Stamp};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::secret::Secret;
use domain::source::Source;
use domain::{AlertSourceId, Error, IncidentId, RepositoryId};
use engine::sources::{self, Change, Listed, NewSource};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(change, delete)).routes(routes!(test_event))
}

#[derive(Serialize, ToSchema)]
#[schema(as = AlertSource)]
pub struct SourceView {
    #[schema(value_type = String, format = Uuid)]
    pub id: AlertSourceId,
    pub workspace_uid: String,
    pub name: String,
    /// `sentry_sdk`, `sentry_webhook`, `glitchtip` or `generic`.
    pub kind: String,
    pub project_number: i64,
    /// For SDKs. Its key is public by design: it may only hand in alerts.
    pub dsn: Option<String>,
    /// For webhooks; `{token}` stands for what only the answer that made the source holds.
    pub webhook_url: Option<String>,
    pub repository: Option<SourceRepository>,
    pub automatic_runs: bool,
    pub executor: Option<String>,
    pub runs_per_hour_max: i32,
    pub last_event_at: Option<Stamp>,
    pub last_event_title: Option<String>,
    pub events_total: i64,
    pub created_at: Stamp,
    /// The token of the webhook's address, in the answer that made the source and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct SourceRepository {
    #[schema(value_type = String, format = Uuid)]
    pub id: RepositoryId,
    pub provider: String,
    pub repository: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewAlertSource)]
pub struct NewBody {
    pub name: String,
    /// `sentry_sdk`, `sentry_webhook`, `glitchtip` or `generic`.
    pub kind: String,
    /// Empty or `tenant-default` means my oldest workspace.
    #[serde(default)]
    pub workspace_uid: String,
    pub repository_id: Option<String>,
    /// Off unless asked for.
    #[serde(default)]
    pub automatic_runs: bool,
    pub runs_per_hour_max: Option<i32>,
    pub executor: Option<String>,
    /// What the sender signs with; needed for `sentry_webhook`, possible for `generic`. For `glitchtip` its base address.
    pub client_secret: Option<String>,
}

/// Members that are left out stay as they are; null clears.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AlertSourceChange)]
pub struct ChangeBody {
    pub name: Option<String>,
    #[serde(default, deserialize_with = "there")]
    #[schema(value_type = Option<String>)]
    pub repository_id: Option<Option<String>>,
    pub automatic_runs: Option<bool>,
    pub runs_per_hour_max: Option<i32>,
    #[serde(default, deserialize_with = "there")]
    #[schema(value_type = Option<String>)]
    pub executor: Option<Option<String>>,
    #[serde(default, deserialize_with = "there")]
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<Option<String>>,
}

#[derive(Serialize, ToSchema)]
pub struct TestEvent {
    #[schema(value_type = String, format = Uuid)]
    pub incident_id: IncidentId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    workspace_uid: Option<String>,
}

/// Tells null from nothing.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

impl From<Listed> for SourceView {
    fn from(listed: Listed) -> Self {
        let Listed { source, workspace_uid, repository, dsn, webhook_url } = listed;
        let Source {
            id,
            workspace: _,
            name,
            kind,
            project_number,
            public_key: _,
            token_hash: _,
            repository: _,
            automatic_runs,
            executor,
            runs_per_hour_max,
            events_total,
            last_event_at,
            last_event_title,
            created_at,
        } = source;
        SourceView {
            id,
            workspace_uid,
            name,
            kind,
            project_number,
            dsn,
            webhook_url,
            repository: repository.map(|r| SourceRepository { id: r.id, provider: r.provider, repository: r.repository }),
            automatic_runs,
            executor,
            runs_per_hour_max,
            last_event_at: last_event_at.map(Stamp),
            last_event_title,
            events_total,
            created_at: Stamp(created_at),
            secret: None,
        }
    }
}

fn repository(text: &str) -> Result<RepositoryId, Error> {
    text.parse().map_err(|_| Error::field("repository_id", "this is no id of a repository link"))
}

/// Alert sources of my workspaces, oldest first
#[utoipa::path(get, path = "/api/alert-sources/", tag = "alert sources", params(Filter, Paging), responses(
    (status = 200, body = Vec<SourceView>), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Reply<Response> {
    let all = sources::list(&state.engine, caller.user.id, filter.workspace_uid.as_deref()).await?;
    Ok(paging.cut(all.into_iter().map(SourceView::from).collect()))
}

/// Make an alert source; a webhook's token is in this answer alone
#[utoipa::path(post, path = "/api/alert-sources/", tag = "alert sources", request_body = NewBody, responses(
    (status = 201, body = SourceView), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn create(State(state): State<AppState>, caller: Caller, Json(body): Json<NewBody>) -> Reply<Response> {
    let NewBody { name, kind, workspace_uid, repository_id, automatic_runs, runs_per_hour_max, executor, client_secret } = body;
    let new = NewSource {
        name,
        kind,
        workspace_uid,
        repository: repository_id.filter(|id| !id.is_empty()).as_deref().map(repository).transpose()?,
        automatic_runs,
        executor: executor.filter(|e| !e.is_empty()),
        runs_per_hour_max,
        client_secret: client_secret.filter(|s| !s.is_empty()).map(Secret::new),
    };
    let (listed, token) = sources::create(&state.engine, caller.user.id, new).await?;
    let view = SourceView { secret: token.map(|token| token.expose().to_string()), ..SourceView::from(listed) };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Change an alert source
#[utoipa::path(patch, path = "/api/alert-sources/{id}/", tag = "alert sources", params(("id" = String, Path)), request_body = ChangeBody, responses(
    (status = 200, body = SourceView), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<AlertSourceId>,
    Json(body): Json<ChangeBody>,
) -> Reply<Json<SourceView>> {
    let ChangeBody { name, repository_id, automatic_runs, runs_per_hour_max, executor, client_secret } = body;
    let repository = match repository_id {
        Some(Some(id)) if !id.is_empty() => Some(Some(repository(&id)?)),
        Some(_) => Some(None),
        None => None,
    };
    let change = Change {
        name,
        repository,
        automatic_runs,
        executor: executor.map(|e| e.filter(|e| !e.is_empty())),
        runs_per_hour_max,
        client_secret: client_secret.map(|s| s.map(Secret::new)),
    };
    Ok(Json(sources::change(&state.engine, caller.user.id, id, change).await?.into()))
}

/// Remove an alert source with its incidents
#[utoipa::path(delete, path = "/api/alert-sources/{id}/", tag = "alert sources", params(("id" = String, Path)), responses(
    (status = 204), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id<AlertSourceId>) -> Reply<StatusCode> {
    sources::delete(&state.engine, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send an event of our own through the same road; it starts no run
#[utoipa::path(post, path = "/api/alert-sources/{id}/test-event/", tag = "alert sources", params(("id" = String, Path)), responses(
    (status = 202, body = TestEvent), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn test_event(State(state): State<AppState>, caller: Caller, Id(id): Id<AlertSourceId>) -> Reply<Response> {
    let incident_id = sources::test_event(&state.engine, &state.intake, caller.user.id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(TestEvent { incident_id })).into_response())
}
