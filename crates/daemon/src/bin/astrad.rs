//! The program inside every sandbox: serves the stream it was started with, then ends, and everything inside with it.
//!
//! `astrad FD` where FD is a connected unix stream socket.

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(fd) = std::env::args().nth(1).and_then(|word| word.parse::<i32>().ok()) else {
        eprintln!("usage: astrad FD");
        return ExitCode::from(2);
    };
    ignore_signals_from_inside();
    // SAFETY: the caller hands over this descriptor; nothing else in this process has opened any yet.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    match run(socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("astrad: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first process of a namespace ignores every signal from inside that it has no handler for. The standard library has
/// two, for its words about a stack that ran over; two signals at once overrun the little stack that these run on.
fn ignore_signals_from_inside() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: back to what the kernel does by itself.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

fn run(socket: OwnedFd) -> std::io::Result<()> {
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    // Processes inside run as the same user, and must not look into this one.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        daemon::server::serve(tokio::net::UnixStream::from_std(stream)?).await
    })
}
