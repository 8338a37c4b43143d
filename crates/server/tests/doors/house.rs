//! A server in a temporary folder, and people who call it.

use axum::Router;
use axum::body::{Body, Bytes};
use domain::secret::Secret;
use domain::{Clock, Timestamp};
use engine::{Engine, ModelRoute, Parts, Settings, accounts};
use http::{HeaderMap, Request, StatusCode};
use integrations::{executors, forges, git::Git, harnesses};
use serde_json::Value;
use server::{AppState, ServerConfig};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{Store, StoreConfig};
use tower::ServiceExt;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";

/// Real time, moved forward at will.
#[derive(Default)]
pub struct TestClock {
    ahead_seconds: AtomicU64,
    dice: AtomicU64,
}

impl TestClock {
    pub fn forward(&self, seconds: u64) {
        self.ahead_seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[allow(clippy::disallowed_methods)]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let ahead = jiff::SignedDuration::from_secs(self.ahead_seconds.load(Ordering::SeqCst) as i64);
        Timestamp::from_microsecond((Timestamp::now() + ahead).as_microsecond()).expect("the present is in range")
    }
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn random(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let seed = format!("{} {}", Uuid::now_v7(), self.dice.fetch_add(1, Ordering::SeqCst));
            let digest = Sha256::digest(seed);
            chunk.copy_from_slice(&digest[..chunk.len()]);
        }
    }
}

pub struct House {
    pub engine: Engine,
    pub clock: Arc<TestClock>,
    pub app: Router,
    _dir: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub json: Value,
}

pub struct Person {
    pub user: domain::account::User,
    pub key: String,
    pub workspace: String,
}

impl House {
    pub async fn new() -> House {
        House::with(|_| {}).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Settings)) -> House {
        House::made(adjust, |_| {}).await
    }

    /// Over another model than the script without words.
    pub async fn with_model(provider: Arc<dyn llm::providers::Provider>) -> House {
        House::made(|_| {}, |parts| parts.model.provider = provider).await
    }

    async fn made(adjust: impl FnOnce(&mut Settings), exchange: impl FnOnce(&mut Parts)) -> House {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(TestClock::default());
        let mut settings = settings(dir.path());
        adjust(&mut settings);
        let mut parts = parts(dir.path(), clock.clone(), settings).await;
        exchange(&mut parts);
        let engine = Engine::new(parts);
        let app = server::router(AppState::new(engine.clone(), ServerConfig::default()));
        House { engine, clock, app, _dir: dir }
    }

    pub async fn person(&self, name: &str) -> Person {
        let user = accounts::create_user(&self.engine, name, "", &Secret::new(PASSWORD), false).await.expect("a user");
        let (_, key) = accounts::create_key(&self.engine, user.id, "test").await.expect("a key");
        let profile = accounts::profile(&self.engine, user.clone()).await.expect("a profile");
        Person { user, key: key.expose().to_string(), workspace: profile.default_workspace.expect("a personal workspace") }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.expect("a body");
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, bytes, json }
    }

    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.send(call("GET", path).header("x-api-key", &who.key).body(Body::empty()).expect("a request")).await
    }
    pub async fn post(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.send_json("POST", who, path, body).await
    }
    pub async fn send_json(&self, method: &str, who: &Person, path: &str, body: Value) -> Answer {
        let request = call(method, path).header("x-api-key", &who.key).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }
    pub async fn delete(&self, who: &Person, path: &str) -> Answer {
        self.send(call("DELETE", path).header("x-api-key", &who.key).body(Body::empty()).expect("a request")).await
    }
    pub async fn anonymous(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = call(method, path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }
}

pub fn call(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost:8001")
}

impl Answer {
    /// Every refusal is a problem document with its code as the body says.
    pub fn is_problem(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        let kind = self.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        assert_eq!(kind, "application/problem+json", "{}", String::from_utf8_lossy(&self.bytes));
        assert_eq!(self.json["status"], status);
        assert!(self.json["detail"].as_str().is_some_and(|d| !d.is_empty()), "{}", self.json);
        &self.json
    }
    pub fn is(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        &self.json
    }
    /// The value of a cookie that this answer sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok());
        lines.filter_map(|line| line.split(';').next()?.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
    }
}

async fn parts(dir: &Path, clock: Arc<TestClock>, settings: Settings) -> Parts {
    let clock: Arc<dyn Clock> = clock;
    let provisioner = Arc::new(sandbox::testkit::local(dir, None).expect("sandboxes work here"));
    let git: Arc<dyn domain::git::GitHost> = Arc::new(Git::new(dir, provisioner.clone(), clock.clone()).expect("a data dir"));
    let means =
        forges::Means { git: git.clone(), clock: clock.clone(), author_name: "AstraForge".into(), author_email: "bot@example.com".into() };
    let script = llm::providers::Settings { script: Some("[]".into()), ..Default::default() };
    let signer = engine::signing::Signer::derive(&settings.secret_key);
    Parts {
        store: Store::connect(StoreConfig::new(format!("sqlite://{}/test.db", dir.display()))).await.expect("a database"),
        clock,
        provisioners: vec![provisioner],
        executors: executors::build(&executors::Settings::default()),
        forges: forges::open_all(&means),
        alert_sources: integrations::alerts::open_all(),
        harnesses: harnesses::all(),
        scanner: Arc::new(integrations::secret_scan::Scanner),
        git,
        model: ModelRoute {
            provider: llm::providers::build("scripted", script).expect("an empty script"),
            provider_id: "scripted".into(),
            model: "scripted".into(),
            scripted: true,
        },
        sandboxes: Default::default(),
        doors: Default::default(),
        llm: Default::default(),
        egress: Default::default(),
        signer,
        settings,
        shutdown: Default::default(),
    }
}

fn settings(data_dir: &Path) -> Settings {
    Settings {
        data_dir: data_dir.to_path_buf(),
        public_url: "http://localhost:8001".into(),
        secret_key: b"0123456789abcdef0123456789abcdef".to_vec(),
        self_hosted: true,
        require_approval: false,
        allow_all_users: false,
        billing_enabled: false,
        quotas_enabled: false,
        default_plan: "self_hosted".into(),
        plan_limits: Default::default(),
        default_provisioner: "local".into(),
        default_executor: "native".into(),
        git_author_name: "AstraForge".into(),
        git_author_email: "bot@example.com".into(),
        workers: 1,
        registries: Vec::new(),
        set_up_env: Default::default(),
    }
}
