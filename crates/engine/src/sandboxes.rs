//! Sandbox sessions: places that people and their programs hold directly, outside of runs.
//!
//! A session outlives its place: the row and the workspace folder stay, and the next use makes a new place under the
//! same id. The places of runs are not sessions and do not appear here.

use crate::{Engine, quotas, workspaces};
use bytes::Bytes;
use domain::egress::EgressPolicy;
use domain::sandbox::{Command, ExitReason, FileKind, FileStat, Sandbox, SandboxLimits, SandboxSpec, SessionStatus, WORKSPACE, Workspace};
use domain::workspace::Permission;
use domain::{Error, Kind, Result, SandboxId, Timestamp, UserId, limits};
use futures::Stream;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use store::sandboxes::{Artifact, Listed, Session};

const IDLE_SECONDS_DEFAULT: i64 = 300;
const IDLE_SECONDS_MIN: i64 = 60;
const LIFETIME_SECONDS_DEFAULT: i64 = 3_600;
const LIFETIME_SECONDS_MIN: i64 = 300;
const LIFETIME_SECONDS_MAX: i64 = 7 * 24 * 3_600;
const METADATA_BYTES_MAX: usize = 16 << 10;
/// A stopped session's files are kept this long, for whoever comes back to it.
const FILES_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Commands and transfers at work in one session.
const BUSY_MAX: usize = 32;
const FILES_FORGOTTEN: &str = "files_forgotten";
const READ_CHUNK_BYTES: u64 = 1 << 20;
pub const LIST_ENTRIES_MAX: usize = 5_000;
/// What a shell's `timeout` answers with.
const TIMED_OUT: i32 = 124;
/// What every session's place is made from until provisioners take images.
const IMAGE: &str = "host";

/// The places that live now, by their session.
#[derive(Default)]
pub struct Living {
    slots: Mutex<HashMap<SandboxId, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    /// Held while a place is made or ended, so that there is never a second one.
    place: tokio::sync::Mutex<Option<Arc<dyn Sandbox>>>,
    /// Commands and transfers at work in it.
    busy: AtomicUsize,
}

/// Keeps a place from being taken for idle.
struct Busy(Arc<Slot>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a client asks for; `None` and empty mean the default.
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    pub id: Option<SandboxId>,
    pub mode: Option<String>,
    pub cpu: String,
    pub memory: String,
    pub ephemeral_storage: String,
    pub restore_snapshot_id: Option<String>,
    pub idle_timeout_sec: Option<i64>,
    pub max_lifetime_sec: Option<i64>,
    pub workspace_uid: Option<String>,
    pub metadata: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct Exec {
    /// A line for `sh -c`, or a program with its arguments.
    pub command: ExecCommand,
    pub cwd: String,
    pub timeout_sec: Option<u64>,
}

#[derive(Clone, Debug)]
pub enum ExecCommand {
    Line(String),
    Argv(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub exit_code: i32,
    pub reason: ExitReason,
    pub stdout: Bytes,
    pub stderr: Bytes,
    pub stdout_dropped: u64,
    pub stderr_dropped: u64,
    pub duration: Duration,
}

/// Makes a session and its place, or a new place for a session that was there. The flag says whether the session is new.
pub async fn create(engine: &Engine, user: UserId, new: NewSession) -> Result<(Listed, bool)> {
    let checked = check(engine, &new)?;
    if let Some(id) = new.id
        && let Some(existing) = existing(engine, user, id).await?
    {
        refuse_snapshot(&new)?;
        ensure(engine, existing.id).await?;
        return Ok((get(engine, user, id).await?, false));
    }
    refuse_snapshot(&new)?;
    let id = insert(engine, user, new, checked).await?;
    ensure(engine, id).await?;
    Ok((get(engine, user, id).await?, true))
}

/// Newest first, ended ones too, of every workspace the user is in.
pub async fn list(engine: &Engine, user: UserId) -> Result<Vec<Listed>> {
    let mut tx = engine.store.read().await?;
    let mut all = Vec::new();
    for workspace in workspaces::visible(&mut tx, user, None).await? {
        all.extend(store::sandboxes::list(&mut tx, workspace, store::Page::default()).await?);
    }
    all.sort_by_key(|listed| std::cmp::Reverse((listed.session.created_at, listed.session.id)));
    all.truncate(store::Page::LIMIT_MAX as usize);
    Ok(all)
}

pub async fn get(engine: &Engine, user: UserId, id: SandboxId) -> Result<Listed> {
    let mut tx = engine.store.read().await?;
    require(&mut tx, user, id, Permission::View).await?;
    store::sandboxes::listed(&mut tx, id).await
}

/// Ends the place and keeps the row and the files. Doing it again changes nothing.
pub async fn stop(engine: &Engine, user: UserId, id: SandboxId) -> Result<()> {
    {
        let mut tx = engine.store.read().await?;
        require(&mut tx, user, id, Permission::Work).await?;
    }
    to_the_end(end(engine.clone(), id, None)).await
}

/// Says that somebody is still there: the idle time starts anew.
pub async fn heartbeat(engine: &Engine, user: UserId, id: SandboxId) -> Result<Session> {
    let mut tx = engine.store.write().await?;
    require(&mut tx, user, id, Permission::Work).await?;
    store::sandboxes::touch(&mut tx, id, engine.now(), true).await?;
    let session = store::sandboxes::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(session)
}

/// Runs a command; a session without a place gets one first. What the command did is an outcome, not an error.
pub async fn exec(engine: &Engine, user: UserId, id: SandboxId, exec: Exec) -> Result<Outcome> {
    let seconds = exec.timeout_sec.unwrap_or(limits::EXEC_TIMEOUT_SECONDS_DEFAULT);
    if seconds == 0 || seconds > limits::EXEC_TIMEOUT_SECONDS_MAX {
        return Err(Error::field("timeout_sec", format!("1 to {} seconds", limits::EXEC_TIMEOUT_SECONDS_MAX)));
    }
    let command = match exec.command {
        ExecCommand::Line(line) => Command::shell(line),
        ExecCommand::Argv(argv) if argv.is_empty() => return Err(Error::field("command", "a command needs at least the name of a program")),
        ExecCommand::Argv(argv) => Command::new(argv),
    };
    let cwd = if exec.cwd.is_empty() { WORKSPACE.to_string() } else { absolute(&exec.cwd) };
    let command = command.cwd(cwd).timeout(Duration::from_secs(seconds)).output_bytes_max(limits::EXEC_OUTPUT_BYTES_MAX);
    let (place, _busy) = enter(engine, user, id).await?;
    let outcome = match place.exec(command).await {
        Ok(output) => Outcome {
            exit_code: if output.exit.reason == ExitReason::Timeout { TIMED_OUT } else { output.exit.code },
            reason: output.exit.reason,
            stdout: output.stdout,
            stderr: output.stderr,
            stdout_dropped: output.stdout_dropped,
            stderr_dropped: output.stderr_dropped,
            duration: output.duration,
        },
        Err(error) => could_not_start(error)?,
    };
    touch(engine, id).await?;
    Ok(outcome)
}

/// A missing folder or program is what a shell would have said, with its exit codes.
fn could_not_start(error: Error) -> Result<Outcome> {
    let exit_code = match error.kind {
        Kind::NotFound => 127,
        Kind::Forbidden => 126,
        Kind::Invalid => 2,
        _ => return Err(error),
    };
    let stderr = Bytes::from(format!("{error}\n"));
    Ok(Outcome { exit_code, reason: ExitReason::Exited, stdout: Bytes::new(), stderr, stdout_dropped: 0, stderr_dropped: 0, duration: Duration::ZERO })
}

/// Writes exactly these bytes. The inner error is what a shell would have printed.
pub async fn write_file(engine: &Engine, user: UserId, id: SandboxId, path: &str, content: Bytes) -> Result<Result<(), Error>> {
    let path = file_path(path)?;
    let (place, _busy) = enter(engine, user, id).await?;
    let written = match place.write_file(&path, content, 0o644).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Timeout | Kind::Internal) => return Err(error),
        Err(error) => Err(error),
    };
    touch(engine, id).await?;
    Ok(written)
}

/// A regular file's bytes as they are read, and its size when reading began.
pub async fn read_file(engine: &Engine, user: UserId, id: SandboxId, path: &str) -> Result<(FileStat, impl Stream<Item = Result<Bytes>> + Send + use<>)> {
    let path = file_path(path)?;
    let (place, busy) = enter(engine, user, id).await?;
    let stat = place.stat(&path).await?;
    if stat.kind == FileKind::Directory {
        return Err(Error::invalid(format!("`{path}` is a folder; read one of its files")));
    }
    if stat.size_bytes > limits::UPLOAD_BYTES_MAX as u64 {
        return Err(Error::limit(format!("`{path}` has {} bytes; at most {} can be read at once", stat.size_bytes, limits::UPLOAD_BYTES_MAX)).code("too_large"));
    }
    // The first piece is read here, so that what can't be read is an error and not a broken stream.
    let first = place.read_file(&path, 0, READ_CHUNK_BYTES).await?;
    touch(engine, id).await?;
    let reader = Reader { place, _busy: busy, path, offset: first.len() as u64, next: Some(first) };
    Ok((stat, futures::stream::try_unfold(reader, Reader::step)))
}

struct Reader {
    place: Arc<dyn Sandbox>,
    _busy: Busy,
    path: String,
    offset: u64,
    next: Option<Bytes>,
}

impl Reader {
    async fn step(mut self) -> Result<Option<(Bytes, Reader)>> {
        let piece = match self.next.take() {
            Some(first) => first,
            None => {
                let piece = self.place.read_file(&self.path, self.offset, READ_CHUNK_BYTES).await?;
                self.offset += piece.len() as u64;
                piece
            }
        };
        // A file that grows while it is read ends at the limit.
        let is_over = piece.is_empty() || self.offset > limits::UPLOAD_BYTES_MAX as u64;
        Ok((!is_over).then_some((piece, self)))
    }
}

/// Notes a file as something to hand out. The bytes stay in the sandbox; `url` says where they are read.
pub async fn export(engine: &Engine, user: UserId, id: SandboxId, path: &str, filename: &str, content_type: &str, url: impl FnOnce(&str, &str) -> String) -> Result<Artifact> {
    let path = file_path(path)?;
    let (place, _busy) = enter(engine, user, id).await?;
    let stat = place.stat(&path).await?;
    if stat.kind != FileKind::File {
        return Err(Error::invalid(format!("`{path}` is no regular file")));
    }
    let filename = if filename.is_empty() { path.rsplit('/').next().unwrap_or("file") } else { filename };
    let artifact = Artifact {
        id: engine.clock.uuid(),
        sandbox: id,
        filename: filename.chars().take(255).collect(),
        content_type: content_type.chars().take(100).collect(),
        size_bytes: i64::try_from(stat.size_bytes).unwrap_or(i64::MAX),
        download_url: url(&path, filename),
        storage_path: path,
        created_at: engine.now(),
    };
    let mut tx = engine.store.write().await?;
    store::sandboxes::create_artifact(&mut tx, &artifact).await?;
    store::sandboxes::touch(&mut tx, id, engine.now(), false).await?;
    tx.commit().await?;
    Ok(artifact)
}

/// Newest first, also of a session that has ended.
pub async fn artifacts(engine: &Engine, user: UserId, id: SandboxId) -> Result<Vec<Artifact>> {
    let mut tx = engine.store.read().await?;
    require(&mut tx, user, id, Permission::View).await?;
    store::sandboxes::artifacts(&mut tx, id).await
}

pub async fn list_files(engine: &Engine, user: UserId, id: SandboxId, path: &str) -> Result<Vec<FileStat>> {
    let (place, _busy) = enter(engine, user, id).await?;
    let entries = place.list(&absolute(path), LIST_ENTRIES_MAX).await?;
    touch(engine, id).await?;
    Ok(entries)
}

pub async fn remove_file(engine: &Engine, user: UserId, id: SandboxId, path: &str) -> Result<()> {
    let path = file_path(path)?;
    if path == WORKSPACE {
        return Err(Error::field("path", "the workspace itself stays; remove what is in it"));
    }
    let (place, _busy) = enter(engine, user, id).await?;
    place.remove(&path).await?;
    touch(engine, id).await
}

/// Ends what is idle or too old, and forgets files that nobody came back for. Called every minute.
pub async fn reap(engine: &Engine) -> Result<()> {
    let now = engine.now();
    let active = {
        let mut tx = engine.store.read().await?;
        store::sandboxes::active(&mut tx).await?
    };
    for session in active {
        let is_busy = engine.sandboxes.slot(session.id).busy.load(Ordering::SeqCst) > 0;
        if let Some(reason) = due(&session, now, is_busy)
            && let Err(error) = end(engine.clone(), session.id, Some(reason)).await
        {
            tracing::warn!(sandbox = %session.id, %error, "a sandbox could not be ended; it is tried again");
        }
    }
    forget_old_files(engine, now).await
}

/// After a start no session has a place any more, whatever its row says.
pub async fn recover(engine: &Engine) -> Result<()> {
    let mut tx = engine.store.write().await?;
    for mut session in store::sandboxes::active(&mut tx).await? {
        session.status = SessionStatus::Terminated;
        session.metadata.insert("terminated_reason".into(), json!("server_restart"));
        session.updated_at = engine.now();
        store::sandboxes::update(&mut tx, &session).await?;
    }
    tx.commit().await
}

/// Ends every place; for a server that stops.
pub async fn end_all(engine: &Engine) {
    let ids: Vec<SandboxId> = engine.sandboxes.lock().keys().copied().collect();
    for id in ids {
        if let Err(error) = end(engine.clone(), id, Some("server_stop")).await {
            tracing::warn!(sandbox = %id, %error, "a sandbox could not be ended");
        }
    }
}

fn due(session: &Session, now: Timestamp, is_busy: bool) -> Option<&'static str> {
    if session.expires_at.is_some_and(|at| at <= now) {
        return Some("max_lifetime");
    }
    let last = session.last_activity_at.max(session.last_heartbeat_at).unwrap_or(session.created_at);
    let idle = now.duration_since(last) >= SignedDuration::from_secs(session.idle_timeout_sec);
    (idle && !is_busy && session.status == SessionStatus::Ready).then_some("idle_timeout")
}

impl Living {
    fn slot(&self, id: SandboxId) -> Arc<Slot> {
        self.lock().entry(id).or_default().clone()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SandboxId, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Forgets slots that nobody uses and in which nothing lives.
    fn sweep(&self) {
        self.lock().retain(|_, slot| Arc::strong_count(slot) > 1 || slot.place.try_lock().map_or(true, |place| place.is_some()));
    }
}

struct Checked {
    provisioner: &'static str,
    idle_timeout_sec: i64,
    max_lifetime_sec: i64,
}

fn check(engine: &Engine, new: &NewSession) -> Result<Checked> {
    let provisioner = engine.provisioner(new.mode.as_deref().filter(|m| !m.is_empty()).unwrap_or(&engine.settings.default_provisioner))?.id();
    limits_for(&new.cpu, &new.memory)?;
    let idle_timeout_sec = new.idle_timeout_sec.unwrap_or(IDLE_SECONDS_DEFAULT);
    let max_lifetime_sec = new.max_lifetime_sec.unwrap_or(LIFETIME_SECONDS_DEFAULT);
    if !(IDLE_SECONDS_MIN..=LIFETIME_SECONDS_MAX).contains(&idle_timeout_sec) {
        return Err(Error::field("idle_timeout_sec", format!("{IDLE_SECONDS_MIN} to {LIFETIME_SECONDS_MAX} seconds")));
    }
    if !(LIFETIME_SECONDS_MIN..=LIFETIME_SECONDS_MAX).contains(&max_lifetime_sec) {
        return Err(Error::field("max_lifetime_sec", format!("{LIFETIME_SECONDS_MIN} to {LIFETIME_SECONDS_MAX} seconds")));
    }
    if idle_timeout_sec > max_lifetime_sec {
        return Err(Error::field("non_field_errors", "idle_timeout_sec is longer than max_lifetime_sec"));
    }
    if Value::Object(new.metadata.clone()).to_string().len() > METADATA_BYTES_MAX {
        return Err(Error::field("metadata", format!("at most {METADATA_BYTES_MAX} bytes of JSON")));
    }
    Ok(Checked { provisioner, idle_timeout_sec, max_lifetime_sec })
}

/// Nothing of ours makes snapshots yet: the files themselves stay with the session.
fn refuse_snapshot(new: &NewSession) -> Result<()> {
    match &new.restore_snapshot_id {
        Some(snapshot) => Err(Error::not_found(format!("there is no snapshot `{}`", snapshot.chars().take(64).collect::<String>()))),
        None => Ok(()),
    }
}

async fn existing(engine: &Engine, user: UserId, id: SandboxId) -> Result<Option<Session>> {
    let mut tx = engine.store.read().await?;
    if store::sandboxes::find(&mut tx, id).await?.is_none() {
        return Ok(None);
    }
    match require(&mut tx, user, id, Permission::Work).await {
        Ok(session) => Ok(Some(session)),
        Err(error) if error.kind == Kind::NotFound => Err(Error::conflict(format!("the id `{id}` is taken; leave it out and one is chosen"))),
        Err(error) => Err(error),
    }
}

async fn insert(engine: &Engine, user: UserId, new: NewSession, checked: Checked) -> Result<SandboxId> {
    let mut tx = engine.store.write().await?;
    let uid = new.workspace_uid.as_deref().unwrap_or_default();
    let membership = workspaces::named(&mut tx, user, uid, Permission::Work).await.map_err(|e| Error::field("workspace_uid", e.message))?;
    let workspace = membership.workspace.id;
    let active = store::sandboxes::count_active(&mut tx, workspace).await?;
    quotas::charge_sandbox(engine, &mut tx, workspace, active).await?;
    let now = engine.now();
    let session = Session {
        id: new.id.unwrap_or_else(|| engine.clock.fresh()),
        user,
        workspace: Some(workspace),
        mode: checked.provisioner.to_string(),
        image: IMAGE.to_string(),
        cpu: new.cpu,
        memory: new.memory,
        ephemeral_storage: new.ephemeral_storage,
        restore_snapshot: None,
        status: SessionStatus::Starting,
        reference: String::new(),
        control_endpoint: String::new(),
        workspace_path: WORKSPACE.to_string(),
        artifact_base_url: String::new(),
        idle_timeout_sec: checked.idle_timeout_sec,
        max_lifetime_sec: checked.max_lifetime_sec,
        last_activity_at: None,
        last_heartbeat_at: None,
        expires_at: None,
        error_message: String::new(),
        metadata: new.metadata,
        cpu_seconds: 0.0,
        storage_bytes: 0,
        epoch: 0,
        created_at: now,
        updated_at: now,
    };
    store::sandboxes::create(&mut tx, &session).await?;
    tx.commit().await?;
    Ok(session.id)
}

/// The session, if the user may do this in its workspace; strangers learn nothing of its existence.
async fn require(tx: &mut store::Tx, user: UserId, id: SandboxId, permission: Permission) -> Result<Session> {
    let missing = || Error::not_found(format!("there is no sandbox session `{id}`"));
    let session = store::sandboxes::get(tx, id).await?;
    let Some(workspace) = session.workspace else {
        return if session.user == user { Ok(session) } else { Err(missing()) };
    };
    workspaces::require(tx, user, workspace, permission).await.map_err(|error| match error.kind {
        Kind::NotFound => missing(),
        _ => error,
    })?;
    Ok(session)
}

/// A living place for the session, and a hold on it.
async fn enter(engine: &Engine, user: UserId, id: SandboxId) -> Result<(Arc<dyn Sandbox>, Busy)> {
    {
        let mut tx = engine.store.read().await?;
        require(&mut tx, user, id, Permission::Work).await?;
    }
    let slot = engine.sandboxes.slot(id);
    let others = slot.busy.fetch_add(1, Ordering::SeqCst);
    let busy = Busy(slot);
    if others >= BUSY_MAX {
        return Err(Error::limit(format!("sandbox session `{id}` has {others} commands and transfers at work, which is the most; wait for one to end")));
    }
    let place = ensure(engine, id).await?;
    Ok((place, busy))
}

async fn ensure(engine: &Engine, id: SandboxId) -> Result<Arc<dyn Sandbox>> {
    to_the_end(provide(engine.clone(), id)).await
}

/// A client that hangs up must not leave a place half made or half ended.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|e| Error::internal("work on a sandbox failed").because(e))?
}

async fn provide(engine: Engine, id: SandboxId) -> Result<Arc<dyn Sandbox>> {
    let slot = engine.sandboxes.slot(id);
    let mut held = slot.place.lock().await;
    let session = {
        let mut tx = engine.store.read().await?;
        store::sandboxes::get(&mut tx, id).await?
    };
    if let Some(place) = held.as_ref().filter(|place| place.is_alive() && session.status == SessionStatus::Ready) {
        return Ok(place.clone());
    }
    if let Some(dead) = held.take() {
        let _ = dead.terminate().await;
    }
    let session = begin(&engine, id).await?;
    let provisioner = engine.provisioner(&session.mode)?;
    match provisioner.create(spec(&session)?).await {
        Ok(place) => {
            let (now, reference) = (engine.now(), place.reference());
            let expires_at = now + SignedDuration::from_secs(session.max_lifetime_sec);
            change(&engine, id, |session| {
                session.status = SessionStatus::Ready;
                session.reference = reference.clone();
                session.control_endpoint = reference;
                session.last_activity_at = Some(now);
                session.last_heartbeat_at = Some(now);
                session.expires_at = Some(expires_at);
            })
            .await?;
            *held = Some(place.clone());
            Ok(place)
        }
        Err(error) => {
            tracing::warn!(sandbox = %id, ?error, "a place could not be made");
            let message = error.message.clone();
            change(&engine, id, |session| {
                session.status = SessionStatus::Failed;
                session.error_message = message;
            })
            .await?;
            Err(Error::invalid(format!("the sandbox could not be started: {}", error.message)).code("provision_failed"))
        }
    }
}

/// A place that comes back takes a seat like any other, but costs no further session.
async fn begin(engine: &Engine, id: SandboxId) -> Result<Session> {
    let mut tx = engine.store.write().await?;
    let mut session = store::sandboxes::get(&mut tx, id).await?;
    if matches!(session.status, SessionStatus::Failed | SessionStatus::Terminated)
        && let Some(workspace) = session.workspace
    {
        let active = store::sandboxes::count_active(&mut tx, workspace).await?;
        quotas::check_seat(engine, &mut tx, workspace, active).await?;
    }
    session.status = SessionStatus::Starting;
    session.epoch += 1;
    session.error_message.clear();
    session.metadata.remove("terminated_reason");
    session.metadata.remove(FILES_FORGOTTEN);
    session.updated_at = engine.now();
    store::sandboxes::update(&mut tx, &session).await?;
    tx.commit().await?;
    Ok(session)
}

/// Changes the row as it is now, whoever else changed it meanwhile.
async fn change(engine: &Engine, id: SandboxId, edit: impl FnOnce(&mut Session)) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let mut session = store::sandboxes::get(&mut tx, id).await?;
    edit(&mut session);
    session.updated_at = engine.now();
    store::sandboxes::update(&mut tx, &session).await?;
    tx.commit().await
}

fn spec(session: &Session) -> Result<SandboxSpec> {
    Ok(SandboxSpec {
        id: session.id,
        run: None,
        epoch: session.epoch,
        workspace: Workspace::Kept,
        mounts: Vec::new(),
        read_only_paths: Vec::new(),
        limits: limits_for(&session.cpu, &session.memory)?,
        egress: EgressPolicy::deny_all(),
        env: BTreeMap::new(),
        hostname: "sandbox".to_string(),
    })
}

async fn end(engine: Engine, id: SandboxId, reason: Option<&'static str>) -> Result<()> {
    let slot = engine.sandboxes.slot(id);
    let mut held = slot.place.lock().await;
    let mut spent = 0.0;
    if let Some(place) = held.take() {
        spent = place.usage().await.map(|usage| usage.cpu_seconds).unwrap_or_default();
        if let Err(error) = place.terminate().await {
            // It is still there, so it is still ours to end.
            *held = Some(place);
            return Err(error);
        }
    }
    let mut tx = engine.store.write().await?;
    let mut session = store::sandboxes::get(&mut tx, id).await?;
    if session.status != SessionStatus::Terminated {
        session.status = SessionStatus::Terminated;
        if let Some(reason) = reason {
            session.metadata.insert("terminated_reason".into(), json!(reason));
        }
    }
    session.cpu_seconds += spent;
    session.updated_at = engine.now();
    store::sandboxes::update(&mut tx, &session).await?;
    if let (Some(workspace), true) = (session.workspace, spent > 0.0) {
        quotas::record(&engine, &mut tx, workspace, spent, 0).await?;
    }
    tx.commit().await?;
    drop(held);
    drop(slot);
    engine.sandboxes.sweep();
    Ok(())
}

async fn forget_old_files(engine: &Engine, now: Timestamp) -> Result<()> {
    let old = {
        let mut tx = engine.store.read().await?;
        store::sandboxes::with_old_files(&mut tx, now - FILES_KEPT).await?
    };
    for session in old {
        let slot = engine.sandboxes.slot(session.id);
        // Whoever starts it again in this moment goes first; its files are old no longer then.
        let Ok(held) = slot.place.try_lock() else { continue };
        if held.is_some() {
            continue;
        }
        if let Ok(provisioner) = engine.provisioner(&session.mode) {
            provisioner.forget(session.id).await?;
        }
        change(engine, session.id, |session| {
            session.metadata.insert(FILES_FORGOTTEN.into(), json!(true));
        })
        .await?;
        drop(held);
        drop(slot);
        engine.sandboxes.sweep();
    }
    Ok(())
}

/// Activity moves the idle limit; the row may have changed meanwhile, so only that column is written.
async fn touch(engine: &Engine, id: SandboxId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    store::sandboxes::touch(&mut tx, id, engine.now(), false).await?;
    tx.commit().await
}

fn absolute(path: &str) -> String {
    match path {
        "" | "." => WORKSPACE.to_string(),
        path if path.starts_with('/') => path.to_string(),
        path => format!("{WORKSPACE}/{}", path.trim_start_matches("./")),
    }
}

fn file_path(path: &str) -> Result<String> {
    if path.trim().is_empty() {
        return Err(Error::field("path", "this field is required"));
    }
    if path.contains('\0') || path.len() > 4096 {
        return Err(Error::field("path", "a path has no NUL and at most 4096 bytes"));
    }
    Ok(absolute(path))
}

fn limits_for(cpu: &str, memory: &str) -> Result<SandboxLimits> {
    let mut limits = SandboxLimits::default();
    if !cpu.trim().is_empty() {
        limits.cpu_millis = parse_cpu(cpu).ok_or_else(|| Error::field("cpu", "cores such as `0.5` or `2`, or `500m`; 0.1 to 64"))?;
    }
    if !memory.trim().is_empty() {
        limits.memory_bytes_max = parse_bytes(memory).ok_or_else(|| Error::field("memory", "bytes such as `512m`, `2g` or `2Gi`; 64m to 256g"))?;
    }
    Ok(limits)
}

fn parse_cpu(text: &str) -> Option<u32> {
    let text = text.trim();
    let millis = match text.strip_suffix('m') {
        Some(millis) => millis.parse::<f64>().ok()?,
        None => text.parse::<f64>().ok()? * 1000.0,
    };
    (100.0..=64_000.0).contains(&millis).then_some(millis as u32)
}

fn parse_bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[digits.len()..] {
        "" | "b" => 1.0,
        "k" | "kb" | "ki" => 1024.0,
        "m" | "mb" | "mi" => 1024.0 * 1024.0,
        "g" | "gb" | "gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = digits.parse::<f64>().ok()? * unit;
    ((64u64 << 20) as f64..=(256u64 << 30) as f64).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_bytes("512m"), Some(512 << 20));
        assert_eq!(parse_bytes("2Gi"), Some(2 << 30));
        assert_eq!(parse_bytes("1.5g"), Some(3 << 29));
        assert_eq!(parse_bytes("1k"), None, "too small to start anything");
        assert_eq!(parse_bytes("lots"), None);
        assert_eq!(parse_bytes("-1g"), None);
        assert_eq!(parse_cpu("0.5"), Some(500));
        assert_eq!(parse_cpu("500m"), Some(500));
        assert_eq!(parse_cpu("0"), None);
        assert_eq!(parse_cpu("NaN"), None);
    }

    #[test]
    fn paths_start_at_the_workspace() {
        assert_eq!(absolute("a/b"), "/workspace/a/b");
        assert_eq!(absolute("./a"), "/workspace/a");
        assert_eq!(absolute("/etc/hosts"), "/etc/hosts");
        assert_eq!(absolute(""), "/workspace");
        assert!(file_path(" ").is_err());
    }
}
