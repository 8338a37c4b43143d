//! Event streams: frames with ids, heartbeats, and an end when the server stops.

use crate::limit::StreamPermit;
use crate::{AppState, Problem, page};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::limits::STREAM_HEARTBEAT_SECONDS;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;
use std::convert::Infallible;
use std::time::Duration;

/// Then the client comes back with the last id it saw, and shows anew that it may.
const STREAM_LIFETIME: Duration = Duration::from_secs(3600);

/// One frame. Without a `name` only `data:` is written.
#[derive(Clone, Debug)]
pub struct Frame {
    pub name: Option<&'static str>,
    pub id: Option<i64>,
    pub data: Value,
}

impl Frame {
    /// `event: message`, as run logs write it.
    pub fn message(data: Value) -> Self {
        Frame { name: Some("message"), id: None, data }
    }
    /// A bare `data:` frame.
    pub fn bare(data: Value) -> Self {
        Frame { name: None, id: None, data }
    }
    pub fn id(mut self, seq: i64) -> Self {
        self.id = Some(seq);
        self
    }
}

/// The number of the last event that the client has: `?after=`, else `Last-Event-ID`, else 0.
pub fn after(headers: &HeaderMap, query: Option<&str>) -> Result<i64, Problem> {
    if query.is_some() {
        return page::parse_after(query);
    }
    page::parse_after(headers.get("last-event-id").and_then(|v| v.to_str().ok()))
}

/// Answers with the stream; it ends when `frames` does, the server stops, or its hour is over. Take the permit from
/// `state.limits.stream(user)` before reading anything, so that nobody holds more streams than allowed. `heartbeat` is
/// sent whenever nothing else was for a while: as a frame, because a browser never hears of comments.
pub fn respond<S>(state: &AppState, permit: StreamPermit, frames: S, heartbeat: Frame) -> Response
where
    S: Stream<Item = Frame> + Send + 'static,
{
    let stop = state.engine.shutdown.clone();
    let events = frames
        .map(move |frame| {
            let _held = &permit;
            Ok::<Event, Infallible>(encode(frame))
        })
        .take_until(async move {
            tokio::select! {
                _ = stop.cancelled() => {}
                _ = tokio::time::sleep(STREAM_LIFETIME) => {}
            }
        });
    let heartbeat = KeepAlive::new().interval(Duration::from_secs(STREAM_HEARTBEAT_SECONDS)).event(encode(heartbeat));
    let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn encode(frame: Frame) -> Event {
    let mut event = Event::default();
    if let Some(name) = frame.name {
        event = event.event(name);
    }
    if let Some(seq) = frame.id {
        event = event.id(seq.to_string());
    }
    event.data(frame.data.to_string())
}
