//! Runs. A run's record is one document; what lists need beside it has columns of its own.

use crate::value::{Arg, At, Doc, Page, conflict, doc, found, insert, of, places, time, touched, update as update_sql, word};
use crate::{Tx, args};
use domain::evidence::Verdict;
use domain::run::{Run, RunRecord, RunStatus, Step};
use domain::usage::Usage;
use domain::{IncidentId, RequestId, Result, RunId, Timestamp, WorkspaceId};

const HEAD: &str = "id, request_id, workspace_id, incident_id, number, status, step, live_line, live_since, executor, model, verdict, error, created_at, started_at, finished_at";
const COLUMNS: &str = "id, request_id, workspace_id, incident_id, number, status, step, live_line, live_since, executor, model, verdict, error, created_at, started_at, finished_at, diff_chars, usage, record";

/// A row of a list: everything about a run but its record.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub id: RunId,
    pub request: RequestId,
    pub request_title: String,
    pub workspace: WorkspaceId,
    pub incident: Option<IncidentId>,
    pub number: i64,
    pub status: RunStatus,
    pub step: Option<Step>,
    pub live_line: String,
    pub live_since: Option<Timestamp>,
    pub executor: String,
    pub model: String,
    pub verdict: Option<Verdict>,
    pub error: String,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Characters of the patch.
    pub diff_chars: i64,
    pub usage: Usage,
}

pub async fn create(tx: &mut Tx, run: &Run) -> Result<()> {
    tx.run(insert("runs", COLUMNS), args_of(run))
        .await
        .map_err(conflict(format!("a run `{}` exists already, or its request is gone", run.id)))?;
    Ok(())
}

/// In a write transaction the run is held against other writers until the end.
pub async fn get(tx: &mut Tx, id: RunId) -> Result<Run> {
    let sql = tx.locked(format!("select {HEAD}, record from runs where id = $1"));
    found(tx.maybe::<FullRow>(sql, args![id]).await?, "run", id)?.noun()
}

/// The whole run as it is given.
pub async fn update(tx: &mut Tx, run: &Run) -> Result<()> {
    let rows = tx.run(update_sql("runs", COLUMNS), args_of(run)).await?;
    touched(rows, "run", run.id)
}

/// What it is doing this moment: written often, so the record is left alone.
pub async fn set_live(tx: &mut Tx, id: RunId, line: &str, since: Option<Timestamp>) -> Result<()> {
    let rows = tx.run("update runs set live_line = $2, live_since = $3 where id = $1", args![id, line, since]).await?;
    touched(rows, "run", id)
}

/// Whole runs, newest first.
pub async fn list(tx: &mut Tx, workspaces: &[WorkspaceId], page: Page) -> Result<Vec<Run>> {
    if workspaces.is_empty() {
        return Ok(vec![]);
    }
    let within = places(1, workspaces.len());
    let sql =
        format!("select {HEAD}, record from runs where workspace_id in ({within}) order by created_at desc, id desc{}", page.clause());
    tx.all::<FullRow>(sql, workspaces.iter().map(|w| (*w).into()).collect()).await?.into_iter().map(FullRow::noun).collect()
}

/// Newest `started_at` first; those that have not started come before all others.
pub async fn summaries(tx: &mut Tx, workspaces: &[WorkspaceId], page: Page) -> Result<Vec<Summary>> {
    if workspaces.is_empty() {
        return Ok(vec![]);
    }
    let condition = format!("r.workspace_id in ({})", places(1, workspaces.len()));
    summarise(tx, &condition, workspaces.iter().map(|w| (*w).into()).collect(), page).await
}

/// The same for one request.
pub async fn summaries_of(tx: &mut Tx, request: RequestId) -> Result<Vec<Summary>> {
    summarise(tx, "r.request_id = $1", args![request], Page::default()).await
}

/// Whole runs, oldest first.
pub async fn by_request(tx: &mut Tx, request: RequestId) -> Result<Vec<Run>> {
    let sql = format!("select {HEAD}, record from runs where request_id = $1 order by created_at, id limit 1000");
    tx.all::<FullRow>(sql, args![request]).await?.into_iter().map(FullRow::noun).collect()
}

/// Whole runs for one incident, newest first.
pub async fn by_incident(tx: &mut Tx, incident: IncidentId, page: Page) -> Result<Vec<Run>> {
    let sql = format!("select {HEAD}, record from runs where incident_id = $1 order by created_at desc, id desc{}", page.clause());
    tx.all::<FullRow>(sql, args![incident]).await?.into_iter().map(FullRow::noun).collect()
}

/// Queued or running, everywhere, oldest first: what a starting process looks after.
pub async fn active(tx: &mut Tx) -> Result<Vec<Run>> {
    let sql = format!("select {HEAD}, record from runs where status in ('queued', 'running') order by created_at, id limit 1000");
    tx.all::<FullRow>(sql, args![]).await?.into_iter().map(FullRow::noun).collect()
}

/// Queued or running runs of one request.
pub async fn active_of(tx: &mut Tx, request: RequestId) -> Result<Vec<Run>> {
    let sql = tx.locked(format!(
        "select {HEAD}, record from runs where request_id = $1 and status in ('queued', 'running') order by created_at, id"
    ));
    tx.all::<FullRow>(sql, args![request]).await?.into_iter().map(FullRow::noun).collect()
}

/// With its evidence, tokens and books. The request's events stay: they are one chain.
pub async fn delete(tx: &mut Tx, id: RunId) -> Result<()> {
    let rows = tx.run("delete from runs where id = $1", args![id]).await?;
    touched(rows, "run", id)
}

/// The highest number given so far; `workspaces::next_number` gives the next.
pub async fn last_number(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let (number,): (i64,) = tx.one("select coalesce(max(number), 0) from runs where workspace_id = $1", args![workspace]).await?;
    Ok(number)
}

async fn summarise(tx: &mut Tx, condition: &str, args: Vec<Arg>, page: Page) -> Result<Vec<Summary>> {
    let sql = format!(
        "select {}, r.diff_chars, r.usage, q.title as request_title from runs r join requests q on q.id = r.request_id
         where {condition} order by case when r.started_at is null then 0 else 1 end, r.started_at desc, r.created_at desc, r.id desc{}",
        of("r", HEAD),
        page.clause()
    );
    tx.all::<SummaryRow>(sql, args).await?.into_iter().map(SummaryRow::noun).collect()
}

fn args_of(run: &Run) -> Vec<Arg> {
    let Run {
        id,
        request,
        workspace,
        incident,
        number,
        status,
        step,
        live_line,
        live_since,
        executor,
        model,
        verdict,
        error,
        record,
        created_at,
        started_at,
        finished_at,
    } = run;
    args![
        *id,
        *request,
        *workspace,
        *incident,
        *number,
        status.word(),
        step.map(Step::word),
        live_line,
        *live_since,
        executor,
        model,
        verdict.map(Verdict::word),
        error,
        *created_at,
        *started_at,
        *finished_at,
        record.patch.chars().count() as i64,
        doc(&record.usage),
        doc(record),
    ]
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    id: uuid::Uuid,
    request_id: uuid::Uuid,
    workspace_id: uuid::Uuid,
    incident_id: Option<uuid::Uuid>,
    number: i64,
    status: String,
    step: Option<String>,
    live_line: String,
    live_since: Option<At>,
    executor: String,
    model: String,
    verdict: Option<String>,
    error: String,
    created_at: At,
    started_at: Option<At>,
    finished_at: Option<At>,
}

#[derive(sqlx::FromRow)]
struct FullRow {
    #[sqlx(flatten)]
    head: HeadRow,
    record: Doc<RunRecord>,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    #[sqlx(flatten)]
    head: HeadRow,
    diff_chars: i64,
    usage: Doc<Usage>,
    request_title: String,
}

impl HeadRow {
    fn with(self, record: RunRecord) -> Result<Run> {
        let HeadRow {
            id,
            request_id,
            workspace_id,
            incident_id,
            number,
            status,
            step,
            live_line,
            live_since,
            executor,
            model,
            verdict,
            error,
            created_at,
            started_at,
            finished_at,
        } = self;
        Ok(Run {
            id: RunId(id),
            request: RequestId(request_id),
            workspace: WorkspaceId(workspace_id),
            incident: incident_id.map(IncidentId),
            number,
            status: word("runs.status", &status, RunStatus::parse)?,
            step: step.map(|step| word("runs.step", &step, Step::parse)).transpose()?,
            live_line,
            live_since: time(live_since),
            executor,
            model,
            verdict: verdict.map(|verdict| word("runs.verdict", &verdict, Verdict::parse)).transpose()?,
            error,
            record,
            created_at: created_at.into(),
            started_at: time(started_at),
            finished_at: time(finished_at),
        })
    }
}

impl FullRow {
    fn noun(self) -> Result<Run> {
        self.head.with(self.record.0)
    }
}

impl SummaryRow {
    fn noun(self) -> Result<Summary> {
        let Run {
            id,
            request,
            workspace,
            incident,
            number,
            status,
            step,
            live_line,
            live_since,
            executor,
            model,
            verdict,
            error,
            record: _,
            created_at,
            started_at,
            finished_at,
        } = self.head.with(RunRecord::default())?;
        Ok(Summary {
            id,
            request,
            request_title: self.request_title,
            workspace,
            incident,
            number,
            status,
            step,
            live_line,
            live_since,
            executor,
            model,
            verdict,
            error,
            created_at,
            started_at,
            finished_at,
            diff_chars: self.diff_chars,
            usage: self.usage.0,
        })
    }
}
