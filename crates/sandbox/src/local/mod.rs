//! Sandboxes made of the kernel's own means: namespaces, cgroups, Landlock, seccomp. No engine, no daemon of somebody else's.

pub mod cgroup;
mod guarantees;
pub mod init;
mod landlock;
mod life;
mod mounts;
pub mod plan;
mod reconcile;
mod rootfs;
mod seccomp;
mod start;
pub mod toolchains;
mod userns;

use crate::doors::Exits;
pub use crate::doors::Witness;
use crate::egress::Cidr;
use crate::place::Place;
use async_trait::async_trait;
use cgroup::Cgroups;
use domain::egress::Doors;
use domain::sandbox::{Guarantee, Provisioner, Sandbox, SandboxSpec};
use domain::{Error, Result, SandboxId};
pub use guarantees::ALL as PROMISES;
pub use landlock::abi as landlock_version;
use life::Remains;
use plan::Identity;
use rustix::fd::OwnedFd;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::OnceCell;
use toolchains::Toolchain;

pub struct LocalConfig {
    /// Ours alone; below it lie the sandboxes' folders and the kept workspaces.
    pub data_dir: PathBuf,
    pub toolchains: Vec<Toolchain>,
    /// The daemon, as bytes of a static program.
    pub astrad: &'static [u8],
    pub doors: Arc<dyn Doors>,
    /// Private ranges that names on an egress list may resolve to.
    pub allow_cidrs: Vec<Cidr>,
    /// Told every decision of the egress proxy.
    pub witness: Option<Witness>,
    /// The program to start again as the builder of places: this one, unless it cannot be.
    pub init: Option<PathBuf>,
}

/// The provisioner. One per process and data directory.
pub struct Local {
    shared: Arc<Shared>,
}

struct Shared {
    data_dir: PathBuf,
    toolchains: Vec<Toolchain>,
    astrad: OwnedFd,
    exits: Exits,
    init: PathBuf,
    identity: Identity,
    cgroups: Cgroups,
    living: Mutex<HashMap<SandboxId, Weak<Remains>>>,
    measured: OnceCell<Vec<Guarantee>>,
}

impl Local {
    /// Prepares what all places share. Fails when the data directory cannot be used.
    pub fn new(config: LocalConfig) -> Result<Local> {
        let LocalConfig { data_dir, toolchains, astrad, doors, allow_cidrs, witness, init } = config;
        let io = |what: &str| {
            let what = what.to_string();
            move |e: std::io::Error| Error::unavailable(format!("{what}: {e}")).because(e)
        };
        for folder in ["sandboxes", "workspaces"] {
            std::fs::create_dir_all(data_dir.join(folder)).map_err(io("the data directory cannot be used"))?;
        }
        let data_dir = data_dir.canonicalize().map_err(io("the data directory cannot be used"))?;
        // Not by its name: the file may be replaced by a newer one while this program runs.
        let init = init.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        Ok(Local {
            shared: Arc::new(Shared {
                data_dir,
                toolchains,
                astrad: start::seal(astrad).map_err(io("the daemon cannot be put in memory"))?,
                exits: Exits { doors, allow_cidrs, witness },
                init,
                identity: identity(),
                cgroups: Cgroups::detect(),
                living: Mutex::new(HashMap::new()),
                measured: OnceCell::new(),
            }),
        })
    }
}

/// Who we are on this host decides who the agent is.
fn identity() -> Identity {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if uid.is_root() { Identity::Range } else { Identity::Single { uid: uid.as_raw(), gid: gid.as_raw() } }
}

impl Shared {
    fn living(&self) -> std::sync::MutexGuard<'_, HashMap<SandboxId, Weak<Remains>>> {
        // Nothing panics while it holds the lock.
        self.living.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl Provisioner for Local {
    fn id(&self) -> &'static str {
        "local"
    }

    async fn guarantees(&self) -> Vec<Guarantee> {
        self.shared.measured.get_or_init(|| guarantees::measure(self.shared.clone())).await.clone()
    }

    async fn create(&self, spec: SandboxSpec) -> Result<Arc<dyn Sandbox>> {
        let place: Place = start::start(self.shared.clone(), spec).await?;
        Ok(Arc::new(place))
    }

    async fn list(&self) -> Vec<SandboxId> {
        self.shared.living().iter().filter(|(_, life)| life.upgrade().is_some_and(|life| !life.is_gone())).map(|(id, _)| *id).collect()
    }

    async fn reconcile(&self) -> Result<usize> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || reconcile::reconcile(&shared)).await.map_err(|e| Error::internal(e.to_string()))
    }

    async fn end_all(&self) {
        let living: Vec<_> = self.shared.living().values().filter_map(Weak::upgrade).collect();
        let mut ends: tokio::task::JoinSet<()> = living.into_iter().map(|life| async move { life.end().await }).collect();
        while ends.join_next().await.is_some() {}
    }

    fn keeps(&self, id: SandboxId) -> bool {
        crate::kept(&self.shared.data_dir, id).exists()
    }
    async fn forget(&self, id: SandboxId) -> Result<()> {
        if self.list().await.contains(&id) {
            return Err(Error::conflict(format!("session `{id}` is alive; terminate it before its workspace is forgotten")));
        }
        let folder = crate::kept(&self.shared.data_dir, id);
        let result = tokio::task::spawn_blocking(move || crate::sweep::remove_tree(&folder)).await;
        result
            .unwrap_or_else(|e| Err(std::io::Error::other(e)))
            .map_err(|e| Error::unavailable(format!("the workspace of session `{id}`: {e}")))
    }
}
