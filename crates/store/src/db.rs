//! Connections, transactions and the one dispatch over both databases. No noun lives here.
//!
//! A `Tx` runs the same `$1 … returning` text on SQLite and PostgreSQL. In a write transaction on PostgreSQL
//! `Tx::locked` adds `for update`, so that read-then-write is as safe there as under SQLite's single writer.

use crate::value::Arg;
use domain::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, FromRow, PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

/// One channel for all wake-ups between processes.
const CHANNEL: &str = "astraforge_wake";
const WAKES_KEPT: usize = 4096;

#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite://PATH` (the file is made if missing, its folder is not) or `postgres://…`.
    pub url: String,
    /// Readers on SQLite, all connections on PostgreSQL.
    pub connections_max: u32,
    pub acquire_timeout: Duration,
}

impl StoreConfig {
    pub fn new(url: impl Into<String>) -> Self {
        StoreConfig { url: url.into(), connections_max: 8, acquire_timeout: Duration::from_secs(10) }
    }
}

/// Only a hint to look at the tables again: nothing is delivered by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Events were appended to this topic.
    Topic(String),
    /// A job may be due.
    Jobs,
    /// Wake-ups from other processes may have been lost; look at everything.
    Missed,
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    pools: Pools,
    wakes: broadcast::Sender<Wake>,
    /// Tells our own notifications from those of other processes.
    origin: String,
    listener: Option<AbortHandle>,
}

enum Pools {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres(PgPool),
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Store {
    /// Opens the database and brings its tables up to date.
    pub async fn connect(config: StoreConfig) -> Result<Store> {
        let wakes = broadcast::Sender::new(WAKES_KEPT);
        let mut origin = String::new();
        let mut listener = None;
        let pools = if config.url.starts_with("sqlite:") {
            sqlite(&config).await?
        } else if config.url.starts_with("postgres:") || config.url.starts_with("postgresql:") {
            let pool = postgres(&config).await?;
            (origin,) = sqlx::query_as("select cast(gen_random_uuid() as text)").fetch_one(&pool).await.map_err(fault)?;
            listener = Some(tokio::spawn(listen(pool.clone(), origin.clone(), wakes.clone())).abort_handle());
            Pools::Postgres(pool)
        } else {
            return Err(Error::invalid("a database URL starts with `sqlite://` or `postgres://`"));
        };
        Ok(Store(Arc::new(Inner { pools, wakes, origin, listener })))
    }

    /// A consistent view that refuses writes.
    pub async fn read(&self) -> Result<Tx> {
        let conn = match &self.0.pools {
            Pools::Sqlite { readers, .. } => Conn::Sqlite(readers.begin().await.map_err(fault)?),
            Pools::Postgres(pool) => {
                Conn::Postgres(pool.begin_with("begin isolation level repeatable read read only").await.map_err(fault)?)
            }
        };
        Ok(Tx { conn, store: self.clone(), writes: false, topics: BTreeSet::new(), jobs: false })
    }

    /// Changes that happen together or not at all; dropped without `commit`, nothing happened.
    /// On SQLite this waits for its turn: there is one writer.
    pub async fn write(&self) -> Result<Tx> {
        let conn = match &self.0.pools {
            Pools::Sqlite { writer, .. } => Conn::Sqlite(writer.begin_with("begin immediate").await.map_err(fault)?),
            Pools::Postgres(pool) => Conn::Postgres(pool.begin().await.map_err(fault)?),
        };
        Ok(Tx { conn, store: self.clone(), writes: true, topics: BTreeSet::new(), jobs: false })
    }

    /// Hints from now on. A receiver that lags should look at everything.
    pub fn wakes(&self) -> broadcast::Receiver<Wake> {
        self.0.wakes.subscribe()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        let mut tx = self.read().await?;
        let _: (i64,) = tx.one("select cast(1 as bigint)", vec![]).await?;
        Ok(())
    }

    /// The word for `/api/readyz` and metrics.
    pub fn database(&self) -> &'static str {
        match self.0.pools {
            Pools::Sqlite { .. } => "sqlite",
            Pools::Postgres(_) => "postgres",
        }
    }

    /// Waits for open transactions to end, then closes every connection.
    pub async fn close(&self) {
        if let Some(listener) = &self.0.listener {
            listener.abort();
        }
        match &self.0.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction. Every noun's functions take one.
pub struct Tx {
    conn: Conn,
    store: Store,
    writes: bool,
    topics: BTreeSet<String>,
    jobs: bool,
}

enum Conn {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// What a row turns into, on either database.
pub(crate) trait Columns: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Columns for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

macro_rules! bind {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Arg::Int(value) => query.bind(value),
                Arg::Real(value) => query.bind(value),
                Arg::Bool(value) => query.bind(value),
                Arg::Text(value) => query.bind(value),
                Arg::Uuid(value) => query.bind(value),
                Arg::Bytes(value) => query.bind(value),
                Arg::At(value) => query.bind(value),
            };
        }
        query
    }};
}

/// Runs one expression over whichever connection there is.
macro_rules! dispatch {
    ($tx:expr, $conn:ident => $body:expr) => {
        match &mut $tx.conn {
            Conn::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body.await.map_err(fault)
            }
            Conn::Postgres(tx) => {
                let $conn = &mut **tx;
                $body.await.map_err(fault)
            }
        }
    };
}

impl Tx {
    pub async fn commit(mut self) -> Result<()> {
        let wakes = self.wakes();
        if let Conn::Postgres(_) = self.conn {
            for wake in &wakes {
                let note = encode(&self.store.0.origin, wake);
                let _: Vec<(String,)> = self.all("select cast(pg_notify($1, $2) as text)", crate::args![CHANNEL, note]).await?;
            }
        }
        match self.conn {
            Conn::Sqlite(tx) => tx.commit().await.map_err(fault)?,
            Conn::Postgres(tx) => tx.commit().await.map_err(fault)?,
        }
        for wake in wakes {
            // Nobody listening is fine.
            let _ = self.store.0.wakes.send(wake);
        }
        Ok(())
    }

    /// Undoes everything now; dropping the transaction does the same a little later.
    pub async fn rollback(self) -> Result<()> {
        match self.conn {
            Conn::Sqlite(tx) => tx.rollback().await.map_err(fault),
            Conn::Postgres(tx) => tx.rollback().await.map_err(fault),
        }
    }

    pub(crate) fn note_topic(&mut self, topic: &str) {
        if !self.topics.contains(topic) {
            self.topics.insert(topic.to_string());
        }
    }

    pub(crate) fn note_jobs(&mut self) {
        self.jobs = true;
    }

    fn wakes(&mut self) -> Vec<Wake> {
        let mut wakes: Vec<Wake> = std::mem::take(&mut self.topics).into_iter().map(Wake::Topic).collect();
        if self.jobs {
            wakes.push(Wake::Jobs);
        }
        wakes
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.conn, Conn::Postgres(_))
    }

    /// The query, holding the rows it finds against other writers until this transaction ends.
    pub(crate) fn locked(&self, sql: impl Into<String>) -> String {
        let mut sql = sql.into();
        if self.writes && self.is_postgres() {
            sql.push_str(" for update");
        }
        sql
    }

    pub(crate) async fn all<T: Columns>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Arg>) -> Result<Vec<T>> {
        let sql = sql.into().into_owned();
        dispatch!(self, conn => bind!(sqlx::query_as::<_, T>(AssertSqlSafe(sql)), args).fetch_all(conn))
    }

    pub(crate) async fn maybe<T: Columns>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Arg>) -> Result<Option<T>> {
        let sql = sql.into().into_owned();
        dispatch!(self, conn => bind!(sqlx::query_as::<_, T>(AssertSqlSafe(sql)), args).fetch_optional(conn))
    }

    /// For queries that always answer one row.
    pub(crate) async fn one<T: Columns>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Arg>) -> Result<T> {
        let sql = sql.into().into_owned();
        dispatch!(self, conn => bind!(sqlx::query_as::<_, T>(AssertSqlSafe(sql)), args).fetch_one(conn))
    }

    /// Answers how many rows it touched.
    pub(crate) async fn run(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Arg>) -> Result<u64> {
        let sql = sql.into().into_owned();
        match &mut self.conn {
            Conn::Sqlite(tx) => bind!(sqlx::query(AssertSqlSafe(sql)), args).execute(&mut **tx).await.map(|done| done.rows_affected()),
            Conn::Postgres(tx) => bind!(sqlx::query(AssertSqlSafe(sql)), args).execute(&mut **tx).await.map(|done| done.rows_affected()),
        }
        .map_err(fault)
    }
}

async fn sqlite(config: &StoreConfig) -> Result<Pools> {
    let options = SqliteConnectOptions::from_str(&config.url)
        .map_err(|e| Error::invalid("the SQLite URL is not understood; it reads `sqlite://PATH`").because(e))?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(config.acquire_timeout);
    let writer = sqlite_pool()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(config.acquire_timeout)
        .connect_with(options.clone())
        .await
        .map_err(|e| Error::unavailable("the SQLite database can't be opened; check the path and its folder's permissions").because(e))?;
    sqlx::migrate!("migrations/sqlite").run(&writer).await.map_err(migration_fault)?;
    let readers = sqlite_pool()
        .max_connections(config.connections_max.max(1))
        .acquire_timeout(config.acquire_timeout)
        .connect_with(options.pragma("query_only", "on"))
        .await
        .map_err(fault)?;
    Ok(Pools::Sqlite { writer, readers })
}

/// SQLite itself ends a transaction when the disk is full. sqlx goes on counting it, so such a connection would refuse
/// every later transaction; it is replaced before anybody gets it.
fn sqlite_pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

async fn postgres(config: &StoreConfig) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(&config.url)
        .map_err(|e| Error::invalid("the PostgreSQL URL is not understood; it reads `postgres://USER:PASSWORD@HOST/DATABASE`").because(e))?
        .application_name("astraforge");
    let pool = PgPoolOptions::new()
        // The listener keeps one for itself.
        .max_connections(config.connections_max.max(1) + 1)
        .acquire_timeout(config.acquire_timeout)
        .connect_with(options)
        .await
        .map_err(|e| Error::unavailable("PostgreSQL can't be reached; check the database URL and that the server runs").because(e))?;
    sqlx::migrate!("migrations/postgres").run(&pool).await.map_err(migration_fault)?;
    Ok(pool)
}

fn migration_fault(error: sqlx::migrate::MigrateError) -> Error {
    Error::internal("the database's tables can't be brought up to date; a newer version may have used it").because(error)
}

/// Passes on what other processes announce, for as long as the store lives.
async fn listen(pool: PgPool, origin: String, wakes: broadcast::Sender<Wake>) {
    loop {
        match heard(&pool, &origin, &wakes).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "lost the wake-up channel of PostgreSQL; connecting again"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _ = wakes.send(Wake::Missed);
    }
}

async fn heard(pool: &PgPool, origin: &str, wakes: &broadcast::Sender<Wake>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let wake = match listener.try_recv().await? {
            None => Wake::Missed,
            Some(note) => match decode(origin, note.payload()) {
                Some(wake) => wake,
                None => continue,
            },
        };
        let _ = wakes.send(wake);
    }
}

fn encode(origin: &str, wake: &Wake) -> String {
    match wake {
        Wake::Topic(topic) => format!("{origin} topic {topic}"),
        Wake::Jobs => format!("{origin} jobs"),
        Wake::Missed => format!("{origin} missed"),
    }
}

fn decode(own: &str, note: &str) -> Option<Wake> {
    let (origin, rest) = note.split_once(' ')?;
    match rest.split_once(' ') {
        _ if origin == own => None,
        Some(("topic", topic)) => Some(Wake::Topic(topic.to_string())),
        None if rest == "jobs" => Some(Wake::Jobs),
        _ => Some(Wake::Missed),
    }
}

/// The code of an error that only somebody else's hand in the database can cause.
pub(crate) const UNREADABLE: &str = "unreadable";

/// What the database says, in our kinds. Nouns replace the message of a conflict by a better one.
pub(crate) fn fault(error: sqlx::Error) -> Error {
    if let sqlx::Error::ColumnDecode { .. } = &error {
        return Error::internal("the database holds a value of another type than it was given").code(UNREADABLE).because(error);
    }
    let (kind, message) = match &error {
        sqlx::Error::PoolTimedOut => (domain::Kind::Unavailable, "the database is busy; try again in a moment"),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => (domain::Kind::Unavailable, "the database is being closed"),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => (domain::Kind::Unavailable, "the database can't be reached"),
        sqlx::Error::Database(db) if db.is_unique_violation() => (domain::Kind::Conflict, "something with this name or id exists already"),
        sqlx::Error::Database(db) if db.is_foreign_key_violation() => {
            (domain::Kind::Conflict, "it names something that is gone, or something else still needs it")
        }
        sqlx::Error::Database(db) if is_passing(db.code().as_deref()) => {
            (domain::Kind::Unavailable, "the database is busy with a conflicting change; try again")
        }
        sqlx::Error::Database(db) if is_full(db.code().as_deref()) => {
            (domain::Kind::Unavailable, "the database has no room left on its disk; make some, then try again")
        }
        _ => (domain::Kind::Internal, "the database refused a query"),
    };
    Error::new(kind, message).because(error)
}

/// SQLite's busy and locked; PostgreSQL's serialization failure, deadlock, shutdown and too many connections.
fn is_passing(code: Option<&str>) -> bool {
    matches!(code, Some("5" | "6" | "261" | "517" | "40001" | "40P01" | "57P01" | "57P03" | "53300"))
}

/// SQLite's and PostgreSQL's words for a full disk.
fn is_full(code: Option<&str>) -> bool {
    matches!(code, Some("13" | "53100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_refuses_a_write_and_the_next_one_works() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::connect(StoreConfig::new(format!("sqlite://{}", dir.path().join("db").display()))).await.unwrap();
        let set = "insert into settings (key, value) values ($1, $2)";
        let mut tx = store.write().await.unwrap();
        let (used,): (i64,) = tx.one("select cast(page_count as bigint) from pragma_page_count()", vec![]).await.unwrap();
        // This connection alone may not make the file any larger, as if the disk were full.
        tx.run(format!("pragma max_page_count = {used}"), vec![]).await.unwrap();
        let error = tx.run(set, crate::args!["large", "x".repeat(1 << 20)]).await.unwrap_err();
        assert_eq!(error.kind, domain::Kind::Unavailable, "{error:?}");
        drop(tx);

        for name in ["first", "second"] {
            let mut tx = store.write().await.unwrap();
            tx.run(set, crate::args![name, "x"]).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = store.read().await.unwrap();
        let kept: Vec<(String,)> = tx.all("select key from settings", vec![]).await.unwrap();
        assert!(kept.contains(&("first".into(),)) && kept.contains(&("second".into(),)), "{kept:?}");
    }
}
