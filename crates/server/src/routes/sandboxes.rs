//! Sandbox sessions: make one, run commands in it, move files in and out.

use crate::problem::ProblemView;
use crate::{AppState, Id, Json, MaybeJson, Problem, Query, Reply, Stamp};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::sandbox::{FileStat, SessionStatus};
use domain::{Error, Kind, SandboxId};
use engine::accounts::Caller;
use engine::sandboxes::{self, Artifact, Exec, ExecCommand, Listed, NewSession, Outcome, Session};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// Held in memory while it is written, so smaller than what may be read.
const UPLOAD_BYTES_MAX: usize = 64 << 20;
/// Clients give up when nothing arrives for a minute; JSON may begin with blanks.
const PADDING_EVERY: Duration = Duration::from_secs(20);
/// The contract's words for kinds of place. One that this server does not have means its default, and the session
/// says what it really got.
const CONTRACT_MODES: [&str; 2] = ["docker", "k8s"];

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, delete))
        .routes(routes!(stop))
        .routes(routes!(heartbeat))
        .routes(routes!(shell))
        .routes(routes!(exec))
        .routes(routes!(upload))
        .routes(routes!(upload_file))
        .routes(routes!(file_content))
        .routes(routes!(files, remove_file))
        .routes(routes!(export))
        .routes(routes!(artifacts))
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
pub struct CreateBody {
    #[schema(value_type = Option<Uuid>)]
    pub id: Option<String>,
    /// A kind of place this server has; its default otherwise.
    pub mode: Option<String>,
    /// Accepted for older clients; the session says what it really runs.
    pub image: Option<String>,
    /// Cores, such as `0.5`.
    pub cpu: Option<String>,
    /// Bytes, such as `512m`.
    pub memory: Option<String>,
    pub ephemeral_storage: Option<String>,
    #[schema(value_type = Option<Uuid>)]
    pub restore_snapshot_id: Option<String>,
    /// 60 or more; 300 by default.
    pub idle_timeout_sec: Option<i64>,
    /// 300 or more; 3600 by default.
    pub max_lifetime_sec: Option<i64>,
    pub workspace_uid: Option<String>,
    pub metadata: Option<Map<String, Value>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SandboxSession)]
pub struct SessionView {
    pub id: Uuid,
    pub mode: String,
    pub image: String,
    pub cpu: String,
    pub memory: String,
    pub ephemeral_storage: String,
    pub restore_snapshot_id: Option<Uuid>,
    /// `starting`, `ready`, `failed` or `terminated`.
    #[schema(value_type = String)]
    pub status: SessionStatus,
    #[serde(rename = "ref")]
    pub reference: String,
    pub control_endpoint: String,
    pub workspace_path: String,
    pub artifact_base_url: String,
    pub workspace_uid: Option<String>,
    pub workspace_name: Option<String>,
    pub idle_timeout_sec: i64,
    pub max_lifetime_sec: i64,
    pub last_activity_at: Option<Stamp>,
    pub last_heartbeat_at: Option<Stamp>,
    pub expires_at: Option<Stamp>,
    pub error_message: String,
    pub metadata: Map<String, Value>,
    pub cpu_seconds: f64,
    pub storage_bytes: i64,
    pub snapshot_ids: Vec<Uuid>,
    pub artifacts_count: i64,
    pub created_at: Stamp,
    pub updated_at: Stamp,
}

#[derive(Serialize, ToSchema)]
pub struct Heartbeat {
    #[schema(value_type = String)]
    pub status: SessionStatus,
    pub last_heartbeat_at: Option<Stamp>,
}

#[derive(Deserialize, ToSchema)]
pub struct ExecBody {
    pub command: CommandBody,
    #[serde(default)]
    pub cwd: Option<String>,
    #[serde(default)]
    pub timeout_sec: Option<u64>,
    #[serde(default)]
    pub capture_stdout: Option<bool>,
    #[serde(default)]
    pub capture_stderr: Option<bool>,
}

/// A line for `sh -c`, or a program with its arguments.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CommandBody {
    Line(String),
    Argv(Vec<String>),
}

#[derive(Serialize, ToSchema)]
pub struct ExecView {
    pub exit_code: i32,
    pub stdout: String,
    pub stderr: String,
    pub duration_sec: f64,
    /// `exited`, `signal`, `timeout`, `oom` or `lost`.
    #[schema(value_type = String)]
    pub reason: domain::sandbox::ExitReason,
    /// Bytes left out of the middle.
    pub stdout_dropped_bytes: u64,
    pub stderr_dropped_bytes: u64,
}

#[derive(Deserialize, ToSchema)]
pub struct UploadBody {
    pub path: String,
    pub content: String,
    /// `utf-8` or `base64`.
    #[serde(default)]
    pub encoding: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Written {
    pub exit_code: i32,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FileQuery {
    /// Absolute, or relative to the workspace.
    path: Option<String>,
    /// What the download is called.
    filename: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct ExportBody {
    pub path: String,
    #[serde(default)]
    pub filename: Option<String>,
    #[serde(default)]
    pub content_type: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SandboxArtifact)]
pub struct ArtifactView {
    pub id: Uuid,
    pub filename: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub storage_path: String,
    pub download_url: String,
    pub created_at: Stamp,
}

#[derive(Serialize, ToSchema)]
pub struct Artifacts {
    pub session_id: Uuid,
    pub artifacts: Vec<ArtifactView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SandboxFile)]
pub struct FileView {
    pub path: String,
    /// `file`, `directory`, `symlink` or `other`.
    #[schema(value_type = String)]
    pub kind: domain::sandbox::FileKind,
    pub size_bytes: u64,
    pub mode: u32,
    /// Seconds since 1970.
    pub modified: i64,
}

/// Sessions of my workspaces, newest first, ended ones too
#[utoipa::path(get, path = "/api/sandbox/sessions/", tag = "sandboxes", responses((status = 200, body = Vec<SessionView>), (status = 401, body = ProblemView)))]
async fn list(State(state): State<AppState>, caller: Caller) -> Reply<Json<Vec<SessionView>>> {
    let all = sandboxes::list(&state.engine, caller.user.id).await?;
    Ok(Json(all.into_iter().map(SessionView::from).collect()))
}

/// Start a session, or start an old one again under its id
#[utoipa::path(post, path = "/api/sandbox/sessions/", tag = "sandboxes", request_body = CreateBody, responses(
    (status = 201, body = SessionView), (status = 200, description = "The id names a session of mine", body = SessionView),
    (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, description = "No such snapshot", body = ProblemView),
    (status = 409, description = "The id is somebody else's", body = ProblemView),
))]
async fn create(State(state): State<AppState>, caller: Caller, MaybeJson(body): MaybeJson<CreateBody>) -> Reply<Response> {
    let new = new_session(&state, body)?;
    let (listed, is_new) = sandboxes::create(&state.engine, caller.user.id, new).await?;
    let id = listed.session.id.to_string();
    let view = Json(SessionView::from(listed));
    Ok(if is_new { (StatusCode::CREATED, [(header::LOCATION, id)], view).into_response() } else { view.into_response() })
}

/// One session
#[utoipa::path(get, path = "/api/sandbox/sessions/{id}/", tag = "sandboxes", params(("id" = Uuid, Path)), responses(
    (status = 200, body = SessionView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn read(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>) -> Reply<Json<SessionView>> {
    Ok(Json(sandboxes::get(&state.engine, caller.user.id, id).await?.into()))
}

/// End a session; its files stay
#[utoipa::path(delete, path = "/api/sandbox/sessions/{id}/", tag = "sandboxes", params(("id" = Uuid, Path)), responses(
    (status = 204), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>) -> Reply<StatusCode> {
    sandboxes::stop(&state.engine, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a session; its files stay
#[utoipa::path(post, path = "/api/sandbox/sessions/{id}/stop/", tag = "sandboxes", params(("id" = Uuid, Path)), responses(
    (status = 204), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn stop(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>) -> Reply<StatusCode> {
    sandboxes::stop(&state.engine, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Say that somebody is still there
#[utoipa::path(post, path = "/api/sandbox/sessions/{id}/heartbeat/", tag = "sandboxes", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Heartbeat), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn heartbeat(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>) -> Reply<Json<Heartbeat>> {
    let session = sandboxes::heartbeat(&state.engine, caller.user.id, id).await?;
    Ok(Json(Heartbeat { status: session.status, last_heartbeat_at: session.last_heartbeat_at.map(Stamp) }))
}

/// Run a command
#[utoipa::path(post, path = "/api/sandbox/sessions/{id}/shell/", tag = "sandboxes", params(("id" = Uuid, Path)), request_body = ExecBody, responses(
    (status = 200, body = ExecView), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn shell(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>, Json(body): Json<ExecBody>) -> Reply<Response> {
    run(state, caller, id, body).await
}

/// Run a command
#[utoipa::path(post, path = "/api/sandbox/sessions/{id}/exec/", tag = "sandboxes", params(("id" = Uuid, Path)), request_body = ExecBody, responses(
    (status = 200, body = ExecView), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn exec(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>, Json(body): Json<ExecBody>) -> Reply<Response> {
    run(state, caller, id, body).await
}

/// Write a file from text or base64
#[utoipa::path(post, path = "/api/sandbox/sessions/{id}/upload/", tag = "sandboxes", params(("id" = Uuid, Path)), request_body = UploadBody, responses(
    (status = 200, body = Written), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn upload(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SandboxId>,
    Json(body): Json<UploadBody>,
) -> Reply<Json<Written>> {
    let content = match body.encoding.as_deref().unwrap_or("utf-8") {
        "utf-8" => Bytes::from(body.content),
        "base64" => {
            let compact: String = body.content.split_ascii_whitespace().collect();
            let decoded = BASE64_STANDARD.decode(compact).map_err(|e| Error::field("content", format!("this is no base64: {e}")))?;
            Bytes::from(decoded)
        }
        _ => return Err(Error::field("encoding", "`utf-8` or `base64`").into()),
    };
    write(&state, &caller, id, &body.path, content).await
}

/// Write a file from the raw body
#[utoipa::path(post, path = "/api/sandbox/sessions/{id}/files/upload/", tag = "sandboxes", params(("id" = Uuid, Path), FileQuery),
    request_body(content = [u8], content_type = "application/octet-stream"), responses(
    (status = 200, body = Written), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView), (status = 413, body = ProblemView),
))]
async fn upload_file(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SandboxId>,
    Query(query): Query<FileQuery>,
    body: Body,
) -> Reply<Json<Written>> {
    let path = required_path(query.path)?;
    sandboxes::get(&state.engine, caller.user.id, id).await?;
    let too_large = || Error::limit(format!("a file has at most {UPLOAD_BYTES_MAX} bytes here")).code("too_large");
    let held = state.limits.uploads.read(body, UPLOAD_BYTES_MAX, too_large).await?;
    write(&state, &caller, id, &path, held.bytes.clone()).await
}

/// Read a file
#[utoipa::path(get, path = "/api/sandbox/sessions/{id}/files/content/", tag = "sandboxes", params(("id" = Uuid, Path), FileQuery), responses(
    (status = 200, body = [u8], content_type = "application/octet-stream"), (status = 400, description = "Can't be read", body = ProblemView),
    (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn file_content(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SandboxId>,
    Query(query): Query<FileQuery>,
) -> Reply<Response> {
    let path = required_path(query.path)?;
    // A session that is not there is a 404; a file that is not there is a 400, which clients know.
    sandboxes::get(&state.engine, caller.user.id, id).await?;
    let read = sandboxes::read_file(&state.engine, caller.user.id, id, &path).await;
    let (_, content) = read.map_err(unreadable)?;
    let name = query.filename.filter(|n| !n.is_empty()).unwrap_or_else(|| path.rsplit('/').next().unwrap_or("file").to_string());
    let mut response = Response::new(Body::from_stream(content));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&name));
    Ok(response)
}

/// List a folder
#[utoipa::path(get, path = "/api/sandbox/sessions/{id}/files/", tag = "sandboxes", params(("id" = Uuid, Path), FileQuery), responses(
    (status = 200, body = Vec<FileView>), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn files(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SandboxId>,
    Query(query): Query<FileQuery>,
) -> Reply<Json<Vec<FileView>>> {
    let all = sandboxes::list_files(&state.engine, caller.user.id, id, query.path.as_deref().unwrap_or_default()).await?;
    Ok(Json(all.into_iter().map(FileView::from).collect()))
}

/// Remove a file or folder
#[utoipa::path(delete, path = "/api/sandbox/sessions/{id}/files/", tag = "sandboxes", params(("id" = Uuid, Path), FileQuery), responses(
    (status = 204), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn remove_file(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SandboxId>,
    Query(query): Query<FileQuery>,
) -> Reply<StatusCode> {
    sandboxes::remove_file(&state.engine, caller.user.id, id, &required_path(query.path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Note a file as something to hand out
#[utoipa::path(post, path = "/api/sandbox/sessions/{id}/files/export/", tag = "sandboxes", params(("id" = Uuid, Path)), request_body = ExportBody, responses(
    (status = 201, body = ArtifactView), (status = 400, body = ProblemView), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn export(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>, Json(body): Json<ExportBody>) -> Reply<Response> {
    sandboxes::get(&state.engine, caller.user.id, id).await?;
    let url = |path: &str, name: &str| format!("/api/sandbox/sessions/{id}/files/content/?path={}&filename={}", quote(path), quote(name));
    let kind = body.content_type.filter(|c| !c.is_empty()).unwrap_or_else(|| "application/octet-stream".to_string());
    let made = sandboxes::export(&state.engine, caller.user.id, id, &body.path, &body.filename.unwrap_or_default(), &kind, url).await;
    let artifact = made.map_err(unreadable)?;
    Ok((StatusCode::CREATED, Json(ArtifactView::from(artifact))).into_response())
}

/// What was handed out
#[utoipa::path(get, path = "/api/sandbox/sessions/{id}/artifacts/", tag = "sandboxes", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Artifacts), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn artifacts(State(state): State<AppState>, caller: Caller, Id(id): Id<SandboxId>) -> Reply<Json<Artifacts>> {
    let all = sandboxes::artifacts(&state.engine, caller.user.id, id).await?;
    Ok(Json(Artifacts { session_id: id.0, artifacts: all.into_iter().map(ArtifactView::from).collect() }))
}

fn new_session(state: &AppState, body: CreateBody) -> Reply<NewSession> {
    let id = body.id.map(|text| text.parse::<SandboxId>().map_err(|_| Error::field("id", "this is no UUID"))).transpose()?;
    let is_here = |mode: &str| state.engine.provisioners.iter().any(|p| p.id() == mode);
    let mode = body.mode.filter(|mode| is_here(mode) || !CONTRACT_MODES.contains(&mode.as_str()));
    Ok(NewSession {
        id,
        mode,
        cpu: body.cpu.unwrap_or_default(),
        memory: body.memory.unwrap_or_default(),
        ephemeral_storage: body.ephemeral_storage.unwrap_or_default(),
        restore_snapshot_id: body.restore_snapshot_id.filter(|s| !s.is_empty()),
        idle_timeout_sec: body.idle_timeout_sec,
        max_lifetime_sec: body.max_lifetime_sec,
        workspace_uid: body.workspace_uid,
        metadata: body.metadata.unwrap_or_default(),
    })
}

/// Answers at once what is done soon; a longer command answers with blanks until its JSON is there.
async fn run(state: AppState, caller: Caller, id: SandboxId, body: ExecBody) -> Reply<Response> {
    let (with_stdout, with_stderr) = (body.capture_stdout.unwrap_or(true), body.capture_stderr.unwrap_or(true));
    let command = match body.command {
        CommandBody::Line(line) => ExecCommand::Line(line),
        CommandBody::Argv(argv) => ExecCommand::Argv(argv),
    };
    let exec = Exec { command, cwd: body.cwd.unwrap_or_default(), timeout_sec: body.timeout_sec };
    let mut work = Box::pin(async move { sandboxes::exec(&state.engine, caller.user.id, id, exec).await });
    if let Ok(outcome) = tokio::time::timeout(PADDING_EVERY, &mut work).await {
        return Ok(Json(exec_view(outcome?, with_stdout, with_stderr)).into_response());
    }
    let text = futures::stream::unfold(Some(work), move |work| async move {
        let mut work = work?;
        match tokio::time::timeout(PADDING_EVERY, &mut work).await {
            Err(_) => Some((Bytes::from_static(b" "), Some(work))),
            Ok(outcome) => Some((late_text(outcome, with_stdout, with_stderr), None)),
        }
    });
    let mut response = Response::new(Body::from_stream(futures::StreamExt::map(text, Ok::<_, std::convert::Infallible>)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The head said 200 already, so a failure travels as a command that failed, with the problem's members beside.
fn late_text(outcome: domain::Result<Outcome>, with_stdout: bool, with_stderr: bool) -> Bytes {
    let value = match outcome {
        Ok(outcome) => json!(exec_view(outcome, with_stdout, with_stderr)),
        Err(error) => {
            let mut body = Problem::from(error).body();
            let said = body["detail"].clone();
            if let Some(body) = body.as_object_mut() {
                body.extend([
                    ("exit_code".into(), json!(-1)),
                    ("stdout".into(), json!("")),
                    ("stderr".into(), said),
                    ("reason".into(), json!("lost")),
                ]);
            }
            body
        }
    };
    Bytes::from(value.to_string())
}

fn exec_view(outcome: Outcome, with_stdout: bool, with_stderr: bool) -> ExecView {
    let text = |bytes: &[u8], wanted: bool| if wanted { String::from_utf8_lossy(bytes).into_owned() } else { String::new() };
    ExecView {
        exit_code: outcome.exit_code,
        stdout: text(&outcome.stdout, with_stdout),
        stderr: text(&outcome.stderr, with_stderr),
        duration_sec: (outcome.duration.as_secs_f64() * 1000.0).round() / 1000.0,
        reason: outcome.reason,
        stdout_dropped_bytes: outcome.stdout_dropped,
        stderr_dropped_bytes: outcome.stderr_dropped,
    }
}

async fn write(state: &AppState, caller: &Caller, id: SandboxId, path: &str, content: Bytes) -> Reply<Json<Written>> {
    let written = sandboxes::write_file(&state.engine, caller.user.id, id, path, content).await?;
    let (exit_code, stderr) = match written {
        Ok(()) => (0, String::new()),
        Err(error) => (1, format!("{error}\n")),
    };
    Ok(Json(Written { exit_code, stdout: String::new(), stderr }))
}

fn required_path(path: Option<String>) -> Reply<String> {
    path.filter(|p| !p.trim().is_empty()).ok_or_else(|| Error::field("path", "this parameter is required").into())
}

fn unreadable(error: Error) -> Problem {
    let status = matches!(error.kind, Kind::NotFound | Kind::Forbidden).then_some(StatusCode::BAD_REQUEST);
    let problem = Problem::from(error);
    match status {
        Some(status) => problem.status(status).code("unreadable_file"),
        None => problem,
    }
}

/// Percent-encodes all but letters, digits, `-._~` and `/`.
fn quote(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn disposition(name: &str) -> HeaderValue {
    let plain: String =
        name.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() && !"\"\\/".contains(c) { c } else { '_' }).take(200).collect();
    let full: String = quote(&name.replace('/', "_")).chars().take(600).collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}")).expect("visible ASCII only")
}

impl From<Listed> for SessionView {
    fn from(listed: Listed) -> Self {
        let Listed { session, workspace_uid, workspace_name, snapshots, artifacts_count } = listed;
        let Session {
            id,
            user: _,
            workspace: _,
            mode,
            image,
            cpu,
            memory,
            ephemeral_storage,
            restore_snapshot,
            status,
            reference,
            control_endpoint,
            workspace_path,
            artifact_base_url,
            idle_timeout_sec,
            max_lifetime_sec,
            last_activity_at,
            last_heartbeat_at,
            expires_at,
            error_message,
            metadata,
            cpu_seconds,
            storage_bytes,
            epoch: _,
            created_at,
            updated_at,
        } = session;
        SessionView {
            id: id.0,
            mode,
            image,
            cpu,
            memory,
            ephemeral_storage,
            restore_snapshot_id: restore_snapshot,
            status,
            reference,
            control_endpoint,
            workspace_path,
            artifact_base_url,
            workspace_uid,
            workspace_name,
            idle_timeout_sec,
            max_lifetime_sec,
            last_activity_at: last_activity_at.map(Stamp),
            last_heartbeat_at: last_heartbeat_at.map(Stamp),
            expires_at: expires_at.map(Stamp),
            error_message,
            metadata,
            cpu_seconds,
            storage_bytes,
            snapshot_ids: snapshots,
            artifacts_count,
            created_at: Stamp(created_at),
            updated_at: Stamp(updated_at),
        }
    }
}

impl From<Artifact> for ArtifactView {
    fn from(artifact: Artifact) -> Self {
        let Artifact { id, sandbox: _, filename, content_type, size_bytes, storage_path, download_url, created_at } = artifact;
        ArtifactView { id, filename, content_type, size_bytes, storage_path, download_url, created_at: Stamp(created_at) }
    }
}

impl From<FileStat> for FileView {
    fn from(stat: FileStat) -> Self {
        let FileStat { path, kind, size_bytes, mode, modified } = stat;
        FileView { path, kind, size_bytes, mode, modified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_downloads_can_not_break_out_of_their_header() {
        let value = disposition("a\"b\r\nSet-Cookie: x/ü.txt");
        assert_eq!(
            value.to_str().expect("ASCII"),
            "attachment; filename=\"a_b__Set-Cookie: x__.txt\"; filename*=UTF-8''a%22b%0D%0ASet-Cookie%3A%20x_%C3%BC.txt"
        );
    }
}
