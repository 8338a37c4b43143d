//! The server's side of the doors: HTTP spoken over a stream that came out of a sandbox.
//!
//! Who is calling is known from the stream. What may be called is a short list; everything else is refused.

use async_trait::async_trait;
use bytes::Bytes;
use domain::egress::{BoxStream, Door, Doors, Peer};
use domain::limits;
use engine::llm::{Answer, Refused};
use engine::{Engine, llm};
use futures::StreamExt;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Connections end after this long without a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// A request that is still not whole by then never will be.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// The headers of a model request that its provider may want to see.
const HEADERS_MAX: usize = 64;

pub struct ServerDoors {
    engine: Engine,
}

impl ServerDoors {
    pub fn new(engine: Engine) -> Self {
        ServerDoors { engine }
    }
}

#[async_trait]
impl Doors for ServerDoors {
    async fn serve(&self, stream: BoxStream, peer: Peer, door: Door) {
        let engine = self.engine.clone();
        let service = service_fn(move |request| {
            let engine = engine.clone();
            async move { Ok::<_, Infallible>(route(&engine, peer, door, request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(sandbox = %peer.sandbox, %error, "a door's connection ended early");
        }
    }
}

async fn route(engine: &Engine, peer: Peer, door: Door, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_string();
    match (door, request.method(), path.strip_prefix("/llm").unwrap_or(&path)) {
        (Door::Llm, &Method::HEAD, _) => plain(StatusCode::OK, ""),
        // Some clients try a WebSocket first; this status sends them to plain HTTP after one try.
        (Door::Llm, _, _) if request.headers().contains_key(header::UPGRADE) => plain(StatusCode::UPGRADE_REQUIRED, "no WebSocket here"),
        (Door::Llm, &Method::POST, "/v1/chat/completions") => model(engine, peer, ::engine::Dialect::ChatCompletions, request).await,
        (Door::Llm, &Method::POST, "/v1/responses") => model(engine, peer, ::engine::Dialect::Responses, request).await,
        (Door::Llm, &Method::GET, "/v1/models") => models(engine),
        _ => plain(StatusCode::NOT_FOUND, "this door does not lead there"),
    }
}

async fn model(engine: &Engine, peer: Peer, dialect: engine::Dialect, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bearer = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer ").or_else(|| v.strip_prefix("bearer ")))
        .map(str::to_string);
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .filter(|(name, _)| *name != header::AUTHORIZATION && *name != header::COOKIE)
        .take(HEADERS_MAX)
        .filter_map(|(name, value)| Some((name.as_str().to_string(), value.to_str().ok()?.to_string())))
        .collect();
    let seat = match llm::enter(engine, peer, dialect, bearer.as_deref()) {
        Ok(seat) => seat,
        Err(refused) => return refusal(refused),
    };
    let body = match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limits::LLM_BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than a model could read"),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time"),
    };
    match llm::call(seat, dialect, headers, body).await {
        Answer::Stream { status, content_type, headers, body } => {
            let frames = body.map(|piece| piece.map(Frame::data).map_err(|e| std::io::Error::other(e.to_string())));
            let mut response = Response::new(UnsyncBoxBody::new(StreamBody::new(frames)));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            if let Ok(value) = HeaderValue::try_from(content_type) {
                response.headers_mut().insert(header::CONTENT_TYPE, value);
            }
            response
        }
        Answer::Refused(refused) => refusal(refused),
    }
}

fn refusal(refused: Refused) -> Response<Body> {
    let mut response = plain(StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_GATEWAY), refused.body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(refused.content_type));
    if let Some(wait) = refused.retry_after {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if refused.final_word {
        response.headers_mut().insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
    }
    response
}

fn models(engine: &Engine) -> Response<Body> {
    let body = json!({"object": "list", "data": [{"id": engine.model.model, "object": "model", "owned_by": "astraforge"}]});
    let mut response = plain(StatusCode::OK, body.to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(UnsyncBoxBody::new(Full::new(text.into()).map_err(|never| match never {})));
    *response.status_mut() = status;
    response
}
