//! Links from workspaces to repositories.

use crate::problem::ProblemView;
use crate::{AppState, Id, Json, Paging, Query, Reply, Stamp};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::RepositoryId;
use domain::repository::Repository;
use domain::secret::Secret;
use engine::accounts::Caller;
use engine::repositories::{self, Linked, NewLink};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

#[derive(Serialize, ToSchema)]
#[schema(as = RepositoryLink)]
pub struct LinkView {
    #[schema(value_type = String, format = Uuid)]
    pub id: RepositoryId,
    /// `local` for a repository that this server holds, else the forge's name.
    pub provider: String,
    pub repository: String,
    pub base_url: String,
    pub workspace: LinkWorkspace,
    /// For repositories that this server holds; git asks for an API key as the password.
    pub clone_url: Option<String>,
    pub default_branch: String,
    /// Why no run can work on it; null when one can.
    pub unavailable: Option<String>,
    pub created_at: Stamp,
    pub updated_at: Stamp,
}

#[derive(Serialize, ToSchema)]
pub struct LinkWorkspace {
    pub uid: String,
    pub name: String,
}

/// `access_token` is kept encrypted and never answered.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewRepositoryLink)]
pub struct NewLinkBody {
    /// `local`, `gitlab` or `github`.
    pub provider: String,
    /// A name for a local repository, `owner/name` or a web address for others.
    pub repository: String,
    #[serde(default)]
    pub access_token: Option<String>,
    /// `tenant-default` means my oldest workspace.
    pub workspace_uid: String,
    #[serde(default)]
    pub base_url: Option<String>,
    /// For `local`: an https address, or for administrators a folder of the server, that is copied once.
    #[serde(default)]
    pub source: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    workspace_uid: Option<String>,
}

impl From<Linked> for LinkView {
    fn from(linked: Linked) -> Self {
        let Linked { repository, workspace, clone_url, unavailable } = linked;
        let Repository { id, workspace: _, provider, repository, base_url, default_branch, created_by: _, created_at, updated_at } =
            repository;
        LinkView {
            id,
            provider,
            repository,
            base_url,
            workspace: LinkWorkspace { uid: workspace.uid, name: workspace.name },
            clone_url,
            default_branch,
            unavailable,
            created_at: Stamp(created_at),
            updated_at: Stamp(updated_at),
        }
    }
}

/// Links of my workspaces, oldest first
#[utoipa::path(get, path = "/api/repository-links/", tag = "repositories", params(Filter, Paging), responses(
    (status = 200, body = Vec<LinkView>), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Reply<Response> {
    let all = repositories::list(&state.engine, caller.user.id, filter.workspace_uid.as_deref()).await?;
    Ok(paging.cut(all.into_iter().map(LinkView::from).collect()))
}

/// Link a repository; a local one is made here, empty or as a copy
#[utoipa::path(post, path = "/api/repository-links/", tag = "repositories", request_body = NewLinkBody, responses(
    (status = 201, body = LinkView), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn create(State(state): State<AppState>, caller: Caller, Json(body): Json<NewLinkBody>) -> Reply<Response> {
    let NewLinkBody { provider, repository, access_token, workspace_uid, base_url, source } = body;
    let access_token = access_token.map(Secret::new);
    let new = NewLink { provider, repository, base_url: base_url.unwrap_or_default(), access_token, workspace_uid, source };
    let made = repositories::create(&state.engine, &caller.user, new).await?;
    Ok((StatusCode::CREATED, Json(LinkView::from(made))).into_response())
}

/// Remove a link, and with a local one the repository itself
#[utoipa::path(delete, path = "/api/repository-links/{id}/", tag = "repositories", params(("id" = String, Path)), responses(
    (status = 204), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id<RepositoryId>) -> Reply<StatusCode> {
    repositories::delete(&state.engine, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
