//! The places behind the sessions: made when needed, ended when idle or old, never two at a time for one session.

use super::{Session, limits_for, require};
use crate::{Engine, quotas};
use domain::egress::EgressPolicy;
use domain::sandbox::{Sandbox, SandboxSpec, SessionStatus, Workspace};
use domain::workspace::Permission;
use domain::{Error, Kind, Result, SandboxId, Timestamp, UserId};
use jiff::SignedDuration;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A stopped session's files are kept this long, for whoever comes back to it.
const FILES_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Commands and transfers at work in one session.
const BUSY_MAX: usize = 32;
const FILES_FORGOTTEN: &str = "files_forgotten";

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
    /// The second in which its use was last written down.
    touched: AtomicI64,
}

/// Keeps a place from being taken for idle.
pub(super) struct Busy(Arc<Slot>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
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

/// After a start no session of this server has a place any more, whatever its row says. A database of its own holds
/// no others.
pub async fn recover(engine: &Engine, owns_database: bool) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let lived_here = |session: &Session| engine.provisioner(&session.mode).is_ok_and(|p| p.keeps(session.id));
    for mut session in store::sandboxes::active(&mut tx).await?.into_iter().filter(|s| owns_database || lived_here(s)) {
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

/// A living place for the session, and a hold on it.
pub(super) async fn enter(engine: &Engine, user: UserId, id: SandboxId) -> Result<(Arc<dyn Sandbox>, Busy)> {
    {
        let mut tx = engine.store.read().await?;
        require(&mut tx, user, id, Permission::Work).await?;
    }
    let slot = engine.sandboxes.slot(id);
    let others = slot.busy.fetch_add(1, Ordering::SeqCst);
    let busy = Busy(slot);
    if others >= BUSY_MAX {
        return Err(Error::limit(format!(
            "sandbox session `{id}` has {others} commands and transfers at work, which is the most; wait for one to end"
        )));
    }
    let place = ensure(engine, id).await?;
    Ok((place, busy))
}

pub(super) async fn ensure(engine: &Engine, id: SandboxId) -> Result<Arc<dyn Sandbox>> {
    to_the_end(provide(engine.clone(), id)).await
}

/// A client that hangs up must not leave a place half made or half ended.
pub(super) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
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
            let kind = if error.kind == Kind::Conflict { Kind::Conflict } else { Kind::Invalid };
            Err(Error::new(kind, format!("the sandbox could not be started: {}", error.message)).code("provision_failed"))
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

pub(super) async fn end(engine: Engine, id: SandboxId, reason: Option<&'static str>) -> Result<()> {
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
/// Kept to the second: many small commands would otherwise pay for a write each.
pub(super) async fn touch(engine: &Engine, id: SandboxId) -> Result<()> {
    let second = engine.now().as_second();
    if engine.sandboxes.slot(id).touched.swap(second, Ordering::Relaxed) == second {
        return Ok(());
    }
    let mut tx = engine.store.write().await?;
    store::sandboxes::touch(&mut tx, id, engine.now(), false).await?;
    tx.commit().await
}
