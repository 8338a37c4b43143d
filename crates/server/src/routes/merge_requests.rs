//! Merge requests: what broke, the proof, the diff, and what people decide about them.

use crate::layers::compression;
use crate::problem::ProblemView;
use crate::{AppState, Id, Json, MaybeJson, Paging, Query, Reply, Stamp};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::diff;
use domain::evidence::TestRow;
use domain::merge_request::{Comment, Decisions, MergeRequest};
use domain::run::RunRecord;
use domain::{CommentId, IncidentId, MergeRequestId, RequestId, RunId};
use engine::accounts::Caller;
use engine::merge_requests::{self, NewComment, Whole};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get).layer(compression()))
        .routes(routes!(approve))
        .routes(routes!(approve_of_request))
        .routes(routes!(merge))
        .routes(routes!(close))
        .routes(routes!(override_verdict))
        .routes(routes!(reviewed))
        .routes(routes!(comments, comment))
        .routes(routes!(send_comments))
}

#[derive(Serialize, ToSchema)]
#[schema(as = MergeRequest)]
pub struct MergeRequestView {
    #[schema(value_type = String, format = Uuid)]
    pub id: MergeRequestId,
    /// Counts within the workspace.
    pub number: i64,
    /// The address people open.
    #[serde(rename = "ref")]
    pub reference: String,
    #[schema(value_type = String, format = Uuid)]
    pub request_id: RequestId,
    pub request_title: String,
    /// The run whose proof it carries.
    #[schema(value_type = String, format = Uuid)]
    pub run_id: RunId,
    /// Null once the run is deleted.
    pub run_number: Option<i64>,
    #[schema(value_type = Option<String>, format = Uuid)]
    pub incident_id: Option<IncidentId>,
    pub incident_short_id: Option<String>,
    pub workspace_uid: String,
    /// As it is linked; null once the link is gone.
    pub repository: Option<String>,
    pub title: String,
    pub description: String,
    pub source_branch: String,
    pub target_branch: String,
    /// `OPEN`, `DRAFT`, `MERGED` or `CLOSED`.
    pub status: &'static str,
    /// `proven`, `unproven` or `not_applicable`.
    pub verdict: &'static str,
    /// Each with `rule`, `state`, `detail`, and where it is broken `code`, `file`, `line`, `mend`.
    #[schema(value_type = Vec<Object>)]
    pub rules: Value,
    #[schema(value_type = Vec<Object>)]
    pub tests: Value,
    #[schema(value_type = Vec<Object>)]
    pub mutants: Value,
    #[schema(value_type = Object)]
    pub other_tests: Value,
    pub evidence_url: Option<String>,
    pub bundle_digest: Option<String>,
    pub key_id: Option<String>,
    pub what_broke: String,
    pub why: String,
    pub what_changed: String,
    pub diff: String,
    pub additions: usize,
    pub deletions: usize,
    pub files_changed: usize,
    pub base_commit: String,
    pub patch_commit: String,
    /// Who approved this very version of the patch.
    pub approved_by: Option<String>,
    pub approved_at: Option<Stamp>,
    pub merged_at: Option<Stamp>,
    pub merge_commit: Option<String>,
    /// When the fault was seen again although this was merged.
    pub recurred_at: Option<Stamp>,
    /// The release that it was seen in; null when the alert named none.
    pub recurred_in: Option<String>,
    #[serde(rename = "override")]
    pub overridden: Option<OverrideView>,
    /// Whether it can be merged once it is approved. A list does not look for conflicts.
    pub can_merge: bool,
    pub cannot_merge_reason: Option<String>,
    /// How many commits the target branch has that the patch does not stand on; null in a list, once it is merged or
    /// closed, and where the forge can't say.
    pub behind_by: Option<u64>,
    /// Files in which it conflicts with the target branch, at most 20; empty in a list.
    pub conflicts: Vec<String>,
    /// Paths of files that somebody marked as read.
    pub reviewed: Vec<String>,
    pub comments: Vec<CommentView>,
    pub created_at: Stamp,
    pub updated_at: Stamp,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MergeRequestOverride)]
pub struct OverrideView {
    pub by: String,
    pub reason: String,
    pub at: Stamp,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MergeRequestComment)]
pub struct CommentView {
    #[schema(value_type = String, format = Uuid)]
    pub id: CommentId,
    pub path: String,
    pub line: u32,
    /// `base` or `patch`.
    pub side: String,
    pub body: String,
    pub author: String,
    pub created_at: Stamp,
    /// Whether the agent was told.
    pub sent: bool,
}

fn view(state: &AppState, whole: Whole) -> MergeRequestView {
    let obstacle = whole.obstacle();
    let Whole { merge_request, request_title, run, repository, workspace_uid, incident_short_id, reference, standing } = whole;
    let MergeRequest {
        id,
        workspace: _,
        request,
        run: run_id,
        repository: _,
        incident,
        number,
        reference: _,
        title,
        description,
        source_branch,
        target_branch,
        base_commit,
        patch_commit,
        diff,
        status,
        verdict,
        decisions,
        created_at,
        updated_at,
    } = merge_request;
    let Decisions {
        approved_by: _,
        approved_by_name,
        approved_at,
        approved_commit,
        merged_by: _,
        merged_at,
        merge_commit,
        releases_without_fix: _,
        recurrence,
        overridden,
        reviewed,
        comments,
    } = decisions;
    let run_number = run.as_ref().map(|run| run.number);
    let record = run.map(|run| run.record).unwrap_or_default();
    let RunRecord { rules, tests, wrong_versions, other_tests, bundle_digest, what_broke, why, what_changed, .. } = record;
    let is_approved = approved_commit.as_ref() == Some(&patch_commit);
    let overridden = overridden.filter(|o| o.commit == patch_commit).map(|o| OverrideView { by: o.by, reason: o.reason, at: Stamp(o.at) });
    let stat = diff::stat(&diff);
    MergeRequestView {
        id,
        number,
        reference,
        request_id: request,
        request_title,
        run_id,
        run_number,
        incident_id: incident,
        incident_short_id,
        workspace_uid,
        repository: repository.map(|r| r.repository),
        title,
        description,
        source_branch,
        target_branch,
        status: status.word(),
        verdict: verdict.word(),
        rules: json!(rules),
        tests: json!(tests),
        mutants: json!(wrong_versions),
        other_tests: json!(other_tests),
        evidence_url: bundle_digest.as_ref().map(|_| format!("/api/runs/{run_id}/evidence/")),
        key_id: bundle_digest.as_ref().map(|_| state.engine.signer.key_id()),
        bundle_digest,
        what_broke,
        why,
        what_changed,
        diff,
        additions: stat.additions,
        deletions: stat.deletions,
        files_changed: stat.files,
        base_commit: base_commit.to_string(),
        patch_commit: patch_commit.to_string(),
        approved_by: approved_by_name.filter(|_| is_approved),
        approved_at: approved_at.filter(|_| is_approved).map(Stamp),
        merged_at: merged_at.map(Stamp),
        merge_commit: merge_commit.map(|commit| commit.to_string()),
        recurred_at: recurrence.as_ref().map(|r| Stamp(r.at)),
        recurred_in: recurrence.map(|r| r.release).filter(|release| !release.is_empty()),
        overridden,
        can_merge: obstacle.is_none(),
        cannot_merge_reason: obstacle,
        behind_by: standing.as_ref().map(|s| s.behind),
        conflicts: standing.map(|s| s.conflicts).unwrap_or_default(),
        reviewed,
        comments: comments.into_iter().map(CommentView::from).collect(),
        created_at: Stamp(created_at),
        updated_at: Stamp(updated_at),
    }
}

impl From<Comment> for CommentView {
    fn from(comment: Comment) -> Self {
        let Comment { id, path, line, side, body, author, created_at, sent } = comment;
        CommentView { id, path, line, side, body, author, created_at: Stamp(created_at), sent }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    workspace_uid: Option<String>,
    /// Leave out what can be large: `diff` and `mutants` come empty, `tests` without their logs.
    #[serde(default)]
    brief: bool,
}

/// Merge requests of my workspaces, newest first
#[utoipa::path(get, path = "/api/merge-requests/", tag = "merge requests", params(Filter, Paging), responses(
    (status = 200, body = Vec<MergeRequestView>), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Reply<Response> {
    let all = merge_requests::list(&state.engine, caller.user.id, filter.workspace_uid.as_deref()).await?;
    let views = all.into_iter().map(|whole| if filter.brief { brief(&state, whole) } else { view(&state, whole) });
    Ok(paging.cut(views.collect()))
}

fn brief(state: &AppState, mut whole: Whole) -> MergeRequestView {
    if let Some(run) = &mut whole.run {
        run.record.tests = std::mem::take(&mut run.record.tests).into_iter().map(TestRow::without_logs).collect();
        run.record.wrong_versions.clear();
    }
    // The diff is counted first.
    MergeRequestView { diff: String::new(), ..view(state, whole) }
}

/// One merge request
#[utoipa::path(get, path = "/api/merge-requests/{id}/", tag = "merge requests", params(("id" = String, Path)), responses(
    (status = 200, body = MergeRequestView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn get(State(state): State<AppState>, caller: Caller, Id(id): Id<MergeRequestId>) -> Reply<Json<MergeRequestView>> {
    shown(&state, &caller, id).await
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Approval {
    /// The patch that was looked at; 409 if the merge request holds another one by now.
    patch_commit: Option<String>,
}

/// Approve this version of the patch
#[utoipa::path(post, path = "/api/merge-requests/{id}/approve/", tag = "merge requests", params(("id" = String, Path)), request_body = Approval, responses(
    (status = 200, body = MergeRequestView), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn approve(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<MergeRequestId>,
    MaybeJson(body): MaybeJson<Approval>,
) -> Reply<Json<MergeRequestView>> {
    merge_requests::approve(&state.engine, &caller.user, id, body.patch_commit.as_deref()).await?;
    shown(&state, &caller, id).await
}

/// Approve the merge request of a request
#[utoipa::path(post, path = "/api/chat/{id}/approve/", tag = "merge requests", params(("id" = String, Path)), responses(
    (status = 202), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn approve_of_request(State(state): State<AppState>, caller: Caller, Id(request): Id<RequestId>) -> Reply<Response> {
    let id = merge_requests::of_request(&state.engine, caller.user.id, request).await?;
    merge_requests::approve(&state.engine, &caller.user, id, None).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "queued", "merge_request_id": id}))).into_response())
}

/// Merge what was approved into the target branch
#[utoipa::path(post, path = "/api/merge-requests/{id}/merge/", tag = "merge requests", params(("id" = String, Path)), responses(
    (status = 200, body = MergeRequestView), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn merge(State(state): State<AppState>, caller: Caller, Id(id): Id<MergeRequestId>) -> Reply<Json<MergeRequestView>> {
    merge_requests::merge(&state.engine, &caller.user, id).await?;
    shown(&state, &caller, id).await
}

/// Close it unmerged
#[utoipa::path(post, path = "/api/merge-requests/{id}/close/", tag = "merge requests", params(("id" = String, Path)), responses(
    (status = 200, body = MergeRequestView), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn close(State(state): State<AppState>, caller: Caller, Id(id): Id<MergeRequestId>) -> Reply<Json<MergeRequestView>> {
    merge_requests::close(&state.engine, &caller.user, id).await?;
    shown(&state, &caller, id).await
}

#[derive(Deserialize, ToSchema)]
struct OverrideBody {
    reason: String,
}

/// Take responsibility for a patch that is not proven
#[utoipa::path(post, path = "/api/merge-requests/{id}/override/", tag = "merge requests", params(("id" = String, Path)), request_body = OverrideBody, responses(
    (status = 200, body = MergeRequestView), (status = 400, body = ProblemView), (status = 401, body = ProblemView),
    (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn override_verdict(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<MergeRequestId>,
    Json(body): Json<OverrideBody>,
) -> Reply<Json<MergeRequestView>> {
    merge_requests::override_verdict(&state.engine, &caller.user, id, &body.reason).await?;
    shown(&state, &caller, id).await
}

#[derive(Deserialize, ToSchema)]
struct ReviewedBody {
    path: String,
    /// `true` unless said otherwise.
    #[serde(default = "yes")]
    reviewed: bool,
}

fn yes() -> bool {
    true
}

/// Mark a file as read, or not
#[utoipa::path(post, path = "/api/merge-requests/{id}/reviewed/", tag = "merge requests", params(("id" = String, Path)), request_body = ReviewedBody, responses(
    (status = 204), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn reviewed(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<MergeRequestId>,
    Json(body): Json<ReviewedBody>,
) -> Reply<StatusCode> {
    merge_requests::set_reviewed(&state.engine, caller.user.id, id, &body.path, body.reviewed).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
struct CommentBody {
    path: String,
    line: u32,
    /// `base` or `patch`, which is the default.
    #[serde(default = "patch")]
    side: String,
    body: String,
}

fn patch() -> String {
    "patch".into()
}

/// Comments on a merge request's lines, oldest first
#[utoipa::path(get, path = "/api/merge-requests/{id}/comments/", tag = "merge requests", params(("id" = String, Path)), responses(
    (status = 200, body = Vec<CommentView>), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn comments(State(state): State<AppState>, caller: Caller, Id(id): Id<MergeRequestId>) -> Reply<Json<Vec<CommentView>>> {
    let found = merge_requests::get(&state.engine, caller.user.id, id).await?;
    Ok(Json(found.merge_request.decisions.comments.into_iter().map(CommentView::from).collect()))
}

/// Comment on a line; it waits until all comments are sent
#[utoipa::path(post, path = "/api/merge-requests/{id}/comments/", tag = "merge requests", params(("id" = String, Path)), request_body = CommentBody, responses(
    (status = 201, body = CommentView), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn comment(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<MergeRequestId>,
    Json(body): Json<CommentBody>,
) -> Reply<Response> {
    let CommentBody { path, line, side, body } = body;
    let made = merge_requests::comment(&state.engine, &caller.user, id, NewComment { path, line, side, body }).await?;
    Ok((StatusCode::CREATED, Json(CommentView::from(made))).into_response())
}

#[derive(Serialize, ToSchema)]
struct Sent {
    status: &'static str,
    #[schema(value_type = String, format = Uuid)]
    run_id: RunId,
}

/// Send the waiting comments, and what does not hold of an unproven fix, to the agent, which goes on in a follow-up run
#[utoipa::path(post, path = "/api/merge-requests/{id}/comments/send/", tag = "merge requests", params(("id" = String, Path)), responses(
    (status = 202, body = Sent), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
))]
async fn send_comments(State(state): State<AppState>, caller: Caller, Id(id): Id<MergeRequestId>) -> Reply<Response> {
    let run_id = merge_requests::send_comments(&state.engine, caller.user.id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { status: "queued", run_id })).into_response())
}

async fn shown(state: &AppState, caller: &Caller, id: MergeRequestId) -> Reply<Json<MergeRequestView>> {
    let whole = merge_requests::get(&state.engine, caller.user.id, id).await?;
    Ok(Json(view(state, whole)))
}
