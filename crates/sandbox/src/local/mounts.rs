//! The mount system calls, with file descriptors instead of paths wherever the kernel lets us.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, move_mount, open_tree,
};
use std::io;
use std::path::Path;

pub const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub const NO_DEV: u64 = libc::MOUNT_ATTR_NODEV;
pub const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// A copy of what is mounted at `source`, not attached anywhere yet.
pub fn copy_of(source: &Path, is_recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if is_recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(CWD, source, flags)?)
}

/// The same of something that is open already.
pub fn copy_of_open(source: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(source, "", flags)?)
}

/// Adds attributes to a mount and, if recursive, to all below it.
pub fn restrict(mount: impl AsFd, attributes: u64, is_recursive: bool) -> io::Result<()> {
    set_attributes(mount, attributes, None, is_recursive)
}

/// Shows the owners of files through the eyes of a user namespace.
pub fn map_owners(mount: &OwnedFd, user_namespace: &OwnedFd) -> io::Result<()> {
    set_attributes(mount, libc::MOUNT_ATTR_IDMAP, Some(user_namespace), false)
}

fn set_attributes(mount: impl AsFd, set: u64, user_namespace: Option<&OwnedFd>, is_recursive: bool) -> io::Result<()> {
    let attributes =
        libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: user_namespace.map_or(0, |fd| fd.as_raw_fd() as u64) };
    let flags = libc::AT_EMPTY_PATH | if is_recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a literal, and the structure is passed with its own size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &attributes as *const libc::mount_attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts a detached mount on top of an open file or folder.
pub fn attach(mount: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

/// A new file system of the given type, detached. An option without a value is a flag.
pub fn new(kind: &str, options: &[(&str, &str)], attributes: u64) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        let set = if value.is_empty() { fsconfig_set_flag(&context, *name) } else { fsconfig_set_string(&context, *name, *value) };
        set.map_err(|e| io::Error::new(io::Error::from(e).kind(), format!("option {name}={value} of {kind}: {e}")))?;
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// A handle that names a place without opening it.
pub fn place(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// A path to an open file for interfaces that know only paths.
pub fn path_of(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
