//! Workspaces, their usage and their members.

use crate::problem::ProblemView;
use crate::{AppState, Json, Problem, Reply, Stamp};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use domain::workspace::{Membership, Role};
use domain::{Error, UserId};
use engine::accounts::Caller;
use engine::quotas;
use engine::workspaces::{self, Member};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, change))
        .routes(routes!(usage))
        .routes(routes!(members, add_member))
        .routes(routes!(change_member, remove_member))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
pub struct WorkspaceView {
    pub uid: String,
    pub name: String,
    pub role: &'static str,
    pub plan: String,
    /// Runs that alerts may start in an hour, over all sources of the workspace.
    pub automatic_runs_per_hour_max: i32,
    pub created_at: Stamp,
}

#[derive(Deserialize, ToSchema)]
pub struct WorkspaceBody {
    pub name: String,
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceChange {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub automatic_runs_per_hour_max: Option<i32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceUsage)]
pub struct UsageView {
    pub plan: String,
    #[schema(value_type = PlanLimits)]
    pub limits: Value,
    pub usage: Used,
    pub period_start: String,
    #[schema(value_type = std::collections::HashMap<String, PlanLimits>)]
    pub catalog: Map<String, Value>,
}

/// `null` means no limit.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
pub struct PlanLimits {
    pub requests_per_month: Option<i64>,
    pub sandbox_sessions_per_month: Option<i64>,
    pub sandbox_concurrent: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct Used {
    pub requests_per_month: i64,
    pub sandbox_sessions_per_month: i64,
    pub active_sandboxes: i64,
    pub sandbox_seconds: f64,
    pub artifacts_bytes: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceMember)]
pub struct MemberView {
    /// The user's number.
    pub user: i64,
    pub username: String,
    pub email: String,
    pub role: &'static str,
    pub joined_at: Stamp,
}

#[derive(Deserialize, ToSchema)]
pub struct NewMember {
    pub username: String,
    /// `owner`, `admin` or `member`.
    #[serde(default)]
    pub role: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct MemberRole {
    pub role: String,
}

impl From<Membership> for WorkspaceView {
    fn from(membership: Membership) -> Self {
        let Membership { workspace, role } = membership;
        WorkspaceView {
            uid: workspace.uid,
            name: workspace.name,
            role: role.word(),
            plan: workspace.plan,
            automatic_runs_per_hour_max: workspace.automatic_runs_per_hour_max,
            created_at: Stamp(workspace.created_at),
        }
    }
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let Member { user, role, joined_at } = member;
        MemberView { joined_at: Stamp(joined_at), user: user.id.0, username: user.username, email: user.email, role: role.word() }
    }
}

/// My workspaces, by name
#[utoipa::path(get, path = "/api/workspaces/", tag = "workspaces", responses((status = 200, body = Vec<WorkspaceView>), (status = 401, body = ProblemView)))]
async fn list(State(state): State<AppState>, caller: Caller) -> Reply<Json<Vec<WorkspaceView>>> {
    let all = workspaces::list(&state.engine, caller.user.id).await?;
    Ok(Json(all.into_iter().map(WorkspaceView::from).collect()))
}

/// Make a workspace, with me as its owner
#[utoipa::path(post, path = "/api/workspaces/", tag = "workspaces", request_body = WorkspaceBody, responses(
    (status = 201, body = WorkspaceView), (status = 400, body = ProblemView), (status = 401, body = ProblemView),
))]
async fn create(State(state): State<AppState>, caller: Caller, Json(body): Json<WorkspaceBody>) -> Reply<Response> {
    let made = workspaces::create(&state.engine, caller.user.id, &body.name).await?;
    Ok((StatusCode::CREATED, Json(WorkspaceView::from(made))).into_response())
}

/// One workspace of mine
#[utoipa::path(get, path = "/api/workspaces/{uid}/", tag = "workspaces", params(("uid" = String, Path)), responses(
    (status = 200, body = WorkspaceView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn read(State(state): State<AppState>, caller: Caller, Path(uid): Path<String>) -> Reply<Json<WorkspaceView>> {
    let found = workspaces::list(&state.engine, caller.user.id).await?.into_iter().find(|m| m.workspace.uid == uid);
    let found = found.ok_or_else(|| Error::not_found(format!("there is no workspace `{}`", uid.chars().take(64).collect::<String>())))?;
    Ok(Json(found.into()))
}

/// Rename a workspace, or set its budget
#[utoipa::path(patch, path = "/api/workspaces/{uid}/", tag = "workspaces", params(("uid" = String, Path)), request_body = WorkspaceChange, responses(
    (status = 200, body = WorkspaceView), (status = 400, body = ProblemView), (status = 401, body = ProblemView),
    (status = 403, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
    Json(body): Json<WorkspaceChange>,
) -> Reply<Json<WorkspaceView>> {
    let WorkspaceChange { name, automatic_runs_per_hour_max } = body;
    let change = workspaces::Change { name, automatic_runs_per_hour_max };
    Ok(Json(workspaces::change(&state.engine, caller.user.id, &uid, change).await?.into()))
}

/// What the plan allows and what was used this month
#[utoipa::path(get, path = "/api/workspaces/{uid}/usage/", tag = "workspaces", params(("uid" = String, Path)), responses(
    (status = 200, body = UsageView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn usage(State(state): State<AppState>, caller: Caller, Path(uid): Path<String>) -> Reply<Json<UsageView>> {
    let quotas::Usage { plan, limits, ledger, active_sandboxes, period_start, catalog } =
        quotas::usage(&state.engine, caller.user.id, &uid).await?;
    Ok(Json(UsageView {
        plan,
        limits: limits.to_json(),
        usage: Used {
            requests_per_month: ledger.requests,
            sandbox_sessions_per_month: ledger.sandbox_sessions,
            active_sandboxes,
            sandbox_seconds: ledger.sandbox_seconds,
            artifacts_bytes: ledger.artifacts_bytes,
        },
        period_start,
        catalog: catalog.into_iter().map(|(name, limits)| (name, json!(limits.to_json()))).collect(),
    }))
}

/// Who is in a workspace
#[utoipa::path(get, path = "/api/workspaces/{uid}/members/", tag = "workspaces", params(("uid" = String, Path)), responses(
    (status = 200, body = Vec<MemberView>), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn members(State(state): State<AppState>, caller: Caller, Path(uid): Path<String>) -> Reply<Json<Vec<MemberView>>> {
    let all = workspaces::members(&state.engine, caller.user.id, &uid).await?;
    Ok(Json(all.into_iter().map(MemberView::from).collect()))
}

/// Add somebody who has an account here
#[utoipa::path(post, path = "/api/workspaces/{uid}/members/", tag = "workspaces", params(("uid" = String, Path)), request_body = NewMember, responses(
    (status = 201, body = MemberView), (status = 400, body = ProblemView), (status = 401, body = ProblemView),
    (status = 403, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn add_member(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
    Json(body): Json<NewMember>,
) -> Reply<Response> {
    let role = parse_role(body.role.as_deref().unwrap_or("member"))?;
    let member = workspaces::add_member(&state.engine, caller.user.id, &uid, &body.username, role).await?;
    Ok((StatusCode::CREATED, Json(MemberView::from(member))).into_response())
}

/// Change a member's role
#[utoipa::path(patch, path = "/api/workspaces/{uid}/members/{user}/", tag = "workspaces",
    params(("uid" = String, Path), ("user" = i64, Path)), request_body = MemberRole, responses(
    (status = 200, body = MemberView), (status = 400, body = ProblemView), (status = 401, body = ProblemView),
    (status = 403, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn change_member(
    State(state): State<AppState>,
    caller: Caller,
    Path((uid, user)): Path<(String, String)>,
    Json(body): Json<MemberRole>,
) -> Reply<Json<MemberView>> {
    let role = parse_role(&body.role)?;
    let member = workspaces::change_member(&state.engine, caller.user.id, &uid, parse_user(&user)?, role).await?;
    Ok(Json(member.into()))
}

/// Remove a member, or leave
#[utoipa::path(delete, path = "/api/workspaces/{uid}/members/{user}/", tag = "workspaces",
    params(("uid" = String, Path), ("user" = i64, Path)), responses(
    (status = 204), (status = 401, body = ProblemView), (status = 403, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn remove_member(State(state): State<AppState>, caller: Caller, Path((uid, user)): Path<(String, String)>) -> Reply<StatusCode> {
    workspaces::remove_member(&state.engine, caller.user.id, &uid, parse_user(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse_role(word: &str) -> Result<Role, Problem> {
    Role::parse(word).ok_or_else(|| Error::field("role", "a role is `owner`, `admin` or `member`").into())
}

fn parse_user(text: &str) -> Result<UserId, Problem> {
    text.parse().map(UserId).map_err(|_| Error::not_found("users are numbered; there is none by that id").into())
}
