//! What the server tells the init program: everything about one place, decided beforehand.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The user inside. Not 0, since many tools refuse to work, or try too much, as root.
pub const AGENT_ID: u32 = 1000;
pub const AGENT_HOME: &str = "/home/agent";
/// Host ids from here on stand for the ids inside, when we are root. No host account should lie in this range.
pub const RANGE_FIRST: u32 = 1_000_000;
pub const RANGE_LENGTH: u32 = 65_536;
/// Where ids of foreign files go that have no meaning inside; they show up as `nobody`.
pub const NOBODY_FIRST: u32 = 2_000_000;
/// Creators of user namespaces, one for each sandbox: ids of the host that own nothing and run nothing.
pub const CREATOR_FIRST: u32 = 0x6000_0000;
pub const CREATORS: u32 = 1 << 24;
/// The agent as the host sees it, when we are root.
pub const AGENT_HOST_ID: u32 = RANGE_FIRST + AGENT_ID;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// An empty host folder to build the root file system on.
    pub root: PathBuf,
    pub hostname: String,
    pub identity: Identity,
    /// Whom the host's kernel counts the sandbox's use of it for, when we are root.
    pub creator: u32,
    pub mounts: Vec<PlannedMount>,
    /// Folders that appear read-only at the path they have on the host.
    pub toolchains: Vec<PathBuf>,
    /// Below the workspace, relative, clean.
    pub read_only_paths: Vec<String>,
    /// What the file systems in memory may hold together. Their contents count as the sandbox's memory, and full ones must
    /// leave it room to run something.
    pub memory_files_bytes_max: u64,
    pub open_files_max: u64,
    /// Set when no cgroup limits the number of processes.
    pub processes_rlimit: Option<u64>,
    /// Set when no cgroup limits memory: per process, and the guarantee says so.
    pub memory_rlimit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// We are root: ids inside map to a range of the host's that belongs to nobody.
    Range,
    /// We are an ordinary user, who is the agent inside.
    Single { uid: u32, gid: u32 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedMount {
    pub source: PathBuf,
    pub target: String,
    pub way: Way,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Way {
    ReadOnly,
    ReadWrite,
    /// Both empty host folders on one file system.
    Overlay {
        upper: PathBuf,
        work: PathBuf,
    },
}
