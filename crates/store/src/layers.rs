//! Set-up layers on this host, by the digest of what they were made from.

use crate::value::{At, insert, touched, word};
use crate::{Tx, args};
use domain::{RepositoryId, Result, Timestamp};

const COLUMNS: &str = "digest, repository_id, path, state, size_bytes, created_at, last_used_at";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub digest: String,
    pub repository: Option<RepositoryId>,
    pub path: String,
    pub state: LayerState,
    pub size_bytes: i64,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// Somebody is making it; after a crash it has to be made again.
    Building,
    Ready,
}

impl LayerState {
    pub const ALL: [LayerState; 2] = [LayerState::Building, LayerState::Ready];
    pub fn word(self) -> &'static str {
        match self {
            LayerState::Building => "building",
            LayerState::Ready => "ready",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// Makes or replaces it.
pub async fn put(tx: &mut Tx, layer: &Layer) -> Result<()> {
    let Layer { digest, repository, path, state, size_bytes, created_at, last_used_at } = layer;
    let sql = insert("layers", COLUMNS)
        + " on conflict (digest) do update set repository_id = excluded.repository_id, path = excluded.path, state = excluded.state,
            size_bytes = excluded.size_bytes, created_at = excluded.created_at, last_used_at = excluded.last_used_at";
    tx.run(sql, args![digest, *repository, path, state.word(), *size_bytes, *created_at, *last_used_at]).await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, digest: &str) -> Result<Option<Layer>> {
    let sql = tx.locked(format!("select {COLUMNS} from layers where digest = $1"));
    tx.maybe::<Row>(sql, args![digest]).await?.map(Row::noun).transpose()
}

pub async fn touch(tx: &mut Tx, digest: &str, now: Timestamp) -> Result<()> {
    let rows = tx.run("update layers set last_used_at = $2 where digest = $1", args![digest, now]).await?;
    touched(rows, "set-up layer", digest)
}

/// Least recently used first: the order in which to make room.
pub async fn list(tx: &mut Tx) -> Result<Vec<Layer>> {
    let sql = format!("select {COLUMNS} from layers order by last_used_at, digest limit 1000");
    tx.all::<Row>(sql, args![]).await?.into_iter().map(Row::noun).collect()
}

pub async fn delete(tx: &mut Tx, digest: &str) -> Result<()> {
    tx.run("delete from layers where digest = $1", args![digest]).await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    digest: String,
    repository_id: Option<uuid::Uuid>,
    path: String,
    state: String,
    size_bytes: i64,
    created_at: At,
    last_used_at: At,
}

impl Row {
    fn noun(self) -> Result<Layer> {
        let Row { digest, repository_id, path, state, size_bytes, created_at, last_used_at } = self;
        Ok(Layer {
            digest,
            repository: repository_id.map(RepositoryId),
            path,
            state: word("layers.state", &state, LayerState::parse)?,
            size_bytes,
            created_at: created_at.into(),
            last_used_at: last_used_at.into(),
        })
    }
}
