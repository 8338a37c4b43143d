//! Workspaces, who is in them, and the one place where it is decided who may do what.

use crate::Engine;
use domain::workspace::{Membership, Permission, Role, Workspace};
use domain::account::User;
use domain::{Error, Result, UserId, WorkspaceId};

/// A member as the list of members shows them.
#[derive(Clone, Debug)]
pub struct Member {
    pub user: User,
    pub role: Role,
}

const NAME_CHARS_MAX: usize = 255;

/// The user's membership, if their role allows this. To strangers the workspace does not exist.
pub async fn require(tx: &mut store::Tx, user: UserId, workspace: WorkspaceId, permission: Permission) -> Result<Membership> {
    let membership = store::workspaces::membership(tx, user, workspace).await?;
    check(membership, permission, || format!("there is no workspace `{workspace}`"))
}

/// As [`require`], for a workspace that a client names by its uid.
pub async fn require_uid(tx: &mut store::Tx, user: UserId, uid: &str, permission: Permission) -> Result<Membership> {
    let membership = store::workspaces::membership_by_uid(tx, user, uid).await?;
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
        None => Ok(store::workspaces::of_user(tx, user).await?.into_iter().map(|m| m.workspace.id).collect()),
    }
}

/// What clients write as a workspace: a uid, or `""`/`tenant-default` for the user's oldest one.
pub async fn named(tx: &mut store::Tx, user: UserId, uid: &str, permission: Permission) -> Result<Membership> {
    if !uid.is_empty() && uid != "tenant-default" {
        return require_uid(tx, user, uid, permission).await;
    }
    let oldest = store::workspaces::of_user(tx, user).await?.into_iter().next();
    check(oldest, permission, || "you are in no workspace; make one first".to_string())
}

/// A filter in a query: nothing means all.
pub async fn filter(tx: &mut store::Tx, user: UserId, uid: Option<&str>) -> Result<Option<WorkspaceId>> {
    match uid.map(str::trim).filter(|uid| !uid.is_empty()) {
        None => Ok(None),
        Some(uid) => Ok(Some(named(tx, user, uid, Permission::View).await?.workspace.id)),
    }
}

/// By name, as people look for them.
pub async fn list(engine: &Engine, user: UserId) -> Result<Vec<Membership>> {
    let mut tx = engine.store.read().await?;
    let mut all = store::workspaces::of_user(&mut tx, user).await?;
    all.sort_by(|a, b| a.workspace.name.cmp(&b.workspace.name).then(a.workspace.created_at.cmp(&b.workspace.created_at)));
    Ok(all)
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
        created_by: Some(owner),
        created_at: engine.now(),
    };
    store::workspaces::insert(tx, &workspace).await?;
    store::workspaces::set_member(tx, workspace.id, owner, Role::Owner, workspace.created_at).await?;
    Ok(workspace)
}

pub async fn rename(engine: &Engine, user: UserId, uid: &str, name: &str) -> Result<Membership> {
    let name = check_name(name)?;
    let mut tx = engine.store.write().await?;
    let mut membership = require_uid(&mut tx, user, uid, Permission::Manage).await?;
    membership.workspace.name = name;
    store::workspaces::update(&mut tx, &membership.workspace).await?;
    tx.commit().await?;
    Ok(membership)
}

pub async fn members(engine: &Engine, user: UserId, uid: &str) -> Result<Vec<Member>> {
    let mut tx = engine.store.read().await?;
    let workspace = require_uid(&mut tx, user, uid, Permission::View).await?.workspace;
    let members = store::workspaces::members(&mut tx, workspace.id).await?;
    Ok(members.into_iter().map(|(user, role)| Member { user, role }).collect())
}

/// Adds somebody who has an account here. Nobody gives a role above their own.
pub async fn add_member(engine: &Engine, user: UserId, uid: &str, username: &str, role: Role) -> Result<Member> {
    let mut tx = engine.store.write().await?;
    let own = require_uid(&mut tx, user, uid, Permission::Manage).await?;
    check_gift(own.role, role)?;
    let found = store::accounts::by_username(&mut tx, username.trim()).await?;
    let (added, _) = found.ok_or_else(|| Error::field("username", "nobody here has that user name"))?;
    if store::workspaces::membership(&mut tx, added.id, own.workspace.id).await?.is_some() {
        return Err(Error::conflict(format!("`{}` is a member of this workspace already", added.username)));
    }
    store::workspaces::set_member(&mut tx, own.workspace.id, added.id, role, engine.now()).await?;
    tx.commit().await?;
    Ok(Member { user: added, role })
}

pub async fn change_member(engine: &Engine, user: UserId, uid: &str, member: UserId, role: Role) -> Result<Member> {
    let mut tx = engine.store.write().await?;
    let own = require_uid(&mut tx, user, uid, Permission::Manage).await?;
    let current = member_of(&mut tx, own.workspace.id, member).await?;
    check_gift(own.role, role)?;
    check_gift(own.role, current.role)?;
    keep_an_owner(&mut tx, own.workspace.id, &current, Some(role)).await?;
    store::workspaces::set_member(&mut tx, own.workspace.id, member, role, engine.now()).await?;
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
    keep_an_owner(&mut tx, own.workspace.id, &current, None).await?;
    store::workspaces::remove_member(&mut tx, own.workspace.id, member).await?;
    tx.commit().await
}

async fn member_of(tx: &mut store::Tx, workspace: WorkspaceId, member: UserId) -> Result<Member> {
    let all = store::workspaces::members(tx, workspace).await?;
    let found = all.into_iter().find(|(user, _)| user.id == member);
    found.map(|(user, role)| Member { user, role }).ok_or_else(|| Error::not_found(format!("user {member} is no member of this workspace")))
}

async fn keep_an_owner(tx: &mut store::Tx, workspace: WorkspaceId, member: &Member, becomes: Option<Role>) -> Result<()> {
    if member.role != Role::Owner || becomes == Some(Role::Owner) {
        return Ok(());
    }
    let owners = store::workspaces::members(tx, workspace).await?.iter().filter(|(_, role)| *role == Role::Owner).count();
    if owners > 1 {
        return Ok(());
    }
    Err(Error::conflict("a workspace keeps at least one owner; make somebody else owner first"))
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
