//! The second line: even if a mount were missed, a process may write only where this says, and reach no socket of the host.

use super::plan::{AGENT_HOME, Plan, Way};
use super::rootfs::{Step, because};
use domain::sandbox::WORKSPACE;
use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope};

/// Kernels that know less get what they know; the card says which.
const WANTED: ABI = ABI::V6;

pub fn restrict(plan: &Plan) -> Step<()> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))
        .and_then(|rules| rules.scope(Scope::from_all(WANTED)))
        .and_then(|rules| rules.create())
        .map_err(because("landlock"))?;
    let mut writable = vec![WORKSPACE, AGENT_HOME, "/tmp", "/dev", "/proc"];
    for mount in &plan.mounts {
        if !matches!(mount.way, Way::ReadOnly) {
            writable.push(&mount.target);
        }
    }
    let all = AccessFs::from_all(WANTED);
    for (path, access) in writable.into_iter().map(|path| (path, all)).chain([("/", AccessFs::from_read(WANTED))]) {
        let fd = PathFd::new(path).map_err(because(path))?;
        let access = if std::path::Path::new(path).is_dir() { access } else { access & AccessFs::from_file(WANTED) };
        rules = rules.add_rule(PathBeneath::new(fd, access)).map_err(because(path))?;
    }
    rules.restrict_self().map(drop).map_err(because("landlock"))
}

/// What the kernel offers; zero when it offers nothing.
pub fn abi() -> i32 {
    const VERSION: libc::c_int = 1;
    // SAFETY: asks for a number and passes no memory.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION) };
    abi.max(0) as i32
}
