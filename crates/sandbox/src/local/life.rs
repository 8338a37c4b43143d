//! The life of one place as its server sees it: its first process, its groups and folders, and how all of them go.

use super::cgroup::Group;
use crate::place::Ground;
use crate::sweep::remove_tree;
use async_trait::async_trait;
use daemon::Client;
use domain::sandbox::SandboxUsage;
use domain::{Error, Result, SandboxId};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;

const OWNER_FILE: &str = "owner.json";
/// How long a killed first process may take to be gone, with everything in its namespace.
const DEATH_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that is left of a place when it ends, and must go. Dropping it makes it go.
pub struct Remains {
    id: SandboxId,
    folder: PathBuf,
    parts: Mutex<Parts>,
    is_gone: watch::Sender<bool>,
}

#[derive(Default)]
struct Parts {
    first_process: Option<(u32, OwnedFd)>,
    group: Option<Group>,
    is_being_removed: bool,
}

impl Remains {
    pub fn new(id: SandboxId, folder: PathBuf) -> Remains {
        Remains { id, folder, parts: Mutex::default(), is_gone: watch::Sender::new(false) }
    }

    pub fn belongs_to(&self, group: Group) {
        self.parts().group = Some(group);
    }

    /// The first process is our child and not waited for yet, so its number is still its own.
    pub fn adopt(&self, first_process: u32) {
        let fd = Pid::from_raw(first_process as i32).and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
        self.parts().first_process = fd.map(|fd| (first_process, fd));
    }

    /// Its number on this host, as long as it is ours.
    pub fn first_process(&self) -> Option<u32> {
        self.parts().first_process.as_ref().map(|(pid, _)| *pid)
    }

    pub fn is_gone(&self) -> bool {
        *self.is_gone.borrow()
    }

    pub fn group(&self) -> Option<Group> {
        self.parts().group.clone()
    }

    /// Cleans up as soon as the place ends, for whatever reason.
    pub fn watch(self: Arc<Self>, client: Client) {
        tokio::spawn(async move {
            let reason = client.closed().await;
            tracing::debug!(sandbox = %self.id, reason, "a sandbox ends");
            self.end().await;
        });
    }

    /// Kills what lives and removes what lies about. Idempotent; returns when all is gone.
    pub async fn end(self: &Arc<Self>) {
        let mut gone = self.is_gone.subscribe();
        let is_mine = !std::mem::replace(&mut self.parts().is_being_removed, true);
        if is_mine {
            let me = self.clone();
            // A task of its own, so that a caller who is cancelled leaves nothing half done.
            tokio::task::spawn_blocking(move || me.remove());
        }
        let _ = gone.wait_for(|is_gone| *is_gone).await;
    }

    fn remove(&self) {
        let (first_process, group) = {
            let mut parts = self.parts();
            (parts.first_process.take(), parts.group.take())
        };
        if let Some((_, first)) = first_process {
            kill_and_bury(&first);
        }
        if let Some(group) = group {
            group.remove();
        }
        if let Err(error) = remove_tree(&self.folder) {
            tracing::warn!(sandbox = %self.id, %error, "a sandbox's folder could not be removed; reconciliation will try again");
        }
        self.is_gone.send_replace(true);
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        // Nothing panics while it holds the lock.
        self.parts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        // Reached when the runtime ended before the place did.
        if !std::mem::replace(&mut self.parts().is_being_removed, true) {
            self.remove();
        }
    }
}

#[async_trait]
impl Ground for Remains {
    fn reference(&self) -> String {
        format!("local://{}", self.id)
    }
    fn usage(&self) -> SandboxUsage {
        self.group().map(|group| group.usage()).unwrap_or_default()
    }
    fn oom_kills(&self) -> u64 {
        self.group().map_or(0, |group| group.oom_kills())
    }
    async fn terminate(self: Arc<Self>) -> Result<()> {
        match tokio::time::timeout(2 * DEATH_TIMEOUT, self.end()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::timeout(format!("sandbox `{}` was killed but is not gone yet", self.id))),
        }
    }
}

/// The first process takes its whole namespace with it: it can be waited for only when nobody else is left there.
fn kill_and_bury(first: &OwnedFd) {
    let _ = pidfd_send_signal(first, Signal::KILL);
    let mut polled = [rustix::event::PollFd::new(first, rustix::event::PollFlags::IN)];
    let timeout = rustix::event::Timespec { tv_sec: DEATH_TIMEOUT.as_secs() as i64, tv_nsec: 0 };
    let _ = rustix::event::poll(&mut polled, Some(&timeout));
    let _ = waitid(WaitId::PidFd(first.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}

/// Which server a folder belongs to, so that a later one knows what was left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub pid: u32,
    /// In ticks since the host started: together with the number it names one process for ever.
    pub started: u64,
    /// In which process numbers are told; 0 where that is not known.
    #[serde(default)]
    pub namespace: u64,
    /// The cgroup folders of the sandbox, which need not lie where the next server would make its own.
    #[serde(default)]
    pub groups: Vec<PathBuf>,
}

impl Owner {
    pub fn this_process() -> Owner {
        let pid = std::process::id();
        Owner { pid, started: started(pid).unwrap_or(0), namespace: namespace(), groups: Vec::new() }
    }
    pub fn read(folder: &Path) -> Option<Owner> {
        serde_json::from_slice(&std::fs::read(folder.join(OWNER_FILE)).ok()?).ok()
    }
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::write(folder.join(OWNER_FILE), serde_json::to_vec(self)?)
    }
    pub fn is_this_process(&self) -> bool {
        let this = Owner::this_process();
        (self.pid, self.started, self.namespace) == (this.pid, this.started, this.namespace)
    }
    /// `None` where its number means nothing here.
    pub fn is_alive(&self) -> Option<bool> {
        (self.namespace == 0 || self.namespace == namespace()).then(|| started(self.pid) == Some(self.started))
    }
    /// The name of a sandbox's cgroup, which tells the owner even when the folder is lost.
    pub fn group_of(&self, name: &str) -> String {
        format!("{name}.{}-{}-{}", self.pid, self.started, self.namespace)
    }
    pub fn of_group(group: &str) -> Option<Owner> {
        let mut numbers = group.rsplit_once('.')?.1.split('-');
        let pid = numbers.next()?.parse().ok()?;
        let mut number = || numbers.next().map_or(Some(0), |text| text.parse().ok());
        Some(Owner { pid, started: number()?, namespace: number()?, groups: Vec::new() })
    }
}

fn namespace() -> u64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// When it was started; `None` of one that is dead, whether or not its parent has heard of that.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The state, the first after the name, is field 3, and the start is field 22.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    fields.nth(18).filter(|_| !is_dead)?.parse().ok()
}
