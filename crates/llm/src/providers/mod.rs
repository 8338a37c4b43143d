//! Who answers: the port, and the list of adapters. A new provider is one file and one entry in [`ALL`].
//!
//! A provider passes bytes of one dialect on; it does not decide who may call, what it may cost, or which model is
//! allowed. It does make sure that no call goes unmetered: every response carries a [`Gauge`].

pub mod openai;
pub mod scripted;

use crate::chat::Usage;
use crate::error::{Error, Result};
use crate::meter::{Gauge, Meter};
use crate::wire::Dialect;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{Stream, StreamExt};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub const ALL: &[Entry] = &[openai::ENTRY, scripted::ENTRY];

pub struct Entry {
    /// The word in the configuration.
    pub id: &'static str,
    pub label: &'static str,
    pub build: fn(Settings) -> Result<Arc<dyn Provider>>,
}

/// Builds the provider of this id.
pub fn build(id: &str, settings: Settings) -> Result<Arc<dyn Provider>> {
    let Some(entry) = ALL.iter().find(|entry| entry.id == id) else {
        let known: Vec<&str> = ALL.iter().map(|entry| entry.id).collect();
        return Err(Error::invalid(format!("there is no model provider `{id}`; known are {}", known.join(", "))));
    };
    (entry.build)(settings)
}

/// Each provider takes what it needs and says what it misses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// With its version part, such as `https://api.openai.com/v1`.
    pub base_url: Option<String>,
    pub api_key: Option<ApiKey>,
    /// The document of the scripted provider.
    pub script: Option<String>,
    /// An HTTP proxy for the way out.
    pub proxy_url: Option<String>,
    pub connect_timeout: Duration,
    /// The longest silence in an answer, its first byte included.
    pub idle_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            base_url: None,
            api_key: None,
            script: None,
            proxy_url: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

/// Never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    pub fn new(key: impl Into<String>) -> Self {
        ApiKey(key.into())
    }
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[derive(Clone, Debug)]
pub struct RawRequest {
    pub dialect: Dialect,
    /// As the client sent it.
    pub body: Bytes,
    /// The client's headers; a provider picks the few that it must pass on and builds the rest.
    pub headers: Vec<(String, String)>,
}

pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

pub struct RawResponse {
    pub status: u16,
    pub content_type: String,
    /// Headers worth handing to the client.
    pub headers: Vec<(String, String)>,
    /// Dropping it cancels the call upstream.
    pub body: BodyStream,
    pub gauge: Gauge,
}

impl RawResponse {
    /// Lets the body pass through a meter.
    fn metered(dialect: Dialect, status: u16, content_type: String, headers: Vec<(String, String)>, body: BodyStream) -> Self {
        let meter = Meter::new(dialect, &content_type);
        let gauge = meter.gauge();
        if status >= 400 {
            // Nobody bills a refusal; without this it would be booked at its upper bound.
            gauge.preset(Some(Usage::default()));
        }
        RawResponse { status, content_type, headers, body: Box::pin(Metered { body, meter }), gauge }
    }

    /// The whole body, or an error past the limit.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes> {
        let mut whole = Vec::new();
        while let Some(piece) = self.body.next().await {
            whole.extend_from_slice(&piece?);
            if whole.len() > bytes_max {
                return Err(Error::protocol(format!("the model's answer is longer than {bytes_max} bytes")));
            }
        }
        Ok(whole.into())
    }
}

#[async_trait]
pub trait Provider: Send + Sync {
    fn id(&self) -> &'static str;
    /// Sends the request on. A refusal of the model's server that its client should see is an `Ok` with that status.
    async fn call(&self, request: RawRequest) -> Result<RawResponse>;
    /// Why every conversation that begins with this prompt is refused, where that is known before any call.
    fn refuses(&self, _prompt: &str) -> Option<String> {
        None
    }
}

struct Metered {
    body: BodyStream,
    meter: Meter,
}

impl Stream for Metered {
    type Item = Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(self.body.as_mut().poll_next(context));
        match &next {
            Some(Ok(bytes)) => self.meter.push(bytes),
            Some(Err(_)) => {}
            None => self.meter.end(),
        }
        Poll::Ready(next)
    }
}
