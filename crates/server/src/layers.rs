//! What happens to every request and answer, whichever route it is for.

use crate::body;
use crate::limit::Room;
use crate::problem::Problem;
use crate::{AppState, ServerConfig};
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use domain::limits::{EXEC_TIMEOUT_SECONDS_MAX, GIT_SECONDS_MAX, JSON_BODY_BYTES_MAX};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use std::any::Any;
use std::time::{Duration, Instant};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// API paths that the contract writes without a trailing slash.
const WITHOUT_SLASH: [&str; 1] = ["/logs/stream"];

const DEADLINE_SECONDS: u64 = 60;
/// Where a handler may take longer to its answer's head. The first prefix that fits counts.
const DEADLINES_SECONDS: [(&str, u64); 4] = [
    ("/api/sandbox/", EXEC_TIMEOUT_SECONDS_MAX + 120),
    ("/api/deepagent/", EXEC_TIMEOUT_SECONDS_MAX + 120),
    ("/git/", GIT_SECONDS_MAX + 30),
    ("/api/repository-links", GIT_SECONDS_MAX + 30),
];

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
];

/// Wraps the routes. The path is put into its declared form before routing, so no layer or handler sees two forms.
pub fn apply(app: axum::Router<AppState>, state: AppState) -> axum::Router {
    let routed = app
        .layer(from_fn(as_problem))
        .layer(from_fn(deadline))
        .layer(from_fn_with_state(state.clone(), in_flight))
        .layer(from_fn_with_state(state.clone(), check_host))
        .layer(cors(&state.config))
        .layer(from_fn(crate::routes::ingest::cors))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(DefaultBodyLimit::max(JSON_BODY_BYTES_MAX))
        .with_state(state);
    let normalised = tower::util::MapRequest::new(routed, normalise);
    axum::Router::new().fallback_service(normalised)
}

/// For long answers alone that no stranger writes into: where one can, the size of a compressed answer tells a listener on
/// the line what else stands in it (BREACH). An agent writes into its own run and reaches no line to listen on.
pub fn compression() -> CompressionLayer {
    CompressionLayer::new()
}

/// Appends the slash that every API path has in its declared form.
fn normalise(mut request: Request) -> Request {
    let path = request.uri().path();
    let wants_slash =
        (path == "/api" || path.starts_with("/api/")) && !WITHOUT_SLASH.iter().any(|end| path.trim_end_matches('/').ends_with(end));
    let wanted = match (wants_slash, path.ends_with('/')) {
        (true, false) => format!("{path}/"),
        (false, true) if path.starts_with("/api/") => path.trim_end_matches('/').to_string(),
        _ => return request,
    };
    let with_query = match request.uri().query() {
        Some(query) => format!("{wanted}?{query}"),
        None => wanted,
    };
    if let Ok(path_and_query) = with_query.parse::<PathAndQuery>() {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.path_and_query = Some(path_and_query);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Request id, security headers, one line in the log, one observation in the metrics.
async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&state, request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("web", MatchedPath::as_str).to_string();
    let span = tracing::info_span!("request", %id, %method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = started.elapsed();
    state.metrics.observe(&route, &method, response.status(), took);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), took_ms = took.as_millis() as u64, "answered"));
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) && route != "web" {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The client's own id if it is a sane one, so that logs on both sides meet.
fn request_id(state: &AppState, headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let sane = (1..=64).contains(&given.len()) && given.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if sane { given.to_string() } else { state.engine.clock.uuid().to_string() }
}

async fn check_host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if is_allowed_host(&state.config.allowed_hosts, given) {
        return next.run(request).await;
    }
    Problem::new(StatusCode::BAD_REQUEST, "the Host header names none of this server's names; ALLOWED_HOSTS lists them").into_response()
}

fn is_allowed_host(allowed: &[String], host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = without_port.trim_end_matches('.').to_ascii_lowercase();
    allowed.iter().any(|pattern| match pattern.strip_prefix('.') {
        Some(suffix) => name == suffix || name.ends_with(pattern.as_str()),
        None => pattern == "*" || *pattern == name,
    })
}

async fn in_flight(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(room) = room_of(request.uri().path()) else { return next.run(request).await };
    match state.limits.enter(room) {
        Ok(_held) => next.run(request).await,
        Err(busy) => Problem::from(busy).into_response(),
    }
}

/// `None` where strangers send bodies: those handlers take a place once the body is there, so that nobody keeps one by
/// sending slowly. Everywhere else a body is read only after its caller is known.
fn room_of(path: &str) -> Option<Room> {
    match path {
        "/api/auth/login/" | "/api/auth/register/" => None,
        _ if path.starts_with("/api/hooks/") || crate::routes::ingest::is_intake(path) => None,
        "/api/healthz/" | "/api/readyz/" | "/metrics" => Some(Room::Watch),
        _ if deadline_of(path) > DEADLINE_SECONDS => Some(Room::Long),
        _ => Some(Room::Short),
    }
}

async fn deadline(request: Request, next: Next) -> Response {
    let seconds = deadline_of(request.uri().path());
    let (request, sender) = body::watched(request);
    match tokio::time::timeout(Duration::from_secs(seconds), next.run(request)).await {
        Ok(response) => response,
        Err(_) if sender.is_awaited() => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not arrive within {seconds} s")).into_response()
        }
        Err(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT, format!("the server gave up after {seconds} s")).into_response(),
    }
}

fn deadline_of(path: &str) -> u64 {
    DEADLINES_SECONDS.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or(DEADLINE_SECONDS, |(_, seconds)| *seconds)
}

fn panicked(reason: Box<dyn Any + Send + 'static>) -> Response {
    let text = reason.downcast_ref::<String>().map(String::as_str).or(reason.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Problem::from(domain::Error::internal(format!("a handler panicked: {text}"))).into_response()
}

/// Refusals that axum writes as plain text become problems, under the API alone.
async fn as_problem(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let content_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_plain = content_type.is_empty() || content_type.starts_with(b"text/plain");
    if !is_api || !is_plain || !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, 4096).await.map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    // A path whose ids are not even text names nothing.
    if parts.status == StatusCode::BAD_REQUEST && text.starts_with("Invalid URL") {
        return Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path").into_response();
    }
    let detail = if text.trim().is_empty() { parts.status.canonical_reason().unwrap_or("refused").to_string() } else { text };
    let mut problem = Problem::new(parts.status, detail).into_response();
    for (name, value) in parts.headers.iter().filter(|(name, _)| !matches!(**name, header::CONTENT_TYPE | header::CONTENT_LENGTH)) {
        problem.headers_mut().insert(name.clone(), value.clone());
    }
    problem.map(Body::new)
}

fn cors(config: &ServerConfig) -> CorsLayer {
    let origins = config.trusted_origins.iter().filter_map(|o| HeaderValue::from_str(o.trim_end_matches('/')).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.filter(|o| o != "*")))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::ACCEPT,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("x-csrftoken"),
            HeaderName::from_static("last-event-id"),
            REQUEST_ID,
        ])
        .expose_headers([header::LOCATION, header::RETRY_AFTER, REQUEST_ID])
        .max_age(Duration::from_secs(600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> String {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        normalise(request).uri().to_string()
    }

    #[test]
    fn both_forms_of_a_path_are_one() {
        assert_eq!(normal("/api/requests"), "/api/requests/");
        assert_eq!(normal("/api/requests/?a=/b"), "/api/requests/?a=/b");
        assert_eq!(normal("/api/requests?a=b"), "/api/requests/?a=b");
        assert_eq!(normal("/api"), "/api/");
        assert_eq!(normal("/api/runs/x/logs/stream"), "/api/runs/x/logs/stream");
        assert_eq!(normal("/api/runs/x/logs/stream/"), "/api/runs/x/logs/stream");
        assert_eq!(normal("/apidocs"), "/apidocs");
        assert_eq!(normal("/git/x/"), "/git/x/");
    }

    #[test]
    fn hosts_match_whole_names_or_suffixes() {
        let allowed = |patterns: &[&str], host: &str| is_allowed_host(&patterns.iter().map(|p| p.to_string()).collect::<Vec<_>>(), host);
        assert!(allowed(&["*"], "anything:80"));
        assert!(allowed(&["a.example"], "A.example:8001"));
        assert!(allowed(&[".example"], "b.a.example"));
        assert!(!allowed(&["a.example"], "evil-a.example"));
        assert!(!allowed(&[".a.example"], "evila.example"));
        assert!(!allowed(&["a.example"], ""));
        assert!(allowed(&["[::1]"], "[::1]:8001"));
    }
}
