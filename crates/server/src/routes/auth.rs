//! Signing up, in and out.

use crate::caller::{Address, CSRF_COOKIE, SESSION_COOKIE, cookie, set_cookie};
use crate::limit::Room;
use crate::problem::ProblemView;
use crate::stamp::Stamp00;
use crate::{AppState, Json, Problem, Reply};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use domain::account::Access;
use domain::limits::{LOGIN_TRIES_PER_MINUTE_MAX, SESSION_SECONDS};
use domain::secret::Secret;
use domain::{Error, Kind};
use engine::accounts::{self, Caller, Opened, Profile, Registration, Via};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Anybody may send this much, as often as connections allow.
const STRANGERS_BODY_BYTES_MAX: usize = 16 << 10;
const CSRF_SECONDS: i64 = 365 * 24 * 3600;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(csrf))
        .routes(routes!(settings))
        .merge(OpenApiRouter::new().routes(routes!(register)).routes(routes!(login)).layer(DefaultBodyLimit::max(STRANGERS_BODY_BYTES_MAX)))
        .routes(routes!(logout))
        .routes(routes!(password))
        .routes(routes!(me))
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuthSettings {
    pub require_approval: bool,
    pub allow_all_users: bool,
    pub waitlist_enabled: bool,
    pub self_hosted: bool,
    pub billing_enabled: bool,
    pub supported_providers: Vec<&'static str>,
    /// Nobody has an account yet. Only where the settings themselves are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_start: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub struct AccessView {
    #[schema(value_type = String, example = "approved")]
    pub status: domain::account::AccessStatus,
    pub identity_provider: String,
    pub approved_at: Option<Stamp00>,
    pub updated_at: Stamp00,
    pub waitlist_notified_at: Option<Stamp00>,
    pub waitlist_enforced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waitlist_email_sent: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub struct UserWorkspace {
    pub uid: String,
    pub name: String,
    pub role: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub is_admin: bool,
    pub access: AccessView,
    pub workspaces: Vec<UserWorkspace>,
    pub default_workspace: Option<String>,
    pub auth: AuthSettings,
}

#[derive(Deserialize, ToSchema)]
pub struct RegisterBody {
    pub username: String,
    #[schema(format = Password)]
    pub password: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub identity_provider: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct LoginBody {
    pub username: String,
    #[schema(format = Password)]
    pub password: String,
    /// Accepted for older clients; nothing depends on it.
    #[serde(default)]
    #[allow(dead_code)]
    pub identity_provider: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct PasswordBody {
    #[schema(format = Password)]
    pub current_password: String,
    #[schema(format = Password)]
    pub new_password: String,
}

/// Set the CSRF cookie
#[utoipa::path(get, path = "/api/auth/csrf/", tag = "auth", security(()), responses((status = 204)))]
async fn csrf(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let session = match cookie(&headers, SESSION_COOKIE) {
        Some(token) => accounts::by_session(&state.engine, token).await.ok().flatten(),
        None => None,
    };
    let token = match session.map(|caller| caller.via) {
        Some(Via::Session(session)) => session.csrf,
        _ => state.engine.clock.token_hex(32),
    };
    let cookie = set_cookie(&state, CSRF_COOKIE, &token, CSRF_SECONDS, false);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// How people may sign up here
#[utoipa::path(get, path = "/api/auth/settings/", tag = "auth", security(()), responses((status = 200, body = AuthSettings)))]
async fn settings(State(state): State<AppState>) -> Reply<Json<AuthSettings>> {
    let first_start = Some(accounts::is_first_start(&state.engine).await?);
    Ok(Json(AuthSettings { first_start, ..auth_settings(&state) }))
}

/// Make an account
#[utoipa::path(post, path = "/api/auth/register/", tag = "auth", security(()), request_body = RegisterBody, responses(
    (status = 201, description = "Approved, with a session", body = UserView),
    (status = 202, description = "Waits for approval; no session", body = UserView),
    (status = 400, body = ProblemView),
))]
async fn register(State(state): State<AppState>, Address(address): Address, Json(body): Json<RegisterBody>) -> Reply<Response> {
    state.limits.try_once(&format!("register {address}"), LOGIN_TRIES_PER_MINUTE_MAX, state.engine.now())?;
    let _place = state.limits.enter(Room::SignIn)?;
    let new = Registration {
        username: body.username,
        email: body.email.unwrap_or_default(),
        password: Secret::new(body.password),
        identity_provider: body.identity_provider.unwrap_or_else(|| "password".to_string()).chars().take(64).collect(),
    };
    let (profile, opened) = accounts::register(&state.engine, new).await?;
    let mut view = user_view(&state, profile);
    // No mail leaves this server yet, so none is claimed.
    view.access.waitlist_email_sent = Some(false);
    Ok(match opened {
        Some(opened) => with_session(&state, StatusCode::CREATED, &opened, view),
        None => (StatusCode::ACCEPTED, Json(view)).into_response(),
    })
}

/// Sign in
#[utoipa::path(post, path = "/api/auth/login/", tag = "auth", security(()), request_body = LoginBody, responses(
    (status = 200, body = UserView),
    (status = 401, body = ProblemView),
    (status = 403, description = "Blocked, or waiting for approval", body = ProblemView),
    (status = 429, body = ProblemView),
))]
async fn login(State(state): State<AppState>, Address(address): Address, Json(body): Json<LoginBody>) -> Reply<Response> {
    let name = state.limits.try_password(&address, &body.username, state.engine.now())?;
    let _place = state.limits.enter(Room::SignIn)?;
    match accounts::login(&state.engine, &body.username, &Secret::new(body.password)).await {
        Ok((profile, opened)) => {
            state.limits.forgive(&name);
            let view = user_view(&state, profile);
            Ok(with_session(&state, StatusCode::OK, &opened, view))
        }
        Err(error) if error.kind == Kind::Forbidden => Err(refused(&state, &body.username, error).await),
        Err(error) => Err(error.into()),
    }
}

/// Sign out
#[utoipa::path(post, path = "/api/auth/logout/", tag = "auth", responses((status = 204), (status = 401, body = ProblemView)))]
async fn logout(State(state): State<AppState>, caller: Caller) -> Reply<Response> {
    accounts::logout(&state.engine, &caller).await?;
    let cookie = set_cookie(&state, SESSION_COOKIE, "", 0, true);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Change my password; my other sessions end
#[utoipa::path(post, path = "/api/auth/password/", tag = "auth", request_body = PasswordBody, responses(
    (status = 204),
    (status = 400, description = "The current password is wrong, or the new one won't do", body = ProblemView),
    (status = 401, body = ProblemView),
    (status = 429, body = ProblemView),
))]
async fn password(State(state): State<AppState>, caller: Caller, Json(body): Json<PasswordBody>) -> Reply<StatusCode> {
    // Counted by person: whoever found a session open must not guess its password from many addresses.
    state.limits.try_once(&format!("password {}", caller.user.id), LOGIN_TRIES_PER_MINUTE_MAX, state.engine.now())?;
    let _place = state.limits.enter(Room::SignIn)?;
    let (current, new) = (Secret::new(body.current_password), Secret::new(body.new_password));
    accounts::change_password(&state.engine, &caller, &current, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who am I
#[utoipa::path(get, path = "/api/auth/me/", tag = "auth", responses((status = 200, body = UserView), (status = 401, body = ProblemView)))]
async fn me(State(state): State<AppState>, caller: Caller) -> Reply<Json<UserView>> {
    let profile = accounts::profile(&state.engine, caller.user).await?;
    Ok(Json(user_view(&state, profile)))
}

/// The password was right, so the caller may learn the state of the account.
async fn refused(state: &AppState, username: &str, error: Error) -> Problem {
    let problem = Problem::from(error).with("auth", auth_settings(state));
    match accounts::find(&state.engine, username).await {
        Ok(user) => problem.with("access", access_view(state, &user.access)),
        Err(_) => problem,
    }
}

fn with_session(state: &AppState, status: StatusCode, opened: &Opened, view: UserView) -> Response {
    let session = set_cookie(state, SESSION_COOKIE, opened.token.expose(), SESSION_SECONDS, true);
    let mut response = (status, Json(view)).into_response();
    response.headers_mut().append(header::SET_COOKIE, session);
    let csrf = set_cookie(state, CSRF_COOKIE, &opened.csrf, CSRF_SECONDS, false);
    response.headers_mut().append(header::SET_COOKIE, csrf);
    response
}

fn auth_settings(state: &AppState) -> AuthSettings {
    let settings = &state.engine.settings;
    AuthSettings {
        require_approval: settings.require_approval,
        allow_all_users: settings.allow_all_users,
        waitlist_enabled: accounts::waitlist_enabled(&state.engine),
        self_hosted: settings.self_hosted,
        billing_enabled: settings.billing_enabled,
        supported_providers: vec!["password"],
        first_start: None,
    }
}

fn access_view(state: &AppState, access: &Access) -> AccessView {
    let Access { status, identity_provider, approved_at, updated_at, waitlist_notified_at } = access.clone();
    AccessView {
        status,
        identity_provider,
        approved_at: approved_at.map(Stamp00),
        updated_at: Stamp00(updated_at),
        waitlist_notified_at: waitlist_notified_at.map(Stamp00),
        waitlist_enforced: accounts::waitlist_enabled(&state.engine),
        waitlist_email_sent: None,
    }
}

fn user_view(state: &AppState, profile: Profile) -> UserView {
    let Profile { user, workspaces, default_workspace } = profile;
    let workspaces = workspaces.into_iter().map(|m| UserWorkspace { uid: m.workspace.uid, name: m.workspace.name, role: m.role.word() });
    UserView {
        id: user.id.0,
        access: access_view(state, &user.access),
        username: user.username,
        email: user.email,
        is_admin: user.is_admin,
        workspaces: workspaces.collect(),
        default_workspace,
        auth: auth_settings(state),
    }
}
