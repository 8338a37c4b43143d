//! The root file system of a place: an empty one in memory, onto which only what is listed here is bound.

use super::mounts::{self, NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};
use super::plan::{AGENT_HOME, AGENT_HOST_ID, AGENT_ID, Identity, Plan, PlannedMount, RANGE_FIRST, Way};
use super::userns;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, symlinkat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::path::Path;

const PASSWD: &str = "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n\
    agent:x:1000:1000:agent:/home/agent:/bin/sh\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files\n";
const ETC_BOUND: [&str; 4] = ["alternatives", "ld.so.cache", "ssl", "localtime"];
const TOP_LINKS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// What `/proc` shows of the host beyond processes.
const PROC_MASKED: [&str; 11] =
    ["kcore", "keys", "key-users", "timer_list", "sched_debug", "kallsyms", "cmdline", "sysrq-trigger", "kmsg", "modules", "iomem"];
const PROC_READ_ONLY: [&str; 3] = ["sys", "irq", "bus"];

/// What went wrong, and with what.
pub type Step<T> = Result<T, String>;

pub fn because<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

/// The growing root file system.
pub struct Builder<'a> {
    plan: &'a Plan,
    /// The host's `/proc`.
    proc: &'a OwnedFd,
    root: OwnedFd,
    /// One user namespace per owner of mounted folders.
    eyes: HashMap<(u32, u32), OwnedFd>,
}

impl<'a> Builder<'a> {
    /// Mounts the empty root. From here on the current folder is the new root.
    pub fn begin(plan: &'a Plan, proc: &'a OwnedFd) -> Step<Builder<'a>> {
        let mount =
            mounts::new("tmpfs", &[("mode", "0755"), ("size", "16m")], NO_SUID | NO_DEV).map_err(because("a file system in memory"))?;
        let target = mounts::place(&plan.root).map_err(because(plan.root.display()))?;
        mounts::attach(&mount, &target).map_err(because("attaching the root"))?;
        let root = mounts::place(&plan.root).map_err(because(plan.root.display()))?;
        rustix::process::fchdir(&root).map_err(because("entering the root"))?;
        Ok(Builder { plan, proc, root, eyes: HashMap::new() })
    }

    /// Everything but `/proc`, which only a process of the new namespace can mount.
    pub fn fill(&mut self) -> Step<()> {
        for folder in ["usr", "etc", "dev", "proc", "run", "var", "tmp", "home/agent", "workspace", ".stage"] {
            self.folder(folder)?;
        }
        symlinkat("/tmp", &self.root, "var/tmp").map_err(because("/var/tmp"))?;
        self.system()?;
        self.etc()?;
        self.devices()?;
        self.memory_files("tmp", "1777", false, 40)?;
        self.memory_files(AGENT_HOME, "0755", true, 45)?;
        for folder in &self.plan.toolchains {
            let target = folder.to_str().ok_or("a toolchain folder whose name is not UTF-8")?;
            self.bind(folder, target, READ_ONLY | NO_SUID | NO_DEV, true)?;
        }
        for (number, mount) in self.plan.mounts.iter().enumerate() {
            self.mount(number, mount).map_err(|e| format!("mounting {} at {}: {e}", mount.source.display(), mount.target))?;
        }
        let _ = rustix::fs::unlinkat(&self.root, ".stage", AtFlags::REMOVEDIR);
        for path in &self.plan.read_only_paths {
            self.protect(path).map_err(|e| format!("protecting `{path}`: {e}"))?;
        }
        Ok(())
    }

    /// `/usr` and the links that lead into it; on older systems `/bin` and its like are folders.
    fn system(&self) -> Step<()> {
        self.bind(Path::new("/usr"), "usr", READ_ONLY | NO_SUID | NO_DEV, true)?;
        for name in TOP_LINKS {
            let host = Path::new("/").join(name);
            match std::fs::read_link(&host) {
                Ok(to) => symlinkat(&to, &self.root, name).map_err(because(name))?,
                Err(_) if host.is_dir() => self.bind(&host, name, READ_ONLY | NO_SUID | NO_DEV, true)?,
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn etc(&self) -> Step<()> {
        let hosts = format!("127.0.0.1 localhost {0}\n::1 localhost\n", self.plan.hostname);
        self.file("etc/passwd", PASSWD)?;
        self.file("etc/group", GROUP)?;
        self.file("etc/nsswitch.conf", NSSWITCH)?;
        self.file("etc/hosts", &hosts)?;
        self.file("etc/hostname", &format!("{}\n", self.plan.hostname))?;
        // No name server can be reached; asking this one fails at once instead of after a timeout.
        self.file("etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
        for name in ETC_BOUND {
            let host = Path::new("/etc").join(name);
            // A link such as `localtime` is followed: its target lies below `/usr` or is bound as it is.
            if host.exists() {
                self.bind(&host, &format!("etc/{name}"), READ_ONLY | NO_SUID | NO_DEV | NO_EXEC, false)?;
            }
        }
        Ok(())
    }

    fn devices(&self) -> Step<()> {
        for name in DEVICES {
            let host = Path::new("/dev").join(name);
            if host.exists() {
                self.bind(&host, &format!("dev/{name}"), NO_SUID | NO_EXEC, false)?;
            }
        }
        self.folder("dev/pts")?;
        let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
        let pts = mounts::new("devpts", &options, NO_SUID | NO_EXEC).map_err(because("terminals"))?;
        self.attach(&pts, "dev/pts")?;
        self.memory_files("dev/shm", "1777", false, 15)?;
        for (name, to) in [
            ("ptmx", "pts/ptmx"),
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] {
            symlinkat(to, &self.root, format!("dev/{name}")).map_err(because(name))?;
        }
        Ok(())
    }

    fn memory_files(&self, target: &str, mode: &str, is_agents: bool, percent: u64) -> Step<()> {
        let size = (self.plan.memory_files_bytes_max / 100 * percent).to_string();
        let owner = AGENT_HOST_ID.to_string();
        let mut options = vec![("mode", mode), ("size", size.as_str()), ("nr_inodes", "1m")];
        if is_agents && self.plan.identity == Identity::Range {
            options.extend([("uid", owner.as_str()), ("gid", owner.as_str())]);
        }
        let mount = mounts::new("tmpfs", &options, NO_SUID | NO_DEV).map_err(because(target))?;
        self.folder(target)?;
        self.attach(&mount, target)
    }

    fn mount(&mut self, number: usize, mount: &PlannedMount) -> Step<()> {
        let source = mounts::copy_of(&mount.source, false).map_err(|e| e.to_string())?;
        let is_folder = mount.source.is_dir();
        self.show_as_agents(&source, &mount.source)?;
        let ready = match &mount.way {
            Way::ReadOnly => {
                mounts::restrict(&source, READ_ONLY | NO_SUID | NO_DEV, false).map_err(|e| e.to_string())?;
                source
            }
            Way::ReadWrite => {
                mounts::restrict(&source, NO_SUID | NO_DEV, false).map_err(|e| e.to_string())?;
                source
            }
            Way::Overlay { upper, work } => self.overlay(number, &source, upper, work)?,
        };
        if is_folder {
            self.folder(&mount.target)?
        } else {
            self.empty_file(&mount.target)?
        }
        self.attach(&ready, &mount.target)
    }

    /// When we are root, the owner of a folder that is mounted appears as the agent, whoever it is on the host.
    fn show_as_agents(&mut self, mount: &OwnedFd, source: &Path) -> Step<()> {
        use std::os::unix::fs::MetadataExt;
        let stat = std::fs::metadata(source).map_err(|e| e.to_string())?;
        if self.plan.identity != Identity::Range || (stat.uid(), stat.gid()) == (AGENT_HOST_ID, AGENT_HOST_ID) {
            return Ok(());
        }
        let owner = (stat.uid(), stat.gid());
        if !self.eyes.contains_key(&owner) {
            let eyes = userns::for_seeing(self.proc, owner.0, owner.1).map_err(because("a user namespace"))?;
            self.eyes.insert(owner, eyes);
        }
        mounts::map_owners(mount, &self.eyes[&owner]).map_err(because("mapping its owner (its file system must support idmapped mounts)"))
    }

    fn overlay(&self, number: usize, lower: &OwnedFd, upper: &Path, work: &Path) -> Step<OwnedFd> {
        // The lower layer must be attached while the overlay is made, which then keeps a copy of its own.
        let stage = format!(".stage/{number}");
        self.folder(&stage)?;
        self.attach(lower, &stage)?;
        let upper = mounts::place(upper).map_err(because("the upper layer"))?;
        let work = mounts::place(work).map_err(because("the work layer"))?;
        let (upper, work) = (mounts::path_of(&upper), mounts::path_of(&work));
        let mut options = vec![("lowerdir", stage.as_str()), ("upperdir", upper.as_str()), ("workdir", work.as_str()), ("volatile", "")];
        if self.plan.identity != Identity::Range {
            options.push(("userxattr", ""));
        }
        let mount = mounts::new("overlay", &options, NO_SUID | NO_DEV).map_err(because("an overlay"))?;
        rustix::mount::unmount(stage.as_str(), rustix::mount::UnmountFlags::DETACH).map_err(because("the stage"))?;
        let _ = rustix::fs::unlinkat(&self.root, stage.as_str(), AtFlags::REMOVEDIR);
        Ok(mount)
    }

    /// A path that nobody inside may change. The folders above it become mount points too, so that none of them can be
    /// renamed away and replaced.
    fn protect(&self, path: &str) -> Step<()> {
        let workspace = self.look("workspace").map_err(|e| e.to_string())?;
        let parts: Vec<&str> = path.split('/').collect();
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for length in 1..=parts.len() {
            let so_far = parts[..length].join("/");
            let place = openat2(&workspace, &so_far, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how)
                .map_err(|e| if e == Errno::NOENT { "it does not exist".to_string() } else { e.to_string() })?;
            let is_last = length == parts.len();
            let is_mounted = !is_last && is_mount_point(&workspace, &so_far);
            if is_mounted {
                continue;
            }
            let copy = mounts::copy_of_open(&place).map_err(|e| e.to_string())?;
            let attributes = NO_SUID | NO_DEV | if is_last { READ_ONLY } else { 0 };
            mounts::restrict(&copy, attributes, false).map_err(|e| e.to_string())?;
            mounts::attach(&copy, &place).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn bind(&self, source: &Path, target: &str, attributes: u64, is_recursive: bool) -> Step<()> {
        let copy = mounts::copy_of(source, is_recursive).map_err(because(source.display()))?;
        mounts::restrict(&copy, attributes, is_recursive).map_err(because(source.display()))?;
        if source.is_dir() {
            self.folder(target)?
        } else {
            self.empty_file(target)?
        }
        self.attach(&copy, target)
    }

    fn attach(&self, mount: &OwnedFd, target: &str) -> Step<()> {
        let place = self.look(target.trim_start_matches('/')).map_err(because(target))?;
        mounts::attach(mount, &place).map_err(because(target))
    }

    /// Follows no links: what is mounted later must not be led astray by what was mounted before.
    fn look(&self, path: &str) -> Result<OwnedFd, Errno> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how)
    }

    fn folder(&self, path: &str) -> Step<()> {
        let mut so_far = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let parent = self.look(if so_far.is_empty() { "." } else { &so_far }).map_err(because(path))?;
            match mkdirat(&parent, part, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(format!("making {path}: {errno}")),
            }
            so_far = if so_far.is_empty() { part.to_string() } else { format!("{so_far}/{part}") };
        }
        Ok(())
    }

    fn empty_file(&self, path: &str) -> Step<()> {
        let path = path.trim_matches('/');
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        self.folder(folder)?;
        let parent = self.look(folder).map_err(because(path))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&parent, name, flags, Mode::from_raw_mode(0o644)).map(drop).map_err(because(path))
    }

    fn file(&self, path: &str, text: &str) -> Step<()> {
        self.empty_file(path)?;
        let file = openat(&self.root, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(because(path))?;
        rustix::io::write(&file, text.as_bytes()).map(drop).map_err(because(path))
    }

    /// The folders above the agent's own belong to the root that is inside, as they do on any machine: programs look at
    /// who could replace what they keep. Nobody can become that root.
    fn own_by_root(&self) -> Step<()> {
        if self.plan.identity != Identity::Range {
            return Ok(());
        }
        let root = rustix::fs::Uid::from_raw(RANGE_FIRST);
        let group = rustix::fs::Gid::from_raw(RANGE_FIRST);
        for path in [".", "home", "tmp", "var"] {
            let place =
                openat(&self.root, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(because(path))?;
            rustix::fs::fchown(&place, Some(root), Some(group)).map_err(because(path))?;
        }
        Ok(())
    }

    /// The last steps, taken by the first process of the new process namespace.
    pub fn finish(&self) -> Step<()> {
        let proc = mounts::new("proc", &[], NO_SUID | NO_DEV | NO_EXEC).map_err(because("/proc"))?;
        self.attach(&proc, "proc")?;
        for name in PROC_MASKED {
            let path = format!("proc/{name}");
            let Ok(place) = self.look(&path) else { continue };
            let stat = rustix::fs::fstat(&place).map_err(because(&path))?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                let empty = mounts::copy_of(Path::new("dev/null"), false).map_err(because(&path))?;
                mounts::attach(&empty, &place).map_err(because(&path))?;
            }
        }
        for name in PROC_READ_ONLY {
            let path = format!("proc/{name}");
            let Ok(place) = self.look(&path) else { continue };
            let copy = mounts::copy_of_open(&place).map_err(because(&path))?;
            mounts::restrict(&copy, READ_ONLY | NO_SUID | NO_DEV | NO_EXEC, false).map_err(because(&path))?;
            mounts::attach(&copy, &place).map_err(because(&path))?;
        }
        self.own_by_root()?;
        mounts::restrict(&self.root, READ_ONLY, false).map_err(because("closing the root"))?;
        self.swap()
    }

    /// Makes the new root the root, and lets go of the old one.
    fn swap(&self) -> Step<()> {
        rustix::process::fchdir(&self.root).map_err(because("the root"))?;
        rustix::process::pivot_root(".", ".").map_err(because("changing the root"))?;
        rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH).map_err(because("the old root"))?;
        rustix::process::chdir("/").map_err(because("/"))
    }
}

fn is_mount_point(folder: impl AsFd, path: &str) -> bool {
    let mask = rustix::fs::StatxFlags::BASIC_STATS;
    rustix::fs::statx(folder, path, AtFlags::SYMLINK_NOFOLLOW, mask)
        .is_ok_and(|s| s.stx_attributes.contains(rustix::fs::StatxAttributes::MOUNT_ROOT))
}

/// The ids that the host uses for the agent's files.
pub fn agent_on_host(identity: Identity) -> (u32, u32) {
    match identity {
        Identity::Range => (RANGE_AGENT, RANGE_AGENT),
        Identity::Single { uid, gid } => (uid, gid),
    }
}

const RANGE_AGENT: u32 = RANGE_FIRST + AGENT_ID;

/// Gives an empty folder to the agent.
pub fn give_to_agent(folder: &Path, identity: Identity) -> io::Result<()> {
    let (uid, gid) = agent_on_host(identity);
    if identity == Identity::Range { std::os::unix::fs::chown(folder, Some(uid), Some(gid)) } else { Ok(()) }
}
