//! Any server that speaks OpenAI's protocols: bytes pass both ways unchanged, headers are built afresh.
//!
//! Two exceptions, both for the meter's sake: a chat stream whose client did not ask for usage is asked for it and
//! the extra chunk is taken out again; and answers are asked for uncompressed.

use super::{ApiKey, BodyStream, Entry, Provider, RawRequest, RawResponse, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{self, Dialect};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: "openai", label: "OpenAI and compatible servers", build };

const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";
/// An error body longer than this is cut.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// Client headers that change what the server does. What describes the client's machine stays behind.
const PASSED_UP: &[&str] = &["openai-beta", "originator", "version", "x-codex-beta-features", "session-id", "session_id"];
const PASSED_DOWN: &[&str] = &[
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-request-id",
    "openai-model",
    "openai-processing-ms",
    "x-models-etag",
    "x-reasoning-included",
    "x-codex-turn-state",
];
const PASSED_DOWN_PREFIXES: &[&str] = &["x-ratelimit-", "x-codex-primary-", "x-codex-secondary-"];

fn build(settings: Settings) -> Result<Arc<dyn Provider>> {
    Ok(Arc::new(OpenAi::new(settings)?))
}

pub struct OpenAi {
    http: reqwest::Client,
    base_url: String,
    api_key: Option<ApiKey>,
}

impl OpenAi {
    pub fn new(settings: Settings) -> Result<Self> {
        let base_url = settings.base_url.clone().unwrap_or_else(|| DEFAULT_BASE_URL.to_string());
        let base_url = base_url.trim_end_matches('/').to_string();
        if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
            return Err(Error::invalid(format!("the model server's address `{base_url}` must start with http:// or https://")));
        }
        let http = crate::client::http_client(&settings)?;
        Ok(OpenAi { http, base_url, api_key: settings.api_key })
    }

    fn redact(&self, text: String) -> String {
        match &self.api_key {
            Some(key) if key.expose().len() >= 4 => text.replace(key.expose(), "[key]"),
            _ => text,
        }
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn id(&self) -> &'static str {
        ENTRY.id
    }

    async fn call(&self, request: RawRequest) -> Result<RawResponse> {
        let peek = wire::peek(&request.body)?;
        let asks_for_usage = request.dialect == Dialect::ChatCompletions && peek.stream && !peek.include_usage;
        let body = if asks_for_usage { with_usage_asked(&request.body) } else { request.body.clone() };
        let accept = if peek.stream { "text/event-stream" } else { "application/json" };
        let mut call = self
            .http
            .post(format!("{}{}", self.base_url, request.dialect.path()))
            .header("content-type", "application/json")
            .header("accept", accept)
            .header("accept-encoding", "identity")
            .body(body);
        if let Some(key) = &self.api_key {
            call = call.bearer_auth(key.expose());
        }
        for (name, value) in &request.headers {
            if PASSED_UP.contains(&name.to_ascii_lowercase().as_str()) {
                call = call.header(name, value);
            }
        }
        let answer = call.send().await?;
        let status = answer.status().as_u16();
        let content_type = header(&answer, "content-type").unwrap_or_else(|| "application/json".to_string());
        let headers = passed_down(&answer);
        match status {
            200..=299 => {}
            401 | 403 => return Err(self.credentials_refused(status, answer).await),
            400.. => {
                let text = self.redact(String::from_utf8_lossy(&head(answer).await?).into_owned());
                let body: BodyStream = Box::pin(stream::iter([Ok(Bytes::from(text))]));
                return Ok(RawResponse::metered(request.dialect, status, content_type, headers, body));
            }
            _ => {
                let message = format!("the model's server answered {status}; redirects are not followed");
                return Err(Error { status: Some(status), ..Error::new(ErrorKind::Status, message) });
            }
        }
        let body: BodyStream = Box::pin(answer.bytes_stream().map(|piece| piece.map_err(Error::from)));
        let mut response = RawResponse::metered(request.dialect, status, content_type, headers, body);
        if asks_for_usage {
            // Behind the meter, so that it still sees the chunk.
            response.body = without_usage_chunk(response.body);
        }
        Ok(response)
    }
}

impl OpenAi {
    /// Our own key is not good: the client can't mend that, and the text may quote a part of the key.
    async fn credentials_refused(&self, status: u16, answer: reqwest::Response) -> Error {
        let detail = head(answer).await.unwrap_or_default();
        tracing::warn!(status, detail = %self.redact(String::from_utf8_lossy(&detail).into_owned()), "model key refused");
        let message = "the configured key was refused; an operator has to renew it";
        Error { status: Some(status), ..Error::new(ErrorKind::Status, message) }
    }
}

fn header(answer: &reqwest::Response, name: &str) -> Option<String> {
    answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_string)
}

fn passed_down(answer: &reqwest::Response) -> Vec<(String, String)> {
    let wanted = |name: &str| PASSED_DOWN.contains(&name) || PASSED_DOWN_PREFIXES.iter().any(|p| name.starts_with(p));
    answer
        .headers()
        .iter()
        .filter(|(name, _)| wanted(name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_string())))
        .collect()
}

async fn head(mut answer: reqwest::Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > ERROR_BYTES_MAX {
            body.truncate(ERROR_BYTES_MAX);
            break;
        }
    }
    Ok(body)
}

/// Adds `stream_options.include_usage`, touching no other byte when the field is absent.
fn with_usage_asked(body: &Bytes) -> Bytes {
    const FIELD: &[u8] = br#""stream_options":{"include_usage":true},"#;
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    if value.get("stream_options").is_some() {
        if !value["stream_options"].is_object() {
            value["stream_options"] = json!({});
        }
        value["stream_options"]["include_usage"] = json!(true);
        return value.to_string().into();
    }
    // A request is never an empty object, so a comma after the new field is right.
    let Some(at) = body.iter().position(|b| *b == b'{') else { return body.clone() };
    let mut spliced = BytesMut::with_capacity(body.len() + FIELD.len());
    spliced.extend_from_slice(&body[..=at]);
    spliced.extend_from_slice(FIELD);
    spliced.extend_from_slice(&body[at + 1..]);
    spliced.freeze()
}

/// Takes the one event with usage and no choices out; all others pass as they came, whole events at a time.
fn without_usage_chunk(body: BodyStream) -> BodyStream {
    let filter = UsageFilter::default();
    Box::pin(stream::unfold((body, filter, false), |(mut body, mut filter, ended)| async move {
        if ended {
            return None;
        }
        match body.next().await {
            Some(Ok(bytes)) => Some((Ok(filter.push(&bytes)), (body, filter, false))),
            Some(Err(error)) => Some((Err(error), (body, filter, true))),
            None => Some((Ok(filter.buffer.split().freeze()), (body, filter, true))),
        }
    }))
}

#[derive(Default)]
struct UsageFilter {
    buffer: BytesMut,
}

impl UsageFilter {
    fn push(&mut self, bytes: &[u8]) -> Bytes {
        self.buffer.extend_from_slice(bytes);
        let mut out = BytesMut::new();
        while let Some(end) = event_end(&self.buffer) {
            let event = self.buffer.split_to(end);
            if !is_usage_chunk(&event) {
                out.extend_from_slice(&event);
            }
        }
        if self.buffer.len() > crate::sse::EVENT_BYTES_MAX {
            out.extend_from_slice(&self.buffer.split());
        }
        out.freeze()
    }
}

fn event_end(buffer: &[u8]) -> Option<usize> {
    let lf = buffer.windows(2).position(|w| w == b"\n\n").map(|at| at + 2);
    let crlf = buffer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
    match (lf, crlf) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn is_usage_chunk(event: &[u8]) -> bool {
    let Some(event) = crate::sse::Reader::new().push(event).pop() else { return false };
    let Ok(chunk) = serde_json::from_str::<Value>(&event.data) else { return false };
    chunk["choices"].as_array().is_some_and(Vec::is_empty) && chunk["usage"].is_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_asked_for_without_touching_the_rest() {
        let body = Bytes::from_static(br#" {"model":"m","temperature":1.0,"stream":true}"#);
        assert_eq!(with_usage_asked(&body), r#" {"stream_options":{"include_usage":true},"model":"m","temperature":1.0,"stream":true}"#);
        let body = Bytes::from_static(br#"{"stream_options":{"x":1}}"#);
        assert_eq!(with_usage_asked(&body), r#"{"stream_options":{"x":1,"include_usage":true}}"#);
    }

    #[test]
    fn only_the_usage_chunk_is_taken_out_wherever_the_bytes_are_cut() {
        let kept = ["data: {\"choices\":[{\"delta\":{}}]}\n\n", ": ping\r\n\r\n", "data: [DONE]\n\n"];
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";
        let stream = [kept[0], kept[1], usage, kept[2]].concat();
        for cut in 0..stream.len() {
            let mut filter = UsageFilter::default();
            let mut out = filter.push(&stream.as_bytes()[..cut]).to_vec();
            out.extend_from_slice(&filter.push(&stream.as_bytes()[cut..]));
            out.extend_from_slice(&filter.buffer);
            assert_eq!(String::from_utf8(out).unwrap(), kept.concat(), "cut at {cut}");
        }
    }
}
