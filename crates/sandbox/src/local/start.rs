//! From a specification to a living place: decide, prepare folders and groups, start the builder, and try it out.

use super::init;
use super::life::{Owner, Remains};
use super::plan::{AGENT_HOME, CREATOR_FIRST, CREATORS, Plan, PlannedMount, Way};
use super::rootfs::give_to_agent;
use super::{Shared, guarantees, toolchains};
use crate::doors;
use crate::place::Place;
use daemon::Client;
use daemon::client::Connected;
use daemon::protocol;
use domain::egress::Peer;
use domain::sandbox::{EGRESS_PORT, MountMode, SandboxSpec, WORKSPACE, Workspace};
use domain::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, SealFlags};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// A place that is not ready by then never will be.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const TRIAL_TIMEOUT_MS: u64 = 5000;
const HOSTNAME_BYTES_MAX: usize = 63;

pub async fn start(shared: Arc<Shared>, spec: SandboxSpec) -> Result<Place> {
    check(&spec)?;
    let unavailable = |e: std::io::Error| Error::unavailable(format!("starting the builder of sandboxes: {e}"));
    let (ours, theirs) = UnixStream::pair().map_err(unavailable)?;
    let preparing = {
        let (shared, spec) = (shared.clone(), spec.clone());
        async move { tokio::task::spawn_blocking(move || Prepared::new(&shared, &spec)).await.map_err(|e| Error::internal(e.to_string()))? }
    };
    // The builder starts meanwhile and waits for its plan.
    let (Prepared { plan, remains }, builder) = match tokio::join!(preparing, launch(shared.init.clone(), theirs)) {
        (Ok(prepared), Ok(builder)) => (prepared, builder),
        (Ok(prepared), Err(error)) => {
            prepared.remains.end().await;
            return Err(unavailable(error));
        }
        (Err(error), builder) => {
            let _ = builder.map(end);
            return Err(error);
        }
    };
    shared.living().insert(spec.id, Arc::downgrade(&remains));
    let outcome = bring_up(&shared, &spec, plan, &remains, ours, builder).await;
    let (client, doorbell) = match outcome {
        Ok(parts) => parts,
        Err(error) => {
            remains.end().await;
            return Err(error);
        }
    };
    let peer = Peer { sandbox: spec.id, run: spec.run, epoch: spec.epoch };
    tokio::spawn(doors::serve(doorbell, shared.exits.clone(), peer, spec.egress.clone()));
    remains.clone().watch(client.clone());
    Ok(Place {
        id: spec.id,
        epoch: spec.epoch,
        client,
        env: environment(&shared, &spec),
        guarantees: shared.measured.get().cloned().unwrap_or_else(guarantees::unverified),
        ground: remains,
    })
}

async fn bring_up(
    shared: &Arc<Shared>,
    spec: &SandboxSpec,
    plan: Plan,
    remains: &Remains,
    socket: UnixStream,
    mut builder: Child,
) -> Result<(Client, daemon::client::Doorbell)> {
    let (naming, named) = mpsc::channel();
    let built = build(shared, spec, plan, remains, socket, (builder.id(), naming)).await;
    if built.is_err() {
        let _ = builder.kill();
    }
    tokio::task::spawn_blocking(move || {
        // Its number is its own until it is waited for, and a late entry into its cgroup must not meet another process.
        let _ = named.recv();
        builder.wait()
    });
    let Connected { client, doorbell, failed_ports } = built?;
    if remains.first_process().is_none() {
        return Err(Error::internal("the builder of sandboxes did not tell the first process"));
    }
    if let Some((port, why)) = failed_ports.first() {
        return Err(Error::unavailable(format!("sandbox `{}` cannot listen on its port {port}: {why}", spec.id)));
    }
    try_out(&client, spec).await?;
    Ok((client, doorbell))
}

/// The builder makes the sandbox and becomes its daemon, while it becomes a member of the sandbox's cgroup. The sender is
/// dropped when nobody uses the builder's number any more.
async fn build(
    shared: &Arc<Shared>,
    spec: &SandboxSpec,
    plan: Plan,
    remains: &Remains,
    socket: UnixStream,
    (builder, naming): (u32, mpsc::Sender<()>),
) -> Result<Connected> {
    let failed = |why: &dyn Display| Error::unavailable(format!("sandbox `{}` did not start: {why}", spec.id));
    let (group, sealed) = (remains.group(), shared.clone());
    let beginning = tokio::task::spawn_blocking(move || {
        let _naming = naming;
        socket.set_write_timeout(Some(START_TIMEOUT))?;
        // Where these fail, the builder told what is wrong or went away; both are read below.
        let _ = init::send(&socket, &plan, &sealed.astrad);
        group.map_or(Ok(()), |group| group.enter(builder))?;
        let _ = init::is_member(&socket);
        socket.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(socket)
    });
    let begun = tokio::time::timeout(START_TIMEOUT, beginning).await.map_err(|_| failed(&"it did not get into its cgroup in time"))?;
    let socket = begun.map_err(|e| Error::internal(e.to_string()))?.map_err(|e| failed(&e))?;
    let stream = tokio::net::UnixStream::from_std(socket).map_err(|e| failed(&e))?;
    let adopt = |first| remains.adopt(first);
    Client::connect(stream, doors::ports(&spec.egress), "/", START_TIMEOUT, adopt).await.map_err(|e| failed(&e))
}

/// Ready means that a process was run the way every later one will be.
async fn try_out(client: &Client, spec: &SandboxSpec) -> Result<()> {
    let exec = protocol::Exec { argv: vec!["/bin/true".into()], env: Vec::new(), cwd: WORKSPACE.into(), timeout_ms: TRIAL_TIMEOUT_MS };
    let output = client
        .exec(exec, bytes::Bytes::new(), 4096)
        .await
        .map_err(|e| Error::unavailable(format!("sandbox `{}` started but ran nothing: {e}", spec.id)))?;
    if output.exit.code == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr.bytes).into_owned();
    Err(Error::unavailable(format!("sandbox `{}` cannot run /bin/true: {} {said}", spec.id, output.exit.code)))
}

fn check(spec: &SandboxSpec) -> Result<()> {
    let is_clean = |path: &str| !path.is_empty() && !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    for path in &spec.read_only_paths {
        if !is_clean(path) {
            return Err(Error::field("read_only_paths", format!("`{path}` is not a plain path below the workspace")));
        }
    }
    for mount in &spec.mounts {
        let is_absolute = mount.target.strip_prefix('/').is_some_and(is_clean);
        let top = mount.target.split('/').nth(1).unwrap_or_default();
        if !is_absolute || matches!(top, "proc" | "dev" | "sys" | "usr" | "etc" | "bin" | "sbin" | "lib" | "lib64") {
            return Err(Error::field("mounts", format!("nothing can be mounted at `{}`", mount.target)));
        }
    }
    let is_name = !spec.hostname.is_empty()
        && spec.hostname.len() <= HOSTNAME_BYTES_MAX
        && spec.hostname.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if !is_name {
        return Err(Error::field("hostname", format!("`{}` is not a host name", spec.hostname.escape_default())));
    }
    for name in spec.env.keys() {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Error::field("env", format!("`{}` is not a variable's name", name.escape_default())));
        }
    }
    Ok(())
}

/// Small and clean; nothing of the server's own environment.
fn environment(shared: &Shared, spec: &SandboxSpec) -> BTreeMap<String, String> {
    let path = toolchains::search_path(&shared.toolchains);
    let mut env: BTreeMap<String, String> = [
        ("PATH", path.as_str()),
        ("HOME", AGENT_HOME),
        ("USER", "agent"),
        ("LOGNAME", "agent"),
        ("SHELL", "/bin/sh"),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
        ("TERM", "dumb"),
        ("PWD", WORKSPACE),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .collect();
    if !spec.egress.allow.is_empty() {
        let proxy = format!("http://127.0.0.1:{EGRESS_PORT}");
        for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            env.insert(name.into(), proxy.clone());
        }
        for name in ["no_proxy", "NO_PROXY"] {
            env.insert(name.into(), "127.0.0.1,localhost".into());
        }
    }
    env.extend(spec.env.clone());
    env
}

struct Prepared {
    plan: Plan,
    remains: Arc<Remains>,
}

impl Prepared {
    fn new(shared: &Shared, spec: &SandboxSpec) -> Result<Prepared> {
        let io = |what: &str| {
            let what = what.to_string();
            move |e: std::io::Error| Error::unavailable(format!("preparing a sandbox, {what}: {e}"))
        };
        let name = spec.id.to_string();
        let folder = shared.data_dir.join("sandboxes").join(&name);
        // The folder's name is the claim on the id: who makes it has it.
        private_folder(&folder).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::conflict(format!("sandbox `{name}` exists already; terminate it, or give the new one another id"))
            }
            _ => Error::unavailable(format!("preparing a sandbox, its folder: {e}")),
        })?;
        let remains = Arc::new(Remains::new(spec.id, folder.clone()));
        let mut owner = Owner::this_process();
        let group_name = owner.group_of(&name);
        owner.groups = shared.cgroups.folders_of(&group_name);
        owner.write(&folder).map_err(io("its owner's record"))?;
        private_folder(&folder.join("root")).map_err(io("its root"))?;
        let group = shared.cgroups.create(&group_name, &spec.limits).map_err(io("its cgroup"))?;
        remains.belongs_to(group);

        let mut mounts = vec![workspace(shared, spec, &folder)?];
        for mount in &spec.mounts {
            let layer = folder.join(format!("mount-{}", mounts.len()));
            mounts.push(mounted(shared, &mount.source, &mount.target, mount.mode, &layer)?);
        }
        let plan = Plan {
            root: folder.join("root"),
            hostname: spec.hostname.clone(),
            identity: shared.identity,
            creator: CREATOR_FIRST + spec.id.0.as_u128() as u32 % CREATORS,
            mounts,
            toolchains: shared.toolchains.iter().map(|t| t.folder.clone()).collect(),
            read_only_paths: spec.read_only_paths.clone(),
            memory_files_bytes_max: spec.limits.memory_bytes_max / 4 * 3,
            open_files_max: spec.limits.open_files_max,
            processes_rlimit: shared.cgroups.pids().is_none().then_some(spec.limits.processes_max.into()),
            memory_rlimit: shared.cgroups.memory().is_none().then_some(spec.limits.memory_bytes_max),
        };
        Ok(Prepared { plan, remains })
    }
}

fn workspace(shared: &Shared, spec: &SandboxSpec, folder: &Path) -> Result<PlannedMount> {
    let io = |e: std::io::Error| Error::unavailable(format!("preparing the workspace of sandbox `{}`: {e}", spec.id));
    let own = |source: PathBuf| -> Result<PlannedMount> {
        if !source.exists() {
            private_folder(&source).map_err(io)?;
            std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o755)).map_err(io)?;
            give_to_agent(&source, shared.identity).map_err(io)?;
        }
        Ok(PlannedMount { source, target: WORKSPACE.into(), way: Way::ReadWrite })
    };
    match &spec.workspace {
        Workspace::Scratch => own(folder.join("workspace")),
        Workspace::Kept => own(crate::kept(&shared.data_dir, spec.id)),
        Workspace::CopyOnWrite(source) => mounted(shared, source, WORKSPACE, MountMode::CopyOnWrite, &folder.join("workspace")),
        Workspace::Shared(source) => mounted(shared, source, WORKSPACE, MountMode::ReadWrite, folder),
    }
}

fn mounted(shared: &Shared, source: &Path, target: &str, mode: MountMode, layer: &Path) -> Result<PlannedMount> {
    let io = |e: std::io::Error| Error::unavailable(format!("mounting `{}` at `{target}`: {e}", source.display()));
    let source = source.canonicalize().map_err(io)?;
    let way = match mode {
        MountMode::ReadOnly => Way::ReadOnly,
        MountMode::ReadWrite => Way::ReadWrite,
        MountMode::CopyOnWrite => {
            let stat = source.metadata().map_err(io)?;
            let (upper, work) = (layer.join("upper"), layer.join("work"));
            for folder in [layer, &upper, &work] {
                private_folder(folder).map_err(io)?;
            }
            // The merged folder takes its owner and mode from the upper one.
            std::fs::set_permissions(&upper, std::fs::Permissions::from_mode(stat.mode() & 0o777 | 0o700)).map_err(io)?;
            give_to_agent(&upper, shared.identity).map_err(io)?;
            Way::Overlay { upper, work }
        }
    };
    Ok(PlannedMount { source, target: target.into(), way })
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// A copy of the daemon that nobody can change any more, ours included.
pub fn seal(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    use std::io::Write;
    let fd = rustix::fs::memfd_create("astrad", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    let fd = OwnedFd::from(file);
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(fd)
}

/// Ends a builder that is not needed, and waits for it where that holds nobody up.
fn end(mut builder: Child) {
    let _ = builder.kill();
    tokio::task::spawn_blocking(move || builder.wait());
}

type Launched = std::io::Result<Child>;

/// Starts the builder from a thread that lives as long as the process: its death is the signal upon which sandboxes die,
/// and the threads of a runtime come and go.
async fn launch(program: PathBuf, socket: UnixStream) -> Launched {
    type Order = (PathBuf, UnixStream, oneshot::Sender<Launched>);
    static LAUNCHER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let launcher = LAUNCHER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        let work = move || {
            for (program, socket, answer) in orders {
                let child = Command::new(program)
                    .arg(init::WORD)
                    .env_clear()
                    .stdin(Stdio::from(OwnedFd::from(socket)))
                    .stdout(Stdio::null())
                    .spawn();
                // Nobody waits for the answer only if the caller was cancelled; the builder then finds its socket closed.
                let _ = answer.send(child);
            }
        };
        std::thread::Builder::new().name("sandbox-launcher".into()).spawn(work).expect("a thread can be started");
        sender
    });
    let (answer, child) = oneshot::channel();
    let gone = || std::io::Error::other("the launcher is gone");
    launcher.send((program, socket, answer)).map_err(|_| gone())?;
    child.await.map_err(|_| gone())?
}
