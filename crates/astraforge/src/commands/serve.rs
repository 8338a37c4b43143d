//! `astraforge serve`: one process with API, web app, doors and worker.

use crate::cli::Serve;
use crate::compose::{self, Running};
use crate::config::ServeConfig;
use crate::output::say;
use anyhow::{Context, Result};
use engine::accounts;
use std::io::{ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// After this a stop no longer waits for open connections.
const GRACE: Duration = Duration::from_secs(8);
const PORT_PATIENCE: Duration = Duration::from_secs(2);
const PORT_PAUSE: Duration = Duration::from_millis(20);

pub async fn run(args: Serve) -> Result<ExitCode> {
    let config = ServeConfig::open(&args)?;
    log_to_stderr(&config.log_filter);
    let server = start(config).await?;
    if let Some(refusal) = server.running.engine.model.provider.refuses("") {
        tracing::warn!("{refusal}");
    }
    let first = match &server.first_password {
        Some(password) => format!(" (first start: user `admin`, password `{password}`)"),
        None => String::new(),
    };
    // A server works on when nobody reads what it says.
    let _ = say!("AstraForge is at {}{first}", server.url);
    stop_signal().await?;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

pub fn log_to_stderr(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let coloured = std::io::stderr().is_terminal();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured).with_writer(std::io::stderr).try_init();
}

/// A server that answers.
pub struct Server {
    pub url: String,
    /// Only on the very first start.
    pub first_password: Option<String>,
    pub running: Running,
    http: tokio::task::JoinHandle<()>,
    worker: tokio::task::JoinHandle<()>,
}

pub async fn start(config: ServeConfig) -> Result<Server> {
    let listener = listen(config.listen).await.with_context(|| format!("{} can't be listened on", config.listen))?;
    let address = listener.local_addr()?;
    let url = config.public_url.clone().unwrap_or_else(|| format!("http://localhost:{}", address.port()));
    let running = compose::compose(config, url.clone()).await?;
    let engine = running.engine.clone();
    let first_password = accounts::ensure_admin(&engine).await?.map(|password| password.expose().to_string());
    let http = tokio::spawn(server::listen::serve(listener, running.state.clone(), engine.shutdown.clone()));
    let worker = tokio::spawn(engine::worker::run(engine.clone()));
    // Measured before the first run, so that its guarantee card says what holds here.
    let provisioners = engine.provisioners.clone();
    tokio::spawn(async move { futures::future::join_all(provisioners.iter().map(|each| each.guarantees())).await });
    tokio::spawn(engine::schedule::run(engine));
    Ok(Server { url, first_password, running, http, worker })
}

/// A server that was killed a moment ago may still hold the port.
async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let deadline = Instant::now() + PORT_PATIENCE;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => tokio::time::sleep(PORT_PAUSE).await,
            other => return other,
        }
    }
}

impl Server {
    /// Stops taking work, hands back what is under way, ends sandboxes, closes the database.
    pub async fn stop(self) {
        self.running.engine.shutdown.cancel();
        let _ = tokio::time::timeout(GRACE, self.worker).await;
        let _ = tokio::time::timeout(GRACE, self.http).await;
        let _ = tokio::time::timeout(GRACE, engine::sandboxes::end_all(&self.running.engine)).await;
        for provisioner in &self.running.engine.provisioners {
            let _ = tokio::time::timeout(GRACE, provisioner.end_all()).await;
        }
        let _ = tokio::time::timeout(GRACE, self.running.engine.store.close()).await;
    }
}

pub async fn stop_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
