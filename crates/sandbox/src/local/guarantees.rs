//! The guarantee card: every promise is tried on a sandbox made for the purpose, and looked at from outside.

use super::cgroup::Version;
use super::life::Remains;
use super::plan::{AGENT_HOST_ID, Identity};
use super::{Shared, landlock, start};
use crate::place::Place;
use domain::SandboxId;
use domain::egress::EgressPolicy;
use domain::sandbox::{Command, Guarantee, GuaranteeState, Sandbox, SandboxLimits, SandboxSpec, WORKSPACE, Workspace};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MEMORY_BYTES_MAX: u64 = 64 << 20;
const PROCESSES_MAX: u32 = 32;
const CPU_MILLIS: u32 = 100;
/// No trial takes longer.
const TRIAL: Duration = Duration::from_secs(5);

const NETWORK: &str = "no interface but loopback";
const ROOT: &str = "a root file system of its own, read-only";
const DATA: &str = "the data directory and homes are not visible";
const USER: &str = "no rights on the host";
const CALLS: &str = "dangerous system calls are refused";
const WRITES: &str = "writes are confined a second time";
const MEMORY: &str = "memory is limited for the whole sandbox";
const PROCESSES: &str = "processes are limited";
const CPU: &str = "processor time is limited";
const DEATH: &str = "nothing outlives the server";
/// Every promise there is, in the order of the card.
pub const ALL: [&str; 10] = [NETWORK, ROOT, DATA, USER, CALLS, WRITES, MEMORY, PROCESSES, CPU, DEATH];

const MEND_CGROUPS: &str = "run as root, or give the service delegated cgroups (in systemd, `Delegate=yes`)";

/// What can be said before anything was measured.
pub fn unverified() -> Vec<Guarantee> {
    ALL.iter().map(|promise| card(promise, GuaranteeState::Unverified, "not measured yet on this host".into())).collect()
}

fn card(promise: &str, state: GuaranteeState, detail: String) -> Guarantee {
    Guarantee { promise: promise.into(), state, detail }
}

fn judge(promise: &str, holds: bool, how: &str, mend: &str) -> Guarantee {
    let (state, detail) = if holds { (GuaranteeState::Holds, how) } else { (GuaranteeState::Missing, mend) };
    card(promise, state, detail.into())
}

pub async fn measure(shared: Arc<Shared>) -> Vec<Guarantee> {
    let spec = probe_spec();
    let id = spec.id;
    match start::start(shared.clone(), spec).await {
        Ok(place) => {
            let remains = shared.living().get(&id).and_then(|weak| weak.upgrade());
            let cards = match remains {
                Some(remains) => try_all(&shared, &place, &remains).await,
                None => unverified(),
            };
            let _ = place.terminate().await;
            cards
        }
        Err(error) => {
            let mend = format!("no sandbox can be made on this host: {error}. See `astraforge doctor`");
            ALL.iter().map(|promise| card(promise, GuaranteeState::Missing, mend.clone())).collect()
        }
    }
}

fn probe_spec() -> SandboxSpec {
    // Numbered by the process, so that two servers on one data directory do not meet.
    let number = (u128::from(std::process::id()) << 64) | 0xa57a_f0e9;
    SandboxSpec {
        id: SandboxId::from(uuid::Uuid::from_u128(number)),
        run: None,
        epoch: 0,
        workspace: Workspace::Scratch,
        mounts: Vec::new(),
        read_only_paths: Vec::new(),
        limits: SandboxLimits {
            memory_bytes_max: MEMORY_BYTES_MAX,
            processes_max: PROCESSES_MAX,
            cpu_millis: CPU_MILLIS,
            open_files_max: 1024,
        },
        egress: EgressPolicy::deny_all(),
        env: BTreeMap::new(),
        hostname: "probe".into(),
    }
}

async fn try_all(shared: &Shared, place: &Place, remains: &Remains) -> Vec<Guarantee> {
    let Some(pid) = remains.first_process() else { return unverified() };
    let seen = Seen { proc: format!("/proc/{pid}") };
    let mut cards = vec![
        judge(NETWORK, seen.has_only_loopback(), "a network namespace of its own", "its network is not its own"),
        judge(ROOT, seen.has_own_root(), "a file system in memory with listed read-only parts", "its root is not its own"),
        hidden(shared, &seen),
        rights(shared, &seen),
        calls(place, &seen).await,
        writes(),
    ];
    cards.push(cpu(shared, place, remains).await);
    cards.push(memory(shared, place, remains).await);
    // Last, since what it started stays for a while.
    cards.push(processes(shared, place, remains).await);
    cards.sort_by_key(|card| ALL.iter().position(|promise| *promise == card.promise));
    let detail = "kept by a signal at the server's death and by the end of its connection; tried by the test suite, not here";
    cards.push(card(DEATH, GuaranteeState::Unverified, detail.into()));
    cards
}

/// The probe as the host's own process table shows it.
struct Seen {
    proc: String,
}

impl Seen {
    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("{}/{file}", self.proc)).unwrap_or_default()
    }
    fn status(&self, field: &str) -> Option<String> {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        Some(line.split_ascii_whitespace().next()?.to_string())
    }
    fn has_only_loopback(&self) -> bool {
        let table = self.read("net/dev");
        let mut names = table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim()));
        names.next() == Some("lo") && names.next().is_none()
    }
    fn has_own_root(&self) -> bool {
        self.read("mountinfo").lines().any(|line| {
            let mut fields = line.split(' ').skip(4);
            let (point, options) = (fields.next(), fields.next().unwrap_or_default());
            point == Some("/") && options.split(',').any(|o| o == "ro") && line.contains(" - tmpfs ")
        })
    }
    fn has(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(format!("{}/root{}", self.proc, path.display())).is_ok()
    }
}

fn hidden(shared: &Shared, seen: &Seen) -> Guarantee {
    // Control: a path that must be there is seen through the same window.
    if !seen.has(Path::new(WORKSPACE)) {
        return card(DATA, GuaranteeState::Unverified, "the sandbox's files could not be looked at from outside".into());
    }
    let shadow = Path::new("/etc/shadow");
    let is_hidden = !seen.has(&shared.data_dir) && !seen.has(shadow);
    judge(DATA, is_hidden, "nothing of them is mounted", "something of them is mounted; a toolchain folder may be too wide")
}

fn rights(shared: &Shared, seen: &Seen) -> Guarantee {
    let uid = match shared.identity {
        Identity::Range => AGENT_HOST_ID,
        Identity::Single { uid, .. } => uid,
    };
    let is_nobody = seen.status("Uid") == Some(uid.to_string());
    let none = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
        .iter()
        .all(|set| seen.status(set).is_some_and(|bits| bits.bytes().all(|b| b == b'0')));
    let is_final = seen.status("NoNewPrivs").as_deref() == Some("1");
    let how = match shared.identity {
        Identity::Range => format!("user {uid} of the host, which belongs to nobody, without capabilities"),
        Identity::Single { .. } => {
            format!("without capabilities, as user {uid}, who also runs the server; as root it would be nobody's user")
        }
    };
    judge(USER, is_nobody && none && is_final, &how, "it runs with rights that it should not have")
}

async fn calls(place: &Place, seen: &Seen) -> Guarantee {
    let is_filtered = seen.status("Seccomp").as_deref() == Some("2");
    let attempt = |line: &str| place.exec(Command::shell(line).timeout(TRIAL));
    let control = attempt("true").await.is_ok_and(|output| output.ok());
    let refused = attempt("! unshare -U true && ! unshare -r true").await.is_ok_and(|output| output.ok());
    let mend = "the kernel must have CONFIG_SECCOMP_FILTER";
    judge(CALLS, is_filtered && control && refused, "a seccomp filter, tried with unshare", mend)
}

fn writes() -> Guarantee {
    let abi = landlock::abi();
    let mend = "Landlock is off; add `landlock` to the kernel's `lsm=` list. Mounts alone confine writes meanwhile";
    judge(WRITES, abi > 0, &format!("Landlock, version {abi}"), mend)
}

async fn memory(shared: &Shared, place: &Place, remains: &Remains) -> Guarantee {
    if shared.cgroups.memory().is_none() {
        let detail = format!("no memory cgroup: each process is limited, but not their sum; {MEND_CGROUPS}");
        return card(MEMORY, GuaranteeState::Missing, detail);
    }
    // Fills one buffer of twice the limit.
    let line = format!("dd if=/dev/zero of=/dev/null count=1 bs={}", 2 * MEMORY_BYTES_MAX);
    let _ = place.exec(Command::shell(line).timeout(TRIAL)).await;
    let kills = remains.group().map_or(0, |group| group.oom_kills());
    judge(MEMORY, kills > 0, version(shared.cgroups.memory()), "the kernel did not stop a process beyond the limit")
}

async fn processes(shared: &Shared, place: &Place, remains: &Remains) -> Guarantee {
    if shared.cgroups.pids().is_none() {
        let detail = format!("no pids cgroup: limited per user namespace instead; {MEND_CGROUPS}");
        return card(PROCESSES, GuaranteeState::Unverified, detail);
    }
    let line = format!("i=0; while [ $i -lt {} ]; do sleep 2 & i=$((i+1)); done; wait", 3 * PROCESSES_MAX);
    let watching = async {
        let mut most = 0;
        for _ in 0..60 {
            most = most.max(remains.group().map_or(0, |group| group.members().len()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        most
    };
    let (_, most) = tokio::join!(place.exec(Command::shell(line).timeout(Duration::from_millis(700))), watching);
    let holds = (PROCESSES_MAX as usize / 2..=PROCESSES_MAX as usize).contains(&most);
    judge(PROCESSES, holds, version(shared.cgroups.pids()), "more processes ran than the limit allows, or the trial failed")
}

async fn cpu(shared: &Shared, place: &Place, remains: &Remains) -> Guarantee {
    if shared.cgroups.cpu().is_none() {
        return card(CPU, GuaranteeState::Missing, format!("no cpu cgroup; {MEND_CGROUPS}"));
    }
    let before = remains.group().map_or(0, |group| group.throttled());
    let busy = Command::shell("while :; do :; done").timeout(Duration::from_millis(400));
    let _ = place.exec(busy).await;
    let after = remains.group().map_or(0, |group| group.throttled());
    judge(CPU, after > before, version(shared.cgroups.cpu()), "a busy process was not slowed down")
}

fn version(version: Option<Version>) -> &'static str {
    match version {
        Some(Version::V1) => "a cgroup, version 1; tried",
        Some(Version::V2) => "a cgroup, version 2; tried",
        None => "no cgroup",
    }
}
