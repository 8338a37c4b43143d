//! The layer of tools and dependencies that every sandbox of a repository stands on.
//!
//! Set-up runs once per digest of the lock files, in a sandbox of its own that reaches the package registries and
//! nothing else. What an agent installs later never gets into the layer.

use crate::strangers;
use async_trait::async_trait;
use domain::clock::file_time;
use domain::egress::{EgressPolicy, HostPort};
use domain::git::{Commit, GitHost};
use domain::harness::{SetUp, TestHarness};
use domain::sandbox::{
    Command, EGRESS_PORT, ExecOutput, LAYER, Mount, MountMode, Provisioner, Sandbox, SandboxLimits, SandboxSpec, Workspace,
};
use domain::{Clock, Error, RepositoryId, Result, RunId, Timestamp, limits};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A project file is read for detection up to this size.
const PROJECT_FILE_BYTES_MAX: u64 = 4 << 20;

/// How set-up shows inside a sandbox.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub mounts: Vec<Mount>,
    pub env: BTreeMap<String, String>,
}

pub enum Built {
    Nothing,
    FromCache,
    Now,
}

/// Hears of each command while a layer is built; an error from it ends the building.
#[async_trait]
pub trait Watcher: Send {
    async fn started(&mut self, line: &str) -> Result<()>;
    async fn finished(&mut self, line: &str, output: &ExecOutput) -> Result<()>;
}

/// Where layers are made and kept.
pub struct Workshop {
    pub git: Arc<dyn GitHost>,
    pub provisioner: Arc<dyn Provisioner>,
    pub harnesses: Vec<Arc<dyn TestHarness>>,
    pub clock: Arc<dyn Clock>,
    pub data_dir: PathBuf,
    /// Registries beside those that the harness names.
    pub registries: Vec<HostPort>,
    pub set_up_env: BTreeMap<String, String>,
}

impl Workshop {
    /// The first framework of the list that recognises the tree.
    pub async fn detect(&self, repository: RepositoryId, base: &Commit) -> Result<Option<SetUp>> {
        let root = self.git.checkout(repository, base, false).await?;
        let files = self.git.files(repository, base).await?;
        let harnesses = self.harnesses.clone();
        tokio::task::spawn_blocking(move || {
            let read = |path: &str| String::from_utf8(strangers::read(&root, path, PROJECT_FILE_BYTES_MAX).ok()??).ok();
            harnesses.iter().find_map(|h| h.detect(&files, &read))
        })
        .await
        .map_err(|e| Error::internal("detection panicked").because(e))
    }

    pub fn layer(&self, repository: RepositoryId, set_up: &SetUp) -> Layer {
        let path = self.path(repository, &set_up.digest);
        if set_up.commands.is_empty() || !path.is_dir() {
            return Layer { mounts: Vec::new(), env: set_up.env.clone() };
        }
        let mut mounts = vec![Mount { source: path.clone(), target: LAYER.into(), mode: MountMode::CopyOnWrite }];
        for (below, target) in &set_up.mounts {
            if let Some(source) = strangers::inside(&path, below).filter(|source| source.is_dir()) {
                mounts.push(Mount { source, target: target.clone(), mode: MountMode::CopyOnWrite });
            }
        }
        Layer { mounts, env: set_up.env.clone() }
    }

    pub fn proof_layer(&self, repository: RepositoryId, set_up: &SetUp) -> Option<domain::harness::Layer> {
        let path = self.path(repository, &set_up.digest);
        path.is_dir().then(|| domain::harness::Layer { path, env: set_up.env.clone(), mounts: set_up.mounts.clone() })
    }

    /// A layer is built by a repository's own code, so repositories don't share them, whatever their lock files say.
    fn path(&self, repository: RepositoryId, digest: &str) -> PathBuf {
        self.data_dir.join("layers").join(repository.to_string()).join(digest)
    }

    pub async fn build(
        &self,
        repository: RepositoryId,
        base: &Commit,
        set_up: &SetUp,
        run: Option<RunId>,
        watcher: &mut dyn Watcher,
    ) -> Result<Built> {
        if set_up.commands.is_empty() {
            return Ok(Built::Nothing);
        }
        let path = self.path(repository, &set_up.digest);
        if path.is_dir() {
            // A layer's own time says when it was last asked for.
            let _ = std::fs::File::open(&path).and_then(|folder| folder.set_modified(file_time(self.clock.now())));
            return Ok(Built::FromCache);
        }
        // Built beside its final place and moved there when whole: a crash leaves no half layer under the digest's name.
        let partial = self.path(repository, &format!("{}.{}", set_up.digest, self.clock.token_hex(4)));
        tokio::fs::create_dir_all(&partial).await.map_err(|e| Error::unavailable("the layer's folder could not be made").because(e))?;
        let built = self.build_in(repository, base, set_up, run, &partial, watcher).await;
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

    async fn build_in(
        &self,
        repository: RepositoryId,
        base: &Commit,
        set_up: &SetUp,
        run: Option<RunId>,
        partial: &Path,
        watcher: &mut dyn Watcher,
    ) -> Result<()> {
        let allow = set_up.registries.iter().chain(&self.registries).cloned().collect();
        let spec = SandboxSpec {
            id: self.clock.fresh(),
            run,
            epoch: 1,
            workspace: Workspace::CopyOnWrite(self.git.checkout(repository, base, false).await?),
            mounts: vec![Mount { source: partial.to_path_buf(), target: LAYER.into(), mode: MountMode::ReadWrite }],
            read_only_paths: Vec::new(),
            limits: SandboxLimits::default(),
            egress: EgressPolicy { allow },
            env: self.env(set_up),
            hostname: "setup".into(),
        };
        let sandbox = self.provisioner.create(spec).await?;
        let done = commands(sandbox.as_ref(), set_up, watcher).await;
        sandbox.terminate().await?;
        done
    }

    fn env(&self, set_up: &SetUp) -> BTreeMap<String, String> {
        let proxy = format!("http://127.0.0.1:{EGRESS_PORT}");
        let mut env = self.set_up_env.clone();
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
            env.insert(name.to_string(), proxy.clone());
        }
        env.extend(set_up.env.clone());
        env
    }
}

/// Removes what builders left half-done when their server died. Only while nobody builds: at a server's start.
pub fn sweep(data_dir: &Path) {
    for half in folders(&data_dir.join("layers")).iter().flat_map(|repository| folders(repository)) {
        if half.extension().is_some()
            && let Err(error) = std::fs::remove_dir_all(&half)
        {
            tracing::warn!(folder = %half.display(), %error, "a half-built layer could not be removed");
        }
    }
}

/// Removes layers that no run has asked for since then.
pub fn forget(data_dir: &Path, unused_since: Timestamp) {
    for layer in folders(&data_dir.join("layers")).iter().flat_map(|repository| folders(repository)) {
        let used = layer.metadata().and_then(|found| found.modified());
        if layer.extension().is_none()
            && used.is_ok_and(|used| used < file_time(unused_since))
            && let Err(error) = std::fs::remove_dir_all(&layer)
        {
            tracing::warn!(folder = %layer.display(), %error, "a layer that nobody uses could not be removed");
        }
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

async fn commands(sandbox: &dyn Sandbox, set_up: &SetUp, watcher: &mut dyn Watcher) -> Result<()> {
    for line in &set_up.commands {
        watcher.started(line).await?;
        let command = Command::shell(line).timeout(Duration::from_secs(limits::SETUP_SECONDS_MAX));
        let output = sandbox.exec(command).await?;
        watcher.finished(line, &output).await?;
        if !output.ok() {
            let text = output.text();
            let last = text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
            return Err(Error::conflict(format!("set-up failed: `{line}` ended with {}: {last}", output.exit.code)));
        }
    }
    Ok(())
}
