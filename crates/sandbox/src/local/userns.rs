//! User namespaces: one to live in, and some to see foreign files through.

use super::plan::{AGENT_HOST_ID, AGENT_ID, NOBODY_FIRST, RANGE_FIRST, RANGE_LENGTH};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use std::io;

/// The namespace that a sandbox lives in, when we are root.
pub fn for_living(proc: impl AsFd) -> io::Result<OwnedFd> {
    let map = format!("0 {RANGE_FIRST} {RANGE_LENGTH}\n");
    make(proc, &map, &map)
}

/// A namespace through which files of `uid` and `gid` seem to be the agent's, and all others nobody's.
pub fn for_seeing(proc: impl AsFd, uid: u32, gid: u32) -> io::Result<OwnedFd> {
    make(proc, &eyes(uid), &eyes(gid))
}

fn eyes(owner: u32) -> String {
    let mut map = format!("{owner} {AGENT_HOST_ID} 1\n");
    let below = owner.min(RANGE_LENGTH);
    if below > 0 {
        map += &format!("0 {NOBODY_FIRST} {below}\n");
    }
    if owner + 1 < RANGE_LENGTH {
        map += &format!("{} {} {}\n", owner + 1, NOBODY_FIRST + owner + 1, RANGE_LENGTH - owner - 1);
    }
    map
}

/// Makes a namespace by way of a child that lives only until we hold the namespace open.
fn make(proc: impl AsFd, uid_map: &str, gid_map: &str) -> io::Result<OwnedFd> {
    let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
    // SAFETY: without CLONE_VM this is a fork; the child makes one system call after another and never returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } as i32;
    if pid == 0 {
        // SAFETY: plain system calls. Should the parent die, so does the child.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
            loop {
                libc::pause();
            }
        }
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let result = (|| {
        write_at(&proc, &format!("{pid}/uid_map"), uid_map)?;
        write_at(&proc, &format!("{pid}/gid_map"), gid_map)?;
        Ok(openat(&proc, format!("{pid}/ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    })();
    // SAFETY: our own child, not waited for yet, so the number is still its.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    result
}

/// Enters a new namespace in which this ordinary user is the agent.
pub fn enter_as_ordinary_user(proc: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: this program has one thread.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
        return Err(io::Error::last_os_error());
    }
    write_at(&proc, "self/setgroups", "deny")?;
    write_at(&proc, "self/uid_map", &format!("{AGENT_ID} {uid} 1\n"))?;
    write_at(&proc, "self/gid_map", &format!("{AGENT_ID} {gid} 1\n"))
}

fn write_at(proc: impl AsFd, path: &str, text: &str) -> io::Result<()> {
    let file = openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    // The kernel takes a map in one piece or not at all.
    let written =
        rustix::io::write(&file, text.as_bytes()).map_err(|e| io::Error::new(io::Error::from(e).kind(), format!("writing {path}: {e}")))?;
    if written == text.len() { Ok(()) } else { Err(io::Error::other(format!("{path} was written in part"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_maps_once() {
        assert_eq!(eyes(0), format!("0 {AGENT_HOST_ID} 1\n1 2000001 65535\n"));
        assert_eq!(eyes(1000), format!("1000 {AGENT_HOST_ID} 1\n0 2000000 1000\n1001 2001001 64535\n"));
        assert_eq!(eyes(65535), format!("65535 {AGENT_HOST_ID} 1\n0 2000000 65535\n"));
        assert_eq!(eyes(100_000), format!("100000 {AGENT_HOST_ID} 1\n0 2000000 65536\n"));
    }
}
