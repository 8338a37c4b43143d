//! `astraforge demo`: the main job on the bundled example. Everything but the model's words is real.

mod example;
mod progress;

use crate::cli::Demo;
use crate::commands::serve::{self, Server};
use crate::config::ServeConfig;
use crate::output::say;
use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use domain::account::User;
use domain::evidence::Verdict;
use domain::run::{Run, RunStatus};
use domain::{IncidentId, RequestId, Timestamp};
use engine::sources::NewSource;
use engine::{Engine, accounts, events, incidents, repositories, sources};
use example::Example;
use progress::View;
use std::process::ExitCode;
use std::time::Duration;

const REPOSITORY: &str = "checkout-service";
const SOURCE: &str = "Checkout";
/// From the crash to the end of the run, model and cold set-up included.
const RUN_TIME: Duration = Duration::from_secs(600);
const ALERT_TIME: Duration = Duration::from_secs(20);

pub async fn run(args: Demo) -> Result<ExitCode> {
    let mut config = ServeConfig::open(&args.serve)?;
    if args.executor == "codex" {
        crate::compose::install_codex(&config.base).await?;
    }
    config.executor = Some(args.executor.clone());
    serve::log_to_stderr("warn,sqlx=error");
    let view = View::new();
    let server = serve::start(config).await?;
    let outcome = tokio::select! {
        outcome = walk(&server, &view, &args.executor) => outcome,
        stopped = serve::stop_signal() => stopped.and_then(|()| bail!("stopped")),
    };
    if let Err(error) = &outcome
        && !args.once
    {
        view.say(&format!("the demo did not end proven: {error:#}"));
    }
    if args.once {
        let data_dir = &server.running.engine.settings.data_dir;
        let again = format!("the server ends now; `astraforge serve --data-dir {}` shows all this again", data_dir.display());
        view.say(&again);
        server.stop().await;
        return outcome.map(|()| ExitCode::SUCCESS);
    }
    let _ = say!("\nStill serving at {} — Ctrl-C ends it.", server.url);
    serve::stop_signal().await?;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn walk(server: &Server, view: &View, executor: &str) -> Result<()> {
    let engine = &server.running.engine;
    view.say(&format!("AstraForge listens at {}", server.url));
    if engine.model.scripted {
        view.say("no model key is set: the model's words come from a recording, everything else is real");
    }
    let admin = accounts::find(engine, "admin").await?;
    view.say("registering the example's repository and alert source; installing its requirements");
    let (dsn, example) = prepare(engine, &admin, executor).await?;
    let before = engine.now();
    view.say(&view.bold("crashing the example service"));
    let crashed = example.crash(&dsn).await?;
    let found = incident_of(engine, &admin, before).await?;
    drop(crashed);
    let Some(request) = found.incident.request else {
        bail!("the incident started no run: {}", found.incident.no_run_reason);
    };
    view.say(&format!("incident {}: {}", found.short_id, found.incident.title));
    if newest_run(engine, request).await?.created_at < before {
        view.say("this crash was known before: what follows is the run that it has already; another --data-dir starts anew");
    }
    follow(engine, view, request).await?;
    finish(server, view, request).await
}

/// The example for the web app's first start.
pub struct WebExample(pub Engine);

#[async_trait]
impl server::Example for WebExample {
    async fn crash(&self, user: &User) -> domain::Result<IncidentId> {
        let failed = |error: anyhow::Error| domain::Error::unavailable(format!("the example could not be crashed: {error:#}"));
        let engine = &self.0;
        let (dsn, example) = prepare(engine, user, &engine.settings.default_executor).await.map_err(failed)?;
        let before = engine.now();
        let _crashed = example.crash(&dsn).await.map_err(failed)?;
        Ok(incident_of(engine, user, before).await.map_err(failed)?.incident.id)
    }
}

/// Registers the example's repository and alert source once; a second demo finds them.
async fn prepare(engine: &Engine, user: &User, executor: &str) -> Result<(String, Example)> {
    let example = Example::unpack(&engine.settings.data_dir).await?;
    let linked = repositories::list(engine, user.id, None).await?;
    let repository = match linked.into_iter().find(|l| l.repository.provider == "local" && l.repository.repository == REPOSITORY) {
        Some(found) => found.repository,
        None => {
            let new = repositories::NewLink {
                provider: "local".into(),
                repository: REPOSITORY.into(),
                base_url: String::new(),
                access_token: None,
                workspace_uid: String::new(),
                source: Some(example.folder().display().to_string()),
            };
            // A folder on this host is for administrators to name; this one is our own.
            let importer = User { is_admin: true, ..user.clone() };
            repositories::create(engine, &importer, new).await?.repository
        }
    };
    let existing = sources::list(engine, user.id, None).await?.into_iter().find(|s| s.source.name == SOURCE);
    let source = match existing {
        Some(found) => found,
        None => {
            let new = NewSource {
                name: SOURCE.into(),
                kind: "sentry_sdk".into(),
                repository: Some(repository.id),
                automatic_runs: true,
                executor: Some(executor.to_string()),
                ..NewSource::default()
            };
            sources::create(engine, user.id, new).await?.0
        }
    };
    example.install().await?;
    Ok((source.dsn.context("an SDK source has a DSN")?, example))
}

/// The SDK needs a moment; what it reported is an incident by then.
async fn incident_of(engine: &Engine, user: &User, since: Timestamp) -> Result<incidents::Listed> {
    let mut wakes = engine.store.wakes();
    let deadline = tokio::time::Instant::now() + ALERT_TIME;
    loop {
        let newest = incidents::list(engine, user.id, None).await?.into_iter().find(|i| i.incident.last_seen >= since);
        if let Some(found) = newest {
            return Ok(found);
        }
        ensure!(tokio::time::Instant::now() < deadline, "no alert arrived within {} seconds of the crash", ALERT_TIME.as_secs());
        let _ = tokio::time::timeout(Duration::from_millis(250), wakes.recv()).await;
    }
}

async fn follow(engine: &Engine, view: &View, request: RequestId) -> Result<()> {
    let mut tail = events::Tail::new(engine, request, 0);
    let ended = async {
        while let Some(batch) = tail.next().await {
            for event in batch {
                view.event(&event.payload);
                if matches!(event.kind.as_str(), "completed" | "cancelled") || (event.kind == "error" && event.payload["stage"] == "failed")
                {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(RUN_TIME, ended).await.context("the run did not end in time")
}

async fn newest_run(engine: &Engine, request: RequestId) -> Result<Run> {
    let mut tx = engine.store.read().await?;
    store::runs::by_request(&mut tx, request).await?.into_iter().next().context("the request has a run")
}

async fn finish(server: &Server, view: &View, request: RequestId) -> Result<()> {
    let engine = &server.running.engine;
    let run = newest_run(engine, request).await?;
    let mut tx = engine.store.read().await?;
    let merge_request = store::merge_requests::by_request(&mut tx, request).await?;
    drop(tx);
    ensure!(run.status == RunStatus::Completed, "run {} {}: {}", run.number, run.status.word(), run.error);
    ensure!(run.verdict == Some(Verdict::Proven), "run {} ended {}", run.number, run.verdict.map_or("without a verdict", |v| v.word()));
    let merge_request = merge_request.context("a proven run has a merge request")?;
    view.say(&view.bold(&format!("review it: {}/merge-requests/{}", server.url, merge_request.id)));
    match &server.first_password {
        Some(password) => view.say(&format!("sign in as `admin` with the password `{password}`")),
        None => view.say("sign in as `admin` with the password you have from the first start"),
    }
    Ok(())
}
