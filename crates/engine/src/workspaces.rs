//! Workspaces, who is in them, and the one place where it is decided who may do what.

use crate::Engine;
pub use store::workspaces::Member;

use domain::workspace::{Membership, Permission, Role, Workspace};
use domain::{Error, Kind, Result, UserId, WorkspaceId, limits};

const NAME_CHARS_MAX: usize = 255;

/// The user's membership, if their role allows this. To strangers the workspace does not exist.
pub async fn require(tx: &mut store::Tx, user: UserId, workspace: WorkspaceId, permission: Permission) -> Result<Membership> {
    let membership = store::workspaces::membership(tx, user, workspace).await?;
    check(membership, permission, || format!("there is no workspace `{workspace}`"))
}

/// As [`require`], for a workspace that a client names by its uid.
pub async fn require_uid(tx: &mut store::Tx, user: UserId, uid: &str, permission: Permission) -> Result<Membership> {
    let membership = match store::workspaces::by_uid(tx, uid).await {
        Ok(workspace) => store::workspaces::membership(tx, user, workspace.id).await?,
        Err(error) if error.kind == Kind::NotFound => None,
        Err(error) => return Err(error),
    };
    let shown: String = uid.chars().take(64).collect();
    check(membership, permission, || format!("there is no workspace `{shown}`"))
}

fn check(membership: Option<Membership>, permission: Permission, missing: impl FnOnce() -> String) -> Result<Membership> {
    let membership = membership.ok_or_else(|| Error::not_found(missing()))?;
    if membership.role.allows(permission) {
        return Ok(membership);
    }
    let (role, name) = (membership.role.word(), &membership.workspace.name);
    Err(Error::forbidden(format!("you are {role} of workspace `{name}`, which is not enough for this; ask an owner")))
}

/// The workspaces whose things the user may see: the asked one, or all of theirs.
pub async fn visible(tx: &mut store::Tx, user: UserId, asked: Option<WorkspaceId>) -> Result<Vec<WorkspaceId>> {
    match asked {
        Some(workspace) => Ok(vec![require(tx, user, workspace, Permission::View).await?.workspace.id]),
        None => Ok(store::workspaces::memberships_of(tx, user).await?.into_iter().map(|m| m.workspace.id).collect()),
    }
}

/// What clients write as a workspace: a uid, or `""`/`tenant-default` for the user's oldest one.
pub async fn named(tx: &mut store::Tx, user: UserId, uid: &str, permission: Permission) -> Result<Membership> {
    if !uid.is_empty() && uid != "tenant-default" {
        return require_uid(tx, user, uid, permission).await;
    }
    let oldest = store::workspaces::oldest_membership(tx, user).await?;
    check(oldest, permission, || "you are in no workspace; make one first".to_string())
}

/// A filter in a query: nothing means all.
pub async fn filter(tx: &mut store::Tx, user: UserId, uid: Option<&str>) -> Result<Option<WorkspaceId>> {
    match uid.map(str::trim).filter(|uid| !uid.is_empty()) {
        None => Ok(None),
        Some(uid) => Ok(Some(named(tx, user, uid, Permission::View).await?.workspace.id)),
    }
}

/// As [`filter`], in a transaction of its own.
pub async fn filtered(engine: &Engine, user: UserId, uid: Option<&str>) -> Result<Option<WorkspaceId>> {
    let mut tx = engine.store.read().await?;
    filter(&mut tx, user, uid).await
}

/// By name, as people look for them.
pub async fn list(engine: &Engine, user: UserId) -> Result<Vec<Membership>> {
    let mut tx = engine.store.read().await?;
    store::workspaces::memberships_of(&mut tx, user).await
}

pub async fn create(engine: &Engine, user: UserId, name: &str) -> Result<Membership> {
    let name = check_name(name)?;
    let mut tx = engine.store.write().await?;
    let workspace = insert(engine, &mut tx, user, &name).await?;
    tx.commit().await?;
    Ok(Membership { workspace, role: Role::Owner })
}

/// A workspace with its owner, inside the caller's transaction.
pub async fn insert(engine: &Engine, tx: &mut store::Tx, owner: UserId, name: &str) -> Result<Workspace> {
    let workspace = Workspace {
        id: engine.clock.fresh(),
        uid: engine.clock.token_hex(6),
        name: name.to_string(),
        plan: engine.settings.default_plan.clone(),
        automatic_runs_per_hour_max: limits::RUNS_PER_WORKSPACE_HOUR_DEFAULT,
        created_by: Some(owner),
        created_at: engine.now(),
    };
    store::workspaces::create(tx, &workspace, owner).await?;
    Ok(workspace)
}

/// What is left out stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub automatic_runs_per_hour_max: Option<i32>,
}

pub async fn change(engine: &Engine, user: UserId, uid: &str, change: Change) -> Result<Membership> {
    let Change { name, automatic_runs_per_hour_max } = change;
    let name = name.map(|name| check_name(&name)).transpose()?;
    let budget = automatic_runs_per_hour_max.map(|budget| check_budget("automatic_runs_per_hour_max", budget)).transpose()?;
    let mut tx = engine.store.write().await?;
    let mut membership = require_uid(&mut tx, user, uid, Permission::Manage).await?;
    let workspace = &mut membership.workspace;
    workspace.name = name.unwrap_or_else(|| workspace.name.clone());
    workspace.automatic_runs_per_hour_max = budget.unwrap_or(workspace.automatic_runs_per_hour_max);
    store::workspaces::update(&mut tx, workspace).await?;
    tx.commit().await?;
    Ok(membership)
}

/// Of a source or of a workspace.
pub fn check_budget(field: &str, runs_per_hour: i32) -> Result<i32> {
    if (0..=limits::RUNS_PER_HOUR_MAX).contains(&runs_per_hour) {
        return Ok(runs_per_hour);
    }
    Err(Error::field(field, format!("0 to {} runs an hour", limits::RUNS_PER_HOUR_MAX)))
}

pub async fn members(engine: &Engine, user: UserId, uid: &str) -> Result<Vec<Member>> {
    let mut tx = engine.store.read().await?;
    let workspace = require_uid(&mut tx, user, uid, Permission::View).await?.workspace;
    store::workspaces::members(&mut tx, workspace.id).await
}

/// Adds somebody who has an account here. Nobody gives a role above their own.
pub async fn add_member(engine: &Engine, user: UserId, uid: &str, username: &str, role: Role) -> Result<Member> {
    let mut tx = engine.store.write().await?;
    let own = require_uid(&mut tx, user, uid, Permission::Manage).await?;
    check_gift(own.role, role)?;
    let found = store::accounts::by_username(&mut tx, username.trim()).await?;
    let added = found.ok_or_else(|| Error::field("username", "nobody here has that user name"))?;
    let joined_at = engine.now();
    store::workspaces::add_member(&mut tx, own.workspace.id, added.id, role, joined_at).await?;
    tx.commit().await?;
    Ok(Member { user: added, role, joined_at })
}

pub async fn change_member(engine: &Engine, user: UserId, uid: &str, member: UserId, role: Role) -> Result<Member> {
    let mut tx = engine.store.write().await?;
    let own = require_uid(&mut tx, user, uid, Permission::Manage).await?;
    let current = member_of(&mut tx, own.workspace.id, member).await?;
    check_gift(own.role, role)?;
    check_gift(own.role, current.role)?;
    store::workspaces::set_role(&mut tx, own.workspace.id, member, role).await?;
    tx.commit().await?;
    Ok(Member { role, ..current })
}

/// Everybody may leave; removing others takes a role that manages.
pub async fn remove_member(engine: &Engine, user: UserId, uid: &str, member: UserId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let wanted = if user == member { Permission::View } else { Permission::Manage };
    let own = require_uid(&mut tx, user, uid, wanted).await?;
    let current = member_of(&mut tx, own.workspace.id, member).await?;
    check_gift(own.role, current.role)?;
    store::workspaces::remove_member(&mut tx, own.workspace.id, member).await?;
    tx.commit().await
}

async fn member_of(tx: &mut store::Tx, workspace: WorkspaceId, member: UserId) -> Result<Member> {
    let all = store::workspaces::members(tx, workspace).await?;
    let found = all.into_iter().find(|one| one.user.id == member);
    found.ok_or_else(|| Error::not_found(format!("user {member} is no member of this workspace")))
}

fn check_gift(own: Role, given: Role) -> Result<()> {
    if given <= own {
        return Ok(());
    }
    Err(Error::forbidden(format!("as {} you can't give or take the role {}", own.word(), given.word())))
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::field("name", "a workspace needs a name"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::field("name", format!("at most {NAME_CHARS_MAX} characters")));
    }
    Ok(name.to_string())
}
