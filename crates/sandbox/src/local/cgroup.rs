//! Limits by cgroup, version 2 or 1, whichever this host gives us, below the group that the server itself is in.

use domain::sandbox::{SandboxLimits, SandboxUsage};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of ours in every hierarchy.
const OURS: &str = "astraforge";
/// The leaf that the server moves to on version 2, where a group has either members or children with limits.
const SERVER_LEAF: &str = "astraforge-server";
const CONTROLLERS: [&str; 4] = ["memory", "pids", "cpu", "freezer"];
const CPU_PERIOD_US: u64 = 100_000;
/// How long a group may stay busy after its last process was killed.
const EMPTY_WITHIN: Duration = Duration::from_secs(5);

/// Where groups can be made on this host, found once.
#[derive(Clone, Debug, Default)]
pub struct Cgroups {
    memory: Option<Base>,
    pids: Option<Base>,
    cpu: Option<Base>,
    /// Holds no limits of ours on version 1; there it helps to count and to find what was left behind.
    freezer: Option<Base>,
}

#[derive(Clone, Debug)]
struct Base {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    pub fn word(self) -> &'static str {
        match self {
            Version::V1 => "v1",
            Version::V2 => "v2",
        }
    }
}

impl Cgroups {
    pub fn detect() -> Cgroups {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let unified = unified_base(&own, &mounts);
        let base = |controller: &str| {
            if let Some(folder) = legacy_base(&own, &mounts, controller).filter(|folder| is_usable(folder)) {
                return Some(Base { folder, version: Version::V1 });
            }
            // Freezing and killing need no controller on version 2.
            let folder = unified
                .clone()
                .filter(|folder| controller == "freezer" || folder.parent().is_some_and(|parent| has_on(parent, controller)))?;
            Some(Base { folder, version: Version::V2 })
        };
        let [memory, pids, cpu, freezer] = CONTROLLERS.map(base);
        Cgroups { memory, pids, cpu, freezer }
    }

    pub fn memory(&self) -> Option<Version> {
        self.memory.as_ref().map(|base| base.version)
    }
    pub fn pids(&self) -> Option<Version> {
        self.pids.as_ref().map(|base| base.version)
    }
    pub fn cpu(&self) -> Option<Version> {
        self.cpu.as_ref().map(|base| base.version)
    }

    fn on_version_2(&self) -> Vec<String> {
        let all = [("memory", &self.memory), ("pids", &self.pids), ("cpu", &self.cpu)];
        let is_on = |base: &Option<Base>| base.as_ref().is_some_and(|base| base.version == Version::V2);
        all.into_iter().filter(|(_, base)| is_on(base)).map(|(name, _)| name.to_string()).collect()
    }

    fn bases(&self) -> Vec<&Base> {
        let mut seen: Vec<&Base> = Vec::new();
        for base in [&self.memory, &self.pids, &self.cpu, &self.freezer].into_iter().flatten() {
            if seen.iter().all(|other| other.folder != base.folder) {
                seen.push(base);
            }
        }
        seen
    }

    /// Makes the groups of one sandbox and writes its limits.
    pub fn create(&self, name: &str, limits: &SandboxLimits) -> io::Result<Group> {
        let group = Group { name: name.to_string(), cgroups: self.clone() };
        for base in self.bases() {
            let folder = base.folder.join(name);
            make(&folder).map_err(|e| named(e, &folder))?;
            if base.version == Version::V2 {
                turn_on(&base.folder, &self.on_version_2());
            }
        }
        group.limit(limits).inspect_err(|_| group.remove())?;
        Ok(group)
    }

    /// The names of all groups that exist, of whichever server.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .bases()
            .into_iter()
            .filter_map(|base| std::fs::read_dir(&base.folder).ok())
            .flat_map(|entries| entries.flatten())
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// The folders that a group of this name has or will have.
    pub fn folders_of(&self, name: &str) -> Vec<PathBuf> {
        self.bases().into_iter().map(|base| base.folder.join(name)).collect()
    }

    /// A group that exists already, by an earlier server.
    pub fn existing(&self, name: &str) -> Group {
        Group { name: name.to_string(), cgroups: self.clone() }
    }
}

/// The groups of one sandbox, one in every hierarchy in use.
#[derive(Clone, Debug)]
pub struct Group {
    name: String,
    cgroups: Cgroups,
}

impl Group {
    fn limit(&self, limits: &SandboxLimits) -> io::Result<()> {
        if let Some(base) = &self.cgroups.memory {
            let bytes = limits.memory_bytes_max.to_string();
            match base.version {
                Version::V1 => {
                    self.write(base, "memory.limit_in_bytes", &bytes)?;
                    // Absent where the kernel does not account swap.
                    let _ = self.write(base, "memory.memsw.limit_in_bytes", &bytes);
                }
                Version::V2 => {
                    self.write(base, "memory.max", &bytes)?;
                    let _ = self.write(base, "memory.swap.max", "0");
                }
            }
        }
        if let Some(base) = &self.cgroups.pids {
            self.write(base, "pids.max", &limits.processes_max.to_string())?;
        }
        if let Some(base) = &self.cgroups.cpu {
            let quota_us = (u64::from(limits.cpu_millis) * CPU_PERIOD_US / 1000).max(1000);
            match base.version {
                Version::V1 => {
                    self.write(base, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
                    self.write(base, "cpu.cfs_quota_us", &quota_us.to_string())?;
                }
                Version::V2 => self.write(base, "cpu.max", &format!("{quota_us} {CPU_PERIOD_US}"))?,
            }
        }
        Ok(())
    }

    fn write(&self, base: &Base, file: &str, text: &str) -> io::Result<()> {
        let path = base.folder.join(&self.name).join(file);
        std::fs::write(&path, text).map_err(|e| named(e, &path))
    }
    fn read(&self, base: &Base, file: &str) -> Option<String> {
        std::fs::read_to_string(base.folder.join(&self.name).join(file)).ok()
    }

    /// Makes a process a member. This waits until all processors agree, many milliseconds where nobody did it lately.
    pub fn enter(&self, pid: u32) -> io::Result<()> {
        self.cgroups.bases().into_iter().try_for_each(|base| self.write(base, "cgroup.procs", &pid.to_string()))
    }

    /// As far as this process can name them: the kernel lists those of other process namespaces as 0.
    pub fn members(&self) -> Vec<i32> {
        let mut all: Vec<i32> = self.cgroups.folders_of(&self.name).iter().flat_map(|folder| members(folder)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// How often the kernel killed a member for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let Some(base) = &self.cgroups.memory else { return 0 };
        let file = match base.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        field(&self.read(base, file).unwrap_or_default(), "oom_kill").unwrap_or(0)
    }

    /// How often a member had to wait because the processor time of a period was used up.
    pub fn throttled(&self) -> u64 {
        let stat = self.cgroups.cpu.as_ref().and_then(|base| self.read(base, "cpu.stat"));
        field(&stat.unwrap_or_default(), "nr_throttled").unwrap_or(0)
    }

    pub fn usage(&self) -> SandboxUsage {
        let number = |base: &Option<Base>, v1: &str, v2: &str| {
            let base = base.as_ref()?;
            let file = if base.version == Version::V1 { v1 } else { v2 };
            self.read(base, file)?.trim().parse::<u64>().ok()
        };
        let cpu_us = self.cgroups.cpu.as_ref().and_then(|base| match base.version {
            Version::V2 => field(&self.read(base, "cpu.stat")?, "usage_usec"),
            Version::V1 => None,
        });
        SandboxUsage {
            cpu_seconds: cpu_us.map_or_else(|| self.cpu_seconds_of_members(), |us| us as f64 / 1e6),
            memory_bytes: number(&self.cgroups.memory, "memory.usage_in_bytes", "memory.current").unwrap_or(0),
            processes: number(&self.cgroups.pids, "pids.current", "pids.current").unwrap_or(0) as u32,
        }
    }

    /// Version 1 counts processor time in a hierarchy of its own, which we do not use; the living members are summed instead,
    /// with what they inherited from children that ended.
    fn cpu_seconds_of_members(&self) -> f64 {
        let ticks: u64 = self.members().into_iter().filter_map(ticks_of).sum();
        // SAFETY: asks for a constant of the system.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1);
        ticks as f64 / per_second as f64
    }

    pub fn remove(&self) {
        remove(&self.cgroups.folders_of(&self.name));
    }
}

/// Kills every member and waits until the groups are gone. What it cannot remove is left to the next reconciliation.
pub fn remove(groups: &[PathBuf]) -> bool {
    let deadline = Instant::now() + EMPTY_WITHIN;
    loop {
        groups.iter().for_each(|group| kill(group));
        let left = groups.iter().filter(|group| !remove_one(group)).count();
        if left == 0 || Instant::now() > deadline {
            return left == 0;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn members(group: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok().filter(|pid| *pid > 0)).collect()
}

fn kill(group: &Path) {
    let all_at_once = std::fs::File::options().write(true).open(group.join("cgroup.kill"));
    // Only version 2 has it.
    if all_at_once.and_then(|mut file| file.write_all(b"1")).is_ok() {
        return;
    }
    for pid in members(group) {
        // SAFETY: a number that the kernel listed as a member just now.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

fn remove_one(group: &Path) -> bool {
    match std::fs::remove_dir(group) {
        Ok(()) => {
            // The last to leave closes the door: an empty folder of ours would keep the group above it alive.
            let _ = group.parent().map(std::fs::remove_dir);
            true
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn ticks_of(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = &stat[stat.rfind(')')? + 1..];
    // utime, stime, cutime, cstime are fields 14 to 17; the state, the first after the name, is field 3.
    Some(rest.split_ascii_whitespace().skip(11).take(4).filter_map(|word| word.parse::<u64>().ok()).sum())
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn named(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn is_usable(folder: &Path) -> bool {
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let is_made = make(&probe).is_ok() && std::fs::remove_dir(&probe).is_ok();
    let _ = std::fs::remove_dir(folder);
    is_made
}

/// Makes a group and the folder of ours above it, which another sandbox that ends may be removing at this moment.
fn make(folder: &Path) -> io::Result<()> {
    for _ in 0..16 {
        match std::fs::create_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => return other,
        }
    }
    std::fs::create_dir_all(folder)
}

/// The folder of ours in the version 1 hierarchy that has the controller.
fn legacy_base(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let has = |list: &str| list.split(',').any(|word| word == controller);
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        has(fields.next()?).then(|| fields.next())?
    })?;
    let (mount, root) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        (right.next()? == "cgroup" && has(right.nth(1)?)).then(|| mount_of(left))?
    })?;
    Some(below(&mount, &root, path).join(OURS))
}

/// The folder of ours in the version 2 hierarchy, with every controller we can have turned on: below our own group if it
/// was delegated to us, else at the top, where only root may.
fn unified_base(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (mount, root) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        right.starts_with("cgroup2 ").then(|| mount_of(left))?
    })?;
    let mut here = below(&mount, &root, path);
    if here.file_name().is_some_and(|name| name == SERVER_LEAF) {
        here.pop();
    }
    let wanted = wanted_of(&here);
    let mut usable = [here, PathBuf::from(mount)].into_iter().filter_map(|parent| {
        let folder = parent.join(OURS);
        if !is_usable(&folder) || make(&folder).is_err() {
            return None;
        }
        turn_on(&parent, &wanted);
        turn_on(&folder, &wanted);
        let is_complete = wanted.iter().all(|name| has_on(&folder, name));
        let _ = std::fs::remove_dir(&folder);
        Some((folder, is_complete))
    });
    let first = usable.next()?;
    let best = if first.1 { first } else { usable.find(|(_, is_complete)| *is_complete).unwrap_or(first) };
    Some(best.0)
}

fn wanted_of(group: &Path) -> Vec<String> {
    let available = std::fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    available.split_ascii_whitespace().filter(|word| CONTROLLERS.contains(word)).map(String::from).collect()
}

fn has_on(group: &Path, controller: &str) -> bool {
    let enabled = std::fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    enabled.split_ascii_whitespace().any(|word| word == controller)
}

/// Gives controllers to the children of a group. A group with members cannot; if we are its only one, we step aside.
fn turn_on(group: &Path, controllers: &[String]) {
    let missing: Vec<String> = controllers.iter().filter(|name| !has_on(group, name)).map(|name| format!("+{name}")).collect();
    let control = group.join("cgroup.subtree_control");
    if missing.is_empty() || std::fs::write(&control, missing.join(" ")).is_ok() {
        return;
    }
    let members = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    if members.trim() != std::process::id().to_string() {
        return;
    }
    let leaf = group.join(SERVER_LEAF);
    let _ = std::fs::create_dir(&leaf);
    let _ = std::fs::write(leaf.join("cgroup.procs"), "0");
    if std::fs::write(&control, missing.join(" ")).is_err() {
        let _ = std::fs::write(group.join("cgroup.procs"), "0");
        let _ = std::fs::remove_dir(&leaf);
    }
}

/// Mount point and root from the left half of a line of mountinfo.
fn mount_of(left: &str) -> Option<(String, String)> {
    let mut fields = left.split(' ').skip(3);
    let root = fields.next()?.to_string();
    Some((fields.next()?.to_string(), root))
}

fn below(mount: &str, root: &str, path: &str) -> PathBuf {
    let relative = path.strip_prefix(root).unwrap_or(path).trim_start_matches('/');
    Path::new(mount).join(relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_group_is_found_among_mounts() {
        let own = "8:pids:/a\n4:cpu,cpuacct:/system/x\n0::/\n";
        let mounts = "30 20 0:25 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
            31 20 0:26 /system /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        let base = |controller| legacy_base(own, mounts, controller);
        assert_eq!(base("pids"), Some("/sys/fs/cgroup/pids/a/astraforge".into()));
        assert_eq!(base("cpu"), Some("/sys/fs/cgroup/cpu/x/astraforge".into()));
        assert_eq!(base("memory"), None);
    }

    #[test]
    fn a_counter_is_read_by_its_whole_name() {
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"), Some(3));
    }
}
