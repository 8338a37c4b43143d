//! Links from workspaces to repositories, and the repositories that this server itself holds.

use crate::{Engine, secrets, workspaces};
use domain::account::User;
use domain::forge::Link;
use domain::git::Import;
use domain::merge_request::MergeRequestStatus;
use domain::repository::Repository;
use domain::secret::Secret;
use domain::workspace::{Permission, Workspace};
use domain::{Error, Kind, RepositoryId, Result, UserId, WorkspaceId};
use std::path::PathBuf;

const DEFAULT_BRANCH: &str = "main";
const TOKEN_BYTES_MAX: usize = 4096;

#[derive(Clone, Debug)]
pub struct NewLink {
    pub provider: String,
    pub repository: String,
    pub base_url: String,
    pub access_token: Option<Secret>,
    pub workspace_uid: String,
    /// Where a repository of our own gets its first content: a web address, or a folder on this host.
    pub source: Option<String>,
}

/// A link with what is shown beside it.
#[derive(Clone, Debug)]
pub struct Linked {
    pub repository: Repository,
    pub workspace: Workspace,
    /// For repositories that we hold.
    pub clone_url: Option<String>,
    /// Why no run can work on it.
    pub unavailable: Option<String>,
}

pub async fn create(engine: &Engine, user: &User, new: NewLink) -> Result<Linked> {
    let forge = engine.forge(&new.provider)?;
    let Link { repository: name, base_url } = forge.check_link(&new.repository, &new.base_url)?;
    let token = check_token(&new, forge.is_built_in())?;
    let from = check_source(user, &new, forge.is_built_in())?;
    let workspace = {
        let mut tx = engine.store.read().await?;
        let membership = workspaces::named(&mut tx, user.id, &new.workspace_uid, Permission::Configure).await;
        let workspace = membership.map_err(|error| Error::field("workspace_uid", error.message))?.workspace;
        refuse_a_second(&mut tx, &workspace, &new.provider, &name).await?;
        workspace
    };
    let now = engine.now();
    let mut repository = Repository {
        id: engine.clock.fresh(),
        workspace: workspace.id,
        provider: new.provider,
        repository: name,
        base_url,
        default_branch: DEFAULT_BRANCH.into(),
        created_by: Some(user.id),
        created_at: now,
        updated_at: now,
    };
    if forge.is_built_in() {
        repository.default_branch = fill(engine, repository.id, from).await?;
    }
    if let Err(error) = insert(engine, &repository, token.as_ref()).await {
        if forge.is_built_in() {
            engine.git.remove(repository.id).await?;
        }
        return Err(error);
    }
    Ok(linked(engine, repository, workspace))
}

/// Oldest first, of one workspace or of all that the user is a member of.
pub async fn list(engine: &Engine, user: UserId, workspace_uid: Option<&str>) -> Result<Vec<Linked>> {
    let mut tx = engine.store.read().await?;
    let asked = workspaces::filter(&mut tx, user, workspace_uid).await?;
    let mine: Vec<Workspace> = store::workspaces::memberships_of(&mut tx, user).await?.into_iter().map(|m| m.workspace).collect();
    let visible: Vec<WorkspaceId> = mine.iter().map(|w| w.id).filter(|id| asked.is_none_or(|asked| asked == *id)).collect();
    let all = store::repositories::list(&mut tx, &visible).await?;
    let with_workspace = |repository: Repository| {
        let workspace = mine.iter().find(|w| w.id == repository.workspace)?.clone();
        Some(linked(engine, repository, workspace))
    };
    Ok(all.into_iter().filter_map(with_workspace).collect())
}

/// Removes the link, and the repository itself if we hold it. Its requests and finished merge requests stay.
pub async fn delete(engine: &Engine, user: UserId, id: RepositoryId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let repository = require(&mut tx, user, id, Permission::Configure).await?;
    let open = store::merge_requests::list(&mut tx, &[repository.workspace], store::Page::default()).await?;
    let open = open.iter().find(|mr| mr.repository == id && matches!(mr.status, MergeRequestStatus::Open | MergeRequestStatus::Draft));
    if let Some(open) = open {
        return Err(Error::conflict(format!("merge request !{} of this repository is open; merge or close it first", open.number)));
    }
    for run in store::runs::active(&mut tx).await? {
        if store::requests::get(&mut tx, run.request).await?.repository == Some(id) {
            return Err(Error::conflict(format!("run {} works on this repository; cancel it or wait for its end", run.number)));
        }
    }
    store::repositories::delete(&mut tx, id).await?;
    tx.commit().await?;
    if engine.forge(&repository.provider).is_ok_and(|forge| forge.is_built_in()) {
        engine.git.remove(id).await?;
    }
    Ok(())
}

/// The link, if the user may do this with it; a stranger learns nothing of its existence.
pub async fn require(tx: &mut store::Tx, user: UserId, id: RepositoryId, permission: Permission) -> Result<Repository> {
    let missing = || Error::not_found(format!("there is no repository link `{id}`"));
    let repository = store::repositories::get(tx, id).await.map_err(|_| missing())?;
    workspaces::require(tx, user, repository.workspace, permission).await.map_err(|error| match error.kind {
        Kind::NotFound => missing(),
        _ => error,
    })?;
    Ok(repository)
}

/// Whether a run may work on it at all; asked before a request is accepted.
pub fn check_runnable(engine: &Engine, repository: &Repository) -> Result<()> {
    match engine.forge(&repository.provider)?.unavailable() {
        None => Ok(()),
        Some(reason) => Err(Error::conflict(reason).code("forge_unavailable")),
    }
}

/// The forge's token of a link, for whoever forwards to it.
pub async fn token(engine: &Engine, id: RepositoryId) -> Result<Option<Secret>> {
    let mut tx = engine.store.read().await?;
    let sealed = store::repositories::token(&mut tx, id).await?;
    sealed.map(|sealed| secrets::open(engine, &place(id), &sealed)).transpose()
}

/// What a git client may do with one of our own repositories.
#[derive(Clone, Copy, Debug)]
pub struct GitAccess {
    pub repository: RepositoryId,
    pub may_write: bool,
}

/// The repository is named by its workspace's uid and its own name. Members read and push.
pub async fn git_access(engine: &Engine, user: UserId, workspace_uid: &str, name: &str) -> Result<GitAccess> {
    let missing = || Error::not_found("there is no such repository in your workspaces");
    let mut tx = engine.store.read().await?;
    let membership = workspaces::require_uid(&mut tx, user, workspace_uid, Permission::View).await.map_err(|_| missing())?;
    let all = store::repositories::list(&mut tx, &[membership.workspace.id]).await?;
    let repository = all.into_iter().find(|r| r.repository == name && is_built_in(engine, r)).ok_or_else(missing)?;
    Ok(GitAccess { repository: repository.id, may_write: membership.role.allows(Permission::Work) })
}

pub fn linked(engine: &Engine, repository: Repository, workspace: Workspace) -> Linked {
    let clone_url = is_built_in(engine, &repository)
        .then(|| format!("{}/git/{}/{}.git", engine.settings.public_url, workspace.uid, repository.repository));
    let unavailable = check_runnable(engine, &repository).err().map(|error| error.message);
    Linked { repository, workspace, clone_url, unavailable }
}

pub fn is_built_in(engine: &Engine, repository: &Repository) -> bool {
    engine.forge(&repository.provider).is_ok_and(|forge| forge.is_built_in())
}

async fn fill(engine: &Engine, id: RepositoryId, from: Option<Import>) -> Result<String> {
    match from {
        Some(from) => engine.git.import(id, from).await,
        None => {
            engine.git.init(id, DEFAULT_BRANCH).await?;
            Ok(DEFAULT_BRANCH.into())
        }
    }
}

async fn insert(engine: &Engine, repository: &Repository, token: Option<&Secret>) -> Result<()> {
    let sealed = token.map(|token| secrets::seal(engine, &place(repository.id), token)).transpose()?;
    let mut tx = engine.store.write().await?;
    store::repositories::create(&mut tx, repository, sealed.as_deref()).await?;
    tx.commit().await
}

/// Found out before an import that may take minutes; the database refuses it once more.
async fn refuse_a_second(tx: &mut store::Tx, workspace: &Workspace, provider: &str, name: &str) -> Result<()> {
    let there = store::repositories::list(tx, &[workspace.id]).await?;
    if there.iter().any(|r| r.provider == provider && r.repository == name) {
        return Err(Error::conflict(format!("workspace `{}` is linked to {provider} repository `{name}` already", workspace.name)));
    }
    Ok(())
}

fn check_token(new: &NewLink, is_built_in: bool) -> Result<Option<Secret>> {
    let token = new.access_token.clone().filter(|token| !token.expose().is_empty());
    match token {
        _ if is_built_in => Ok(None),
        None => Err(Error::field("access_token", "this field may not be blank")),
        Some(token) if token.expose().len() > TOKEN_BYTES_MAX => {
            Err(Error::field("access_token", format!("at most {TOKEN_BYTES_MAX} bytes")))
        }
        token => Ok(token),
    }
}

/// A folder on this host may hold anything, so only an administrator may name one.
fn check_source(user: &User, new: &NewLink, is_built_in: bool) -> Result<Option<Import>> {
    let Some(source) = new.source.as_deref().map(str::trim).filter(|source| !source.is_empty()) else { return Ok(None) };
    if !is_built_in {
        return Err(Error::field("source", "only a repository on this server can be filled from elsewhere"));
    }
    if source.contains("://") {
        return Ok(Some(Import::Url(source.to_string())));
    }
    if !source.starts_with('/') {
        return Err(Error::field("source", "give an https address, or a folder's absolute path on the server"));
    }
    if !user.is_admin {
        return Err(Error::field("source", "only an administrator may import a folder of the server; give an https address"));
    }
    Ok(Some(Import::Path(PathBuf::from(source))))
}

fn place(id: RepositoryId) -> String {
    format!("repository:{id}:token")
}
