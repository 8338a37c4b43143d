//! Puts the parts together: the only place that names every adapter.

use crate::clock::SystemClock;
use crate::config::{self, Base, Lookup, ServeConfig};
use crate::output::say;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use domain::egress::{BoxStream, Door, Doors, Peer};
use domain::evidence::Proof;
use domain::git::{Commit, GitHost, Import};
use domain::request::RequestKind;
use domain::sandbox::{ExecOutput, Guarantee, Provisioner};
use domain::{Clock, RepositoryId};
use engine::egress::Decisions;
use engine::layers::{Watcher, Workshop};
use engine::proof::{self, ProofContext, ProofInput};
use engine::{Engine, ModelRoute, Parts, Settings};
use integrations::{executors, forges, harnesses};
use llm::providers;
use sandbox::egress::Cidr;
use sandbox::local::{Local, LocalConfig, Witness, toolchains};
use sandbox::unsafe_process::{UnsafeProcess, UnsafeProcessConfig};
use server::{AppState, ServerConfig};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use store::{Store, StoreConfig};
use tokio_util::sync::CancellationToken;

/// The daemon that runs inside every sandbox.
static ASTRAD: &[u8] = include_bytes!(env!("ASTRAD"));
/// Answers model calls while nobody has configured a model: it knows the bundled example and nothing else.
pub const EXAMPLE_SCRIPT: &str = include_str!("demo/checkout.script.json");
const MODEL_DEFAULT: &str = "gpt-5-codex";
const SCRIPTED_MODEL: &str = "scripted";
/// The version whose stream and flags the adapter was tried with.
const CODEX_PACKAGE: &str = "@openai/codex@0.169.0";
const WORKERS: usize = 2;

/// A composed server, not yet listening.
pub struct Running {
    pub engine: Engine,
    pub state: AppState,
    /// Held as long as the server lives: one server per data dir.
    _lock: File,
}

pub async fn compose(config: ServeConfig, public_url: String) -> Result<Running> {
    let lock = lock(&config.base.data_dir)?;
    let store = connect(&config.base).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let late = Arc::new(LateDoors::default());
    let decisions = Decisions::default();
    let exits = Way { doors: late.clone(), allow_cidrs: allow_cidrs(&config.base)?, witness: Some(witness(&decisions)) };
    let place = if config.unsafe_process { unsafe_process(&config.base, exits)? } else { local(&config.base, exits)? };
    let orphans = place.reconcile().await?;
    if orphans > 0 {
        tracing::info!(orphans, "removed what an earlier server left behind");
    }
    engine::layers::sweep(&config.base.data_dir);
    integrations::git::sweep(&config.base.data_dir);
    let model = model(&config.base.lookup, config.script.as_deref())?;
    let engine = engine(&config.base, store, clock, vec![place], model, public_url, config.executor.clone(), decisions)?;
    let doors: Arc<dyn Doors> = Arc::new(server::doors::ServerDoors::new(engine.clone()));
    late.set(doors.clone());
    let _ = engine.doors.set(doors);
    // The lock says that no other process works in this data dir, and so on a database in it: whatever ran before is
    // ours to go on with. On a shared one the work of others goes on, and that of the dead is taken up when its lease ends.
    let owns_database = config.base.database_url.starts_with("sqlite");
    if owns_database {
        let mut tx = engine.store.write().await?;
        store::queue::abandon_all(&mut tx, engine.now()).await?;
        tx.commit().await?;
    }
    engine::sandboxes::recover(&engine, owns_database).await?;
    let state = AppState::new(engine.clone(), server_config(&config.base)?).with_example(Arc::new(crate::demo::WebExample(engine.clone())));
    Ok(Running { engine, state, _lock: lock })
}

/// An engine for commands that only touch the database.
pub async fn bare_engine(base: Base) -> Result<Engine> {
    let store = connect(&base).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let provisioner = local(&base, Way::closed())?;
    let model = scripted(EXAMPLE_SCRIPT)?;
    engine(&base, store, clock, vec![provisioner], model, String::new(), None, Decisions::default())
}

/// What a bundle was signed about.
pub struct Signed<'a> {
    pub base: &'a str,
    pub patch: &'a str,
    pub kind: RequestKind,
}

/// Proves a patch of any repository on this machine, away from every server: for whoever checks a bundle.
pub async fn prove_again(scratch: &Path, repo: &Path, signed: &Signed<'_>, is_about: impl Fn(&[u8]) -> bool) -> Result<Proof> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let local: Arc<dyn Provisioner> = Arc::new(Local::new(LocalConfig {
        data_dir: scratch.to_path_buf(),
        toolchains: toolchains_here(),
        astrad: ASTRAD,
        doors: Arc::new(LateDoors::default()),
        allow_cidrs: Vec::new(),
        witness: None,
        init: None,
    })?);
    let git: Arc<dyn GitHost> = Arc::new(integrations::git::Git::new(scratch, local.clone(), clock.clone())?);
    let repository: RepositoryId = clock.fresh();
    let (base, head) = (Commit::parse(signed.base)?, Commit::parse(signed.patch)?);
    git.init(repository, "main").await?;
    git.import(repository, Import::Path(repo.canonicalize()?)).await?;
    let diff = git.diff(repository, &base, &head).await.context(
        "the repository lacks the base or the patch commit; check the merge request's branch out there, since only local branches are read",
    )?;
    anyhow::ensure!(is_about(&diff), "the repository's diff between these commits is not the one that was signed");
    let (registries, set_up_env) = config::host_registries(&Lookup::open(None)?);
    let workshop = Workshop {
        git: git.clone(),
        provisioner: local.clone(),
        harnesses: harnesses::all(),
        clock: clock.clone(),
        data_dir: scratch.to_path_buf(),
        registries,
        set_up_env,
    };
    let set_up = workshop.detect(repository, &base).await?;
    let layer = match &set_up {
        Some(set_up) => {
            workshop.build(repository, &base, set_up, None, &mut Printing).await?;
            workshop.proof_layer(repository, set_up)
        }
        None => None,
    };
    let config = proof::project_file::read(git.as_ref(), repository, &base).await?;
    let context = ProofContext {
        git,
        provisioner: local,
        harnesses: harnesses::all(),
        scanner: Arc::new(integrations::secret_scan::Scanner),
        clock,
        assets_dir: scratch.join("harnesses"),
        parallel: 2,
    };
    let input = ProofInput { repository, run: None, base, head, incident: None, kind: signed.kind, prompt: String::new(), layer, config };
    Ok(proof::prove(&context, &input, &|_| {}, &CancellationToken::new()).await?)
}

/// Set-up's commands on standard output.
struct Printing;

#[async_trait]
impl Watcher for Printing {
    async fn started(&mut self, line: &str) -> domain::Result<()> {
        say!("          $ {line}").map_err(|unheard| domain::Error::internal(unheard.to_string()).because(unheard))
    }
    async fn finished(&mut self, _: &str, _: &ExecOutput) -> domain::Result<()> {
        Ok(())
    }
}

/// What this host has for sandboxes, with the way to mend what it lacks; then what they can promise here, measured now.
pub async fn doctor(base: &Base) -> (Vec<Guarantee>, Vec<Guarantee>) {
    let promises = match local(base, Way::closed()) {
        Ok(local) => local.guarantees().await,
        Err(error) => vec![Guarantee {
            promise: "sandboxes can be made".to_string(),
            state: domain::sandbox::GuaranteeState::Missing,
            detail: error.to_string(),
        }],
    };
    (sandbox::doctor(&toolchains_here()), promises)
}

pub async fn executors_in_words(base: &Base) -> Vec<String> {
    let mut lines: Vec<String> = toolchains_here().iter().map(|t| format!("toolchain  {:<10} {}", t.name, t.folder.display())).collect();
    for executor in executors::build(&executor_settings(base)) {
        let state = executor.unavailable().await.map_or("ready".to_string(), |why| format!("not here: {why}"));
        lines.push(format!("executor   {:<10} {state}", executor.id()));
    }
    lines
}

pub fn model_in_words(base: &Base) -> String {
    let state = match model(&base.lookup, None) {
        Ok(route) => route.provider.refuses("").unwrap_or(format!("`{}` by `{}`", route.model, route.provider_id)),
        Err(error) => error.to_string(),
    };
    format!("model      {state}")
}

/// One server at a time: two would carry out each other's work.
fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("{} can't be made", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another AstraForge server already works on {}", data_dir.display()),
        Err(TryLockError::Error(error)) => Err(error).context("the data dir can't be locked"),
    }
}

async fn connect(base: &Base) -> Result<Store> {
    Store::connect(StoreConfig::new(base.database_url.clone()))
        .await
        .map_err(|error| anyhow::anyhow!("the database can't be used: {error}"))
}

fn toolchains_here() -> Vec<toolchains::Toolchain> {
    toolchains::find(&std::env::var("PATH").unwrap_or_default())
}

/// How sandboxes reach what little they may reach.
struct Way {
    doors: Arc<dyn Doors>,
    allow_cidrs: Vec<Cidr>,
    witness: Option<Witness>,
}

impl Way {
    fn closed() -> Way {
        Way { doors: Arc::new(LateDoors::default()), allow_cidrs: Vec::new(), witness: None }
    }
}

/// Private ranges where this network keeps its package mirrors.
fn allow_cidrs(base: &Base) -> Result<Vec<Cidr>> {
    let listed = base.lookup.list("ASTRAFORGE_EGRESS_ALLOW_CIDRS").unwrap_or_default();
    listed.iter().map(|range| range.parse::<Cidr>().map_err(|error| anyhow::anyhow!("ASTRAFORGE_EGRESS_ALLOW_CIDRS: {error}"))).collect()
}

fn witness(decisions: &Decisions) -> Witness {
    let decisions = decisions.clone();
    Arc::new(move |peer, decision| {
        tracing::debug!(sandbox = %peer.sandbox, host = decision.host, allowed = decision.allowed, "egress");
        if let Some(run) = peer.run {
            decisions.note(run, decision);
        }
    })
}

fn local(base: &Base, way: Way) -> Result<Arc<dyn Provisioner>> {
    let local = Local::new(LocalConfig {
        data_dir: base.data_dir.clone(),
        toolchains: toolchains_here(),
        astrad: ASTRAD,
        doors: way.doors,
        allow_cidrs: way.allow_cidrs,
        witness: way.witness,
        init: None,
    })?;
    Ok(Arc::new(local))
}

/// Only when somebody asked for it by name: it isolates nothing.
fn unsafe_process(base: &Base, way: Way) -> Result<Arc<dyn Provisioner>> {
    tracing::warn!("sandboxes are plain processes: whatever an agent does, it does as this user");
    let config = UnsafeProcessConfig {
        data_dir: base.data_dir.clone(),
        toolchains: toolchains_here(),
        astrad: ASTRAD,
        doors: way.doors,
        allow_cidrs: way.allow_cidrs,
        witness: way.witness,
    };
    Ok(Arc::new(UnsafeProcess::new(config)?))
}

/// An explicit provider, else a key that is there, else the script of the example.
fn model(lookup: &Lookup, script: Option<&str>) -> Result<ModelRoute> {
    if let Some(script) = script {
        return scripted(script);
    }
    let key = lookup.text("OPENAI_API_KEY");
    let wanted = lookup.text("LLM_PROVIDER").or_else(|| key.as_ref().map(|_| "openai".to_string()));
    match wanted.as_deref() {
        None | Some("scripted") => scripted(EXAMPLE_SCRIPT),
        Some(id) => {
            let settings = providers::Settings {
                base_url: lookup.text("OPENAI_BASE_URL"),
                api_key: key.map(providers::ApiKey::new),
                proxy_url: lookup.text("LLM_HTTP_PROXY"),
                ..providers::Settings::default()
            };
            let provider =
                providers::build(id, settings).map_err(|error| anyhow::anyhow!("the model provider `{id}` can't be used: {error}"))?;
            let model = lookup.text("LLM_MODEL").unwrap_or_else(|| MODEL_DEFAULT.to_string());
            Ok(ModelRoute { provider, provider_id: id.to_string(), model, scripted: false })
        }
    }
}

fn scripted(script: &str) -> Result<ModelRoute> {
    let settings = providers::Settings { script: Some(script.to_string()), ..providers::Settings::default() };
    let provider = providers::build("scripted", settings).map_err(|error| anyhow::anyhow!("the script can't be read: {error}"))?;
    Ok(ModelRoute { provider, provider_id: "scripted".to_string(), model: SCRIPTED_MODEL.to_string(), scripted: true })
}

fn executor_settings(base: &Base) -> executors::Settings {
    let prefix = base.lookup.text("ASTRAFORGE_CODEX_PREFIX").map(PathBuf::from);
    executors::Settings { codex_prefix: Some(prefix.unwrap_or_else(|| base.data_dir.join("clis/codex"))) }
}

/// Installs the CLI below the data dir, once. A large download, so only when somebody asks for it.
pub async fn install_codex(base: &Base) -> Result<()> {
    let prefix = executor_settings(base).codex_prefix.context("executor settings name a folder")?;
    if prefix.join("node_modules/@openai/codex").is_dir() {
        return Ok(());
    }
    say!("installing the Codex CLI from npm into {} (about 400 MB)", prefix.display())?;
    std::fs::create_dir_all(&prefix)?;
    let status = tokio::process::Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(&prefix)
        .arg(CODEX_PACKAGE)
        .status()
        .await
        .context("npm could not be started")?;
    anyhow::ensure!(status.success(), "npm could not install {CODEX_PACKAGE}");
    Ok(())
}

fn engine(
    base: &Base,
    store: Store,
    clock: Arc<dyn Clock>,
    provisioners: Vec<Arc<dyn Provisioner>>,
    model: ModelRoute,
    public_url: String,
    executor: Option<String>,
    egress: Decisions,
) -> Result<Engine> {
    let settings = settings(base, &provisioners, public_url, executor)?;
    let chosen = provisioners.iter().find(|p| p.id() == settings.default_provisioner).expect("settings chose one of these");
    let git: Arc<dyn domain::git::GitHost> = Arc::new(integrations::git::Git::new(&base.data_dir, chosen.clone(), clock.clone())?);
    let means = forges::Means {
        git: git.clone(),
        clock: clock.clone(),
        author_name: settings.git_author_name.clone(),
        author_email: settings.git_author_email.clone(),
    };
    Ok(Engine::new(Parts {
        store,
        clock,
        provisioners,
        executors: executors::build(&executor_settings(base)),
        forges: forges::open_all(&means),
        alert_sources: integrations::alerts::open_all(),
        harnesses: harnesses::all(),
        scanner: Arc::new(integrations::secret_scan::Scanner),
        git,
        model,
        doors: OnceLock::new(),
        llm: engine::llm::Accounts::default(),
        egress,
        sandboxes: Default::default(),
        signer: engine::signing::Signer::derive(&base.secret_key),
        settings,
        shutdown: CancellationToken::new(),
    }))
}

fn settings(base: &Base, provisioners: &[Arc<dyn Provisioner>], public_url: String, executor: Option<String>) -> Result<Settings> {
    let lookup = &base.lookup;
    let self_hosted = lookup.flag("SELF_HOSTED", true)?;
    let provisioner = match lookup.text("PROVISIONER").as_deref() {
        None => provisioners[0].id().to_string(),
        Some(word) if provisioners.iter().any(|p| p.id() == word) => word.to_string(),
        Some(word) => {
            bail!(
                "PROVISIONER is `{word}`, but what this server was started with is: {}",
                provisioners.iter().map(|p| p.id()).collect::<Vec<_>>().join(", ")
            )
        }
    };
    let plan_limits = match lookup.text("WORKSPACE_QUOTAS") {
        Some(text) => serde_json::from_str(&text).context("WORKSPACE_QUOTAS is no JSON object")?,
        None => serde_json::Map::new(),
    };
    let (registries, set_up_env) = config::host_registries(lookup);
    Ok(Settings {
        data_dir: base.data_dir.clone(),
        public_url,
        secret_key: base.secret_key.clone(),
        self_hosted,
        require_approval: lookup.flag("AUTH_REQUIRE_APPROVAL", !self_hosted)?,
        allow_all_users: lookup.flag("AUTH_ALLOW_ALL_USERS", false)?,
        billing_enabled: lookup.flag("BILLING_ENABLED", !self_hosted)?,
        quotas_enabled: lookup.flag("WORKSPACE_QUOTAS_ENABLED", !self_hosted)?,
        default_plan: lookup
            .text("DEFAULT_WORKSPACE_PLAN")
            .unwrap_or_else(|| if self_hosted { "self_hosted" } else { "trial" }.to_string()),
        plan_limits,
        default_provisioner: provisioner,
        default_executor: executor.unwrap_or_else(|| "native".to_string()),
        git_author_name: lookup.text("ASTRAFORGE_GIT_AUTHOR_NAME").unwrap_or_else(|| "AstraForge Bot".to_string()),
        git_author_email: lookup.text("ASTRAFORGE_GIT_AUTHOR_EMAIL").unwrap_or_else(|| "bot@astraforge.local".to_string()),
        workers: WORKERS,
        registries,
        set_up_env,
    })
}

fn server_config(base: &Base) -> Result<ServerConfig> {
    let defaults = ServerConfig::default();
    Ok(ServerConfig {
        allowed_hosts: base.lookup.list("ALLOWED_HOSTS").unwrap_or(defaults.allowed_hosts),
        trusted_origins: base.lookup.list("CSRF_TRUSTED_ORIGINS").unwrap_or(defaults.trusted_origins),
        trust_proxy: base.lookup.flag("TRUST_PROXY", false)?,
        ..ServerConfig::default()
    })
}

/// Sandboxes need the doors, the doors need the engine, the engine needs sandboxes: this breaks the ring.
#[derive(Default)]
struct LateDoors(OnceLock<Arc<dyn Doors>>);

impl LateDoors {
    fn set(&self, doors: Arc<dyn Doors>) {
        let _ = self.0.set(doors);
    }
}

#[async_trait]
impl Doors for LateDoors {
    async fn serve(&self, stream: BoxStream, peer: Peer, door: Door) {
        if let Some(doors) = self.0.get() {
            doors.serve(stream, peer, door).await;
        }
    }
}
