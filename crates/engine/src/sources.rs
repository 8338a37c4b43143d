//! Alert sources: what may send alerts, for which repository, and whether runs start by themselves.

use crate::incidents::Intake;
use crate::{Engine, secrets, workspaces};
use domain::alert::Alert;
use domain::limits::RUNS_PER_SOURCE_HOUR_DEFAULT;
use domain::repository::Repository;
use domain::secret::Secret;
use domain::source::{AlertSource, Delivery, Source};
use domain::workspace::Permission;
use domain::{AlertSourceId, Error, IncidentId, Kind, RepositoryId, Result, UserId, WorkspaceId};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

const NAME_CHARS_MAX: usize = 100;
const SECRET_BYTES_MAX: usize = 4_096;
/// 256 bits: the token of a webhook's address is its only proof.
const TOKEN_BYTES: usize = 32;
const PUBLIC_KEY_BYTES: usize = 16;

#[derive(Clone, Debug, Default)]
pub struct NewSource {
    pub name: String,
    /// An alert source adapter's id.
    pub kind: String,
    /// Empty means the user's oldest workspace.
    pub workspace_uid: String,
    pub repository: Option<RepositoryId>,
    pub automatic_runs: bool,
    pub executor: Option<String>,
    /// `None` means the default.
    pub runs_per_hour_max: Option<i32>,
    pub client_secret: Option<Secret>,
}

/// What to change; `None` leaves it, an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub repository: Option<Option<RepositoryId>>,
    pub automatic_runs: Option<bool>,
    pub executor: Option<Option<String>>,
    pub runs_per_hour_max: Option<i32>,
    pub client_secret: Option<Option<Secret>>,
}

/// A source with what is shown beside it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub source: Source,
    pub workspace_uid: String,
    pub repository: Option<Repository>,
    /// For senders that use a DSN.
    pub dsn: Option<String>,
    /// For webhooks. The token is `{token}`, but in the answer that made the source, which holds it.
    pub webhook_url: Option<String>,
}

/// The source, and the token of its webhook: it is never shown again.
pub async fn create(engine: &Engine, user: UserId, new: NewSource) -> Result<(Listed, Option<Secret>)> {
    let NewSource { name, kind, workspace_uid, repository, automatic_runs, executor, runs_per_hour_max, client_secret } = new;
    let adapter = engine.alert_source(&kind)?;
    check_secret(adapter.as_ref(), client_secret.as_ref())?;
    check_executor(engine, executor.as_deref())?;
    let mut tx = engine.store.write().await?;
    let workspace = workspaces::named(&mut tx, user, &workspace_uid, Permission::Configure).await?.workspace;
    check_repository(&mut tx, workspace.id, repository).await?;
    let token = (!adapter.takes_dsn()).then(|| engine.clock.token_hex(TOKEN_BYTES));
    let source = Source {
        id: engine.clock.fresh(),
        workspace: workspace.id,
        name: check_name(&name)?,
        kind,
        project_number: store::sources::next_project_number(&mut tx).await?,
        public_key: engine.clock.token_hex(PUBLIC_KEY_BYTES),
        token_hash: token.as_deref().map(hash_of).unwrap_or_default(),
        repository,
        automatic_runs,
        executor,
        runs_per_hour_max: workspaces::check_budget("runs_per_hour_max", runs_per_hour_max.unwrap_or(RUNS_PER_SOURCE_HOUR_DEFAULT))?,
        events_total: 0,
        last_event_at: None,
        last_event_title: None,
        created_at: engine.now(),
    };
    let sealed = client_secret.map(|secret| secrets::seal(engine, &place(source.id), &secret)).transpose()?;
    store::sources::create(&mut tx, &source, sealed.as_deref()).await?;
    let mut listed = listed(engine, &mut tx, source).await?;
    tx.commit().await?;
    if let (Some(url), Some(token)) = (&mut listed.webhook_url, &token) {
        *url = url.replace("{token}", token);
    }
    Ok((listed, token.map(Secret::new)))
}

/// Oldest first, of one workspace or of all that the user is a member of.
pub async fn list(engine: &Engine, user: UserId, workspace_uid: Option<&str>) -> Result<Vec<Listed>> {
    let mut tx = engine.store.read().await?;
    let asked = workspaces::filter(&mut tx, user, workspace_uid).await?;
    let visible = workspaces::visible(&mut tx, user, asked).await?;
    let mut all = Vec::new();
    for source in store::sources::list(&mut tx, &visible).await? {
        all.push(listed(engine, &mut tx, source).await?);
    }
    Ok(all)
}

pub async fn change(engine: &Engine, user: UserId, id: AlertSourceId, change: Change) -> Result<Listed> {
    let Change { name, repository, automatic_runs, executor, runs_per_hour_max, client_secret } = change;
    let mut tx = engine.store.write().await?;
    let mut source = require(&mut tx, user, id, Permission::Configure).await?;
    if let Some(name) = name {
        source.name = check_name(&name)?;
    }
    if let Some(repository) = repository {
        check_repository(&mut tx, source.workspace, repository).await?;
        source.repository = repository;
    }
    if let Some(executor) = executor {
        check_executor(engine, executor.as_deref())?;
        source.executor = executor;
    }
    source.automatic_runs = automatic_runs.unwrap_or(source.automatic_runs);
    source.runs_per_hour_max = workspaces::check_budget("runs_per_hour_max", runs_per_hour_max.unwrap_or(source.runs_per_hour_max))?;
    store::sources::update(&mut tx, &source).await?;
    if let Some(secret) = client_secret {
        check_secret(engine.alert_source(&source.kind)?.as_ref(), secret.as_ref())?;
        let sealed = secret.map(|secret| secrets::seal(engine, &place(id), &secret)).transpose()?;
        store::sources::set_secret(&mut tx, id, sealed.as_deref()).await?;
    }
    let listed = listed(engine, &mut tx, source).await?;
    tx.commit().await?;
    Ok(listed)
}

/// Its incidents go with it.
pub async fn delete(engine: &Engine, user: UserId, id: AlertSourceId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    require(&mut tx, user, id, Permission::Configure).await?;
    for run in store::runs::active(&mut tx).await? {
        if let Some(incident) = run.incident
            && store::incidents::get(&mut tx, incident).await?.source == id
        {
            return Err(Error::conflict(format!("run {} works on an incident of this source; cancel it or wait for its end", run.number)));
        }
    }
    store::sources::delete(&mut tx, id).await?;
    tx.commit().await
}

/// An alert of our own, by the same road as any other. Its level keeps runs from starting.
pub async fn test_event(engine: &Engine, intake: &Intake, user: UserId, id: AlertSourceId) -> Result<IncidentId> {
    let source = {
        let mut tx = engine.store.read().await?;
        require(&mut tx, user, id, Permission::Configure).await?
    };
    let alert = Alert {
        event_id: engine.clock.uuid().simple().to_string(),
        title: format!("Test event for {}", source.name),
        message: "This event was sent from the settings of its alert source.".to_string(),
        level: "info".to_string(),
        platform: "other".to_string(),
        environment: "test".to_string(),
        at: Some(engine.now()),
        ..Alert::default()
    };
    let stored = intake.submit(engine, id, alert).await?;
    stored.ok_or_else(|| Error::internal("a fresh event id was seen before"))
}

/// The source that a DSN names, if its key is right. Strangers can't tell a wrong number from a wrong key.
pub async fn by_dsn(engine: &Engine, project_number: i64, public_key: &str) -> Result<Source> {
    let mut tx = engine.store.read().await?;
    let source = store::sources::by_project_number(&mut tx, project_number).await?;
    let takes_dsn = |source: &Source| engine.alert_source(&source.kind).is_ok_and(|adapter| adapter.takes_dsn());
    source
        .filter(|source| takes_dsn(source) && bool::from(source.public_key.as_bytes().ct_eq(public_key.as_bytes())))
        .ok_or_else(|| Error::unauthenticated("no alert source has this project number and key; compare the DSN"))
}

/// The source that a webhook's address names.
pub async fn by_token(engine: &Engine, token: &str) -> Result<Source> {
    let mut tx = engine.store.read().await?;
    let source = store::sources::by_token_hash(&mut tx, &hash_of(token)).await?;
    source.ok_or_else(|| Error::not_found("no alert source has this address; a source's address is shown once, when it is made"))
}

/// What a delivery tells. Its signature is checked here, where the source uses one.
pub async fn parse(engine: &Engine, source: &Source, headers: &[(String, String)], body: &bytes::Bytes) -> Result<Vec<Alert>> {
    let adapter = engine.alert_source(&source.kind)?;
    let secret = if adapter.takes_dsn() { None } else { secret_of(engine, source.id).await? };
    adapter.parse(&Delivery { headers, body, secret: secret.as_ref(), now: engine.now() })
}

async fn secret_of(engine: &Engine, id: AlertSourceId) -> Result<Option<Secret>> {
    let mut tx = engine.store.read().await?;
    let sealed = store::sources::secret(&mut tx, id).await?;
    sealed.map(|sealed| secrets::open(engine, &place(id), &sealed)).transpose()
}

async fn require(tx: &mut store::Tx, user: UserId, id: AlertSourceId, permission: Permission) -> Result<Source> {
    let missing = || Error::not_found(format!("there is no alert source `{id}`"));
    let source = store::sources::get(tx, id).await.map_err(|_| missing())?;
    workspaces::require(tx, user, source.workspace, permission).await.map_err(|error| match error.kind {
        Kind::NotFound => missing(),
        _ => error,
    })?;
    Ok(source)
}

async fn listed(engine: &Engine, tx: &mut store::Tx, source: Source) -> Result<Listed> {
    let repository = match source.repository {
        Some(id) => store::repositories::get(tx, id).await.ok(),
        None => None,
    };
    let adapter: Option<Arc<dyn AlertSource>> = engine.alert_source(&source.kind).ok();
    let takes_dsn = adapter.is_some_and(|adapter| adapter.takes_dsn());
    let base = &engine.settings.public_url;
    Ok(Listed {
        workspace_uid: store::workspaces::get(tx, source.workspace).await?.uid,
        repository,
        dsn: takes_dsn.then(|| dsn(base, &source)),
        webhook_url: (!takes_dsn).then(|| format!("{base}/api/hooks/{{token}}/")),
        source,
    })
}

/// `scheme://key@host/number`, with the path of a server that lives below one.
fn dsn(public_url: &str, source: &Source) -> String {
    let (scheme, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    format!("{scheme}://{}@{}/{}", source.public_key, rest.trim_end_matches('/'), source.project_number)
}

fn hash_of(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn place(id: AlertSourceId) -> String {
    format!("alert_source:{id}:secret")
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::field("name", format!("a name has 1 to {NAME_CHARS_MAX} characters")));
    }
    Ok(name.to_string())
}

fn check_executor(engine: &Engine, executor: Option<&str>) -> Result<()> {
    executor.map_or(Ok(()), |id| engine.executor(id).map(|_| ()))
}

fn check_secret(adapter: &dyn AlertSource, secret: Option<&Secret>) -> Result<()> {
    match secret {
        Some(secret) if adapter.takes_dsn() || secret.expose().is_empty() => Err(Error::field(
            "client_secret",
            if adapter.takes_dsn() { "sources with a DSN have no secret" } else { "this field may not be blank" },
        )),
        Some(secret) if secret.expose().len() > SECRET_BYTES_MAX => {
            Err(Error::field("client_secret", format!("at most {SECRET_BYTES_MAX} bytes")))
        }
        None if adapter.is_signed() => Err(Error::field(
            "client_secret",
            format!("{} signs its deliveries; its client secret is needed to check them", adapter.label()),
        )),
        _ => Ok(()),
    }
}

async fn check_repository(tx: &mut store::Tx, workspace: WorkspaceId, repository: Option<RepositoryId>) -> Result<()> {
    let Some(id) = repository else { return Ok(()) };
    match store::repositories::get(tx, id).await {
        Ok(repository) if repository.workspace == workspace => Ok(()),
        _ => Err(Error::field("repository_id", "there is no such repository link in this workspace")),
    }
}
