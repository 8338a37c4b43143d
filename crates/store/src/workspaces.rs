//! Workspaces, their members, the monthly usage ledger, and the numbers that count within a workspace.

use crate::value::{At, conflict, found, insert, of, touched, word};
use crate::{Tx, accounts, args};
use domain::account::User;
use domain::workspace::{Membership, Role, Workspace};
use domain::{Error, Result, Timestamp, UserId, WorkspaceId};

const COLUMNS: &str = "id, uid, name, plan, automatic_runs_per_hour_max, created_by, created_at";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user: User,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// What a workspace used in one calendar month.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    pub requests: i64,
    pub sandbox_sessions: i64,
    pub sandbox_seconds: f64,
    pub artifacts_bytes: i64,
}

/// The workspace with its first member, the owner.
pub async fn create(tx: &mut Tx, workspace: &Workspace, owner: UserId) -> Result<()> {
    let Workspace { id, uid, name, plan, automatic_runs_per_hour_max, created_by, created_at } = workspace;
    tx.run(insert("workspaces", COLUMNS), args![*id, uid, name, plan, *automatic_runs_per_hour_max, *created_by, *created_at])
        .await
        .map_err(conflict(format!("a workspace `{uid}` exists already")))?;
    add_member(tx, *id, owner, Role::Owner, *created_at).await
}

pub async fn get(tx: &mut Tx, id: WorkspaceId) -> Result<Workspace> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from workspaces where id = $1"), args![id]).await?;
    Ok(found(row, "workspace", id)?.noun())
}

pub async fn by_uid(tx: &mut Tx, uid: &str) -> Result<Workspace> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from workspaces where uid = $1"), args![uid]).await?;
    Ok(found(row, "workspace", uid)?.noun())
}

/// Its name and its budget.
pub async fn update(tx: &mut Tx, workspace: &Workspace) -> Result<()> {
    let Workspace { id, name, automatic_runs_per_hour_max, .. } = workspace;
    let sql = "update workspaces set name = $2, automatic_runs_per_hour_max = $3 where id = $1";
    let rows = tx.run(sql, args![*id, name, *automatic_runs_per_hour_max]).await?;
    touched(rows, "workspace", *id)
}

pub async fn set_plan(tx: &mut Tx, id: WorkspaceId, plan: &str) -> Result<()> {
    let rows = tx.run("update workspaces set plan = $2 where id = $1", args![id, plan]).await?;
    touched(rows, "workspace", id)
}

/// An operator's exceptions from the plan's limits.
pub async fn quota_overrides(tx: &mut Tx, id: WorkspaceId) -> Result<serde_json::Value> {
    let row: Option<(String,)> = tx.maybe("select quota_overrides from workspaces where id = $1", args![id]).await?;
    let (text,) = found(row, "workspace", id)?;
    serde_json::from_str(&text).map_err(|e| Error::internal("a workspace's quota overrides are no JSON").because(e))
}

pub async fn set_quota_overrides(tx: &mut Tx, id: WorkspaceId, overrides: &serde_json::Value) -> Result<()> {
    let rows = tx.run("update workspaces set quota_overrides = $2 where id = $1", args![id, overrides.to_string()]).await?;
    touched(rows, "workspace", id)
}

/// Ordered by name.
pub async fn memberships_of(tx: &mut Tx, user: UserId) -> Result<Vec<Membership>> {
    memberships(tx, user, "lower(w.name), w.name, w.id").await
}

/// The one joined first.
pub async fn oldest_membership(tx: &mut Tx, user: UserId) -> Result<Option<Membership>> {
    Ok(memberships(tx, user, "m.joined_at, w.created_at, w.id limit 1").await?.pop())
}

pub async fn membership(tx: &mut Tx, user: UserId, workspace: WorkspaceId) -> Result<Option<Membership>> {
    let sql = "select role from members where user_id = $1 and workspace_id = $2";
    let Some((role,)) = tx.maybe::<(String,)>(sql, args![user, workspace]).await? else { return Ok(None) };
    Ok(Some(Membership { workspace: get(tx, workspace).await?, role: word("members.role", &role, Role::parse)? }))
}

/// In the order they joined.
pub async fn members(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Member>> {
    let sql = "select user_id, role, joined_at from members where workspace_id = $1 order by joined_at, user_id limit 1000";
    let rows: Vec<(i64, String, At)> = tx.all(sql, args![workspace]).await?;
    let mut members = Vec::with_capacity(rows.len());
    for (user, role, joined_at) in rows {
        members.push(Member {
            user: accounts::get(tx, UserId(user)).await?,
            role: word("members.role", &role, Role::parse)?,
            joined_at: joined_at.into(),
        });
    }
    Ok(members)
}

/// `Conflict` when the user is a member already.
pub async fn add_member(tx: &mut Tx, workspace: WorkspaceId, user: UserId, role: Role, joined_at: Timestamp) -> Result<()> {
    tx.run(insert("members", "workspace_id, user_id, role, joined_at"), args![workspace, user, role.word(), joined_at])
        .await
        .map_err(conflict("this user is a member of the workspace already"))?;
    Ok(())
}

/// `Conflict` when that would leave the workspace without an owner.
pub async fn set_role(tx: &mut Tx, workspace: WorkspaceId, user: UserId, role: Role) -> Result<()> {
    if role != Role::Owner {
        keep_an_owner(tx, workspace, user).await?;
    }
    let sql = "update members set role = $3 where workspace_id = $1 and user_id = $2";
    let rows = tx.run(sql, args![workspace, user, role.word()]).await?;
    touched(rows, "member", user)
}

/// `Conflict` when that would leave the workspace without an owner.
pub async fn remove_member(tx: &mut Tx, workspace: WorkspaceId, user: UserId) -> Result<()> {
    keep_an_owner(tx, workspace, user).await?;
    let rows = tx.run("delete from members where workspace_id = $1 and user_id = $2", args![workspace, user]).await?;
    touched(rows, "member", user)
}

/// Adds to the month's ledger and answers the sums, holding the row against others: charge first, then compare.
/// `period_start` is the first of the month, such as `2026-11-01`.
pub async fn charge(tx: &mut Tx, workspace: WorkspaceId, period_start: &str, added: &Ledger) -> Result<Ledger> {
    let Ledger { requests, sandbox_sessions, sandbox_seconds, artifacts_bytes } = added;
    let columns = "workspace_id, period_start, requests, sandbox_sessions, sandbox_seconds, artifacts_bytes";
    let sql = insert("usage_ledger", columns)
        + " on conflict (workspace_id, period_start) do update set requests = usage_ledger.requests + excluded.requests,
            sandbox_sessions = usage_ledger.sandbox_sessions + excluded.sandbox_sessions,
            sandbox_seconds = usage_ledger.sandbox_seconds + excluded.sandbox_seconds,
            artifacts_bytes = usage_ledger.artifacts_bytes + excluded.artifacts_bytes
            returning requests, sandbox_sessions, sandbox_seconds, artifacts_bytes";
    let args = args![workspace, period_start, *requests, *sandbox_sessions, *sandbox_seconds, *artifacts_bytes];
    Ok(tx.one::<LedgerRow>(sql, args).await?.noun())
}

/// Zeros when nothing was used.
pub async fn ledger(tx: &mut Tx, workspace: WorkspaceId, period_start: &str) -> Result<Ledger> {
    let sql = "select requests, sandbox_sessions, sandbox_seconds, artifacts_bytes from usage_ledger where workspace_id = $1 and period_start = $2";
    let row: Option<LedgerRow> = tx.maybe(sql, args![workspace, period_start]).await?;
    Ok(row.map(LedgerRow::noun).unwrap_or_default())
}

/// What counts from 1 within a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    Incident,
    Run,
    MergeRequest,
}

/// The next number, gap-free if the transaction commits.
pub async fn next_number(tx: &mut Tx, workspace: WorkspaceId, noun: Numbered) -> Result<i64> {
    let noun = match noun {
        Numbered::Incident => "incident",
        Numbered::Run => "run",
        Numbered::MergeRequest => "merge_request",
    };
    let sql = "insert into counters (workspace_id, noun, value) values ($1, $2, 1)
        on conflict (workspace_id, noun) do update set value = counters.value + 1 returning value";
    let (number,): (i64,) = tx.one(sql, args![workspace, noun]).await?;
    Ok(number)
}

async fn memberships(tx: &mut Tx, user: UserId, order: &str) -> Result<Vec<Membership>> {
    let columns = of("w", COLUMNS);
    let sql =
        format!("select {columns}, m.role from members m join workspaces w on w.id = m.workspace_id where m.user_id = $1 order by {order}");
    let rows: Vec<MembershipRow> = tx.all(sql, args![user]).await?;
    rows.into_iter()
        .map(|row| Ok(Membership { workspace: row.workspace.noun(), role: word("members.role", &row.role, Role::parse)? }))
        .collect()
}

async fn keep_an_owner(tx: &mut Tx, workspace: WorkspaceId, leaving: UserId) -> Result<()> {
    let sql = tx.locked("select user_id from members where workspace_id = $1 and role = 'owner'");
    let owners: Vec<(i64,)> = tx.all(sql, args![workspace]).await?;
    if owners == [(leaving.0,)] {
        return Err(Error::conflict("this is the workspace's only owner; make somebody else an owner first").code("last_owner"));
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    uid: String,
    name: String,
    plan: String,
    automatic_runs_per_hour_max: i64,
    created_by: Option<i64>,
    created_at: At,
}

#[derive(sqlx::FromRow)]
struct MembershipRow {
    #[sqlx(flatten)]
    workspace: Row,
    role: String,
}

#[derive(sqlx::FromRow)]
struct LedgerRow {
    requests: i64,
    sandbox_sessions: i64,
    sandbox_seconds: f64,
    artifacts_bytes: i64,
}

impl Row {
    fn noun(self) -> Workspace {
        let Row { id, uid, name, plan, automatic_runs_per_hour_max, created_by, created_at } = self;
        Workspace {
            id: WorkspaceId(id),
            uid,
            name,
            plan,
            automatic_runs_per_hour_max: i32::try_from(automatic_runs_per_hour_max).unwrap_or(i32::MAX),
            created_by: created_by.map(UserId),
            created_at: created_at.into(),
        }
    }
}

impl LedgerRow {
    fn noun(self) -> Ledger {
        let LedgerRow { requests, sandbox_sessions, sandbox_seconds, artifacts_bytes } = self;
        Ledger { requests, sandbox_sessions, sandbox_seconds, artifacts_bytes }
    }
}
