//! User namespaces: one to live in, and some to see foreign files through.

use super::plan::{AGENT_HOST_ID, AGENT_ID, NOBODY_FIRST, RANGE_FIRST, RANGE_LENGTH};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use std::io;

/// `SECBIT_NO_SETUID_FIXUP`: rights stay when the user changes.
const NO_SETUID_FIXUP: libc::c_ulong = 1 << 2;
/// Leaves an id of `setresuid` as it is.
const KEEP: libc::c_long = -1;

/// The namespace that a sandbox lives in, when we are root.
///
/// The kernel counts some things, such as inotify instances, for a namespace's creator as well: with root as the creator of all,
/// one sandbox could use up what the others and the host itself need. So each has a creator of its own, whom nobody else is.
pub fn for_living(proc: impl AsFd, creator: u32) -> io::Result<OwnedFd> {
    let map = format!("0 {RANGE_FIRST} {RANGE_LENGTH}\n");
    // Somebody who may not read what another user's process shows can still be the creator himself.
    make(&proc, &map, &map, Some(creator)).or_else(|_| make(&proc, &map, &map, None))
}

/// A namespace through which files of `uid` and `gid` seem to be the agent's, and all others nobody's.
pub fn for_seeing(proc: impl AsFd, uid: u32, gid: u32) -> io::Result<OwnedFd> {
    make(proc, &eyes(uid), &eyes(gid), None)
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
fn make(proc: impl AsFd, uid_map: &str, gid_map: &str, creator: Option<u32>) -> io::Result<OwnedFd> {
    let (is_made, telling) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: a program with one thread; the child makes one system call after another and never returns.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: plain system calls.
        unsafe { create_and_wait(telling.as_raw_fd(), creator) }
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    drop(telling);
    let result = (|| {
        if rustix::io::read(&is_made, &mut [0; 1])? == 0 {
            return Err(io::Error::other("no user namespace could be made"));
        }
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

/// # Safety
/// Only in a fresh child with one thread.
unsafe fn create_and_wait(telling: i32, creator: Option<u32>) -> ! {
    // SAFETY: plain system calls.
    unsafe {
        if let Some(uid) = creator {
            // Becomes somebody else and keeps root's rights: where only root may make user namespaces, it still can.
            let is_done = libc::prctl(libc::PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0) == 0
                && libc::syscall(libc::SYS_setresuid, KEEP, uid, KEEP) == 0;
            if !is_done {
                libc::_exit(1);
            }
        }
        // Should the parent die, so does the child.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::unshare(libc::CLONE_NEWUSER) != 0 || libc::write(telling, [1u8].as_ptr().cast(), 1) != 1 {
            libc::_exit(1);
        }
        loop {
            libc::pause();
        }
    }
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
