//! A client of the chat dialect over HTTP/1.1: to a base URL, or over any byte stream that somebody opens for it.
//!
//! The second way is how an agent in the same process calls a gateway without a network between them. Deciding
//! whether to try again is the caller's business.

use crate::chat::{ChatEvent, ChatRequest, Reply};
use crate::error::{Error, ErrorKind, Result};
use crate::providers::{ApiKey, Settings};
use crate::sse;
use crate::wire::Dialect;
use crate::wire::chat_completions::{StreamReader, error_text, parse_reply, render_request};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

const ERROR_BYTES_MAX: usize = 64 << 10;
const REPLY_BYTES_MAX: usize = 32 << 20;

pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens a fresh stream to the server; called once per request.
pub type Opener = Arc<dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> + Send + Sync>;

#[derive(Clone)]
enum Transport {
    Http { http: reqwest::Client, base_url: String },
    Stream { open: Opener },
}

#[derive(Clone)]
pub struct ChatClient {
    transport: Transport,
    token: Option<ApiKey>,
    /// The longest silence in an answer, its first byte included.
    idle_timeout: Duration,
}

impl ChatClient {
    /// Talks to `settings.base_url`, with `settings.api_key` as bearer token.
    pub fn http(settings: Settings) -> Result<Self> {
        let base_url = settings.base_url.clone().ok_or_else(|| Error::invalid("the model client has no base URL"))?;
        let base_url = base_url.trim_end_matches('/').to_string();
        let transport = Transport::Http { http: http_client(&settings)?, base_url };
        Ok(ChatClient { transport, token: settings.api_key, idle_timeout: settings.idle_timeout })
    }

    /// Talks HTTP/1.1 over streams that `open` makes, to the path `/v1/chat/completions`.
    pub fn over(open: Opener, token: Option<ApiKey>, idle_timeout: Duration) -> Self {
        ChatClient { transport: Transport::Stream { open }, token, idle_timeout }
    }

    /// Asks and returns the answer as it comes. Dropping the stream cancels the call.
    pub async fn stream(&self, request: &ChatRequest) -> Result<BoxStream<'static, Result<ChatEvent>>> {
        let mut request = request.clone();
        request.stream = true;
        request.include_usage = true;
        let answer = self.send(render_request(&request).to_string().into()).await?;
        Ok(if answer.content_type.starts_with("text/event-stream") {
            read_stream(answer.body, self.idle_timeout)
        } else {
            // Some servers answer in one piece whatever they were asked.
            let body: Value = serde_json::from_slice(&collect(answer.body, REPLY_BYTES_MAX).await?)
                .map_err(|e| Error::protocol(format!("the model's answer is not JSON: {e}")))?;
            let events = parse_reply(&body)?.events(usize::MAX);
            futures::stream::iter(events.into_iter().map(Ok)).boxed()
        })
    }

    /// Asks and collects, showing each event on its way.
    pub async fn complete(&self, request: &ChatRequest, mut seen: impl FnMut(&ChatEvent) + Send) -> Result<Reply> {
        let mut events = self.stream(request).await?;
        let mut reply = Reply::default();
        while let Some(event) = events.next().await {
            let event = event?;
            seen(&event);
            reply.push(event);
        }
        Ok(reply)
    }

    async fn send(&self, body: Bytes) -> Result<Answer> {
        let call = async {
            match &self.transport {
                Transport::Http { http, base_url } => self.send_http(http, base_url, body).await,
                Transport::Stream { open } => self.send_stream(open, body).await,
            }
        };
        let answer = tokio::time::timeout(self.idle_timeout, call).await.map_err(|_| silent(self.idle_timeout))??;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(refused(answer).await) }
    }

    async fn send_http(&self, http: &reqwest::Client, base_url: &str, body: Bytes) -> Result<Answer> {
        let mut call = http
            .post(format!("{base_url}{}", Dialect::ChatCompletions.path()))
            .header("content-type", "application/json")
            .header("accept-encoding", "identity")
            .body(body);
        if let Some(token) = &self.token {
            call = call.bearer_auth(token.expose());
        }
        let answer = call.send().await?;
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_string();
        Ok(Answer {
            status: answer.status().as_u16(),
            content_type: header("content-type"),
            retry_after: header("retry-after"),
            body: answer.bytes_stream().map(|piece| piece.map_err(Error::from)).boxed(),
        })
    }

    async fn send_stream(&self, open: &Opener, body: Bytes) -> Result<Answer> {
        let unreachable = |e: &dyn std::fmt::Display| Error::new(ErrorKind::Unreachable, format!("no way to the model: {e}"));
        let stream = open().await.map_err(|e| unreachable(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
        let guard = AbortOnDrop(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "model connection ended early");
            }
        }));
        let mut call = http::Request::post(format!("/v1{}", Dialect::ChatCompletions.path()))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("accept-encoding", "identity");
        if let Some(token) = &self.token {
            call = call.header("authorization", format!("Bearer {}", token.expose()));
        }
        let call = call.body(Full::new(body)).map_err(|e| Error::invalid(format!("the model request can't be sent: {e}")))?;
        let answer = sender.send_request(call).await.map_err(|e| unreachable(&e))?;
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_string();
        let (status, content_type, retry_after) = (answer.status().as_u16(), header("content-type"), header("retry-after"));
        let body = answer.into_body().into_data_stream().map(move |piece| {
            // The connection lives as long as its body is read.
            let _connection = &guard;
            piece.map_err(|e| Error::protocol(format!("the model's answer broke off: {e}")))
        });
        Ok(Answer { status, content_type, retry_after, body: body.boxed() })
    }
}

/// A client with our manners: no redirects, no proxy but the one that was named, a limit on every wait.
pub(crate) fn http_client(settings: &Settings) -> Result<reqwest::Client> {
    // Another part of the process may have installed one already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .user_agent(concat!("astraforge/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(proxy) = &settings.proxy_url {
        let proxy = reqwest::Proxy::all(proxy).map_err(|e| Error::invalid(format!("the proxy address can't be used: {e}")))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|e| Error::invalid(format!("the HTTP client can't be built: {e}")))
}

struct Answer {
    status: u16,
    content_type: String,
    retry_after: String,
    body: BoxStream<'static, Result<Bytes>>,
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn silent(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the model said nothing for {} s", limit.as_secs()))
}

async fn refused(answer: Answer) -> Error {
    let body = collect(answer.body, ERROR_BYTES_MAX).await.unwrap_or_default();
    let text = match serde_json::from_slice::<Value>(&body) {
        Ok(value) => error_text(value.get("error").unwrap_or(&value)),
        Err(_) => String::from_utf8_lossy(&body).chars().take(500).collect(),
    };
    Error {
        kind: ErrorKind::Status,
        status: Some(answer.status),
        retry_after: answer.retry_after.parse().ok().map(Duration::from_secs),
        message: format!("the model's server answered {}: {}", answer.status, text.trim()),
    }
}

async fn collect(mut body: BoxStream<'static, Result<Bytes>>, bytes_max: usize) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece?);
        if whole.len() > bytes_max {
            return Err(Error::protocol(format!("the model's answer is longer than {bytes_max} bytes")));
        }
    }
    Ok(whole)
}

struct Reading {
    body: BoxStream<'static, Result<Bytes>>,
    events: sse::Reader,
    reader: StreamReader,
    ready: VecDeque<Result<ChatEvent>>,
    ended: bool,
    bytes: usize,
}

fn read_stream(body: BoxStream<'static, Result<Bytes>>, idle_timeout: Duration) -> BoxStream<'static, Result<ChatEvent>> {
    let reading =
        Reading { body, events: sse::Reader::new(), reader: StreamReader::default(), ready: VecDeque::new(), ended: false, bytes: 0 };
    futures::stream::unfold(reading, move |mut reading| async move {
        loop {
            if let Some(event) = reading.ready.pop_front() {
                return Some((event, reading));
            }
            if reading.ended {
                return None;
            }
            let next = tokio::time::timeout(idle_timeout, reading.body.next()).await;
            reading.take(next.unwrap_or_else(|_| Some(Err(silent(idle_timeout)))));
        }
    })
    .boxed()
}

impl Reading {
    fn take(&mut self, next: Option<Result<Bytes>>) {
        match next {
            Some(Ok(bytes)) => {
                self.bytes += bytes.len();
                for event in self.events.push(&bytes) {
                    self.event(&event);
                }
                if self.bytes > REPLY_BYTES_MAX || self.events.overflowed() {
                    self.fail(Error::protocol("the model's answer is too long"));
                }
            }
            Some(Err(error)) => self.fail(error),
            None => {
                if let Some(event) = self.events.finish() {
                    self.event(&event);
                }
                if !self.ended && !self.reader.finished() {
                    self.fail(Error::protocol("the model's answer broke off before its end"));
                }
                self.ended = true;
            }
        }
    }
    fn event(&mut self, event: &sse::Event) {
        match self.reader.event(event) {
            Ok(events) => self.ready.extend(events.into_iter().map(Ok)),
            Err(error) => self.fail(error),
        }
    }
    fn fail(&mut self, error: Error) {
        self.ready.push_back(Err(error));
        self.ended = true;
    }
}
