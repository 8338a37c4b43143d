//! The signed bundle of each run, as the very text that was signed.

use crate::value::{At, insert};
use crate::{Tx, args};
use domain::{Result, RunId, Timestamp};

const COLUMNS: &str = "run_id, digest, envelope, created_at";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub run: RunId,
    /// SHA-256 of the envelope's bytes, lower-case hex.
    pub digest: String,
    /// A DSSE envelope in JSON.
    pub envelope: String,
    pub created_at: Timestamp,
}

/// Replaces the run's former bundle, if there was one.
pub async fn put(tx: &mut Tx, bundle: &Bundle) -> Result<()> {
    let Bundle { run, digest, envelope, created_at } = bundle;
    let sql = insert("evidence", COLUMNS)
        + " on conflict (run_id) do update set digest = excluded.digest, envelope = excluded.envelope, created_at = excluded.created_at";
    tx.run(sql, args![*run, digest, envelope, *created_at]).await?;
    Ok(())
}

pub async fn by_run(tx: &mut Tx, run: RunId) -> Result<Option<Bundle>> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from evidence where run_id = $1"), args![run]).await?;
    Ok(row.map(Row::noun))
}

pub async fn by_digest(tx: &mut Tx, digest: &str) -> Result<Option<Bundle>> {
    let row: Option<Row> =
        tx.maybe(format!("select {COLUMNS} from evidence where digest = $1 order by created_at limit 1"), args![digest]).await?;
    Ok(row.map(Row::noun))
}

#[derive(sqlx::FromRow)]
struct Row {
    run_id: uuid::Uuid,
    digest: String,
    envelope: String,
    created_at: At,
}

impl Row {
    fn noun(self) -> Bundle {
        let Row { run_id, digest, envelope, created_at } = self;
        Bundle { run: RunId(run_id), digest, envelope, created_at: created_at.into() }
    }
}
