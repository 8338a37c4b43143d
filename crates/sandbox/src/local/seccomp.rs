//! System calls that nobody inside needs and that reach deep into the kernel: refused, whatever the caller's rights.

use super::rootfs::{Step, because};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch};
use std::collections::BTreeMap;

/// Refused with `EPERM`.
const REFUSED: &[i64] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Other namespaces.
    libc::SYS_setns,
    libc::SYS_unshare,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_lookup_dcookie,
    libc::SYS_fanotify_init,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    // Keys, which are not bound to a namespace of ours.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Files by handle, past every path.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Other processes' insides.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    // The clock, names and memory placement of the host.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    libc::SYS_mknodat,
    // Raw hardware.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    // Queues and asynchronous rings past the other checks.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Refused with `ENOSYS`, upon which the C library uses the older call, whose arguments can be looked at.
const UNKNOWN: &[i64] = &[libc::SYS_clone3];

const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
/// The first process inside. It must go on working, however little the others leave each other.
const DAEMON: u64 = 1;
/// The bit of `O_TMPFILE` that is its own.
const NAMELESS: u64 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
const SET_ID_BITS: u64 = (libc::S_ISUID | libc::S_ISGID) as u64;
/// Types into somebody else's terminal.
const IOCTLS: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];
/// Families a socket may have. Route netlink answers which interfaces there are; it needs rights to change any.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

pub fn install() -> Step<()> {
    for program in programs()? {
        seccompiler::apply_filter(&program).map_err(because("the system call filter"))?;
    }
    refuse_other_numberings()
}

fn programs() -> Step<[BpfProgram; 2]> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    let with_namespace = |flag: &i32| rule(vec![condition(0, SeccompCmpOp::MaskedEq(*flag as u64), *flag as u64)?]);
    refused.insert(libc::SYS_clone, NEW_NAMESPACES.iter().map(with_namespace).collect::<Step<_>>()?);
    for (number, argument) in [(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (libc::SYS_fchmodat2, 2)] {
        refused.insert(number, set_id_rules(argument, &[])?);
    }
    refused.insert(libc::SYS_openat, creating_rules(2, 3)?);
    #[cfg(target_arch = "x86_64")]
    {
        refused.insert(libc::SYS_chmod, set_id_rules(1, &[])?);
        refused.insert(libc::SYS_creat, set_id_rules(1, &[])?);
        refused.insert(libc::SYS_open, creating_rules(1, 2)?);
    }
    for number in
        [libc::SYS_prlimit64, libc::SYS_sched_setscheduler, libc::SYS_sched_setparam, libc::SYS_sched_setattr, libc::SYS_sched_setaffinity]
    {
        refused.insert(number, vec![rule(vec![is(0, DAEMON)?])?]);
    }
    for (number, process, user) in
        [(libc::SYS_setpriority, libc::PRIO_PROCESS as u64, libc::PRIO_USER as u64), (libc::SYS_ioprio_set, 1, 3)]
    {
        refused.insert(number, vec![rule(vec![is(0, process)?, is(1, DAEMON)?])?, rule(vec![is(0, user)?])?]);
    }
    refused.insert(libc::SYS_ioctl, IOCTLS.iter().map(|word| rule(vec![is(1, *word)?])).collect::<Step<_>>()?);
    refused.insert(libc::SYS_socket, socket_rules()?);
    refused.insert(libc::SYS_socketpair, vec![rule(vec![is_not(0, libc::AF_UNIX as u64)?])?]);
    refused.insert(libc::SYS_personality, vec![rule(vec![is_not(0, 0)?, is_not(0, 0xffff_ffff)?, is_not(0, 0x0004_0000)?])?]);
    let unknown = UNKNOWN.iter().map(|number| (*number, Vec::new())).collect();
    Ok([compile(refused, libc::EPERM)?, compile(unknown, libc::ENOSYS)?])
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Step<BpfProgram> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(because("this processor"))?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno as u32), arch)
        .and_then(TryInto::try_into)
        .map_err(because("the system call filter"))
}

fn rule(conditions: Vec<SeccompCondition>) -> Step<SeccompRule> {
    SeccompRule::new(conditions).map_err(because("a rule"))
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Step<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(because("a condition"))
}

fn is(argument: u8, value: u64) -> Step<SeccompCondition> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Step<SeccompCondition> {
    condition(argument, SeccompCmpOp::Ne, value)
}

/// A file of the agent's may belong to another user on the host, whose rights it must never carry.
fn set_id_rules(argument: u8, when: &[SeccompCondition]) -> Step<Vec<SeccompRule>> {
    let mut rules = Vec::new();
    for bits in [libc::S_ISUID as u64, libc::S_ISGID as u64, SET_ID_BITS] {
        let mut conditions = when.to_vec();
        conditions.push(condition(argument, SeccompCmpOp::MaskedEq(SET_ID_BITS), bits)?);
        rules.push(rule(conditions)?);
    }
    Ok(rules)
}

/// The same where a file is made. Otherwise the mode means nothing, and may be anything.
fn creating_rules(flags: u8, mode: u8) -> Step<Vec<SeccompRule>> {
    let mut rules = Vec::new();
    for making in [libc::O_CREAT as u64, NAMELESS] {
        rules.extend(set_id_rules(mode, &[condition(flags, SeccompCmpOp::MaskedEq(making), making)?])?);
    }
    Ok(rules)
}

fn socket_rules() -> Step<Vec<SeccompRule>> {
    let other_family = FAMILIES.iter().map(|family| is_not(0, *family as u64)).collect::<Step<Vec<_>>>()?;
    let other_netlink = vec![is(0, libc::AF_NETLINK as u64)?, is_not(2, libc::NETLINK_ROUTE as u64)?];
    let raw = vec![condition(1, SeccompCmpOp::MaskedEq(0xf), libc::SOCK_RAW as u64)?, is_not(0, libc::AF_NETLINK as u64)?];
    Ok(vec![rule(other_family)?, rule(other_netlink)?, rule(raw)?])
}

/// On x86-64 the same calls have a second set of numbers, which the filter above would not recognise. (It kills callers
/// that use a third, the 32-bit one, since their architecture is another.)
fn refuse_other_numberings() -> Step<()> {
    #[cfg(target_arch = "x86_64")]
    {
        const X32: u32 = 0x4000_0000;
        let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
        let mut program = [
            op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            op(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: the program outlives the call, which copies it.
        if unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &filter) } != 0 {
            return Err(format!("the system call filter: {}", std::io::Error::last_os_error()));
        }
    }
    Ok(())
}
