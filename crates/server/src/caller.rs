//! Who is calling: an API key, or a session cookie with its CSRF token.
//!
//! `Caller` itself is the engine's; here it is taken from a request. A bad key is fatal even beside a good session.

use crate::{AppState, Problem};
use axum::extract::{ConnectInfo, FromRequestParts};
use domain::Error;
use engine::accounts::{self, Caller, Session, Via};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

pub const SESSION_COOKIE: &str = "sessionid";
/// Carries the session's own token, so that a cookie planted by a neighbouring site is worth nothing.
pub const CSRF_COOKIE: &str = "csrftoken";
const CSRF_HEADER: &str = "x-csrftoken";
const KEY_HEADER: &str = "x-api-key";
const KEY_CHARS_MAX: usize = 200;

/// Somebody or nobody; bad credentials are still refused.
pub struct MaybeCaller(pub Option<Caller>);

impl FromRequestParts<AppState> for MaybeCaller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        authenticate(state, parts).await.map(MaybeCaller)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match authenticate(state, parts).await? {
            Some(caller) => Ok(caller),
            None => Err(Error::unauthenticated("sign in, or send an API key in the X-Api-Key header").into()),
        }
    }
}

/// Where the request came from: the limit on tries counts by it.
pub struct Address(pub String);

impl FromRequestParts<AppState> for Address {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if state.config.trust_proxy {
            // The last entry is the one our own proxy wrote; those before it are the client's word.
            let forwarded = parts.headers.get("x-forwarded-for").and_then(|v| v.to_str().ok());
            if let Some(last) = forwarded.and_then(|v| v.rsplit(',').next()).map(str::trim).filter(|a| !a.is_empty()) {
                return Ok(Address(last.chars().take(64).collect()));
            }
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string());
        Ok(Address(peer.unwrap_or_default()))
    }
}

async fn authenticate(state: &AppState, parts: &Parts) -> Result<Option<Caller>, Problem> {
    if let Some(key) = parts.headers.get(KEY_HEADER) {
        let key = key.to_str().ok().filter(|k| k.len() <= KEY_CHARS_MAX).unwrap_or_default();
        return Ok(Some(accounts::by_key(&state.engine, key).await?));
    }
    let Some(token) = cookie(&parts.headers, SESSION_COOKIE) else { return Ok(None) };
    let Some(caller) = accounts::by_session(&state.engine, token).await? else { return Ok(None) };
    if let Via::Session(session) = &caller.via {
        check_csrf(state, parts, session)?;
    }
    Ok(Some(caller))
}

/// Only for callers known by a cookie, which a browser sends whether its user wants or not.
fn check_csrf(state: &AppState, parts: &Parts, session: &Session) -> Result<(), Problem> {
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let refuse = |why: &str| {
        let detail = format!("CSRF Failed: {why}; GET /api/auth/csrf/ sets the cookie, and X-CSRFToken echoes it");
        Problem::new(StatusCode::FORBIDDEN, detail).code("csrf_failed")
    };
    if let Some(origin) = parts.headers.get(header::ORIGIN)
        && !is_own_origin(state, &parts.headers, origin)
    {
        return Err(refuse("the request comes from another origin"));
    }
    let sent = parts.headers.get(CSRF_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
    if session.csrf.is_empty() || !bool::from(sent.ct_eq(session.csrf.as_bytes())) {
        return Err(refuse("the CSRF token is missing or wrong"));
    }
    Ok(())
}

fn is_own_origin(state: &AppState, headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if state.config.trusted_origins.iter().any(|trusted| trusted.trim_end_matches('/') == origin)
        || origin == origin_of(&state.engine.settings.public_url)
    {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let origin_host = origin.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    !host.is_empty() && origin_host.eq_ignore_ascii_case(host)
}

fn origin_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
    &url[..end]
}

pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// `Set-Cookie` for our two cookies. `seconds` of zero removes it.
pub fn set_cookie(state: &AppState, name: &str, value: &str, seconds: i64, hidden_from_scripts: bool) -> HeaderValue {
    let http_only = if hidden_from_scripts { "; HttpOnly" } else { "" };
    let secure = if state.is_https() { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax{http_only}{secure}");
    HeaderValue::from_str(&text).expect("cookie values are hex or base64 of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("xsessionid=no; sessionid=yes; csrftoken=a=b"));
        assert_eq!(cookie(&headers, "sessionid"), Some("yes"));
        assert_eq!(cookie(&headers, "csrftoken"), Some("a=b"));
        assert_eq!(cookie(&headers, "session"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin_of("https://a.example:8443/x/y"), "https://a.example:8443");
        assert_eq!(origin_of("http://localhost:8001"), "http://localhost:8001");
    }
}
