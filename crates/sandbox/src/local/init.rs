//! `sandbox-init`: what this program is when the server starts it again to build a place.
//!
//! It has one thread, which namespaces require, reads its plan from the socket it was started with, builds, gives up
//! every right, and becomes `astrad` on that same socket. What goes wrong is told as one frame.

use super::plan::{AGENT_ID, Identity, Plan};
use super::rootfs::{Builder, Step, because};
use super::{landlock, seccomp, userns};
use daemon::protocol::{Kind, encode};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::io::Write;
use std::path::Path;

pub const WORD: &str = "sandbox-init";
/// More plan than this is no plan.
const PLAN_BYTES_MAX: usize = 4 << 20;
/// The socket's number in `astrad`.
const SOCKET: i32 = 3;

/// Never returns.
pub fn main() -> ! {
    // SAFETY: the server starts this program with the socket as its standard input, and nothing has touched it.
    let socket = unsafe { OwnedFd::from_raw_fd(0) };
    let result = std::panic::catch_unwind(|| build(&socket)).unwrap_or_else(|_| Err("a panic".into()));
    let Err(text) = result;
    tell(&socket, Kind::Failed, text.as_bytes());
    std::process::exit(1)
}

fn tell(socket: &OwnedFd, kind: Kind, payload: &[u8]) {
    // SAFETY: borrowed for the length of this call from a descriptor that is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
    let _ = rustix::io::write(borrowed, &encode(0, kind, 0, payload));
}

fn build(socket: &OwnedFd) -> Step<std::convert::Infallible> {
    die_with_parent();
    let (plan, astrad) = receive(socket)?;
    let proc = super::mounts::place(Path::new("/proc")).map_err(because("/proc"))?;
    if let Identity::Single { uid, gid } = plan.identity {
        userns::enter_as_ordinary_user(&proc, uid, gid).map_err(because("a user namespace"))?;
    } else {
        // Nobody inside may rank below this any more, when the host's memory runs out: a server that was started with a lower
        // score must not hand it to strangers. What root writes is the least that its children may choose.
        let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    }
    unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS)?;
    rustix::mount::mount_change("/", rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC)
        .map_err(because("making mounts private"))?;
    rustix::system::sethostname(plan.hostname.as_bytes()).map_err(because("the host name"))?;
    bring_loopback_up()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));

    let mut builder = Builder::begin(&plan, &proc)?;
    builder.fill()?;
    until_member(socket)?;
    // Its root is the group that this process is in.
    unshare(libc::CLONE_NEWCGROUP)?;
    let home = match plan.identity {
        Identity::Range => Some(userns::for_living(&proc, plan.creator).map_err(because("a user namespace"))?),
        Identity::Single { .. } => None,
    };
    if become_first_process(socket)? {
        // The other half goes on; the server is its parent.
        std::process::exit(0);
    }
    die_with_parent();
    builder.finish()?;
    drop(builder);
    drop(proc);
    give_up_rights(&plan, home)?;
    become_astrad(socket, astrad)
}

/// The server makes this process a member of the sandbox's cgroup meanwhile, and says so. Every later process inherits that.
fn until_member(socket: &OwnedFd) -> Step<()> {
    match rustix::io::read(socket, &mut [0; 1]).map_err(because("entering the cgroup"))? {
        0 => Err("the server went away".into()),
        _ => Ok(()),
    }
}

/// The server's side of [`until_member`].
pub fn is_member(mut socket: &std::os::unix::net::UnixStream) -> std::io::Result<()> {
    socket.write_all(&[1])
}

/// Splits in two. The child is the first process of a new process namespace and a child of the server itself; the parent,
/// for which this is true, has told the server the child's number. The child goes on only then, so that this is the first
/// thing that the server hears.
fn become_first_process(socket: &OwnedFd) -> Step<bool> {
    let (is_told, telling) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(because("a pipe"))?;
    let flags = libc::CLONE_NEWPID | libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: without CLONE_VM this is a fork of a program with one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match pid {
        -1 => Err(format!("a process namespace: {}", std::io::Error::last_os_error())),
        0 => {
            drop(telling);
            let _ = rustix::io::read(&is_told, &mut [0; 1]);
            Ok(false)
        }
        pid => {
            tell(socket, Kind::Started, &(pid as u32).to_le_bytes());
            drop(telling);
            Ok(true)
        }
    }
}

fn give_up_rights(plan: &Plan, home: Option<OwnedFd>) -> Step<()> {
    if let Some(home) = home {
        // SAFETY: a program with one thread enters a user namespace.
        if unsafe { libc::setns(home.as_raw_fd(), libc::CLONE_NEWUSER) } != 0 {
            return Err(format!("entering the user namespace: {}", std::io::Error::last_os_error()));
        }
        let id = AGENT_ID;
        // SAFETY: plain system calls; the raw ones, which change the calling thread, the only one.
        let is_done = unsafe {
            libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) == 0
                && libc::syscall(libc::SYS_setresgid, id, id, id) == 0
                && libc::syscall(libc::SYS_setresuid, id, id, id) == 0
        };
        if !is_done {
            return Err(format!("becoming the agent: {}", std::io::Error::last_os_error()));
        }
    }
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_NOFILE, plan.open_files_max)?;
    if let Some(processes) = plan.processes_rlimit {
        limit(libc::RLIMIT_NPROC, processes)?;
    }
    if let Some(bytes) = plan.memory_rlimit {
        // Not the address space: several languages reserve far more of it than they ever use.
        limit(libc::RLIMIT_DATA, bytes)?;
    }
    drop_capabilities()?;
    // A change of user forgets this wish.
    die_with_parent();
    rustix::thread::set_no_new_privs(true).map_err(because("no_new_privs"))?;
    landlock::restrict(plan)?;
    seccomp::install()
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) -> Step<()> {
    // A hard limit may be lowered and never raised, so the lower of the two wins.
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a local structure of the right type.
    let is_done = unsafe {
        libc::getrlimit(resource, &mut now) == 0 && {
            let most = most.min(now.rlim_max);
            libc::setrlimit(resource, &libc::rlimit { rlim_cur: most, rlim_max: most }) == 0
        }
    };
    if is_done { Ok(()) } else { Err(format!("limit {resource}: {}", std::io::Error::last_os_error())) }
}

/// Every set is emptied: what the process has, could get back, or could hand on.
fn drop_capabilities() -> Step<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [0u32; 6];
    // SAFETY: plain numbers, and structures of the size that this version of the interface asks for.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        for capability in 0..64 {
            // Fails beyond the last one that this kernel knows.
            if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 {
                break;
            }
        }
        if libc::syscall(libc::SYS_capset, &header, none.as_ptr()) != 0 {
            return Err(format!("dropping capabilities: {}", std::io::Error::last_os_error()));
        }
    }
    Ok(())
}

fn become_astrad(socket: &OwnedFd, astrad: OwnedFd) -> Step<std::convert::Infallible> {
    // SAFETY: numbers of open descriptors; afterwards only 0, 1, 2, the socket and the program are left.
    unsafe {
        let program = libc::fcntl(astrad.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10);
        if libc::dup2(socket.as_raw_fd(), SOCKET) != SOCKET || program < 0 {
            return Err("arranging descriptors".into());
        }
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for fd in 0..3 {
            if libc::dup2(null, fd) != fd {
                return Err("opening /dev/null".into());
            }
        }
        libc::syscall(libc::SYS_close_range, SOCKET + 1, program - 1, 0);
        libc::syscall(libc::SYS_close_range, program + 1, libc::c_uint::MAX, 0);
        let argv = [c"astrad".as_ptr(), c"3".as_ptr(), std::ptr::null()];
        let env = [std::ptr::null::<libc::c_char>()];
        libc::syscall(libc::SYS_execveat, program, c"".as_ptr(), argv.as_ptr(), env.as_ptr(), libc::AT_EMPTY_PATH);
    }
    let error = std::io::Error::last_os_error();
    // The socket's first number is gone by now.
    // SAFETY: a number that was just made.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    tell(&socket, Kind::Failed, format!("executing astrad: {error}").as_bytes());
    std::process::exit(1)
}

/// The plan comes as a length and JSON, and with the length the program to become.
fn receive(socket: &OwnedFd) -> Step<(Plan, OwnedFd)> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut length = [0; 4];
    let mut parts = [std::io::IoSliceMut::new(&mut length)];
    let got = recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC).map_err(because("the plan"))?;
    let mut astrad = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message {
            astrad = fds.next();
        }
    }
    let length = u32::from_le_bytes(length) as usize;
    if got.bytes != 4 || length > PLAN_BYTES_MAX {
        return Err("the plan has no proper length".into());
    }
    let mut json = vec![0; length];
    let mut done = 0;
    while done < length {
        match rustix::io::read(socket, &mut json[done..]).map_err(because("the plan"))? {
            0 => return Err("the plan ends early".into()),
            more => done += more,
        }
    }
    let plan = serde_json::from_slice(&json).map_err(because("the plan"))?;
    Ok((plan, astrad.ok_or("the plan came without astrad")?))
}

/// The server's side of [`receive`].
pub fn send(socket: &std::os::unix::net::UnixStream, plan: &Plan, astrad: &OwnedFd) -> std::io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let json = serde_json::to_vec(plan)?;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [rustix::fd::AsFd::as_fd(astrad)];
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let length = (json.len() as u32).to_le_bytes();
    sendmsg(socket, &[std::io::IoSlice::new(&length)], &mut ancillary, SendFlags::empty())?;
    let mut socket = socket;
    socket.write_all(&json)
}

fn unshare(flags: libc::c_int) -> Step<()> {
    // SAFETY: a program with one thread.
    if unsafe { libc::unshare(flags) } == 0 {
        return Ok(());
    }
    Err(format!("new namespaces: {}", std::io::Error::last_os_error()))
}

fn die_with_parent() {
    // SAFETY: a plain system call.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
}

fn bring_loopback_up() -> Step<()> {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).map_err(because("a socket"))?;
    // SAFETY: all zeroes is a valid request; the name fits, and the union is read by the kernel as flags.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request)
    };
    if result == 0 { Ok(()) } else { Err(format!("the loopback interface: {}", std::io::Error::last_os_error())) }
}

/// Opens a null device for a process whose streams go nowhere.
pub fn null() -> std::io::Result<OwnedFd> {
    Ok(rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}
