//! The use cases of AstraForge, the rules of the LLM and git doors, and the worker that carries out jobs.
//!
//! Names no product: it sees `dyn Provisioner`, `dyn Executor`, `dyn Forge`. Use cases are free functions that take
//! the engine first; they check permission, then quota, then rules, then commit.

pub mod accounts;
pub mod activity;
pub mod egress;
pub mod events;
pub mod evidence;
pub mod health;
pub mod inbox;
pub mod incidents;
pub mod jobs;
pub mod layers;
pub mod llm;
pub mod merge_requests;
pub mod prompt;
pub mod proof;
pub mod quotas;
pub mod releases;
pub mod repositories;
pub mod requests;
pub mod runs;
pub mod sandboxes;
pub mod schedule;
pub mod scrub;
pub mod secrets;
pub mod signing;
pub mod sources;
mod strangers;
pub mod worker;
pub mod workspaces;

pub use ::llm::Dialect;

use domain::egress::{Doors, HostPort};
use domain::evidence::SecretScanner;
use domain::forge::Forge;
use domain::git::GitHost;
use domain::harness::TestHarness;
use domain::sandbox::Provisioner;
use domain::source::AlertSource;
use domain::turn::Executor;
use domain::{Clock, Error, Result, Timestamp};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// Everything a use case may need. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

impl Deref for Engine {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

pub struct Parts {
    pub store: store::Store,
    pub clock: Arc<dyn Clock>,
    pub provisioners: Vec<Arc<dyn Provisioner>>,
    pub executors: Vec<Arc<dyn Executor>>,
    pub forges: Vec<Arc<dyn Forge>>,
    pub alert_sources: Vec<Arc<dyn AlertSource>>,
    pub harnesses: Vec<Arc<dyn TestHarness>>,
    pub scanner: Arc<dyn SecretScanner>,
    pub git: Arc<dyn GitHost>,
    /// Where model calls go once a run's token was checked.
    pub model: ModelRoute,
    /// The places of sandbox sessions; `Default::default()` at the start.
    pub sandboxes: sandboxes::Living,
    /// Set once by whoever composes the program, after the server side of the doors exists.
    pub doors: OnceLock<Arc<dyn Doors>>,
    pub llm: llm::Accounts,
    pub egress: egress::Decisions,
    pub signer: signing::Signer,
    pub settings: Settings,
    /// Fires when the process is asked to stop.
    pub shutdown: CancellationToken,
}

/// Settings that use cases read; from flags, environment and file by the binary.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// How people reach this server, without a trailing slash.
    pub public_url: String,
    /// At least 32 bytes; keys for secrets at rest and signatures derive from it.
    pub secret_key: Vec<u8>,
    pub self_hosted: bool,
    pub require_approval: bool,
    pub allow_all_users: bool,
    pub billing_enabled: bool,
    pub quotas_enabled: bool,
    pub default_plan: String,
    /// `WORKSPACE_QUOTAS`: plan to limits, merged over the built-in ones.
    pub plan_limits: serde_json::Map<String, serde_json::Value>,
    pub default_provisioner: String,
    pub default_executor: String,
    pub git_author_name: String,
    pub git_author_email: String,
    pub workers: usize,
    /// Registries that the host's own package managers are configured for, beside the public ones.
    pub registries: Vec<HostPort>,
    /// Added to set-up sandboxes: where the host keeps its certificates and indexes.
    pub set_up_env: BTreeMap<String, String>,
}

/// The upstream of the LLM door.
#[derive(Clone)]
pub struct ModelRoute {
    pub provider: Arc<dyn ::llm::providers::Provider>,
    pub provider_id: String,
    pub model: String,
    /// The model's words are recorded, not thought.
    pub scripted: bool,
}

impl Engine {
    pub fn new(parts: Parts) -> Self {
        Engine(Arc::new(parts))
    }
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
    pub fn provisioner(&self, id: &str) -> Result<Arc<dyn Provisioner>> {
        named(&self.provisioners, id, |p| p.id(), "sandbox provisioner", "mode")
    }
    pub fn executor(&self, id: &str) -> Result<Arc<dyn Executor>> {
        named(&self.executors, id, |e| e.id(), "executor", "executor")
    }
    pub fn forge(&self, id: &str) -> Result<Arc<dyn Forge>> {
        named(&self.forges, id, |f| f.id(), "forge", "provider")
    }
    pub fn alert_source(&self, id: &str) -> Result<Arc<dyn AlertSource>> {
        named(&self.alert_sources, id, |s| s.id(), "kind of alert source", "kind")
    }
    pub fn doors(&self) -> Result<Arc<dyn Doors>> {
        self.doors.get().cloned().ok_or_else(|| Error::unavailable("the server is still starting"))
    }
}

fn named<T: ?Sized>(all: &[Arc<T>], id: &str, of: impl Fn(&T) -> &'static str, noun: &str, field: &str) -> Result<Arc<T>> {
    all.iter().find(|one| of(one) == id).cloned().ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|one| of(one)).collect();
        Error::field(field, format!("`{id}` is no {noun} of this server; it has: {}", known.join(", ")))
    })
}
