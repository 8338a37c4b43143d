//! People, their passwords, sessions and API keys.
//!
//! Passwords are hashed with argon2id off the async threads. Keys and sessions are stored as SHA-256 alone.

use crate::{Engine, workspaces};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::account::{Access, AccessStatus, ApiKey, User};
use domain::secret::Secret;
use domain::workspace::Membership;
use domain::{ApiKeyId, Error, Kind, Result, UserId, limits};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;
use tokio::sync::Semaphore;

/// Somebody whose credentials were good and who may use this server now.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: User,
    pub via: Via,
}

/// How a caller showed who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    Key(ApiKeyId),
    Session(Session),
}

#[derive(Clone, Debug)]
pub struct Registration {
    pub username: String,
    pub email: String,
    pub password: Secret,
    pub identity_provider: String,
}

/// An open session, as the request that carries it needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The hash of its token, to end it.
    pub hash: String,
    /// What unsafe requests must echo.
    pub csrf: String,
}

/// A session just opened: what the browser gets to keep.
#[derive(Clone, Debug)]
pub struct Opened {
    pub token: Secret,
    pub csrf: String,
}

/// A user with what every view of one shows.
#[derive(Clone, Debug)]
pub struct Profile {
    pub user: User,
    /// By name.
    pub workspaces: Vec<Membership>,
    /// The uid of the one joined first.
    pub default_workspace: Option<String>,
}

const USERNAME_CHARS_MAX: usize = 150;
const EMAIL_CHARS_MAX: usize = 254;
/// Hashing longer texts would only be a way to keep us busy.
const PASSWORD_BYTES_MAX: usize = 1024;
const KEY_NAME_CHARS_MAX: usize = 255;
/// Each hash takes 19 MiB and a core for some tens of milliseconds.
const HASHES_AT_ONCE_MAX: usize = 2;

/// Newcomers wait for an administrator.
pub fn waitlist_enabled(engine: &Engine) -> bool {
    engine.settings.require_approval && !engine.settings.allow_all_users
}

/// Makes the user and their personal workspace. The token opens a session, unless they have to wait.
pub async fn register(engine: &Engine, new: Registration) -> Result<(Profile, Option<Opened>)> {
    check_registration(&new)?;
    let hash = hash_password(engine, &new.password).await?;
    let approved = !waitlist_enabled(engine);
    let mut tx = engine.store.write().await?;
    let user = insert(engine, &mut tx, &new, &hash, approved, false).await?;
    let opened = if approved { Some(open_session(engine, &mut tx, user.id).await?) } else { None };
    let profile = with_workspaces(&mut tx, user).await?;
    tx.commit().await?;
    Ok((profile, opened))
}

/// Checks the password and opens a session. `Forbidden` says that the password was right but the account may not come in.
pub async fn login(engine: &Engine, username: &str, password: &Secret) -> Result<(Profile, Opened)> {
    let found = {
        let mut tx = engine.store.read().await?;
        store::accounts::credentials(&mut tx, username).await?
    };
    // A name that nobody has costs as much time as a wrong password.
    let hash = match &found {
        Some((_, hash)) => hash.clone(),
        None => nobody(engine).await?,
    };
    let fits = verify_password(password, hash).await?;
    let Some((mut user, _)) = found.filter(|_| fits) else {
        return Err(Error::unauthenticated("the user name or the password is wrong"));
    };
    let mut tx = engine.store.write().await?;
    if user.access.status == AccessStatus::Pending && !waitlist_enabled(engine) {
        user.access = granted(engine, &user);
        store::accounts::set_access(&mut tx, user.id, &user.access).await?;
    }
    admit(engine, &user)?;
    let opened = open_session(engine, &mut tx, user.id).await?;
    let profile = with_workspaces(&mut tx, user).await?;
    tx.commit().await?;
    Ok((profile, opened))
}

pub async fn logout(engine: &Engine, caller: &Caller) -> Result<()> {
    let Via::Session(session) = &caller.via else { return Ok(()) };
    let mut tx = engine.store.write().await?;
    store::accounts::close_session(&mut tx, &session.hash).await?;
    tx.commit().await
}

pub async fn profile(engine: &Engine, user: User) -> Result<Profile> {
    let mut tx = engine.store.read().await?;
    with_workspaces(&mut tx, user).await
}

async fn with_workspaces(tx: &mut store::Tx, user: User) -> Result<Profile> {
    let workspaces = store::workspaces::memberships_of(tx, user.id).await?;
    let oldest = store::workspaces::oldest_membership(tx, user.id).await?;
    Ok(Profile { user, workspaces, default_workspace: oldest.map(|m| m.workspace.uid) })
}

/// The owner of a raw API key. A key that is unknown or revoked is `Unauthenticated`.
pub async fn by_key(engine: &Engine, raw: &str) -> Result<Caller> {
    let refused = || Error::unauthenticated("the API key is unknown or revoked; make another under API keys").code("bad_api_key");
    if raw.is_empty() {
        return Err(refused());
    }
    let (key, user) = {
        let mut tx = engine.store.read().await?;
        store::api_keys::by_hash(&mut tx, &digest(raw)).await?.ok_or_else(refused)?
    };
    admit(engine, &user)?;
    let now = engine.now();
    if store::api_keys::is_touch_due(&key, now) {
        let mut tx = engine.store.write().await?;
        store::api_keys::touch(&mut tx, key.id, now).await?;
        tx.commit().await?;
    }
    Ok(Caller { user, via: Via::Key(key.id) })
}

/// The owner of a session. An unknown or old one is nobody; a blocked owner is `Forbidden`.
pub async fn by_session(engine: &Engine, token: &str) -> Result<Option<Caller>> {
    let hash = digest(token);
    let mut tx = engine.store.read().await?;
    let Some((session, user)) = store::accounts::session(&mut tx, &hash, engine.now()).await? else { return Ok(None) };
    admit(engine, &user)?;
    Ok(Some(Caller { user, via: Via::Session(Session { hash, csrf: session.csrf }) }))
}

fn admit(engine: &Engine, user: &User) -> Result<()> {
    match user.access.status {
        AccessStatus::Approved => Ok(()),
        AccessStatus::Blocked => Err(Error::forbidden("this account is blocked; ask an administrator").code("blocked")),
        AccessStatus::Pending if waitlist_enabled(engine) => {
            Err(Error::forbidden("this account waits for an administrator's approval").code("pending"))
        }
        AccessStatus::Pending => Ok(()),
    }
}

pub async fn keys(engine: &Engine, user: UserId) -> Result<Vec<ApiKey>> {
    let mut tx = engine.store.read().await?;
    store::api_keys::list(&mut tx, user).await
}

/// Makes a key; the raw one is shown once and kept nowhere.
pub async fn create_key(engine: &Engine, user: UserId, name: &str) -> Result<(ApiKey, Secret)> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::field("name", "a key needs a name"));
    }
    if name.chars().count() > KEY_NAME_CHARS_MAX {
        return Err(Error::field("name", format!("at most {KEY_NAME_CHARS_MAX} characters")));
    }
    let mut bytes = [0u8; 32];
    engine.clock.random(&mut bytes);
    let raw = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let key =
        ApiKey { id: engine.clock.fresh(), user, name: name.to_string(), created_at: engine.now(), last_used_at: None, is_active: true };
    let mut tx = engine.store.write().await?;
    let active = store::api_keys::list(&mut tx, user).await?.iter().filter(|k| k.is_active).count() as i64;
    if active >= limits::API_KEYS_PER_USER_MAX {
        return Err(Error::limit(format!("you have {active} API keys, which is the most; revoke one first")));
    }
    store::api_keys::insert_key(&mut tx, &key, &digest(&raw)).await?;
    tx.commit().await?;
    Ok((key, Secret::new(raw)))
}

/// Revokes a key of the user's own. The row stays, so that the list shows what once was.
pub async fn revoke_key(engine: &Engine, user: UserId, id: ApiKeyId) -> Result<()> {
    let mut tx = engine.store.write().await?;
    store::api_keys::revoke(&mut tx, user, id).await?;
    tx.commit().await
}

/// On an empty database makes the user `admin` and answers the password, which is kept nowhere else.
pub async fn ensure_admin(engine: &Engine) -> Result<Option<Secret>> {
    if !is_first_start(engine).await? {
        return Ok(None);
    }
    let password = Secret::new(engine.clock.token_hex(12));
    create_user(engine, "admin", "", &password, true).await?;
    Ok(Some(password))
}

/// An approved user, made by an administrator.
pub async fn create_user(engine: &Engine, username: &str, email: &str, password: &Secret, is_admin: bool) -> Result<User> {
    let new = Registration {
        username: username.to_string(),
        email: email.to_string(),
        password: password.clone(),
        identity_provider: "password".to_string(),
    };
    check_registration(&new)?;
    let hash = hash_password(engine, password).await?;
    let mut tx = engine.store.write().await?;
    let user = insert(engine, &mut tx, &new, &hash, true, is_admin).await?;
    tx.commit().await?;
    Ok(user)
}

/// A new password, which also ends every session of the user.
pub async fn set_password(engine: &Engine, username: &str, password: &Secret) -> Result<()> {
    check_password(password)?;
    let user = find(engine, username).await?;
    let hash = hash_password(engine, password).await?;
    let mut tx = engine.store.write().await?;
    store::accounts::set_password(&mut tx, user.id, &hash).await?;
    store::accounts::close_sessions_of(&mut tx, user.id).await?;
    tx.commit().await
}

/// A new password for the caller, who must know the old one. It ends their other sessions; keys stay.
pub async fn change_password(engine: &Engine, caller: &Caller, current: &Secret, new: &Secret) -> Result<()> {
    let wrong = || Error::field("current_password", "this is not your password");
    check_password(new).map_err(|error| Error::field("new_password", error.message))?;
    let username = &caller.user.username;
    let stored = {
        let mut tx = engine.store.read().await?;
        store::accounts::credentials(&mut tx, username).await?.ok_or_else(wrong)?.1
    };
    if !verify_password(current, stored.clone()).await? {
        return Err(wrong());
    }
    if new.expose() == current.expose() {
        return Err(Error::field("new_password", "this is the password that you have"));
    }
    let hash = hash_password(engine, new).await?;
    let mut tx = engine.store.write().await?;
    // Somebody else may have changed it while ours was hashed.
    if !store::accounts::credentials(&mut tx, username).await?.is_some_and(|(_, now)| now == stored) {
        return Err(wrong());
    }
    store::accounts::set_password(&mut tx, caller.user.id, &hash).await?;
    match &caller.via {
        Via::Session(session) => store::accounts::close_other_sessions_of(&mut tx, caller.user.id, &session.hash).await?,
        Via::Key(_) => store::accounts::close_sessions_of(&mut tx, caller.user.id).await?,
    };
    tx.commit().await
}

pub async fn approve(engine: &Engine, username: &str) -> Result<User> {
    set_status(engine, username, AccessStatus::Approved).await
}

/// The user's keys and sessions stop working at once.
pub async fn block(engine: &Engine, username: &str) -> Result<User> {
    set_status(engine, username, AccessStatus::Blocked).await
}

/// Nobody has an account yet.
pub async fn is_first_start(engine: &Engine) -> Result<bool> {
    let mut tx = engine.store.read().await?;
    Ok(store::accounts::count(&mut tx).await? == 0)
}

pub async fn find(engine: &Engine, username: &str) -> Result<User> {
    let mut tx = engine.store.read().await?;
    let found = store::accounts::by_username(&mut tx, username).await?;
    found.ok_or_else(|| Error::not_found(format!("there is no user `{username}`")))
}

/// Oldest first.
pub async fn list(engine: &Engine) -> Result<Vec<User>> {
    let mut tx = engine.store.read().await?;
    store::accounts::list(&mut tx, store::Page::default()).await
}

async fn set_status(engine: &Engine, username: &str, status: AccessStatus) -> Result<User> {
    let mut user = find(engine, username).await?;
    user.access = match status {
        AccessStatus::Approved => granted(engine, &user),
        status => Access { status, updated_at: engine.now(), ..user.access },
    };
    let mut tx = engine.store.write().await?;
    store::accounts::set_access(&mut tx, user.id, &user.access).await?;
    if status == AccessStatus::Blocked {
        store::accounts::close_sessions_of(&mut tx, user.id).await?;
    }
    tx.commit().await?;
    Ok(user)
}

fn granted(engine: &Engine, user: &User) -> Access {
    let now = engine.now();
    Access { status: AccessStatus::Approved, approved_at: Some(now), updated_at: now, ..user.access.clone() }
}

async fn insert(engine: &Engine, tx: &mut store::Tx, new: &Registration, hash: &str, approved: bool, is_admin: bool) -> Result<User> {
    let now = engine.now();
    let user = store::accounts::NewUser {
        username: new.username.trim().to_string(),
        email: new.email.trim().to_string(),
        password_hash: hash.to_string(),
        is_admin,
        access: Access {
            status: if approved { AccessStatus::Approved } else { AccessStatus::Pending },
            identity_provider: new.identity_provider.clone(),
            approved_at: approved.then_some(now),
            updated_at: now,
            waitlist_notified_at: None,
        },
        created_at: now,
    };
    let user = store::accounts::create(tx, &user).await.map_err(|error| match error.kind {
        Kind::Conflict => Error::field("username", error.message).code("username_taken"),
        _ => error,
    })?;
    workspaces::insert(engine, tx, user.id, "Personal").await?;
    Ok(user)
}

async fn open_session(engine: &Engine, tx: &mut store::Tx, user: UserId) -> Result<Opened> {
    let (token, csrf) = (engine.clock.token_hex(32), engine.clock.token_hex(32));
    let now = engine.now();
    store::accounts::delete_expired_sessions(tx, now).await?;
    let session = store::accounts::Session {
        token_hash: digest(&token),
        user,
        csrf: csrf.clone(),
        created_at: now,
        expires_at: now + SignedDuration::from_secs(limits::SESSION_SECONDS),
    };
    store::accounts::open_session(tx, &session).await?;
    Ok(Opened { token: Secret::new(token), csrf })
}

fn check_registration(new: &Registration) -> Result<()> {
    let mut error = Error::invalid("the registration is not complete");
    let username = new.username.trim();
    if username.is_empty() {
        error = error.and_field("username", "this field is required");
    } else if username.chars().count() > USERNAME_CHARS_MAX {
        error = error.and_field("username", format!("at most {USERNAME_CHARS_MAX} characters"));
    } else if !username.chars().all(|c| c.is_alphanumeric() || "@.+-_".contains(c)) {
        error = error.and_field("username", "letters, digits and @ . + - _ only");
    }
    if let Err(wrong) = check_password(&new.password) {
        error = error.and_field("password", wrong.message);
    }
    let email = new.email.trim();
    let is_email = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if !email.is_empty() && (!is_email || email.chars().count() > EMAIL_CHARS_MAX || email.contains(char::is_whitespace)) {
        error = error.and_field("email", "this is no e-mail address");
    }
    if error.fields.is_empty() { Ok(()) } else { Err(error) }
}

fn check_password(password: &Secret) -> Result<()> {
    if password.expose().chars().count() < limits::PASSWORD_CHARS_MIN {
        return Err(Error::field("password", format!("at least {} characters", limits::PASSWORD_CHARS_MIN)));
    }
    if password.expose().len() > PASSWORD_BYTES_MAX {
        return Err(Error::field("password", format!("at most {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// SHA-256 in lower-case hex: enough for tokens of 256 random bits.
fn digest(raw: &str) -> String {
    hex::encode(Sha256::digest(raw.as_bytes()))
}

static HASHING: Semaphore = Semaphore::const_new(HASHES_AT_ONCE_MAX);

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

async fn hash_password(engine: &Engine, password: &Secret) -> Result<String> {
    let mut salt = [0u8; 16];
    engine.clock.random(&mut salt);
    let password = password.clone();
    off_thread(move || {
        let hash = hasher().hash_password_with_salt(password.expose().as_bytes(), &salt);
        hash.map(|h| h.to_string()).map_err(|e| Error::internal(format!("a password could not be hashed: {e}")))
    })
    .await?
}

async fn verify_password(password: &Secret, hash: String) -> Result<bool> {
    if password.expose().len() > PASSWORD_BYTES_MAX {
        return Ok(false);
    }
    let password = password.clone();
    off_thread(move || {
        let hash = PasswordHash::new(&hash).map_err(|e| Error::internal(format!("a stored password hash can't be read: {e}")))?;
        Ok(hasher().verify_password(password.expose().as_bytes(), &hash).is_ok())
    })
    .await?
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let _turn = HASHING.acquire().await.map_err(|e| Error::internal("password hashing has ended").because(e))?;
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("password hashing failed").because(e))
}

/// A hash that no password fits.
async fn nobody(engine: &Engine) -> Result<String> {
    static NOBODY: OnceLock<String> = OnceLock::new();
    if let Some(hash) = NOBODY.get() {
        return Ok(hash.clone());
    }
    let hash = hash_password(engine, &Secret::new(engine.clock.token_hex(32))).await?;
    Ok(NOBODY.get_or_init(|| hash).clone())
}
