//! An isolated place with a daemon inside: what the engine may ask of it, and what it promises.
//!
//! How a place comes to be (namespaces, a container engine, a cluster) is an adapter's business.

use crate::egress::EgressPolicy;
use crate::{Error, Result, RunId, SandboxId};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where work happens inside every sandbox.
pub const WORKSPACE: &str = "/workspace";
/// The home folder of what runs inside; an agent's is kept between the turns of its run.
pub const AGENT_HOME: &str = "/home/agent";
/// Where the set-up layer appears inside a sandbox.
pub const LAYER: &str = "/layer";
/// The LLM door inside every sandbox.
pub const LLM_PORT: u16 = 8080;
/// The git door inside every sandbox.
pub const GIT_PORT: u16 = 8081;
/// The registry proxy inside a sandbox whose policy allows hosts.
pub const EGRESS_PORT: u16 = 3128;

/// Creates, finds and destroys isolated places.
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// The word on the wire and in the configuration, such as `local`.
    fn id(&self) -> &'static str;
    /// What this host lets us promise, measured once and remembered.
    async fn guarantees(&self) -> Vec<Guarantee>;
    /// Returns only when a process was really run inside. Fails rather than promise less than asked.
    async fn create(&self, spec: SandboxSpec) -> Result<Arc<dyn Sandbox>>;
    /// The sandboxes of this provisioner that live now, in this process's care.
    async fn list(&self) -> Vec<SandboxId>;
    /// Removes what earlier processes left behind (processes, cgroups, directories). Returns how many were found. For whoever
    /// holds the data directory: all that others made in it is taken for theirs who died.
    async fn reconcile(&self) -> Result<usize>;
    /// Ends every sandbox that lives: what a stopping server owes its host.
    async fn end_all(&self);
    /// Whether the files of such a session are here, so that it lived in this data directory.
    fn keeps(&self, id: SandboxId) -> bool;
    /// Workspace directories of sessions that should be gone for good.
    async fn forget(&self, id: SandboxId) -> Result<()>;
}

/// One promise and whether it holds here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarantee {
    /// A short phrase such as `no interface but loopback`.
    pub promise: String,
    pub state: GuaranteeState,
    /// How it is kept, or why it is not and what would mend that.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuaranteeState {
    Holds,
    Missing,
    Unverified,
}

#[derive(Clone, Debug)]
pub struct SandboxSpec {
    pub id: SandboxId,
    /// The run it works for, if any; the doors know the caller by it.
    pub run: Option<RunId>,
    /// Counts the replacements of one session's place.
    pub epoch: u64,
    pub workspace: Workspace,
    pub mounts: Vec<Mount>,
    /// Paths below the workspace, relative, that nobody inside may change although the rest is writable.
    pub read_only_paths: Vec<String>,
    pub limits: SandboxLimits,
    pub egress: EgressPolicy,
    /// Added to a small clean environment.
    pub env: BTreeMap<String, String>,
    pub hostname: String,
}

/// What lies at `/workspace`.
#[derive(Clone, Debug)]
pub enum Workspace {
    /// Empty, gone with the sandbox.
    Scratch,
    /// Kept by the provisioner under the session's id until it is forgotten.
    Kept,
    /// A host directory seen copy-on-write: changes are the sandbox's own and go with it.
    CopyOnWrite(PathBuf),
    /// A host directory of ours, changed for real.
    Shared(PathBuf),
}

#[derive(Clone, Debug)]
pub struct Mount {
    pub source: PathBuf,
    /// Absolute, inside.
    pub target: String,
    pub mode: MountMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountMode {
    ReadOnly,
    CopyOnWrite,
    ReadWrite,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxLimits {
    pub memory_bytes_max: u64,
    pub processes_max: u32,
    /// Thousandths of a core.
    pub cpu_millis: u32,
    pub open_files_max: u64,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        SandboxLimits { memory_bytes_max: 4 << 30, processes_max: 512, cpu_millis: 2000, open_files_max: 16384 }
    }
}

/// A living sandbox. Dropping the last handle terminates it.
#[async_trait]
pub trait Sandbox: Send + Sync {
    fn id(&self) -> SandboxId;
    fn epoch(&self) -> u64;
    /// How a person would name the place, such as `local://<id>`.
    fn reference(&self) -> String;
    /// What holds for this very sandbox.
    fn guarantees(&self) -> Vec<Guarantee>;
    async fn spawn(&self, command: Command) -> Result<Process>;
    /// Runs to the end, with bounded output and a deadline that takes the whole tree.
    async fn exec(&self, command: Command) -> Result<ExecOutput>;
    /// Bytes `offset..offset+length` of a regular file.
    async fn read_file(&self, path: &str, offset: u64, length_max: u64) -> Result<Bytes>;
    /// Replaces the file atomically, making its parent folders.
    async fn write_file(&self, path: &str, content: Bytes, mode: u32) -> Result<()>;
    async fn stat(&self, path: &str) -> Result<FileStat>;
    async fn list(&self, path: &str, entries_max: usize) -> Result<Vec<FileStat>>;
    async fn remove(&self, path: &str) -> Result<()>;
    async fn usage(&self) -> Result<SandboxUsage>;
    /// Idempotent: afterwards no process, mount, cgroup, socket or directory of it is left (kept workspaces excepted).
    async fn terminate(&self) -> Result<()>;
    /// False once it was terminated or its daemon is gone.
    fn is_alive(&self) -> bool;
}

#[derive(Clone, Debug, Default)]
pub struct Command {
    pub argv: Vec<String>,
    /// Absolute; `/workspace` when empty.
    pub cwd: String,
    /// Added to the sandbox's own environment.
    pub env: BTreeMap<String, String>,
    pub stdin: Bytes,
    /// After this the whole tree is killed. Zero means the default of five minutes.
    pub timeout: Duration,
    /// Per stream; more is counted and its middle dropped. Zero means one mebibyte.
    pub output_bytes_max: usize,
}

impl Command {
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Command { argv: argv.into_iter().map(Into::into).collect(), ..Command::default() }
    }
    pub fn shell(line: impl Into<String>) -> Self {
        Command::new(["/bin/sh".to_string(), "-c".to_string(), line.into()])
    }
    pub fn cwd(mut self, path: impl Into<String>) -> Self {
        self.cwd = path.into();
        self
    }
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
    pub fn stdin(mut self, bytes: impl Into<Bytes>) -> Self {
        self.stdin = bytes.into();
        self
    }
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
    pub fn output_bytes_max(mut self, bytes: usize) -> Self {
        self.output_bytes_max = bytes;
        self
    }
}

/// A process inside, with its streams. Dropping it kills its tree.
pub struct Process {
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    pub control: Box<dyn ProcessControl>,
}

#[async_trait]
pub trait ProcessControl: Send + Sync {
    /// Waits for the leader to end. May be called once.
    async fn wait(&mut self) -> Result<Exit>;
    /// Sends the signal to the whole process group.
    async fn signal(&self, signal: i32) -> Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub reason: ExitReason,
    /// The exit status, or 128 plus the signal.
    pub code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    Exited,
    Signal,
    Timeout,
    Oom,
    Lost,
}

#[derive(Clone, Debug)]
pub struct ExecOutput {
    pub exit: Exit,
    /// Head and tail when the limit was passed.
    pub stdout: Bytes,
    pub stderr: Bytes,
    /// Bytes dropped from the middle of each.
    pub stdout_dropped: u64,
    pub stderr_dropped: u64,
    pub duration: Duration,
}

impl ExecOutput {
    pub fn ok(&self) -> bool {
        self.exit.reason == ExitReason::Exited && self.exit.code == 0
    }
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
    /// Both streams as a person would have seen them, roughly.
    pub fn text(&self) -> String {
        let mut text = self.stdout_text();
        if !self.stderr.is_empty() {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&String::from_utf8_lossy(&self.stderr));
        }
        text
    }
    /// An error that quotes the end of the output unless the command went well.
    pub fn checked(self, what: &str) -> Result<ExecOutput> {
        if self.ok() {
            return Ok(self);
        }
        let text = self.text();
        let tail: String = text.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect();
        let message = format!("{what} ended with {} ({:?}): {}", self.exit.code, self.exit.reason, tail.trim());
        Err(match self.exit.reason {
            ExitReason::Timeout => Error::timeout(message),
            _ => Error::unavailable(message),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    pub path: String,
    pub kind: FileKind,
    pub size_bytes: u64,
    pub mode: u32,
    /// Seconds since 1970.
    pub modified: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SandboxUsage {
    pub cpu_seconds: f64,
    pub memory_bytes: u64,
    pub processes: u32,
}

/// `starting → ready → terminated | failed`, on the wire as in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    Starting,
    Ready,
    Failed,
    Terminated,
}
