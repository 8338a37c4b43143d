//! Looks at the host for what `local` needs, and says how to mend what is missing. Makes no sandbox: that is the card's part.

use crate::local::{cgroup::Cgroups, landlock_version, toolchains::Toolchain};
use domain::sandbox::{Guarantee, GuaranteeState};

/// Ownership seen through a user namespace, and the newer mount calls.
const KERNEL_MIN: (u32, u32) = (5, 12);
/// The same on every file system that matters, and everything else that is used when it is there.
const KERNEL_GOOD: (u32, u32) = (6, 1);

pub fn doctor(toolchains: &[Toolchain]) -> Vec<Guarantee> {
    vec![kernel(), user_namespaces(), overlay(), landlock(), cgroups(), user(), languages(toolchains)]
}

fn finding(promise: &str, state: GuaranteeState, detail: impl Into<String>) -> Guarantee {
    Guarantee { promise: promise.into(), state, detail: detail.into() }
}

use GuaranteeState::{Holds, Missing, Unverified};

fn kernel() -> Guarantee {
    let what = "a kernel that is new enough";
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= KERNEL_GOOD => finding(what, Holds, release),
        (Some(major), Some(minor)) if (major, minor) >= KERNEL_MIN => {
            finding(what, Unverified, format!("{release} may do; some file systems cannot map owners before 6.1"))
        }
        _ => finding(what, Missing, format!("{release}; upgrade to 6.1 or later")),
    }
}

fn user_namespaces() -> Guarantee {
    let what = "user namespaces";
    let setting = |name: &str| std::fs::read_to_string(format!("/proc/sys/{name}")).ok().and_then(|text| text.trim().parse::<u64>().ok());
    if setting("user/max_user_namespaces") == Some(0) {
        return finding(what, Missing, "none are allowed; set `sysctl user.max_user_namespaces=15000`");
    }
    if rustix::process::geteuid().is_root() {
        return finding(what, Holds, "root may make them");
    }
    if setting("kernel/unprivileged_userns_clone") == Some(0) {
        return finding(what, Missing, "only root may make them; set `sysctl kernel.unprivileged_userns_clone=1` or run as root");
    }
    if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        let mend = "AppArmor restricts them; give the program a profile with `userns,`, or run as root";
        return finding(what, Missing, mend);
    }
    finding(what, Holds, "ordinary users may make them")
}

fn overlay() -> Guarantee {
    let what = "copy-on-write folders";
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if known.lines().any(|line| line.split_ascii_whitespace().next_back() == Some("overlay")) {
        return finding(what, Holds, "overlayfs");
    }
    finding(what, Unverified, "overlayfs is not loaded; if sandboxes fail to start, run `modprobe overlay`")
}

fn landlock() -> Guarantee {
    let what = "Landlock";
    match landlock_version() {
        0 => finding(what, Missing, "off; add `landlock` to the kernel's `lsm=` list. Mounts confine writes meanwhile"),
        version => finding(what, Holds, format!("version {version}")),
    }
}

fn cgroups() -> Guarantee {
    let what = "limits by cgroup";
    let groups = Cgroups::detect();
    let all = [("memory", groups.memory()), ("pids", groups.pids()), ("cpu", groups.cpu())];
    let absent: Vec<&str> = all.iter().filter(|(_, version)| version.is_none()).map(|(name, _)| *name).collect();
    if absent.is_empty() {
        return finding(what, Holds, all.map(|(name, version)| format!("{name} {}", version.map_or("", |v| v.word()))).join(", "));
    }
    let mend = "run as root, or give the service delegated cgroups (in systemd, `Delegate=yes`)";
    finding(what, Missing, format!("no {}; {mend}", absent.join(", ")))
}

fn user() -> Guarantee {
    let what = "a user of the host's that belongs to nobody";
    if rustix::process::geteuid().is_root() {
        return finding(what, Holds, format!("what runs inside is user {} on the host", crate::local::plan::AGENT_HOST_ID));
    }
    finding(what, Missing, "not as root: what runs inside is the server's own user, confined by namespaces and without rights")
}

fn languages(toolchains: &[Toolchain]) -> Guarantee {
    let what = "languages outside the system folders";
    if toolchains.is_empty() {
        return finding(what, Holds, "none found, so only those below /usr can be used");
    }
    let list: Vec<String> = toolchains.iter().map(|t| format!("{} ({})", t.name, t.folder.display())).collect();
    finding(what, Holds, list.join(", "))
}
