//! REST, event streams, sign-in, OpenAPI and the embedded web app.
//!
//! Handlers parse, call one engine function and shape its answer. Rules live in `engine`, SQL in `store`, and the
//! environment is read by the binary alone, which hands over a [`ServerConfig`].

pub mod body;
pub mod caller;
pub mod doors;
pub mod json;
pub mod layers;
pub mod limit;
pub mod listen;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod problem;
pub mod routes;
pub mod sse;
pub mod stamp;
pub mod web;

pub use caller::MaybeCaller;
pub use engine::accounts::Caller;
pub use json::{Id, Json, MaybeJson, Query};
pub use page::{Page, Paging};
pub use problem::{Problem, Reply};
pub use stamp::{Stamp, Stamp00};

use engine::Engine;
use std::sync::Arc;

/// How this server is reached and what it says of itself; from flags, environment and file by the binary.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub version: &'static str,
    /// `ALLOWED_HOSTS`: exact names, `.suffix`, or `*`.
    pub allowed_hosts: Vec<String>,
    /// `CSRF_TRUSTED_ORIGINS`: origins such as `http://localhost:5174` that may call with a session.
    pub trusted_origins: Vec<String>,
    /// Whether `X-Forwarded-For` and `X-Forwarded-Proto` come from a proxy of ours.
    pub trust_proxy: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            version: env!("CARGO_PKG_VERSION"),
            allowed_hosts: vec!["*".to_string()],
            trusted_origins: vec!["http://localhost:5174".to_string(), "http://127.0.0.1:5174".to_string()],
            trust_proxy: false,
        }
    }
}

/// A program that may be crashed for show; the binary brings one.
#[async_trait::async_trait]
pub trait Example: Send + Sync {
    /// Crashes it and answers the incident that its report became.
    async fn crash(&self, user: &domain::account::User) -> domain::Result<domain::IncidentId>;
}

/// What every handler may take with `State(state): State<AppState>`. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub engine: Engine,
    pub config: Arc<ServerConfig>,
    pub metrics: Arc<metrics::Metrics>,
    pub limits: Arc<limit::Limits>,
    pub openapi: Arc<openapi::Document>,
    pub example: Option<Arc<dyn Example>>,
    pub intake: engine::incidents::Intake,
}

impl AppState {
    pub fn new(engine: Engine, config: ServerConfig) -> Self {
        AppState {
            engine,
            config: Arc::new(config),
            metrics: Arc::default(),
            limits: Arc::default(),
            openapi: Arc::new(openapi::Document::new()),
            example: None,
            intake: engine::incidents::Intake::default(),
        }
    }
    pub fn with_example(mut self, example: Arc<dyn Example>) -> Self {
        self.example = Some(example);
        self
    }
    /// Whether browsers reach us over TLS, so that cookies may be marked `Secure`.
    pub fn is_https(&self) -> bool {
        self.engine.settings.public_url.starts_with("https://")
    }
}

/// The whole HTTP face: the API, the doors people use, and the web app for every other path.
pub fn router(state: AppState) -> axum::Router {
    let (api, _) = routes::all().split_for_parts();
    let app = api.fallback_service(web::router()).method_not_allowed_fallback(problem::method_not_allowed);
    layers::apply(app, state)
}
