//! The step before the agent: which commit, which test framework, and the layer of tools and dependencies that every
//! later sandbox stands on.
//!
//! Set-up runs once per digest of the lock files, in a sandbox of its own that reaches the package registries and
//! nothing else. What an agent installs later never gets into the layer.

use crate::strangers;
use super::drive::{Layer, Work};
use domain::egress::EgressPolicy;
use domain::git::Commit;
use domain::harness::{FileClass, SetUp, TestHarness};
use domain::sandbox::{Command, EGRESS_PORT, LAYER, Mount, MountMode, SandboxLimits, SandboxSpec, Workspace};
use domain::{Error, Kind, Result, limits};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A project file is read for detection up to this size.
const PROJECT_FILE_BYTES_MAX: u64 = 4 << 20;

pub struct ProjectWords {
    pub language: String,
    pub test_command: String,
}

pub async fn step(work: &mut Work) -> Result<String> {
    let base = base_commit(work).await?;
    work.run.record.base_commit = Some(base.clone());
    work.run.record.base_branch = work.repository.default_branch.clone();
    work.log.status("clone", format!("{} at {}", work.repository.repository, base.short())).await;
    work.run.record.set_up = detect(work, &base).await?;
    let Some(set_up) = work.run.record.set_up.clone() else {
        return Ok("no test framework was recognised".to_string());
    };
    let started = Instant::now();
    let built = build_layer(work, &base, &set_up).await?;
    work.save().await?;
    let label = harness(work).map_or(set_up.harness.as_str(), |h| h.label()).to_string();
    Ok(match built {
        Built::Nothing => format!("{label}, nothing to install"),
        Built::FromCache => format!("{label}, set-up from cache"),
        Built::Now => format!("{label}, set up in {:.1} s", started.elapsed().as_secs_f64()),
    })
}

/// What later sandboxes mount and see.
pub async fn layer(work: &Work) -> Result<Layer> {
    let Some(set_up) = &work.run.record.set_up else { return Ok(Layer::default()) };
    let path = layer_path(work, &set_up.digest);
    if set_up.commands.is_empty() || !path.is_dir() {
        return Ok(Layer { mounts: Vec::new(), env: set_up.env.clone() });
    }
    let mut mounts = vec![Mount { source: path.clone(), target: LAYER.into(), mode: MountMode::CopyOnWrite }];
    for (below, target) in &set_up.mounts {
        if let Some(source) = strangers::inside(&path, below).filter(|source| source.is_dir()) {
            mounts.push(Mount { source, target: target.clone(), mode: MountMode::CopyOnWrite });
        }
    }
    Ok(Layer { mounts, env: set_up.env.clone() })
}

/// The same layer as proof wants it.
pub fn proof_layer(work: &Work) -> Option<domain::harness::Layer> {
    let set_up = work.run.record.set_up.as_ref()?;
    let path = layer_path(work, &set_up.digest);
    path.is_dir().then(|| domain::harness::Layer { path, env: set_up.env.clone(), mounts: set_up.mounts.clone() })
}

pub fn project_words(work: &Work) -> ProjectWords {
    let language = harness(work).map_or("in the repository's own test framework".to_string(), |h| h.label().to_string());
    ProjectWords { language, test_command: String::new() }
}

pub fn looks_like_a_test(work: &Work, path: &str) -> bool {
    harness(work).is_some_and(|h| matches!(h.classify(path, None, None), FileClass::Test | FileClass::Harness))
}

fn harness(work: &Work) -> Option<&Arc<dyn TestHarness>> {
    let id = &work.run.record.set_up.as_ref()?.harness;
    work.engine.harnesses.iter().find(|h| h.id() == id)
}

/// The release's commit if the alert names one that we have, else the newest of the default branch.
async fn base_commit(work: &Work) -> Result<Commit> {
    if let Some(commit) = &work.run.record.base_commit {
        return Ok(commit.clone());
    }
    let git = &work.engine.git;
    if let Some(release) = work.alert().map(|a| a.release.rsplit(['@', '+']).next().unwrap_or_default().to_string())
        && Commit::parse(&release).is_ok()
    {
        match git.resolve(work.repository.id, &release).await {
            Ok(commit) => return Ok(commit),
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    git.resolve(work.repository.id, &work.repository.default_branch).await.map_err(|error| match error.kind {
        Kind::NotFound => Error::conflict(format!(
            "repository `{}` has no branch `{}` yet; push to it first",
            work.repository.repository, work.repository.default_branch
        )),
        _ => error,
    })
}

/// The first framework of the list that recognises the tree.
async fn detect(work: &Work, base: &Commit) -> Result<Option<SetUp>> {
    let root = work.engine.git.checkout(work.repository.id, base, false).await?;
    let files = work.engine.git.files(work.repository.id, base).await?;
    let harnesses = work.engine.harnesses.clone();
    tokio::task::spawn_blocking(move || {
        let read = |path: &str| String::from_utf8(strangers::read(&root, path, PROJECT_FILE_BYTES_MAX).ok()??).ok();
        harnesses.iter().find_map(|h| h.detect(&files, &read))
    })
    .await
    .map_err(|e| Error::internal("detection panicked").because(e))
}

enum Built {
    Nothing,
    FromCache,
    Now,
}

/// A layer is built by a repository's own code, so repositories don't share them, whatever their lock files say.
fn layer_path(work: &Work, digest: &str) -> PathBuf {
    work.engine.settings.data_dir.join("layers").join(work.repository.id.to_string()).join(digest)
}

async fn build_layer(work: &mut Work, base: &Commit, set_up: &SetUp) -> Result<Built> {
    if set_up.commands.is_empty() {
        return Ok(Built::Nothing);
    }
    let path = layer_path(work, &set_up.digest);
    if path.is_dir() {
        return Ok(Built::FromCache);
    }
    // Built beside its final place and moved there when whole: a crash leaves no half layer under the digest's name.
    let partial = layer_path(work, &format!("{}.{}", set_up.digest, work.engine.clock.token_hex(4)));
    tokio::fs::create_dir_all(&partial).await.map_err(|e| Error::unavailable("the layer's folder could not be made").because(e))?;
    let built = set_up_in(work, base, set_up, &partial).await;
    if let Err(error) = built {
        let _ = tokio::fs::remove_dir_all(&partial).await;
        return Err(error);
    }
    match tokio::fs::rename(&partial, &path).await {
        Ok(()) => Ok(Built::Now),
        Err(_) if path.is_dir() => {
            let _ = tokio::fs::remove_dir_all(&partial).await;
            Ok(Built::FromCache)
        }
        Err(error) => Err(Error::unavailable("the layer could not be put in place").because(error)),
    }
}

async fn set_up_in(work: &mut Work, base: &Commit, set_up: &SetUp, partial: &Path) -> Result<()> {
    let mut allow = set_up.registries.clone();
    allow.extend(work.engine.settings.registries.iter().cloned());
    let spec = SandboxSpec {
        id: work.engine.clock.fresh(),
        run: Some(work.run.id),
        epoch: 1,
        workspace: Workspace::CopyOnWrite(work.engine.git.checkout(work.repository.id, base, false).await?),
        mounts: vec![Mount { source: partial.to_path_buf(), target: LAYER.into(), mode: MountMode::ReadWrite }],
        read_only_paths: Vec::new(),
        limits: SandboxLimits::default(),
        egress: EgressPolicy { allow },
        env: set_up_env(work, set_up),
        hostname: "setup".into(),
    };
    let sandbox = work.provisioner.create(spec).await?;
    let done = run_commands(work, &sandbox, set_up).await;
    sandbox.terminate().await?;
    done
}

async fn run_commands(work: &mut Work, sandbox: &Arc<dyn domain::sandbox::Sandbox>, set_up: &SetUp) -> Result<()> {
    for line in &set_up.commands {
        work.check_cancelled()?;
        work.say_live(&format!("setting up: {line}"));
        work.save_with("command", json!({"stage": "setup", "command": line, "cwd": null})).await?;
        let command = Command::shell(line).timeout(Duration::from_secs(limits::SETUP_SECONDS_MAX));
        let output = sandbox.exec(command).await?;
        work.log
            .write(
                "command_finished",
                json!({"stage": "setup", "command": line, "exit_code": output.exit.code, "duration_ms": output.duration.as_millis() as u64, "output": crate::events::head_and_tail(&output.text(), 8 << 10)}),
            )
            .await;
        if !output.ok() {
            let text = output.text();
            let last = text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
            return Err(Error::conflict(format!("set-up failed: `{line}` ended with {}: {last}", output.exit.code)));
        }
    }
    Ok(())
}

fn set_up_env(work: &Work, set_up: &SetUp) -> BTreeMap<String, String> {
    let proxy = format!("http://127.0.0.1:{EGRESS_PORT}");
    let mut env = work.engine.settings.set_up_env.clone();
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        env.insert(name.to_string(), proxy.clone());
    }
    env.extend(set_up.env.clone());
    env
}
