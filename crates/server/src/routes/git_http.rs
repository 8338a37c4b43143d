//! Our own repositories for people's git clients: `/git/<workspace uid>/<name>.git`.
//!
//! Git sends Basic credentials; the password is an API key, the user name is not looked at. No cookie is taken here, so
//! that no page can make a browser push. What sandboxes use is another door.

use crate::{AppState, Problem};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::git::GitHttp;
use domain::limits::GIT_PUSH_BYTES_MAX;
use domain::{Error, Kind};
use engine::{accounts, repositories};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use utoipa_axum::router::OpenApiRouter;

const CREDENTIALS_CHARS_MAX: usize = 1024;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().route("/git/{uid}/{*rest}", any(serve))
}

async fn serve(
    State(state): State<AppState>,
    Path((uid, rest)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        let key = key(&headers).ok_or_else(|| Error::unauthenticated("git needs an API key as the password; make one under API keys"))?;
        let caller = accounts::by_key(&state.engine, &key).await?;
        let (name, path) = rest.split_once(".git/").ok_or_else(|| Error::not_found("a repository's address ends in `.git`"))?;
        let access = repositories::git_access(&state.engine, caller.user.id, &uid, name).await?;
        let too_large = || Error::limit(format!("a push carries at most {GIT_PUSH_BYTES_MAX} bytes")).code("too_large");
        let held = state.limits.uploads.read(body, GIT_PUSH_BYTES_MAX as usize, too_large).await?;
        let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_string();
        let request = GitHttp {
            method: method.to_string(),
            path: format!("/{path}"),
            query: uri.query().unwrap_or_default().to_string(),
            content_type: text(header::CONTENT_TYPE),
            content_encoding: text(header::CONTENT_ENCODING),
            protocol: text(HeaderName::from_static("git-protocol")),
            body: held.bytes.clone(),
            may_write: access.may_write,
        };
        state.engine.git.http(access.repository, request).await
    };
    match answer.await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, answer.body).into_response();
            for (name, value) in answer.headers {
                if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Err(error) => refusal(error),
    }
}

/// Git shows plain text to its user, and asks for credentials when it is challenged.
fn refusal(error: Error) -> Response {
    let is_stranger = error.kind == Kind::Unauthenticated;
    let problem = Problem::from(error);
    let mut response = (problem.status, format!("{}\n", problem.detail)).into_response();
    if is_stranger {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"AstraForge: an API key is the password\""));
    }
    response
}

fn key(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| v.len() <= CREDENTIALS_CHARS_MAX);
    if let Some(key) = text("x-api-key") {
        return Some(key.to_string());
    }
    let (scheme, encoded) = text("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_string()).filter(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))].into_iter().collect()
    }

    #[test]
    fn the_password_is_the_key() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("anybody:k:ey"));
        assert_eq!(key(&headers("authorization", &basic)).as_deref(), Some("k:ey"));
        assert_eq!(key(&headers("x-api-key", "abc")).as_deref(), Some("abc"));
        assert_eq!(key(&headers("authorization", "Bearer abc")), None);
        assert_eq!(key(&headers("authorization", &format!("Basic {}", BASE64_STANDARD.encode("anybody:")))), None);
        assert_eq!(key(&headers("authorization", "Basic ???")), None);
    }
}
