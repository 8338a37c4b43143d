//! Sandbox sessions: places that people and their programs hold directly, outside of runs.
//!
//! A session outlives its place: the row and the workspace folder stay, and the next use makes a new place under the
//! same id. The places of runs are not sessions and do not appear here.

mod places;
mod work;

pub use places::{Living, end_all, reap, recover};
pub use store::sandboxes::{Artifact, Listed, Session};
pub use work::{Exec, ExecCommand, Outcome, artifacts, exec, export, list_files, read_file, remove_file, write_file};

use crate::{Engine, quotas, workspaces};
use domain::sandbox::{SandboxLimits, SessionStatus, WORKSPACE};
use domain::workspace::Permission;
use domain::{Error, Kind, Result, SandboxId, UserId};
use serde_json::{Map, Value};

const IDLE_SECONDS_DEFAULT: i64 = 300;
const IDLE_SECONDS_MIN: i64 = 60;
const LIFETIME_SECONDS_DEFAULT: i64 = 3_600;
const LIFETIME_SECONDS_MIN: i64 = 300;
const LIFETIME_SECONDS_MAX: i64 = 7 * 24 * 3_600;
const METADATA_BYTES_MAX: usize = 16 << 10;
/// What every session's place is made from until provisioners take images.
const IMAGE: &str = "host";

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

/// Makes a session and its place, or a new place for a session that was there. The flag says whether the session is new.
pub async fn create(engine: &Engine, user: UserId, new: NewSession) -> Result<(Listed, bool)> {
    let checked = check(engine, &new)?;
    if let Some(id) = new.id
        && let Some(existing) = existing(engine, user, id).await?
    {
        refuse_snapshot(&new)?;
        places::ensure(engine, existing.id).await?;
        return Ok((get(engine, user, id).await?, false));
    }
    refuse_snapshot(&new)?;
    let wanted = new.id;
    let (id, is_new) = match insert(engine, user, new, checked).await {
        Ok(id) => (id, true),
        // Somebody asked for the same id in the same moment and was first.
        Err(error) => match wanted {
            Some(id) if error.kind == Kind::Conflict => (existing(engine, user, id).await?.ok_or(error)?.id, false),
            _ => return Err(error),
        },
    };
    places::ensure(engine, id).await?;
    Ok((get(engine, user, id).await?, is_new))
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
    places::to_the_end(places::end(engine.clone(), id, None)).await
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

struct Checked {
    provisioner: &'static str,
    idle_timeout_sec: i64,
    max_lifetime_sec: i64,
}

fn check(engine: &Engine, new: &NewSession) -> Result<Checked> {
    let provisioner =
        engine.provisioner(new.mode.as_deref().filter(|m| !m.is_empty()).unwrap_or(&engine.settings.default_provisioner))?.id();
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
        Err(error) if error.kind == Kind::NotFound => {
            Err(Error::conflict(format!("the id `{id}` is taken; leave it out and one is chosen")))
        }
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

fn limits_for(cpu: &str, memory: &str) -> Result<SandboxLimits> {
    let mut limits = SandboxLimits::default();
    if !cpu.trim().is_empty() {
        limits.cpu_millis = parse_cpu(cpu).ok_or_else(|| Error::field("cpu", "cores such as `0.5` or `2`, or `500m`; 0.1 to 64"))?;
    }
    if !memory.trim().is_empty() {
        limits.memory_bytes_max =
            parse_bytes(memory).ok_or_else(|| Error::field("memory", "bytes such as `512m`, `2g` or `2Gi`; 64m to 256g"))?;
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
}
