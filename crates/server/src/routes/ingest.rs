//! The ways in for alerts: what SDKs send to a DSN, and webhooks. Neither is part of the API that people call.
//!
//! A DSN's key and a webhook's token can do one thing: hand in alerts. No session or API key is looked at here.

use crate::body::{Held, Share, spill};
use crate::limit::Room;
use crate::{AppState, Json, Problem};
use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::limits::{ENVELOPE_BYTES_MAX, ENVELOPE_COMPRESSED_BYTES_MAX};
use domain::source::Source;
use domain::{Error, Kind, Result};
use engine::incidents::intake::RETRY_AFTER_SECONDS;
use engine::sources;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use utoipa_axum::router::OpenApiRouter;

const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");
const KEY_CHARS_MAX: usize = 200;
const UNPACKED_AT_ONCE_BYTES: usize = 32 << 10;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .route("/api/{project}/envelope/", post(sdk))
        .route("/api/{project}/store/", post(sdk))
        .route("/api/hooks/{token}/", post(hook))
}

/// Pages of any site may report their crashes; they send no cookies, and none would count.
pub async fn cors(request: Request, next: Next) -> Response {
    if !is_intake(request.uri().path()) {
        return next.run(request).await;
    }
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "x-sentry-auth, content-type, content-encoding, authorization"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after, x-sentry-rate-limits, x-request-id"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `/api/7/…`: no noun of the API is a number.
pub fn is_intake(path: &str) -> bool {
    let project = path.strip_prefix("/api/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    !project.is_empty() && project.bytes().all(|b| b.is_ascii_digit())
}

async fn sdk(
    State(state): State<AppState>,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match sdk_answer(&state, &project, query.as_deref(), &headers, body).await {
        Ok(id) => Json(json!({"id": id})).into_response(),
        Err(error) => refusal(error),
    }
}

async fn sdk_answer(state: &AppState, project: &str, query: Option<&str>, headers: &HeaderMap, body: Body) -> Result<String> {
    let number: i64 = project.parse().map_err(|_| Error::not_found(format!("there is no page /api/{}/", shown(project))))?;
    let known = match key_of(headers, query) {
        Some(key) => match sources::by_dsn(&state.engine, number, &key).await {
            Ok(source) => Some(source),
            Err(error) => {
                spill(body).await;
                return Err(error);
            }
        },
        None => None,
    };
    let Held { bytes, mut share } = state.limits.alerts.read(body, ENVELOPE_BYTES_MAX, too_large).await?;
    let _place = state.limits.enter(Room::Intake)?;
    let (source, bytes) = match known {
        Some(source) => {
            state.intake.brake(source.id, state.engine.now())?;
            (source, inflate(headers, bytes, &mut share).await?)
        }
        // A tunnel passes on the envelope alone; its first line names the DSN.
        None => {
            let bytes = inflate(headers, bytes, &mut share).await?;
            let key = key_in(&bytes).ok_or_else(|| {
                Error::unauthenticated("no key came with this event; send X-Sentry-Auth, ?sentry_key= or the envelope's dsn")
            })?;
            let source = sources::by_dsn(&state.engine, number, &key).await?;
            state.intake.brake(source.id, state.engine.now())?;
            (source, bytes)
        }
    };
    let given = id_in(&bytes);
    let stored = take_in(state, &source, headers, &bytes).await?;
    Ok(stored.into_iter().find(|id| !id.is_empty()).or(given).unwrap_or_else(|| state.engine.clock.uuid().simple().to_string()))
}

async fn hook(State(state): State<AppState>, Path(token): Path<String>, headers: HeaderMap, body: Body) -> Response {
    let answer = async {
        let source = match sources::by_token(&state.engine, &token).await {
            Ok(source) => source,
            Err(error) => {
                spill(body).await;
                return Err(error);
            }
        };
        let held = state.limits.alerts.read(body, ENVELOPE_COMPRESSED_BYTES_MAX, delivery_too_large).await?;
        let _place = state.limits.enter(Room::Intake)?;
        state.intake.brake(source.id, state.engine.now())?;
        take_in(&state, &source, &headers, &held.bytes).await
    };
    match answer.await {
        Ok(stored) => Json(json!({"status": "received", "alerts": stored.len()})).into_response(),
        Err(error) => refusal(error),
    }
}

/// The event ids of what was taken in; empty for an alert that came without one.
async fn take_in(state: &AppState, source: &Source, headers: &HeaderMap, body: &Bytes) -> Result<Vec<String>> {
    let headers: Vec<(String, String)> =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().to_string(), value.to_str().ok()?.to_string()))).collect();
    let mut ids = Vec::new();
    for alert in sources::parse(&state.engine, source, &headers, body).await? {
        let id = alert.event_id.clone();
        state.intake.submit(&state.engine, source.id, alert).await?;
        ids.push(id);
    }
    Ok(ids)
}

fn delivery_too_large() -> Error {
    Error::limit(format!("a delivery has at most {ENVELOPE_COMPRESSED_BYTES_MAX} bytes")).code("too_large")
}

fn too_large() -> Error {
    Error::limit(format!("an envelope has at most {ENVELOPE_BYTES_MAX} bytes, {ENVELOPE_COMPRESSED_BYTES_MAX} while it is compressed"))
        .code("too_large")
}

/// SDKs read how long to be quiet from headers.
fn refusal(error: Error) -> Response {
    let is_brake = error.kind == Kind::Limit && error.code != "too_large";
    let mut problem = Problem::from(error);
    if is_brake {
        problem.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
    }
    let mut response = problem.into_response();
    if is_brake && let Ok(value) = HeaderValue::from_str(&format!("{RETRY_AFTER_SECONDS}:error;default:key")) {
        response.headers_mut().insert(RATE_LIMITS, value);
    }
    response
}

fn key_of(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let in_header = [HeaderName::from_static("x-sentry-auth"), header::AUTHORIZATION].iter().find_map(|name| {
        let text = headers.get(name)?.to_str().ok()?.strip_prefix("Sentry ")?;
        text.split(',').filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == "sentry_key").map(|(_, key)| key.trim())
    });
    let in_query = || query?.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == "sentry_key").map(|(_, key)| key);
    in_header.or_else(in_query).filter(|key| !key.is_empty() && key.len() <= KEY_CHARS_MAX).map(str::to_string)
}

/// The public key of the DSN in an envelope's first line.
fn key_in(envelope: &[u8]) -> Option<String> {
    let header = first_line(envelope)?;
    let (_, rest) = header.get("dsn")?.as_str()?.split_once("://")?;
    let (key, _) = rest.split_once('@')?;
    let key = key.split(':').next().unwrap_or_default();
    (!key.is_empty() && key.len() <= KEY_CHARS_MAX).then(|| key.to_string())
}

fn id_in(envelope: &[u8]) -> Option<String> {
    first_line(envelope)?.get("event_id")?.as_str().map(shown)
}

fn first_line(envelope: &[u8]) -> Option<Value> {
    serde_json::from_slice(envelope.split(|b| *b == b'\n').next()?).ok()
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

async fn inflate(headers: &HeaderMap, body: Bytes, share: &mut Share) -> Result<Bytes> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default().trim().to_ascii_lowercase();
    if encoding.is_empty() || encoding == "identity" {
        return Ok(body);
    }
    if body.len() > ENVELOPE_COMPRESSED_BYTES_MAX {
        return Err(too_large());
    }
    match encoding.as_str() {
        "gzip" | "x-gzip" => unpack(GzipDecoder::new(&body[..]), share).await,
        "deflate" => unpack(ZlibDecoder::new(&body[..]), share).await,
        "br" => unpack(BrotliDecoder::new(&body[..]), share).await,
        "zstd" => unpack(ZstdDecoder::new(&body[..]), share).await,
        other => Err(Error::invalid(format!("the content encoding `{}` is none of gzip, deflate, br and zstd", shown(other)))),
    }
}

/// Never more than the limit, whatever the few bytes of a bomb promise.
async fn unpack(decoder: impl AsyncRead + Unpin, share: &mut Share) -> Result<Bytes> {
    let broken = |_| Error::invalid("the body is not what its content encoding says");
    let pieces = ReaderStream::with_capacity(decoder, UNPACKED_AT_ONCE_BYTES).map(|piece| piece.map_err(broken));
    share.take_in(pieces, ENVELOPE_BYTES_MAX, too_large).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_three_ways() {
        let mut headers = HeaderMap::new();
        headers.insert("x-sentry-auth", HeaderValue::from_static("Sentry sentry_version=7, sentry_key=abc, sentry_client=x/1"));
        assert_eq!(key_of(&headers, None).as_deref(), Some("abc"));
        assert_eq!(key_of(&HeaderMap::new(), Some("sentry_version=7&sentry_key=def")).as_deref(), Some("def"));
        assert_eq!(key_of(&HeaderMap::new(), Some("sentry_key=")), None);
        assert_eq!(key_in(b"{\"dsn\":\"https://ghi@host/7\"}\n{}").as_deref(), Some("ghi"));
        assert_eq!(key_in(b"{\"dsn\":\"https://host/7\"}"), None);
        assert_eq!(key_in(b"\xff"), None);
    }

    #[test]
    fn numbers_alone_are_intake() {
        assert!(is_intake("/api/7/envelope/"));
        assert!(!is_intake("/api/hooks/x/"));
        assert!(!is_intake("/api//envelope/"));
        assert!(!is_intake("/api/7a/envelope/"));
    }
}
