//! The job queue: a table with leases. A job is a promise made in the transaction that needs it kept.
//!
//! Claiming takes a lease; the lease's epoch fences whoever lost it, so a job never has two workers that both may
//! finish it. What a job means, and how often it may be tried, is decided by the worker.

use crate::value::{Arg, At, insert, places};
use crate::{Store, Tx, args};
use domain::job::Job;
use domain::{Error, JobId, Result, Timestamp, WorkerId, WorkspaceId};
use jiff::SignedDuration;
use serde_json::Value;

/// The error code of a write that came after the lease.
pub const LEASE_LOST: &str = "lease_lost";

const COLUMNS: &str = "id, kind, payload, workspace_id, key, priority, attempts, run_at, cancel_requested";

#[derive(Clone, Debug)]
pub struct NewJob {
    pub id: JobId,
    pub kind: String,
    pub payload: Value,
    /// Counts against this workspace's share of the workers.
    pub workspace: Option<WorkspaceId>,
    /// At most one unfinished job has it.
    pub key: Option<String>,
    /// Of the jobs in a lane one runs at a time, the oldest first.
    pub lane: Option<String>,
    /// Higher goes first.
    pub priority: i32,
    pub run_at: Timestamp,
}

/// The right to work on a job, until it is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub worker: WorkerId,
    pub epoch: i64,
}

#[derive(Clone, Debug)]
pub struct Claimed {
    /// `attempts` counts this one.
    pub job: Job,
    pub lease: Lease,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    Mine {
        cancel_requested: bool,
    },
    /// Somebody else has it, or it is finished: stop at once and write nothing.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not started and never will: whoever asked records the end.
    BeforeStart,
    /// A worker has it and will be told by its next heartbeat.
    Requested,
    /// There is no unfinished job with this key.
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Depth {
    pub due: i64,
    pub waiting: i64,
    pub running: i64,
    pub parked: i64,
    /// Since when the longest-waiting due job could have run.
    pub oldest_due: Option<Timestamp>,
}

/// The job as queued, or the unfinished one that has the same key.
pub async fn enqueue(tx: &mut Tx, new: NewJob) -> Result<JobId> {
    let NewJob { id, kind, payload, workspace, key, lane, priority, run_at } = new;
    tx.note_jobs();
    let sql = insert("jobs", &format!("{COLUMNS}, state, lease_epoch, error, lane"))
        + " on conflict (key) where state in ('queued', 'running') do nothing returning id";
    let args = args![id, kind, payload.to_string(), workspace, key.clone(), priority, 0i64, run_at, false, "queued", 0i64, "", lane];
    if let Some((id,)) = tx.maybe::<(uuid::Uuid,)>(sql, args).await? {
        return Ok(JobId(id));
    }
    let sql = "select id from jobs where key = $1 and state in ('queued', 'running')";
    match tx.maybe::<(uuid::Uuid,)>(sql, args![key]).await? {
        Some((id,)) => Ok(JobId(id)),
        None => Err(Error::unavailable("the job with this key ended just now; try again")),
    }
}

/// The most urgent job that may run now: due or abandoned, of these kinds, first in its lane, in a workspace below its share.
pub async fn claim(
    store: &Store,
    worker: WorkerId,
    kinds: &[&str],
    now: Timestamp,
    lease_seconds: i64,
    per_workspace_max: i64,
) -> Result<Option<Claimed>> {
    if kinds.is_empty() {
        return Ok(None);
    }
    let mut tx = store.write().await?;
    let mut lock = "";
    if tx.is_postgres() {
        // Two claims at once could both see room for one more in the same workspace.
        tx.all::<(String,)>("select cast(pg_advisory_xact_lock(4702111234474983745) as text)", args![]).await?;
        lock = " for update skip locked";
    }
    let sql = format!(
        "update jobs set state = 'running', attempts = attempts + 1, lease_epoch = lease_epoch + 1, worker_id = $1, lease_until = $2
         where id = (
            select j.id from jobs j
            where ((j.state = 'queued' and j.run_at <= $3) or (j.state = 'running' and j.lease_until <= $3))
              and (j.workspace_id is null or $4 > (
                select count(*) from jobs r
                where r.workspace_id = j.workspace_id and r.state = 'running' and r.lease_until > $3))
              and (j.lane is null or not exists (
                select 1 from jobs o
                where o.lane = j.lane and o.id <> j.id and (o.state = 'running' or (o.state = 'queued' and o.id < j.id))))
              and j.kind in ({})
            order by j.priority desc, j.run_at, j.id limit 1{lock})
         returning {COLUMNS}, lease_epoch",
        places(5, kinds.len())
    );
    let mut args = args![worker, now + SignedDuration::from_secs(lease_seconds), now, per_workspace_max];
    args.extend(kinds.iter().map(|kind| Arg::from(*kind)));
    let row: Option<ClaimedRow> = tx.maybe(sql, args).await?;
    let Some(row) = row else { return Ok(None) };
    let lease = Lease { job: JobId(row.job.id), worker, epoch: row.lease_epoch };
    let job = row.job.noun()?;
    tx.commit().await?;
    Ok(Some(Claimed { job, lease }))
}

/// Renews the lease, if it is still ours.
pub async fn heartbeat(tx: &mut Tx, lease: &Lease, now: Timestamp, lease_seconds: i64) -> Result<Beat> {
    let sql = "update jobs set lease_until = $3 where id = $1 and lease_epoch = $2 and state = 'running' returning cancel_requested";
    let row: Option<(bool,)> = tx.maybe(sql, args![lease.job, lease.epoch, now + SignedDuration::from_secs(lease_seconds)]).await?;
    Ok(row.map_or(Beat::Lost, |(cancel_requested,)| Beat::Mine { cancel_requested }))
}

/// Holds the job against a takeover until this transaction ends; `Conflict` when it was taken already.
/// A worker calls it before it writes what a step gave.
pub async fn fence(tx: &mut Tx, lease: &Lease) -> Result<()> {
    let sql = "update jobs set state = state where id = $1 and lease_epoch = $2 and state = 'running'";
    let rows = tx.run(sql, args![lease.job, lease.epoch]).await?;
    mine(rows, lease)
}

/// Ends the job. Together with the result, in one transaction, it counts exactly once.
pub async fn finish(tx: &mut Tx, lease: &Lease, now: Timestamp) -> Result<()> {
    end(tx, lease, "done", "", now).await
}

/// Ends the job as failed for good; a person may look at `error`.
pub async fn park(tx: &mut Tx, lease: &Lease, error: &str, now: Timestamp) -> Result<()> {
    end(tx, lease, "parked", error, now).await
}

/// Gives the job back, to be tried again.
pub async fn retry_later(tx: &mut Tx, lease: &Lease, run_at: Timestamp, error: &str) -> Result<()> {
    let sql = "update jobs set state = 'queued', run_at = $3, error = $4, worker_id = null, lease_until = null
        where id = $1 and lease_epoch = $2 and state = 'running'";
    let rows = tx.run(sql, args![lease.job, lease.epoch, run_at, error]).await?;
    mine(rows, lease)?;
    tx.note_jobs();
    Ok(())
}

/// Gives the job back untouched, to be taken by another process at once; it was no attempt.
pub async fn hand_back(tx: &mut Tx, lease: &Lease) -> Result<()> {
    let sql = "update jobs set state = 'queued', attempts = attempts - 1, worker_id = null, lease_until = null
        where id = $1 and lease_epoch = $2 and state = 'running'";
    let rows = tx.run(sql, args![lease.job, lease.epoch]).await?;
    mine(rows, lease)?;
    tx.note_jobs();
    Ok(())
}

/// Asks for the end of the unfinished job with this key.
pub async fn cancel(tx: &mut Tx, key: &str, now: Timestamp) -> Result<Cancelled> {
    let sql = "update jobs set state = 'cancelled', cancel_requested = $2, finished_at = $3 where key = $1 and state = 'queued'";
    if tx.run(sql, args![key, true, now]).await? > 0 {
        return Ok(Cancelled::BeforeStart);
    }
    let rows = tx.run("update jobs set cancel_requested = $2 where key = $1 and state = 'running'", args![key, true]).await?;
    tx.note_jobs();
    Ok(if rows > 0 { Cancelled::Requested } else { Cancelled::Nothing })
}

/// Makes every running job due for takeover. Only for whoever knows that no other process works on this database.
pub async fn abandon_all(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.note_jobs();
    tx.run("update jobs set lease_until = $1 where state = 'running' and lease_until > $1", args![now]).await
}

/// For metrics.
pub async fn depth(tx: &mut Tx, now: Timestamp) -> Result<Depth> {
    let sql = "select coalesce(sum(case when state = 'queued' and run_at <= $1 then 1 else 0 end), 0),
        coalesce(sum(case when state = 'queued' and run_at > $1 then 1 else 0 end), 0),
        coalesce(sum(case when state = 'running' then 1 else 0 end), 0),
        coalesce(sum(case when state = 'parked' then 1 else 0 end), 0),
        min(case when state = 'queued' and run_at <= $1 then run_at end)
        from jobs where state in ('queued', 'running', 'parked')";
    let (due, waiting, running, parked, oldest): (i64, i64, i64, i64, Option<At>) = tx.one(sql, args![now]).await?;
    Ok(Depth { due, waiting, running, parked, oldest_due: oldest.map(Timestamp::from) })
}

/// Forgets jobs that ended before `before`; answers how many.
pub async fn delete_ended(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.run("delete from jobs where finished_at < $1", args![before]).await
}

async fn end(tx: &mut Tx, lease: &Lease, state: &str, error: &str, now: Timestamp) -> Result<()> {
    let sql = "update jobs set state = $3, error = $4, finished_at = $5, lease_until = null where id = $1 and lease_epoch = $2 and state = 'running'";
    let rows = tx.run(sql, args![lease.job, lease.epoch, state, error, now]).await?;
    mine(rows, lease)?;
    // A place in its workspace's share is free again.
    tx.note_jobs();
    Ok(())
}

fn mine(rows: u64, lease: &Lease) -> Result<()> {
    if rows > 0 {
        return Ok(());
    }
    Err(Error::conflict(format!("job `{}` was taken over by another worker; nothing was written", lease.job)).code(LEASE_LOST))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    kind: String,
    payload: String,
    workspace_id: Option<uuid::Uuid>,
    key: Option<String>,
    priority: i64,
    attempts: i64,
    run_at: At,
    cancel_requested: bool,
}

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    #[sqlx(flatten)]
    job: Row,
    lease_epoch: i64,
}

impl Row {
    fn noun(self) -> Result<Job> {
        let Row { id, kind, payload, workspace_id, key, priority, attempts, run_at, cancel_requested } = self;
        Ok(Job {
            id: JobId(id),
            kind,
            payload: serde_json::from_str(&payload)
                .map_err(|e| Error::internal(format!("the payload of job `{id}` is no JSON")).because(e))?,
            workspace: workspace_id.map(WorkspaceId),
            key,
            priority: priority.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            attempts: attempts.clamp(0, i32::MAX.into()) as i32,
            run_at: run_at.into(),
            cancel_requested,
        })
    }
}
