//! What happened in some workspaces, newest first: a query over requests, runs, merge requests and sandboxes.

use crate::value::{Arg, At, Page, places};
use crate::{Tx, args};
use domain::{RequestId, Result, Timestamp, WorkspaceId};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    Request,
    Run,
    Merge,
    Sandbox,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    pub kind: ActivityKind,
    pub id: Uuid,
    pub workspace: WorkspaceId,
    /// `None` for sandboxes.
    pub request: Option<RequestId>,
    pub title: String,
    /// The state, as the noun's own word.
    pub state: String,
    pub at: Timestamp,
    /// Rank by creation among its kind, from 1, within these workspaces.
    pub ordinal: i64,
    /// Zero but for sandboxes.
    pub cpu_seconds: f64,
    pub storage_bytes: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: i64,
    pub runs: i64,
    pub merges: i64,
    pub sandboxes: i64,
}

impl Counts {
    pub fn total(&self) -> i64 {
        self.requests + self.runs + self.merges + self.sandboxes
    }
}

pub async fn list(tx: &mut Tx, workspaces: &[WorkspaceId], page: Page) -> Result<Vec<Activity>> {
    if workspaces.is_empty() {
        return Ok(vec![]);
    }
    let within = places(1, workspaces.len());
    let rank = "row_number() over (order by created_at, id) as ordinal";
    let no_cost = "cast(0 as double precision) as cpu_seconds, cast(0 as bigint) as storage_bytes";
    let sql = format!(
        "select kind, id, workspace_id, request_id, title, state, at, ordinal, cpu_seconds, storage_bytes from (
            select 'request' as kind, id, workspace_id, id as request_id, title, state, created_at as at, {rank}, {no_cost}
                from requests where workspace_id in ({within})
            union all
            select 'run', r.id, r.workspace_id, r.request_id, q.title, r.status, coalesce(r.finished_at, r.started_at, r.created_at),
                row_number() over (order by r.created_at, r.id), cast(0 as double precision), cast(0 as bigint)
                from runs r join requests q on q.id = r.request_id where r.workspace_id in ({within})
            union all
            select 'merge', id, workspace_id, request_id, title, status, updated_at, {rank}, {no_cost}
                from merge_requests where workspace_id in ({within})
            union all
            select 'sandbox', id, workspace_id, null, image, status, updated_at, {rank}, cpu_seconds, storage_bytes
                from sandboxes where workspace_id in ({within})
         ) as everything order by at desc, kind, id{}",
        page.clause()
    );
    let rows: Vec<Row> = tx.all(sql, ids(workspaces)).await?;
    rows.into_iter().map(Row::noun).collect()
}

pub async fn counts(tx: &mut Tx, workspaces: &[WorkspaceId]) -> Result<Counts> {
    if workspaces.is_empty() {
        return Ok(Counts::default());
    }
    let within = places(1, workspaces.len());
    let of = |table: &str| format!("(select count(*) from {table} where workspace_id in ({within}))");
    let sql = format!("select {}, {}, {}, {}", of("requests"), of("runs"), of("merge_requests"), of("sandboxes"));
    let (requests, runs, merges, sandboxes): (i64, i64, i64, i64) = tx.one(sql, ids(workspaces)).await?;
    Ok(Counts { requests, runs, merges, sandboxes })
}

fn ids(workspaces: &[WorkspaceId]) -> Vec<Arg> {
    let mut args = args![];
    args.extend(workspaces.iter().map(|w| Arg::from(*w)));
    args
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    id: Uuid,
    workspace_id: Uuid,
    request_id: Option<Uuid>,
    title: String,
    state: String,
    at: At,
    ordinal: i64,
    cpu_seconds: f64,
    storage_bytes: i64,
}

impl Row {
    fn noun(self) -> Result<Activity> {
        let Row { kind, id, workspace_id, request_id, title, state, at, ordinal, cpu_seconds, storage_bytes } = self;
        Ok(Activity {
            kind: crate::value::word("activity.kind", &kind, |word| match word {
                "request" => Some(ActivityKind::Request),
                "run" => Some(ActivityKind::Run),
                "merge" => Some(ActivityKind::Merge),
                "sandbox" => Some(ActivityKind::Sandbox),
                _ => None,
            })?,
            id,
            workspace: WorkspaceId(workspace_id),
            request: request_id.map(RequestId),
            title,
            state,
            at: at.into(),
            ordinal,
            cpu_seconds,
            storage_bytes,
        })
    }
}
