//! Users, their access, and the sessions they are signed in by. API keys live next door.

use crate::value::{At, Page, conflict, found, insert, time, touched, word};
use crate::{Tx, args};
use domain::account::{Access, AccessStatus, User};
use domain::{Result, Timestamp, UserId};

const COLUMNS: &str =
    "id, username, email, is_admin, access_status, identity_provider, approved_at, access_updated_at, waitlist_notified_at, created_at";

/// A user before it has a number.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub username: String,
    pub email: String,
    /// A PHC string; what made it is not our business.
    pub password_hash: String,
    pub is_admin: bool,
    pub access: Access,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie.
    pub token_hash: String,
    pub user: UserId,
    pub csrf: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// `Conflict` on the field `username` when somebody has that name, in whatever case.
pub async fn create(tx: &mut Tx, new: &NewUser) -> Result<User> {
    let sql = insert(
        "users",
        "username, username_key, email, password_hash, is_admin, access_status, identity_provider, approved_at, access_updated_at, waitlist_notified_at, created_at",
    ) + " returning "
        + COLUMNS;
    let Access { status, identity_provider, approved_at, updated_at, waitlist_notified_at } = &new.access;
    let args = args![
        &new.username,
        key(&new.username),
        &new.email,
        &new.password_hash,
        new.is_admin,
        status.word(),
        identity_provider,
        *approved_at,
        *updated_at,
        *waitlist_notified_at,
        new.created_at,
    ];
    let row: Row = tx.one(sql, args).await.map_err(|error| {
        let error = conflict(format!("the username `{}` is taken; choose another", new.username))(error);
        if error.kind == domain::Kind::Conflict {
            let message = error.message.clone();
            error.code("username_taken").and_field("username", message)
        } else {
            error
        }
    })?;
    row.noun()
}

pub async fn get(tx: &mut Tx, id: UserId) -> Result<User> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from users where id = $1"), args![id]).await?;
    found(row, "user", id)?.noun()
}

pub async fn by_username(tx: &mut Tx, username: &str) -> Result<Option<User>> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from users where username_key = $1"), args![key(username)]).await?;
    row.map(Row::noun).transpose()
}

/// The user and the password's hash, to check a login.
pub async fn credentials(tx: &mut Tx, username: &str) -> Result<Option<(User, String)>> {
    let Some(user) = by_username(tx, username).await? else { return Ok(None) };
    let (hash,): (String,) = tx.one("select password_hash from users where id = $1", args![user.id]).await?;
    Ok(Some((user, hash)))
}

/// All users, oldest first.
pub async fn list(tx: &mut Tx, page: Page) -> Result<Vec<User>> {
    let rows: Vec<Row> = tx.all(format!("select {COLUMNS} from users order by id{}", page.clause()), args![]).await?;
    rows.into_iter().map(Row::noun).collect()
}

pub async fn count(tx: &mut Tx) -> Result<i64> {
    let (count,): (i64,) = tx.one("select count(*) from users", args![]).await?;
    Ok(count)
}

pub async fn set_access(tx: &mut Tx, id: UserId, access: &Access) -> Result<()> {
    let Access { status, identity_provider, approved_at, updated_at, waitlist_notified_at } = access;
    let sql = "update users set access_status = $2, identity_provider = $3, approved_at = $4, access_updated_at = $5, waitlist_notified_at = $6 where id = $1";
    let rows = tx.run(sql, args![id, status.word(), identity_provider, *approved_at, *updated_at, *waitlist_notified_at]).await?;
    touched(rows, "user", id)
}

pub async fn set_password(tx: &mut Tx, id: UserId, password_hash: &str) -> Result<()> {
    let rows = tx.run("update users set password_hash = $2 where id = $1", args![id, password_hash]).await?;
    touched(rows, "user", id)
}

pub async fn set_admin(tx: &mut Tx, id: UserId, is_admin: bool) -> Result<()> {
    let rows = tx.run("update users set is_admin = $2 where id = $1", args![id, is_admin]).await?;
    touched(rows, "user", id)
}

pub async fn open_session(tx: &mut Tx, session: &Session) -> Result<()> {
    let Session { token_hash, user, csrf, created_at, expires_at } = session;
    tx.run(
        insert("sessions", "token_hash, user_id, csrf, created_at, expires_at"),
        args![token_hash, *user, csrf, *created_at, *expires_at],
    )
    .await?;
    Ok(())
}

/// The session and its user, unless it has expired.
pub async fn session(tx: &mut Tx, token_hash: &str, now: Timestamp) -> Result<Option<(Session, User)>> {
    let sql = "select token_hash, user_id, csrf, created_at, expires_at from sessions where token_hash = $1 and expires_at > $2";
    let row: Option<(String, i64, String, At, At)> = tx.maybe(sql, args![token_hash, now]).await?;
    let Some((token_hash, user, csrf, created_at, expires_at)) = row else { return Ok(None) };
    let session = Session { token_hash, user: UserId(user), csrf, created_at: created_at.into(), expires_at: expires_at.into() };
    let user = get(tx, session.user).await?;
    Ok(Some((session, user)))
}

/// Idempotent.
pub async fn close_session(tx: &mut Tx, token_hash: &str) -> Result<()> {
    tx.run("delete from sessions where token_hash = $1", args![token_hash]).await?;
    Ok(())
}

/// Signs the user out everywhere; answers how many sessions there were.
pub async fn close_sessions_of(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.run("delete from sessions where user_id = $1", args![user]).await
}

/// The same, but for the session whose token has this hash.
pub async fn close_other_sessions_of(tx: &mut Tx, user: UserId, kept_hash: &str) -> Result<u64> {
    tx.run("delete from sessions where user_id = $1 and token_hash <> $2", args![user, kept_hash]).await
}

pub async fn delete_expired_sessions(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.run("delete from sessions where expires_at <= $1", args![now]).await
}

/// `Ada` and `ada` are one person.
fn key(username: &str) -> String {
    username.to_lowercase()
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: i64,
    username: String,
    email: String,
    is_admin: bool,
    access_status: String,
    identity_provider: String,
    approved_at: Option<At>,
    access_updated_at: At,
    waitlist_notified_at: Option<At>,
    created_at: At,
}

impl Row {
    pub(crate) fn noun(self) -> Result<User> {
        let Row {
            id,
            username,
            email,
            is_admin,
            access_status,
            identity_provider,
            approved_at,
            access_updated_at,
            waitlist_notified_at,
            created_at,
        } = self;
        Ok(User {
            id: UserId(id),
            username,
            email,
            is_admin,
            access: Access {
                status: word("users.access_status", &access_status, AccessStatus::parse)?,
                identity_provider,
                approved_at: time(approved_at),
                updated_at: access_updated_at.into(),
                waitlist_notified_at: time(waitlist_notified_at),
            },
            created_at: created_at.into(),
        })
    }
}
