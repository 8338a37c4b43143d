//! Starting a process, carrying its streams, telling its end, and ending its whole tree in time.

use super::files::Root;
use super::tree;
use crate::mux::{Channel, LaneReader, LaneWriter};
use crate::protocol::{Exec, Exit, ExitReason, Failure, FailureCode, Message, STDERR, STDIN, STDOUT};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::watch;

/// How long the streams may stay silent after the leader ended before they are given up. Others may hold them open.
const GRACE: Duration = Duration::from_millis(100);
/// Between the killing of a tree and its shepherd's word.
const LAST_WORD: Duration = Duration::from_millis(500);
/// The kernel's badness score of ordinary processes: they go before the daemon does.
const OOM_SCORE: &[u8] = b"300";

pub async fn run(mut channel: Channel, exec: Exec, root: Rc<Root>) {
    let deadline = Duration::from_millis(if exec.timeout_ms == 0 { u64::MAX / 4 } else { exec.timeout_ms });
    let started = match start(&exec, &root) {
        Ok(started) => started,
        Err(failure) => return channel.send(&Message::Failed(failure)),
    };
    let Started { shepherd, stdin, stdout, stderr, mut status } = started;
    let shepherd = tree::Shepherd::new(shepherd);
    let (ended, is_ended) = watch::channel(false);
    let feeding = tokio::task::spawn_local(feed(channel.reader(STDIN), stdin));
    let out = tokio::task::spawn_local(pump(stdout, channel.writer(STDOUT), is_ended.clone()));
    let err = tokio::task::spawn_local(pump(stderr, channel.writer(STDERR), is_ended));

    let leader = read_word(&mut status).await.and_then(Pid::from_raw);
    let is_cut_short = tokio::select! {
        biased;
        word = read_word(&mut status) => Err(word),
        reason = interruption(&mut channel, leader, deadline) => Ok(reason),
    };
    let exit = match is_cut_short {
        Err(word) => {
            if word.is_none() && leader.is_some() {
                drop(shepherd);
                tree::kill_strays().await;
            }
            explain(word)
        }
        Ok(reason) => {
            tree::kill_below(shepherd.0).await;
            let word = tokio::time::timeout(LAST_WORD, read_word(&mut status)).await.ok().flatten();
            if word.is_none() {
                let _ = kill_process(shepherd.0, Signal::KILL);
            }
            reason.unwrap_or_else(|| explain(word))
        }
    };
    channel.send(&Message::Exit(exit));
    feeding.abort();
    let _ = ended.send(true);
    let _ = tokio::join!(out, err);
}

/// Carries signals until there is a reason to end the tree: the deadline (which is reported), or nobody listening.
async fn interruption(channel: &mut Channel, leader: Option<Pid>, deadline: Duration) -> Option<Exit> {
    let late = tokio::time::sleep(deadline);
    tokio::pin!(late);
    loop {
        tokio::select! {
            _ = &mut late => return Some(Exit { reason: ExitReason::Timeout, code: 128 + Signal::KILL.as_raw() }),
            message = channel.message() => match (message, leader) {
                (Some(Message::Signal { signal }), Some(leader)) => {
                    if let Some(signal) = Signal::from_named_raw(signal) {
                        let _ = kill_process_group(leader, signal);
                    }
                }
                (Some(_), _) => {}
                (None, _) => return None,
            },
        }
    }
}

fn explain(status: Option<i32>) -> Exit {
    match status {
        Some(status) if libc::WIFEXITED(status) => Exit { reason: ExitReason::Exited, code: libc::WEXITSTATUS(status) },
        Some(status) => Exit { reason: ExitReason::Signal, code: 128 + libc::WTERMSIG(status) },
        // The shepherd was killed before it could tell, and only the kernel or somebody inside does that. The tree is gone too.
        None => Exit { reason: ExitReason::Signal, code: 128 + Signal::KILL.as_raw() },
    }
}

async fn read_word(status: &mut pipe::Receiver) -> Option<i32> {
    let mut word = [0; 4];
    status.read_exact(&mut word).await.ok()?;
    Some(i32::from_le_bytes(word))
}

async fn feed(mut from: LaneReader, mut to: pipe::Sender) {
    // Who closes its standard input early is within its rights.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn pump(mut from: pipe::Receiver, mut to: LaneWriter, mut ended: watch::Receiver<bool>) {
    let mut chunk = vec![0; 16 << 10];
    loop {
        let silence = async {
            let _ = ended.wait_for(|ended| *ended).await;
            tokio::time::sleep(GRACE).await;
        };
        let length = tokio::select! {
            biased;
            read = from.read(&mut chunk) => match read {
                Ok(length @ 1..) => length,
                _ => break,
            },
            _ = silence => break,
        };
        if to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
}

struct Started {
    shepherd: Pid,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    /// First the leader's number, then its wait status, four bytes each.
    status: pipe::Receiver,
}

fn start(exec: &Exec, root: &Root) -> Result<Started, Failure> {
    let plan = Plan::new(exec)?;
    let cwd = root.folder(if exec.cwd.is_empty() { "/" } else { &exec.cwd })?;
    let pipes = Pipes::new().map_err(exhausted)?;
    // SAFETY: this process has one thread, and the child only makes system calls on memory prepared before the fork
    // until it executes another program or exits.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(exhausted(io::Error::last_os_error())),
        0 => shepherd(&plan, &pipes, cwd.as_raw_fd()),
        pid => {
            let shepherd = Pid::from_raw(pid).expect("fork gives a positive number to the parent");
            pipes.parents_half(shepherd).map_err(exhausted)
        }
    }
}

fn exhausted(error: io::Error) -> Failure {
    let text = format!("no process could be started: {error}; the sandbox may be at its limit of processes or files");
    Failure::new(FailureCode::Exhausted, text)
}

struct Pipes {
    stdin: (OwnedFd, OwnedFd),
    stdout: (OwnedFd, OwnedFd),
    stderr: (OwnedFd, OwnedFd),
    status: (OwnedFd, OwnedFd),
}

impl Pipes {
    fn new() -> io::Result<Pipes> {
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        Ok(Pipes { stdin: pipe()?, stdout: pipe()?, stderr: pipe()?, status: pipe()? })
    }
    fn parents_half(self, shepherd: Pid) -> io::Result<Started> {
        Ok(Started {
            shepherd,
            stdin: pipe::Sender::from_owned_fd(self.stdin.1)?,
            stdout: pipe::Receiver::from_owned_fd(self.stdout.0)?,
            stderr: pipe::Receiver::from_owned_fd(self.stderr.0)?,
            status: pipe::Receiver::from_owned_fd(self.status.0)?,
        })
    }
}

/// Everything that the child needs, allocated before the fork.
struct Plan {
    /// The program, at each place where it may be.
    candidates: Vec<CString>,
    _argv: Vec<CString>,
    _env: Vec<CString>,
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    not_found: Vec<u8>,
    not_executable: Vec<u8>,
}

impl Plan {
    fn new(exec: &Exec) -> Result<Plan, Failure> {
        let program = exec.argv.first().filter(|p| !p.is_empty()).ok_or_else(|| invalid("a command without a program"))?;
        let path = exec.env.iter().rev().find(|(name, _)| name == "PATH").map_or("/usr/bin:/bin", |(_, value)| value);
        let candidates: Vec<String> = if program.contains('/') {
            vec![program.clone()]
        } else {
            path.split(':').filter(|dir| dir.starts_with('/')).map(|dir| format!("{dir}/{program}")).collect()
        };
        let text = |s: String| CString::new(s).map_err(|_| invalid("a command or environment with a NUL byte"));
        let owned_argv = exec.argv.iter().cloned().map(text).collect::<Result<Vec<_>, _>>()?;
        let owned_env = exec.env.iter().map(|(k, v)| text(format!("{k}={v}"))).collect::<Result<Vec<_>, _>>()?;
        let pointers = |all: &[CString]| all.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
        Ok(Plan {
            candidates: candidates.into_iter().map(text).collect::<Result<_, _>>()?,
            argv: pointers(&owned_argv),
            env: pointers(&owned_env),
            _argv: owned_argv,
            _env: owned_env,
            not_found: format!("{program}: not found\n").into_bytes(),
            not_executable: format!("{program}: cannot be executed\n").into_bytes(),
        })
    }
}

fn invalid(text: &str) -> Failure {
    Failure::new(FailureCode::InvalidPath, text)
}

/// The life of the process between the daemon and a leader: adopts the tree, tells the leader's end, and goes.
fn shepherd(plan: &Plan, pipes: &Pipes, cwd: i32) -> ! {
    // SAFETY: system calls on plain numbers and on memory that was prepared before the fork.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        forget_openat2();
        let leader = libc::fork();
        if leader == 0 {
            become_leader(plan, pipes, cwd);
        }
        // Its copies of the streams would keep them open for ever.
        libc::dup2(pipes.status.1.as_raw_fd(), 0);
        libc::syscall(libc::SYS_close_range, 1, libc::c_uint::MAX, 0);
        if leader < 0 {
            libc::_exit(1);
        }
        tell(leader);
        loop {
            let mut status = 0;
            let pid = libc::waitpid(-1, &mut status, 0);
            if pid == leader {
                tell(status);
                libc::_exit(0);
            }
            if pid < 0 && *libc::__errno_location() != libc::EINTR {
                libc::_exit(1);
            }
        }
    }
}

/// # Safety
/// Only between fork and exit: descriptor 0 must be the status pipe.
unsafe fn tell(word: i32) {
    let bytes = word.to_le_bytes();
    // SAFETY: four bytes of a local.
    unsafe { libc::write(0, bytes.as_ptr().cast(), bytes.len()) };
}

/// The mode of a file that `openat2` makes lies in memory, where no filter can look, so that call is unknown to everybody but
/// the daemon, who needs it: programs fall back to `openat`, whose mode the place's own filter sees. A place that allows no
/// gain of rights is isolated, and has such a filter.
///
/// # Safety
/// Only in a fresh child with one thread.
unsafe fn forget_openat2() {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_openat2 as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: system calls; the program outlives the call, which copies it.
    unsafe {
        if libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
            && libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &filter) != 0
        {
            libc::_exit(1);
        }
    }
}

/// # Safety
/// Only in a fresh child with one thread.
unsafe fn become_leader(plan: &Plan, pipes: &Pipes, cwd: i32) -> ! {
    // SAFETY: system calls on plain numbers and on memory that was prepared before the fork.
    unsafe {
        libc::setsid();
        libc::dup2(pipes.stdin.0.as_raw_fd(), 0);
        libc::dup2(pipes.stdout.1.as_raw_fd(), 1);
        libc::dup2(pipes.stderr.1.as_raw_fd(), 2);
        // Whoever started the server may have left signals ignored (nohup does), and a program can't trap those.
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        // One may write one's own score only while one may be looked into.
        libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
        let score = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if score >= 0 {
            libc::write(score, OOM_SCORE.as_ptr().cast(), OOM_SCORE.len());
        }
        if libc::fchdir(cwd) != 0 {
            libc::_exit(126);
        }
        // Whatever was left open by mistake must not reach the program.
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        let mut was_found = false;
        for candidate in &plan.candidates {
            libc::execve(candidate.as_ptr(), plan.argv.as_ptr(), plan.env.as_ptr());
            was_found |= !matches!(*libc::__errno_location(), libc::ENOENT | libc::ENOTDIR);
        }
        let text = if was_found { &plan.not_executable } else { &plan.not_found };
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(if was_found { 126 } else { 127 })
    }
}
