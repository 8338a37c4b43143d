//! Keys that people give their programs. Only their hashes are kept; a revoked key's row stays.

use crate::value::{At, found, insert, time, touched};
use crate::{Tx, accounts, args};
use domain::account::{ApiKey, User};
use domain::{ApiKeyId, Result, Timestamp, UserId};
use jiff::SignedDuration;

const COLUMNS: &str = "id, user_id, name, created_at, last_used_at, is_active";

/// `key_hash` is the SHA-256 of the raw key in lower-case hex.
pub async fn insert_key(tx: &mut Tx, key: &ApiKey, key_hash: &str) -> Result<()> {
    let ApiKey { id, user, name, created_at, last_used_at, is_active } = key;
    let args = args![*id, *user, name, *created_at, *last_used_at, *is_active, key_hash];
    tx.run(insert("api_keys", &format!("{COLUMNS}, key_hash")), args).await?;
    Ok(())
}

/// An active key and whose it is, with the access to judge. What the user may do is for the caller to check.
pub async fn by_hash(tx: &mut Tx, key_hash: &str) -> Result<Option<(ApiKey, User)>> {
    let row: Option<Row> =
        tx.maybe(format!("select {COLUMNS} from api_keys where key_hash = $1 and is_active = $2"), args![key_hash, true]).await?;
    let Some(row) = row else { return Ok(None) };
    let key = row.noun();
    let user = accounts::get(tx, key.user).await?;
    Ok(Some((key, user)))
}

/// Newest first, revoked ones included.
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<ApiKey>> {
    let rows: Vec<Row> =
        tx.all(format!("select {COLUMNS} from api_keys where user_id = $1 order by created_at desc, id desc"), args![user]).await?;
    Ok(rows.into_iter().map(Row::noun).collect())
}

/// `NotFound` unless the key is this user's. Revoking again is fine.
pub async fn revoke(tx: &mut Tx, user: UserId, id: ApiKeyId) -> Result<()> {
    let rows = tx.run("update api_keys set is_active = $3 where id = $1 and user_id = $2", args![id, user, false]).await?;
    touched(rows, "API key", id)
}

/// Whether `touch` would write: a key in steady use costs one write a minute, not one per request.
pub fn is_touch_due(key: &ApiKey, now: Timestamp) -> bool {
    key.last_used_at.is_none_or(|last| now.duration_since(last) >= SignedDuration::from_mins(1))
}

/// Remembers the use, at most once a minute.
pub async fn touch(tx: &mut Tx, id: ApiKeyId, now: Timestamp) -> Result<()> {
    let minute_ago = now - SignedDuration::from_mins(1);
    let sql = "update api_keys set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at <= $3)";
    tx.run(sql, args![id, now, minute_ago]).await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, id: ApiKeyId) -> Result<ApiKey> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from api_keys where id = $1"), args![id]).await?;
    Ok(found(row, "API key", id)?.noun())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    user_id: i64,
    name: String,
    created_at: At,
    last_used_at: Option<At>,
    is_active: bool,
}

impl Row {
    fn noun(self) -> ApiKey {
        let Row { id, user_id, name, created_at, last_used_at, is_active } = self;
        ApiKey { id: ApiKeyId(id), user: UserId(user_id), name, created_at: created_at.into(), last_used_at: time(last_used_at), is_active }
    }
}
