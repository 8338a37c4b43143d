//! Sandbox sessions as clients know them, with their snapshots and exported artifacts. The living sandbox is elsewhere.

use crate::value::{Arg, At, Doc, Page, conflict, doc, found, insert, of, time, touched, update as update_sql, word};
use crate::{Tx, args};
use domain::sandbox::SessionStatus;
use domain::{Result, SandboxId, Timestamp, UserId, WorkspaceId};
use serde_json::{Map, Value};
use uuid::Uuid;

const COLUMNS: &str = "id, user_id, workspace_id, mode, image, cpu, memory, ephemeral_storage, restore_snapshot_id, status, reference, control_endpoint, workspace_path, artifact_base_url, idle_timeout_sec, max_lifetime_sec, last_activity_at, last_heartbeat_at, expires_at, error_message, metadata, cpu_seconds, storage_bytes, epoch, created_at, updated_at";
const SNAPSHOT: &str = "id, sandbox_id, label, s3_key, archive_path, size_bytes, include_paths, exclude_paths, created_at";
const ARTIFACT: &str = "id, sandbox_id, filename, content_type, size_bytes, storage_path, download_url, created_at";

#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub id: SandboxId,
    pub user: UserId,
    pub workspace: Option<WorkspaceId>,
    pub mode: String,
    pub image: String,
    pub cpu: String,
    pub memory: String,
    pub ephemeral_storage: String,
    pub restore_snapshot: Option<Uuid>,
    pub status: SessionStatus,
    pub reference: String,
    pub control_endpoint: String,
    pub workspace_path: String,
    pub artifact_base_url: String,
    pub idle_timeout_sec: i64,
    pub max_lifetime_sec: i64,
    pub last_activity_at: Option<Timestamp>,
    pub last_heartbeat_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub error_message: String,
    pub metadata: Map<String, Value>,
    pub cpu_seconds: f64,
    pub storage_bytes: i64,
    /// Counts the places this session has had.
    pub epoch: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A session with what other tables say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub session: Session,
    pub workspace_uid: Option<String>,
    pub workspace_name: Option<String>,
    /// Newest first.
    pub snapshots: Vec<Uuid>,
    pub artifacts_count: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub id: Uuid,
    pub sandbox: SandboxId,
    pub label: String,
    pub s3_key: String,
    pub archive_path: String,
    pub size_bytes: i64,
    pub include_paths: Vec<String>,
    pub exclude_paths: Vec<String>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    pub id: Uuid,
    pub sandbox: SandboxId,
    pub filename: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub storage_path: String,
    pub download_url: String,
    pub created_at: Timestamp,
}

/// Whose sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    User(UserId),
    Workspace(WorkspaceId),
}

impl From<UserId> for Scope {
    fn from(user: UserId) -> Scope {
        Scope::User(user)
    }
}

impl From<WorkspaceId> for Scope {
    fn from(workspace: WorkspaceId) -> Scope {
        Scope::Workspace(workspace)
    }
}

impl Scope {
    fn condition(self) -> (&'static str, Arg) {
        match self {
            Scope::User(user) => ("s.user_id = $1", user.into()),
            Scope::Workspace(workspace) => ("s.workspace_id = $1", workspace.into()),
        }
    }
}

pub async fn create(tx: &mut Tx, session: &Session) -> Result<()> {
    tx.run(insert("sandboxes", COLUMNS), args_of(session))
        .await
        .map_err(conflict(format!("a sandbox session `{}` exists already, or its workspace is gone", session.id)))?;
    Ok(())
}

/// In a write transaction the session is held against other writers until the end.
pub async fn get(tx: &mut Tx, id: SandboxId) -> Result<Session> {
    found(find(tx, id).await?, "sandbox session", id)
}

pub async fn find(tx: &mut Tx, id: SandboxId) -> Result<Option<Session>> {
    let sql = tx.locked(format!("select {COLUMNS} from sandboxes where id = $1"));
    tx.maybe::<Row>(sql, args![id]).await?.map(Row::noun).transpose()
}

pub async fn listed(tx: &mut Tx, id: SandboxId) -> Result<Listed> {
    let session = get(tx, id).await?;
    let names: Option<(String, String)> =
        tx.maybe("select w.uid, w.name from workspaces w join sandboxes s on s.workspace_id = w.id where s.id = $1", args![id]).await?;
    let (artifacts_count,): (i64,) = tx.one("select count(*) from sandbox_artifacts where sandbox_id = $1", args![id]).await?;
    let snapshots = snapshot_ids(tx, id).await?;
    let (workspace_uid, workspace_name) = names.unzip();
    Ok(Listed { session, workspace_uid, workspace_name, snapshots, artifacts_count })
}

pub async fn update(tx: &mut Tx, session: &Session) -> Result<()> {
    let rows = tx.run(update_sql("sandboxes", COLUMNS), args_of(session)).await?;
    touched(rows, "sandbox session", session.id)
}

/// Notes that somebody used it, without touching the rest; the idle timer counts from here.
pub async fn touch(tx: &mut Tx, id: SandboxId, now: Timestamp, heartbeat: bool) -> Result<()> {
    let column = if heartbeat { ", last_heartbeat_at = $2" } else { "" };
    let rows = tx.run(format!("update sandboxes set last_activity_at = $2, updated_at = $2{column} where id = $1"), args![id, now]).await?;
    touched(rows, "sandbox session", id)
}

/// Newest first, terminated ones included.
pub async fn list(tx: &mut Tx, scope: impl Into<Scope>, page: Page) -> Result<Vec<Listed>> {
    let (condition, arg) = scope.into().condition();
    let sql = format!(
        "select {}, w.uid as workspace_uid, w.name as workspace_name,
            (select count(*) from sandbox_artifacts a where a.sandbox_id = s.id) as artifacts_count
         from sandboxes s left join workspaces w on w.id = s.workspace_id
         where {condition} order by s.created_at desc, s.id desc{}",
        of("s", COLUMNS),
        page.clause()
    );
    let rows: Vec<ListedRow> = tx.all(sql, vec![arg]).await?;
    let mut all = Vec::with_capacity(rows.len());
    for ListedRow { session, workspace_uid, workspace_name, artifacts_count } in rows {
        let session = session.noun()?;
        let snapshots = snapshot_ids(tx, session.id).await?;
        all.push(Listed { session, workspace_uid, workspace_name, snapshots, artifacts_count });
    }
    Ok(all)
}

/// Sessions that are starting or ready though their time is over: past `expires_at`, or idle for too long.
pub async fn expired(tx: &mut Tx, now: Timestamp) -> Result<Vec<Session>> {
    let mut over = active(tx).await?;
    over.retain(|session| {
        let used = [session.last_activity_at, session.last_heartbeat_at].into_iter().flatten().max().unwrap_or(session.created_at);
        let is_idle = now.duration_since(used).as_secs() >= session.idle_timeout_sec;
        is_idle || session.expires_at.is_some_and(|end| end <= now)
    });
    Ok(over)
}

/// Starting or ready, everywhere, oldest first: what a starting process has to account for.
pub async fn active(tx: &mut Tx) -> Result<Vec<Session>> {
    let sql = format!("select {COLUMNS} from sandboxes where status in ('starting', 'ready') order by created_at, id");
    tx.all::<Row>(sql, args![]).await?.into_iter().map(Row::noun).collect()
}

/// Sessions that ended before `before` and whose files nobody has forgotten yet, oldest first, some at a time.
pub async fn with_old_files(tx: &mut Tx, before: Timestamp) -> Result<Vec<Session>> {
    let sql = format!(
        "select {COLUMNS} from sandboxes where status in ('terminated', 'failed') and updated_at < $1
            and metadata not like '%\"files_forgotten\":true%' order by updated_at, id limit 100"
    );
    tx.all::<Row>(sql, args![before]).await?.into_iter().map(Row::noun).collect()
}

/// Starting or ready ones, for the quota on concurrent sandboxes.
pub async fn count_active(tx: &mut Tx, scope: impl Into<Scope>) -> Result<i64> {
    let (condition, arg) = scope.into().condition();
    let sql = format!("select count(*) from sandboxes s where {condition} and s.status in ('starting', 'ready')");
    let (count,): (i64,) = tx.one(sql, vec![arg]).await?;
    Ok(count)
}

pub async fn delete(tx: &mut Tx, id: SandboxId) -> Result<()> {
    let rows = tx.run("delete from sandboxes where id = $1", args![id]).await?;
    touched(rows, "sandbox session", id)
}

pub async fn create_snapshot(tx: &mut Tx, snapshot: &Snapshot) -> Result<()> {
    let Snapshot { id, sandbox, label, s3_key, archive_path, size_bytes, include_paths, exclude_paths, created_at } = snapshot;
    let args = args![*id, *sandbox, label, s3_key, archive_path, *size_bytes, doc(include_paths), doc(exclude_paths), *created_at];
    tx.run(insert("sandbox_snapshots", SNAPSHOT), args).await?;
    Ok(())
}

pub async fn snapshot(tx: &mut Tx, id: Uuid) -> Result<Snapshot> {
    let row: Option<SnapshotRow> = tx.maybe(format!("select {SNAPSHOT} from sandbox_snapshots where id = $1"), args![id]).await?;
    Ok(found(row, "snapshot", id)?.noun())
}

/// Newest first.
pub async fn snapshots(tx: &mut Tx, sandbox: SandboxId) -> Result<Vec<Snapshot>> {
    let sql = format!("select {SNAPSHOT} from sandbox_snapshots where sandbox_id = $1 order by created_at desc, id desc limit 1000");
    Ok(tx.all::<SnapshotRow>(sql, args![sandbox]).await?.into_iter().map(SnapshotRow::noun).collect())
}

pub async fn delete_snapshot(tx: &mut Tx, id: Uuid) -> Result<()> {
    let rows = tx.run("delete from sandbox_snapshots where id = $1", args![id]).await?;
    touched(rows, "snapshot", id)
}

pub async fn create_artifact(tx: &mut Tx, artifact: &Artifact) -> Result<()> {
    let Artifact { id, sandbox, filename, content_type, size_bytes, storage_path, download_url, created_at } = artifact;
    let args = args![*id, *sandbox, filename, content_type, *size_bytes, storage_path, download_url, *created_at];
    tx.run(insert("sandbox_artifacts", ARTIFACT), args).await?;
    Ok(())
}

/// Newest first.
pub async fn artifacts(tx: &mut Tx, sandbox: SandboxId) -> Result<Vec<Artifact>> {
    let sql = format!("select {ARTIFACT} from sandbox_artifacts where sandbox_id = $1 order by created_at desc, id desc limit 1000");
    Ok(tx.all::<ArtifactRow>(sql, args![sandbox]).await?.into_iter().map(ArtifactRow::noun).collect())
}

async fn snapshot_ids(tx: &mut Tx, sandbox: SandboxId) -> Result<Vec<Uuid>> {
    let sql = "select id from sandbox_snapshots where sandbox_id = $1 order by created_at desc, id desc limit 1000";
    Ok(tx.all::<(Uuid,)>(sql, args![sandbox]).await?.into_iter().map(|(id,)| id).collect())
}

fn status_word(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Starting => "starting",
        SessionStatus::Ready => "ready",
        SessionStatus::Failed => "failed",
        SessionStatus::Terminated => "terminated",
    }
}

fn status_of(word: &str) -> Option<SessionStatus> {
    [SessionStatus::Starting, SessionStatus::Ready, SessionStatus::Failed, SessionStatus::Terminated]
        .into_iter()
        .find(|s| status_word(*s) == word)
}

fn args_of(session: &Session) -> Vec<Arg> {
    let Session {
        id,
        user,
        workspace,
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
        epoch,
        created_at,
        updated_at,
    } = session;
    args![
        *id,
        *user,
        *workspace,
        mode,
        image,
        cpu,
        memory,
        ephemeral_storage,
        *restore_snapshot,
        status_word(*status),
        reference,
        control_endpoint,
        workspace_path,
        artifact_base_url,
        *idle_timeout_sec,
        *max_lifetime_sec,
        *last_activity_at,
        *last_heartbeat_at,
        *expires_at,
        error_message,
        doc(metadata),
        *cpu_seconds,
        *storage_bytes,
        i64::try_from(*epoch).unwrap_or(i64::MAX),
        *created_at,
        *updated_at,
    ]
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    user_id: i64,
    workspace_id: Option<Uuid>,
    mode: String,
    image: String,
    cpu: String,
    memory: String,
    ephemeral_storage: String,
    restore_snapshot_id: Option<Uuid>,
    status: String,
    reference: String,
    control_endpoint: String,
    workspace_path: String,
    artifact_base_url: String,
    idle_timeout_sec: i64,
    max_lifetime_sec: i64,
    last_activity_at: Option<At>,
    last_heartbeat_at: Option<At>,
    expires_at: Option<At>,
    error_message: String,
    metadata: Doc<Map<String, Value>>,
    cpu_seconds: f64,
    storage_bytes: i64,
    epoch: i64,
    created_at: At,
    updated_at: At,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    session: Row,
    workspace_uid: Option<String>,
    workspace_name: Option<String>,
    artifacts_count: i64,
}

#[derive(sqlx::FromRow)]
struct SnapshotRow {
    id: Uuid,
    sandbox_id: Uuid,
    label: String,
    s3_key: String,
    archive_path: String,
    size_bytes: i64,
    include_paths: Doc<Vec<String>>,
    exclude_paths: Doc<Vec<String>>,
    created_at: At,
}

#[derive(sqlx::FromRow)]
struct ArtifactRow {
    id: Uuid,
    sandbox_id: Uuid,
    filename: String,
    content_type: String,
    size_bytes: i64,
    storage_path: String,
    download_url: String,
    created_at: At,
}

impl Row {
    fn noun(self) -> Result<Session> {
        let Row {
            id,
            user_id,
            workspace_id,
            mode,
            image,
            cpu,
            memory,
            ephemeral_storage,
            restore_snapshot_id,
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
            epoch,
            created_at,
            updated_at,
        } = self;
        Ok(Session {
            id: SandboxId(id),
            user: UserId(user_id),
            workspace: workspace_id.map(WorkspaceId),
            mode,
            image,
            cpu,
            memory,
            ephemeral_storage,
            restore_snapshot: restore_snapshot_id,
            status: word("sandboxes.status", &status, status_of)?,
            reference,
            control_endpoint,
            workspace_path,
            artifact_base_url,
            idle_timeout_sec,
            max_lifetime_sec,
            last_activity_at: time(last_activity_at),
            last_heartbeat_at: time(last_heartbeat_at),
            expires_at: time(expires_at),
            error_message,
            metadata: metadata.0,
            cpu_seconds,
            storage_bytes,
            epoch: epoch.unsigned_abs(),
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        })
    }
}

impl SnapshotRow {
    fn noun(self) -> Snapshot {
        let SnapshotRow { id, sandbox_id, label, s3_key, archive_path, size_bytes, include_paths, exclude_paths, created_at } = self;
        Snapshot {
            id,
            sandbox: SandboxId(sandbox_id),
            label,
            s3_key,
            archive_path,
            size_bytes,
            include_paths: include_paths.0,
            exclude_paths: exclude_paths.0,
            created_at: created_at.into(),
        }
    }
}

impl ArtifactRow {
    fn noun(self) -> Artifact {
        let ArtifactRow { id, sandbox_id, filename, content_type, size_bytes, storage_path, download_url, created_at } = self;
        Artifact {
            id,
            sandbox: SandboxId(sandbox_id),
            filename,
            content_type,
            size_bytes,
            storage_path,
            download_url,
            created_at: created_at.into(),
        }
    }
}
