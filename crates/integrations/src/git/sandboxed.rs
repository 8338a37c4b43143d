//! Git in a sandbox: no credentials, no network, one repository bound; kept warm while it is in use.

use super::call::{Call, Output, Place, Reach};
use super::{checkouts_dir, config, repository_dir};
use domain::egress::EgressPolicy;
use domain::sandbox::{Command, EGRESS_PORT, ExitReason, Mount, MountMode, Provisioner, Sandbox, SandboxLimits, SandboxSpec, Workspace};
use domain::{Clock, Error, RepositoryId, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

const REPOSITORY: &str = "/git/repository";
const CHECKOUTS: &str = "/git/checkouts";
const SOURCE: &str = "/git/source";
const CONFIG: &str = "/git/config";
/// Sandboxes kept for repositories in use; the one unused longest makes room.
const WARM_MAX: usize = 8;

pub struct Sandboxed {
    provisioner: Arc<dyn Provisioner>,
    clock: Arc<dyn Clock>,
    data_dir: PathBuf,
    config: PathBuf,
    warm: Mutex<Warm>,
}

#[derive(Default)]
struct Warm {
    places: HashMap<RepositoryId, (u64, Arc<dyn Sandbox>)>,
    /// Counts uses, to find the one unused longest.
    uses: u64,
}

impl Sandboxed {
    pub fn new(data_dir: &Path, provisioner: Arc<dyn Provisioner>, clock: Arc<dyn Clock>) -> Result<Self> {
        let config = data_dir.join("git").join("config");
        let written = std::fs::create_dir_all(data_dir.join("git")).and_then(|()| std::fs::write(&config, config::global()));
        written.map_err(|error| Error::internal(format!("`{}` can't be written", config.display())).because(error))?;
        Ok(Sandboxed { provisioner, clock, data_dir: data_dir.to_path_buf(), config, warm: Mutex::default() })
    }

    /// Runs a call where it sees one repository and nothing else of ours.
    pub async fn run(&self, place: &Place, call: Call) -> Result<Output> {
        let sandbox = self.place(place).await?;
        let command = command(place, call);
        let output = sandbox.exec(command).await;
        if !matches!(place.reach, Reach::Nothing) {
            sandbox.terminate().await?;
        }
        let output = output?;
        match output.exit.reason {
            ExitReason::Exited => {
                Ok(Output { code: output.exit.code, cut: output.stdout_dropped > 0, stdout: output.stdout, stderr: output.stderr })
            }
            ExitReason::Timeout => Err(Error::timeout("git took too long and was stopped")),
            reason => Err(Error::unavailable(format!("git was stopped ({reason:?})"))),
        }
    }

    /// Lets go of what is kept warm for the repository.
    pub async fn release(&self, repository: RepositoryId) {
        let released = self.warm.lock().await.places.remove(&repository);
        if let Some((_, sandbox)) = released
            && let Err(error) = sandbox.terminate().await
        {
            tracing::warn!(%repository, %error, "a git sandbox did not end cleanly");
        }
    }

    async fn place(&self, place: &Place) -> Result<Arc<dyn Sandbox>> {
        if !matches!(place.reach, Reach::Nothing) {
            return self.create(place).await;
        }
        let mut warm = self.warm.lock().await;
        warm.uses += 1;
        let uses = warm.uses;
        if let Some((used, sandbox)) = warm.places.get_mut(&place.repository).filter(|(_, sandbox)| sandbox.is_alive()) {
            *used = uses;
            return Ok(sandbox.clone());
        }
        let sandbox = self.create(place).await?;
        warm.places.insert(place.repository, (uses, sandbox.clone()));
        if warm.places.len() > WARM_MAX {
            let oldest = warm.places.iter().min_by_key(|(_, (used, _))| *used).map(|(repository, _)| *repository);
            // A call that still runs there holds its own handle, so it ends in peace.
            oldest.and_then(|repository| warm.places.remove(&repository));
        }
        Ok(sandbox)
    }

    async fn create(&self, place: &Place) -> Result<Arc<dyn Sandbox>> {
        let (repository, checkouts) = (repository_dir(&self.data_dir, place.repository), checkouts_dir(&self.data_dir, place.repository));
        for dir in [&repository, &checkouts] {
            tokio::fs::create_dir_all(dir)
                .await
                .map_err(|error| Error::internal(format!("`{}` can't be made", dir.display())).because(error))?;
        }
        let mount = |source: &Path, target: &str, mode| Mount { source: source.to_path_buf(), target: target.to_string(), mode };
        let mut mounts = vec![
            mount(&repository, REPOSITORY, MountMode::ReadWrite),
            mount(&checkouts, CHECKOUTS, MountMode::ReadWrite),
            mount(&self.config, CONFIG, MountMode::ReadOnly),
        ];
        let mut egress = EgressPolicy::deny_all();
        match &place.reach {
            Reach::Nothing => {}
            Reach::Folder(path) => mounts.push(mount(path, SOURCE, MountMode::ReadOnly)),
            Reach::Host(host) => egress.allow.push(host.clone()),
        }
        let spec = SandboxSpec {
            id: self.clock.fresh(),
            run: None,
            epoch: 1,
            workspace: Workspace::Scratch,
            mounts,
            read_only_paths: Vec::new(),
            limits: SandboxLimits { processes_max: 128, ..SandboxLimits::default() },
            egress,
            env: BTreeMap::new(),
            hostname: "git".into(),
        };
        self.provisioner.create(spec).await
    }
}

fn command(place: &Place, call: Call) -> Command {
    let mut env = config::environment(CONFIG, &call.config);
    env.insert("GIT_DIR".into(), REPOSITORY.into());
    env.insert("CHECKOUTS".into(), CHECKOUTS.into());
    match &place.reach {
        Reach::Nothing => {}
        Reach::Folder(_) => {
            env.insert("SOURCE".into(), SOURCE.into());
        }
        Reach::Host(_) => {
            for name in ["http_proxy", "https_proxy"] {
                env.insert(name.into(), format!("http://127.0.0.1:{EGRESS_PORT}"));
            }
        }
    }
    env.extend(call.env);
    Command { argv: call.argv, cwd: "/".into(), env, stdin: call.stdin, timeout: call.timeout, output_bytes_max: call.output_bytes_max }
}
