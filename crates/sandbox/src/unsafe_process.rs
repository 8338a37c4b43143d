//! Plain processes in a folder, for machines that cannot isolate anything. It promises nothing, and says so.
//!
//! The same daemon carries the same commands, but what it starts is an ordinary process of the server's own user, who sees
//! the whole host. Only for a person's own machine, and only when asked for by name.

use crate::doors::{self, Exits, Witness};
use crate::egress::Cidr;
use crate::local::toolchains::{self, Toolchain};
use crate::place::{Ground, Place};
use crate::sweep::remove_tree;
use async_trait::async_trait;
use daemon::Client;
use domain::egress::{Doors, Peer};
use domain::sandbox::{
    Command, ExecOutput, FileStat, Guarantee, GuaranteeState, MountMode, Process, Provisioner, Sandbox, SandboxSpec, SandboxUsage,
    WORKSPACE, Workspace,
};
use domain::{Error, Result, SandboxId};
use rustix::fd::OwnedFd;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the daemon may take to end its processes and itself after its connection closed.
const END_TIMEOUT: Duration = Duration::from_secs(5);
const WHY: &str = "commands run as ordinary processes of this host; run on Linux with namespaces and without `--unsafe-process`";

pub struct UnsafeProcessConfig {
    pub data_dir: PathBuf,
    pub astrad: &'static [u8],
    pub doors: Arc<dyn Doors>,
    /// Their programs go on the search path.
    pub toolchains: Vec<Toolchain>,
    pub allow_cidrs: Vec<Cidr>,
    pub witness: Option<Witness>,
}

pub struct UnsafeProcess {
    data_dir: PathBuf,
    search_path: String,
    program: PathBuf,
    exits: Exits,
    living: Mutex<HashMap<SandboxId, Weak<Remains>>>,
}

impl UnsafeProcess {
    /// The caller states by calling this that a person asked for no isolation.
    pub fn new(config: UnsafeProcessConfig) -> Result<UnsafeProcess> {
        let UnsafeProcessConfig { data_dir, astrad, doors, toolchains, allow_cidrs, witness } = config;
        let io = |e: std::io::Error| Error::unavailable(format!("the data directory cannot be used: {e}"));
        let folder = data_dir.join("unsafe");
        std::fs::create_dir_all(&folder).map_err(io)?;
        std::fs::create_dir_all(data_dir.join("workspaces")).map_err(io)?;
        let data_dir = data_dir.canonicalize().map_err(io)?;
        // Written beside and moved, since a program that runs cannot be written to.
        let program = data_dir.join("unsafe").join("astrad");
        let fresh = program.with_extension(std::process::id().to_string());
        let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o700).open(&fresh).map_err(io)?;
        std::io::Write::write_all(&mut file, astrad).map_err(io)?;
        drop(file);
        std::fs::rename(&fresh, &program).map_err(io)?;
        let exits = Exits { doors, allow_cidrs, witness };
        Ok(UnsafeProcess { data_dir, search_path: toolchains::search_path(&toolchains), program, exits, living: Mutex::default() })
    }

    fn living(&self) -> MutexGuard<'_, HashMap<SandboxId, Weak<Remains>>> {
        // Nothing panics while it holds the lock.
        self.living.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Where each path that a sandbox would have lies on this host.
    fn lay_out(&self, spec: &SandboxSpec, folder: &Path) -> std::io::Result<Paths> {
        let make = |path: PathBuf| std::fs::create_dir_all(&path).map(|()| path);
        let copy = |source: &Path, name: String| {
            let to = folder.join(name);
            copy_tree(source, &to).map(|()| to)
        };
        let workspace = match &spec.workspace {
            Workspace::Scratch => make(folder.join("workspace"))?,
            Workspace::Kept => make(crate::kept(&self.data_dir, spec.id))?,
            Workspace::CopyOnWrite(source) => copy(source, "workspace".into())?,
            Workspace::Shared(source) => source.clone(),
        };
        let mut paths = vec![(WORKSPACE.to_string(), workspace)];
        for (number, mount) in spec.mounts.iter().enumerate() {
            let host = match mount.mode {
                MountMode::CopyOnWrite => copy(&mount.source, format!("mount-{number}"))?,
                MountMode::ReadOnly | MountMode::ReadWrite => mount.source.clone(),
            };
            paths.push((mount.target.clone(), host));
        }
        paths.push(("/home/agent".into(), make(folder.join("home"))?));
        Ok(Paths(paths))
    }
}

#[async_trait]
impl Provisioner for UnsafeProcess {
    fn id(&self) -> &'static str {
        "unsafe-process"
    }

    async fn guarantees(&self) -> Vec<Guarantee> {
        guarantees()
    }

    async fn create(&self, spec: SandboxSpec) -> Result<Arc<dyn Sandbox>> {
        let io = |e: std::io::Error| Error::unavailable(format!("sandbox `{}` did not start: {e}", spec.id));
        let folder = self.data_dir.join("unsafe").join(spec.id.to_string());
        std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Error::conflict(format!("sandbox `{}` exists already; terminate it first", spec.id)),
            _ => io(e),
        })?;
        let remains = Arc::new(Remains { id: spec.id, folder: folder.clone(), child: Mutex::default() });
        let paths = self.lay_out(&spec, &folder).map_err(io)?;
        let (ours, theirs) = UnixStream::pair().map_err(io)?;
        let child = std::process::Command::new(&self.program)
            .arg("0")
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(io)?;
        *remains.child() = Some(child);
        ours.set_nonblocking(true).map_err(io)?;
        let stream = tokio::net::UnixStream::from_std(ours).map_err(io)?;
        let connected = Client::connect(stream, doors::ports(&spec.egress), "/", START_TIMEOUT, |_| ())
            .await
            .map_err(|e| Error::unavailable(format!("sandbox `{}` did not start: {e}", spec.id)))?;
        for (port, why) in &connected.failed_ports {
            tracing::warn!(sandbox = %spec.id, port, why, "without isolation all sandboxes share the host's ports, and this one is taken");
        }
        let peer = Peer { sandbox: spec.id, run: spec.run, epoch: spec.epoch };
        tokio::spawn(doors::serve(connected.doorbell, self.exits.clone(), peer, spec.egress.clone()));
        self.living().insert(spec.id, Arc::downgrade(&remains));
        let env = environment(&spec, &paths, &self.search_path);
        let place = Place { id: spec.id, epoch: spec.epoch, client: connected.client, env, guarantees: guarantees(), ground: remains };
        let translated = Translated { place, paths };
        translated.exec(Command::new(["/bin/true"])).await?.checked("the first command")?;
        Ok(Arc::new(translated))
    }

    async fn list(&self) -> Vec<SandboxId> {
        self.living().iter().filter(|(_, life)| life.upgrade().is_some_and(|life| life.child().is_some())).map(|(id, _)| *id).collect()
    }

    /// The daemons of a dead server ended when their connections did; their folders are what is left.
    async fn reconcile(&self) -> Result<usize> {
        let living = self.list().await;
        let folders = std::fs::read_dir(self.data_dir.join("unsafe")).map_err(|e| Error::unavailable(e.to_string()))?;
        let mut count = 0;
        for folder in folders.flatten().filter(|entry| entry.path().is_dir()) {
            let is_ours = folder.file_name().to_str().is_some_and(|name| living.iter().any(|id| id.to_string() == name));
            if !is_ours && remove_tree(&folder.path()).is_ok() {
                count += 1;
            }
        }
        Ok(count)
    }

    async fn end_all(&self) {
        let living: Vec<_> = self.living().values().filter_map(Weak::upgrade).collect();
        for life in living {
            if let Err(error) = life.terminate().await {
                tracing::warn!(%error, "a sandbox without isolation could not be ended");
            }
        }
    }

    fn keeps(&self, id: SandboxId) -> bool {
        crate::kept(&self.data_dir, id).exists()
    }
    async fn forget(&self, id: SandboxId) -> Result<()> {
        let folder = crate::kept(&self.data_dir, id);
        remove_tree(&folder).map_err(|e| Error::unavailable(format!("the workspace of session `{id}`: {e}")))
    }
}

fn guarantees() -> Vec<Guarantee> {
    let missing = |promise: &str| Guarantee { promise: promise.into(), state: GuaranteeState::Missing, detail: WHY.into() };
    crate::local::PROMISES.iter().map(|promise| missing(promise)).collect()
}

fn environment(spec: &SandboxSpec, paths: &Paths, search_path: &str) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [("PATH", search_path), ("HOME", "/home/agent"), ("LANG", "C.UTF-8"), ("TERM", "dumb")]
        .into_iter()
        .map(|(name, value)| (name.to_string(), paths.host(value)))
        .collect();
    env.extend(spec.env.iter().map(|(name, value)| (name.clone(), paths.host(value))));
    env
}

/// Pairs of a path as a sandbox would have it and the one it has here.
struct Paths(Vec<(String, PathBuf)>);

impl Paths {
    /// Only whole paths are translated: a word that merely contains one is left as it is.
    fn host(&self, word: &str) -> String {
        for (inside, host) in &self.0 {
            if let Some(rest) = word.strip_prefix(inside.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{}{rest}", host.display());
            }
        }
        word.to_string()
    }
    /// A path for the file calls, where relative ones begin at the workspace.
    fn file(&self, path: &str) -> String {
        if path.is_empty() || path.starts_with('/') { self.host(path) } else { self.host(&format!("{WORKSPACE}/{path}")) }
    }
    fn command(&self, command: Command) -> Command {
        let cwd = if command.cwd.is_empty() { WORKSPACE } else { &command.cwd };
        Command {
            cwd: self.host(cwd),
            argv: command.argv.iter().map(|word| self.host(word)).collect(),
            env: command.env.iter().map(|(name, value)| (name.clone(), self.host(value))).collect(),
            ..command
        }
    }
}

/// A place whose paths are not where they seem to be.
struct Translated {
    place: Place,
    paths: Paths,
}

#[async_trait]
impl Sandbox for Translated {
    fn id(&self) -> SandboxId {
        self.place.id()
    }
    fn epoch(&self) -> u64 {
        self.place.epoch()
    }
    fn reference(&self) -> String {
        self.place.reference()
    }
    fn guarantees(&self) -> Vec<Guarantee> {
        self.place.guarantees()
    }
    async fn spawn(&self, command: Command) -> Result<Process> {
        self.place.spawn(self.paths.command(command)).await
    }
    async fn exec(&self, command: Command) -> Result<ExecOutput> {
        self.place.exec(self.paths.command(command)).await
    }
    async fn read_file(&self, path: &str, offset: u64, length_max: u64) -> Result<bytes::Bytes> {
        self.place.read_file(&self.paths.file(path), offset, length_max).await
    }
    async fn write_file(&self, path: &str, content: bytes::Bytes, mode: u32) -> Result<()> {
        self.place.write_file(&self.paths.file(path), content, mode).await
    }
    async fn stat(&self, path: &str) -> Result<FileStat> {
        let stat = self.place.stat(&self.paths.file(path)).await?;
        Ok(FileStat { path: path.to_string(), ..stat })
    }
    async fn list(&self, path: &str, entries_max: usize) -> Result<Vec<FileStat>> {
        let mut entries = self.place.list(&self.paths.file(path), entries_max).await?;
        for entry in &mut entries {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            entry.path = format!("{}/{name}", path.trim_end_matches('/'));
        }
        Ok(entries)
    }
    async fn remove(&self, path: &str) -> Result<()> {
        self.place.remove(&self.paths.file(path)).await
    }
    async fn usage(&self) -> Result<SandboxUsage> {
        self.place.usage().await
    }
    async fn terminate(&self) -> Result<()> {
        self.place.terminate().await
    }
    fn is_alive(&self) -> bool {
        self.place.is_alive()
    }
}

struct Remains {
    id: SandboxId,
    folder: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Remains {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // Nothing panics while it holds the lock.
        self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The connection is closed by now; the daemon ends what it started, and then itself.
    fn end(&self) -> std::io::Result<()> {
        let Some(mut child) = self.child().take() else { return Ok(()) };
        let deadline = std::time::Instant::now() + END_TIMEOUT;
        while child.try_wait()?.is_none() {
            if std::time::Instant::now() > deadline {
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        remove_tree(&self.folder)
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(sandbox = %self.id, %error, "a sandbox without isolation could not be cleared away");
        }
    }
}

#[async_trait]
impl Ground for Remains {
    fn reference(&self) -> String {
        format!("unsafe-process://{}", self.id)
    }
    fn usage(&self) -> SandboxUsage {
        SandboxUsage::default()
    }
    fn oom_kills(&self) -> u64 {
        0
    }
    async fn terminate(self: Arc<Self>) -> Result<()> {
        let result = tokio::task::spawn_blocking(move || self.end()).await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
        result.map_err(|e| Error::unavailable(format!("a sandbox without isolation could not be cleared away: {e}")))
    }
}

/// Folders, files with their modes, and links as they are.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
