//! Alert sources: who may send, what was sent last, and the encrypted secret that signs it.

use crate::value::{Arg, At, conflict, found, insert, places, time, touched, update as update_sql};
use crate::{Tx, args};
use domain::source::Source;
use domain::{AlertSourceId, RepositoryId, Result, Timestamp, WorkspaceId};

/// The settings, then what `update` leaves alone: a new setting goes before `events_total`, here and in `args_of`.
const COLUMNS: &str = "id, workspace_id, name, kind, project_number, public_key, token_hash, repository_id, automatic_runs, executor, runs_per_hour_max, events_total, last_event_at, last_event_title, created_at";

/// `secret` is cipher text.
pub async fn create(tx: &mut Tx, source: &Source, secret: Option<&[u8]>) -> Result<()> {
    let mut args = args_of(source);
    args.push(secret.into());
    tx.run(insert("alert_sources", &format!("{COLUMNS}, secret")), args)
        .await
        .map_err(conflict("an alert source with this project number or token exists already, or its repository is gone"))?;
    Ok(())
}

/// The number for a new DSN; numbers of deleted sources may come again.
pub async fn next_project_number(tx: &mut Tx) -> Result<i64> {
    let (number,): (i64,) = tx.one("select coalesce(max(project_number), 0) + 1 from alert_sources", args![]).await?;
    Ok(number)
}

pub async fn get(tx: &mut Tx, id: AlertSourceId) -> Result<Source> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from alert_sources where id = $1"), args![id]).await?;
    found(row, "alert source", id)?.noun()
}

pub async fn by_project_number(tx: &mut Tx, number: i64) -> Result<Option<Source>> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from alert_sources where project_number = $1"), args![number]).await?;
    row.map(Row::noun).transpose()
}

pub async fn by_token_hash(tx: &mut Tx, token_hash: &str) -> Result<Option<Source>> {
    if token_hash.is_empty() {
        return Ok(None);
    }
    let row: Option<Row> =
        tx.maybe(format!("select {COLUMNS} from alert_sources where token_hash = $1 and token_hash <> ''"), args![token_hash]).await?;
    row.map(Row::noun).transpose()
}

/// Oldest first.
pub async fn list(tx: &mut Tx, workspaces: &[WorkspaceId]) -> Result<Vec<Source>> {
    if workspaces.is_empty() {
        return Ok(vec![]);
    }
    let sql = format!(
        "select {COLUMNS} from alert_sources where workspace_id in ({}) order by created_at, id limit 1000",
        places(1, workspaces.len())
    );
    let rows: Vec<Row> = tx.all(sql, workspaces.iter().map(|w| (*w).into()).collect()).await?;
    rows.into_iter().map(Row::noun).collect()
}

/// The encrypted secret.
pub async fn secret(tx: &mut Tx, id: AlertSourceId) -> Result<Option<Vec<u8>>> {
    let row: Option<(Option<Vec<u8>>,)> = tx.maybe("select secret from alert_sources where id = $1", args![id]).await?;
    Ok(found(row, "alert source", id)?.0)
}

pub async fn set_secret(tx: &mut Tx, id: AlertSourceId, secret: Option<&[u8]>) -> Result<()> {
    let rows = tx.run("update alert_sources set secret = $2 where id = $1", args![id, secret]).await?;
    touched(rows, "alert source", id)
}

/// Everything but the secret and the counters, which only `count_events` moves.
pub async fn update(tx: &mut Tx, source: &Source) -> Result<()> {
    let settings = COLUMNS.split(", events_total").next().expect("a split has a first part");
    let mut args = args_of(source);
    args.truncate(settings.split(',').count());
    let rows = tx.run(update_sql("alert_sources", settings), args).await?;
    touched(rows, "alert source", source.id)
}

pub async fn count_events(tx: &mut Tx, id: AlertSourceId, added: i64, last_at: Timestamp, last_title: &str) -> Result<()> {
    let sql = "update alert_sources set events_total = events_total + $2, last_event_at = $3, last_event_title = $4 where id = $1";
    let rows = tx.run(sql, args![id, added, last_at, last_title]).await?;
    touched(rows, "alert source", id)
}

/// Its incidents go with it.
pub async fn delete(tx: &mut Tx, id: AlertSourceId) -> Result<()> {
    let rows = tx.run("delete from alert_sources where id = $1", args![id]).await?;
    touched(rows, "alert source", id)
}

fn args_of(source: &Source) -> Vec<Arg> {
    let Source {
        id,
        workspace,
        name,
        kind,
        project_number,
        public_key,
        token_hash,
        repository,
        automatic_runs,
        executor,
        runs_per_hour_max,
        events_total,
        last_event_at,
        last_event_title,
        created_at,
    } = source;
    args![
        *id,
        *workspace,
        name,
        kind,
        *project_number,
        public_key,
        token_hash,
        *repository,
        *automatic_runs,
        executor.clone(),
        *runs_per_hour_max,
        *events_total,
        *last_event_at,
        last_event_title.clone(),
        *created_at,
    ]
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    workspace_id: uuid::Uuid,
    name: String,
    kind: String,
    project_number: i64,
    public_key: String,
    token_hash: String,
    repository_id: Option<uuid::Uuid>,
    automatic_runs: bool,
    executor: Option<String>,
    runs_per_hour_max: i64,
    events_total: i64,
    last_event_at: Option<At>,
    last_event_title: Option<String>,
    created_at: At,
}

impl Row {
    fn noun(self) -> Result<Source> {
        let Row {
            id,
            workspace_id,
            name,
            kind,
            project_number,
            public_key,
            token_hash,
            repository_id,
            automatic_runs,
            executor,
            runs_per_hour_max,
            events_total,
            last_event_at,
            last_event_title,
            created_at,
        } = self;
        Ok(Source {
            id: AlertSourceId(id),
            workspace: WorkspaceId(workspace_id),
            name,
            kind,
            project_number,
            public_key,
            token_hash,
            repository: repository_id.map(RepositoryId),
            automatic_runs,
            executor,
            runs_per_hour_max: i32::try_from(runs_per_hour_max).unwrap_or(i32::MAX),
            events_total,
            last_event_at: time(last_event_at),
            last_event_title,
            created_at: created_at.into(),
        })
    }
}
