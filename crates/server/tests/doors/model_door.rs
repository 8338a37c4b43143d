//! The door through which agents reach a model: who may speak, what it costs, and what passes on.

use crate::house::House;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use domain::egress::{Door, Doors, Peer};
use domain::usage::Usage;
use domain::{RunId, SandboxId, limits};
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use server::doors::ServerDoors;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const PATIENCE: Duration = Duration::from_secs(10);
const CHAT: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"id":"1","model":"scripted","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},
    "finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":4,"total_tokens":15}}"#;

/// A model's server on loopback. It answers `ANSWER`, but never a request that says `wait`.
#[derive(Clone, Default)]
struct Upstream(Arc<Mutex<Vec<Value>>>);

impl Upstream {
    async fn start(&self) -> Arc<dyn llm::providers::Provider> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let app = Router::new().route(CHAT, post(Upstream::answer)).route("/v1/responses", post(Upstream::answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let settings = llm::providers::Settings { base_url: Some(base_url), ..Default::default() };
        llm::providers::build("openai", settings).unwrap()
    }

    async fn answer(State(Upstream(seen)): State<Upstream>, body: Bytes) -> ([(http::HeaderName, &'static str); 1], &'static str) {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let waits = body.to_string().contains("wait");
        seen.lock().unwrap().push(body);
        if waits {
            std::future::pending::<()>().await;
        }
        ([(CONTENT_TYPE, "application/json")], ANSWER)
    }

    fn seen(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    async fn has_seen(&self, count: usize) {
        let started = Instant::now();
        while self.seen().len() < count {
            assert!(started.elapsed() < PATIENCE, "the model's server saw {} of {count} calls", self.seen().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A run in its sandbox, with its token.
struct Agent {
    house: House,
    upstream: Upstream,
    run: RunId,
    peer: Peer,
    token: String,
}

impl Agent {
    async fn new() -> Agent {
        let upstream = Upstream::default();
        let house = House::with_model(upstream.start().await).await;
        let ada = house.person("ada").await;
        let link = json!({"provider": "local", "repository": "shop", "workspace_uid": ada.workspace});
        let link = house.post(&ada, "/api/repository-links/", link).await.is(201)["id"].clone();
        house.post(&ada, "/api/requests/", json!({"project_id": link, "prompt": "mend it"})).await.is(201);
        let run: RunId = house.get(&ada, "/api/runs/").await.is(200)[0]["id"].as_str().unwrap().parse().unwrap();
        let peer = Peer { sandbox: SandboxId(house.engine.clock.uuid()), run: Some(run), epoch: 3 };
        let token = engine::llm::issue(&house.engine, run, peer.sandbox, peer.epoch).await.unwrap().expose().to_string();
        Agent { house, upstream, run, peer, token }
    }

    fn knock(&self, peer: Peer) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 << 10);
        let doors = ServerDoors::new(self.house.engine.clone());
        tokio::spawn(async move { doors.serve(Box::new(far), peer, Door::Llm).await });
        near
    }

    /// The head of a request, and as much of its body as is given.
    async fn begin(&self, peer: Peer, token: &str, path: &str, length: usize, body: &[u8]) -> DuplexStream {
        let mut stream = self.knock(peer);
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }

    async fn call(&self, path: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        heard(self.begin(self.peer, &self.token, path, body.len(), body.as_bytes()).await).await
    }

    async fn usage(&self) -> Usage {
        engine::llm::usage(&self.house.engine, self.run).await.unwrap()
    }

    async fn has_used(&self, calls: u64) -> Usage {
        let started = Instant::now();
        loop {
            let usage = self.usage().await;
            if usage.calls == calls {
                return usage;
            }
            assert!(started.elapsed() < PATIENCE, "{usage:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The status and the rest of what was answered, as far as it came at once.
async fn heard(mut stream: DuplexStream) -> (u16, String) {
    let mut bytes = vec![0; 16 << 10];
    let length = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await.expect("an answer in time").unwrap();
    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    (status, text)
}

fn question(text: &str) -> Value {
    json!({"model": "scripted", "max_tokens": 100, "messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn who_may_not_speak_is_refused_before_a_body_is_read() {
    let agent = Agent::new().await;
    let (status, text) = agent.call(CHAT, &question("hello")).await;
    assert_eq!(status, 200, "the control: {text}");
    assert_eq!(agent.has_used(1).await.tokens(), 15);

    let (peer, token) = (agent.peer, agent.token.as_str());
    let other = SandboxId(agent.house.engine.clock.uuid());
    let length = limits::LLM_BODY_BYTES_MAX;
    for (what, peer, token) in [
        ("a sandbox without a run", Peer { run: None, ..peer }, token),
        ("another run", Peer { run: Some(RunId(agent.house.engine.clock.uuid())), ..peer }, token),
        ("another sandbox", Peer { sandbox: other, ..peer }, token),
        ("another life of it", Peer { epoch: 4, ..peer }, token),
        ("a made-up token", peer, "afr-0000"),
        ("no token", peer, ""),
    ] {
        // Not one byte of the body that was announced is sent.
        let (status, text) = heard(agent.begin(peer, token, CHAT, length, b"").await).await;
        assert!(status == 403 && text.contains("token_revoked"), "{what}: {text}");
    }
    for path in ["/v1/files", "/v1/chat/completions/../../files", "/v1/responses/x", "//v1/responses", "/v1/embeddings", "/"] {
        let (status, text) = heard(agent.begin(peer, token, path, 2, b"{}").await).await;
        assert_eq!(status, 404, "{path}: {text}");
    }

    // As many half requests as may be held; one more is told to wait, and has its turn once one of them is gone.
    let mut half = Vec::new();
    for _ in 0..limits::RUN_LLM_CALLS_AT_ONCE_MAX {
        half.push(agent.begin(peer, token, CHAT, length, b"{").await);
    }
    let started = Instant::now();
    while agent.call(CHAT, &question("crowded")).await.0 != 429 {
        assert!(started.elapsed() < PATIENCE, "nobody was told to wait");
    }
    half.pop();
    while agent.call(CHAT, &question("room")).await.0 != 200 {
        assert!(started.elapsed() < PATIENCE, "the place of one that left stays taken");
    }
    drop(half);

    engine::llm::revoke(&agent.house.engine, agent.run).await.unwrap();
    let (status, text) = heard(agent.begin(peer, token, CHAT, length, b"").await).await;
    assert!(status == 403 && text.contains("token_revoked"), "after it was revoked: {text}");
    let token = engine::llm::issue(&agent.house.engine, agent.run, peer.sandbox, peer.epoch).await.unwrap();
    agent.house.clock.forward(24 * 3600);
    let (status, text) = heard(agent.begin(peer, token.expose(), CHAT, length, b"").await).await;
    assert!(status == 403 && text.contains("token_revoked"), "after it expired: {text}");
}

#[tokio::test]
async fn an_abandoned_call_is_paid_for() {
    let agent = Agent::new().await;
    let body = question("wait for ever").to_string();
    let stream = agent.begin(agent.peer, &agent.token, CHAT, body.len(), body.as_bytes()).await;
    agent.upstream.has_seen(1).await;
    assert_eq!(agent.usage().await.calls, 0, "the control: it is under way");
    drop(stream);
    let used = agent.has_used(1).await;
    assert_eq!((used.input_tokens, used.output_tokens), (body.len() as u64 / 2, 100));
}

#[tokio::test]
async fn calls_side_by_side_share_one_budget() {
    let agent = Agent::new().await;
    for huge in [u64::MAX, u64::MAX - 10, limits::RUN_TOKENS_MAX] {
        let mut body = question("a lot");
        body["max_tokens"] = huge.into();
        let (status, text) = agent.call(CHAT, &body).await;
        assert!(status == 403 && text.contains("budget_spent"), "{huge}: {text}");
    }
    let mut body = question("wait");
    body["max_tokens"] = (limits::RUN_TOKENS_MAX / 2 - 1000).into();
    body["n"] = 2.into();
    let sent = body.to_string();
    let first = agent.begin(agent.peer, &agent.token, CHAT, sent.len(), sent.as_bytes()).await;
    agent.upstream.has_seen(1).await;
    let mut second = question("me too");
    second["max_tokens"] = 3000.into();
    let (status, text) = agent.call(CHAT, &second).await;
    assert!(status == 403 && text.contains("budget_spent"), "{text}");
    second["max_tokens"] = 10.into();
    assert_eq!(agent.call(CHAT, &second).await.0, 200, "the control: what is left may be had");
    drop(first);
}

#[tokio::test]
async fn nothing_at_the_models_server_reaches_out_for_an_agent() {
    let agent = Agent::new().await;
    let with = |field: &str, value: Value| {
        let mut body = question("hello");
        body[field] = value;
        body
    };
    let picture = |url: &str| with("messages", json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]));
    assert_eq!(agent.call(CHAT, &picture("data:image/png;base64,AAAA")).await.0, 200, "the control");
    let tools =
        json!([{"type": "function", "function": {"name": "ls"}}, {"type": "web_search"}, {"type": "mcp", "server_url": "http://x"}]);
    let mut body = with("tools", tools);
    body["web_search_options"] = json!({});
    assert_eq!(agent.call(CHAT, &body).await.0, 200);
    let passed_on = agent.upstream.seen().pop().unwrap();
    assert_eq!(passed_on["tools"], json!([{"type": "function", "function": {"name": "ls"}}]));
    assert_eq!((&passed_on["web_search_options"], &passed_on["messages"]), (&Value::Null, &body["messages"]));

    let seen = agent.upstream.seen().len();
    for (path, body) in [
        (CHAT, picture("https://evil.example/?q=secret")),
        (
            "/v1/responses",
            json!({"model": "scripted", "input": [{"content": [{"type": "input_file", "file_url": "http://evil.example"}]}]}),
        ),
        ("/v1/responses", json!({"model": "scripted", "input": "x", "background": true})),
        ("/v1/responses", json!({"model": "scripted", "prompt": {"id": "pmpt_1"}})),
    ] {
        let (status, text) = agent.call(path, &body).await;
        assert!(status == 400 && text.contains("bad_request"), "{body}: {text}");
    }
    let (status, text) = agent.call(CHAT, &with("model", "dearer".into())).await;
    assert!(status == 403 && text.contains("model_not_allowed"), "{text}");
    let twice = br#"{"model":"scripted","model":"dearer","messages":[]}"#;
    let (status, text) = heard(agent.begin(agent.peer, &agent.token, CHAT, twice.len(), twice).await).await;
    assert_eq!(status, 400, "{text}");
    assert_eq!(agent.upstream.seen().len(), seen, "the model's server heard of none of them");
}
