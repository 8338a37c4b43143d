//! Removing folders that strangers filled: however deep, however many entries, whatever modes, and never through a link.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmodat, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::path::Path;

/// Deeper folders are first moved up, so that neither descriptors nor the stack run out.
const DEPTH_MAX: usize = 48;
/// Each pass takes away this many levels at least; a tree that needs more passes than this has no end.
const PASSES_MAX: usize = 1_000_000;

/// What is not there is removed already.
pub fn remove_tree(folder: &Path) -> io::Result<()> {
    let top = match open_folder(CWD, folder) {
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return std::fs::remove_file(folder),
        other => other?,
    };
    let mut moved = 0;
    for _ in 0..PASSES_MAX {
        let moved_before = moved;
        empty(&top, &top, 0, &mut moved)?;
        if moved == moved_before {
            break;
        }
    }
    drop(top);
    std::fs::remove_dir(folder)
}

fn empty(folder: &OwnedFd, top: &OwnedFd, depth: usize, moved: &mut u64) -> Result<(), Errno> {
    loop {
        let names = some_names(folder)?;
        if names.is_empty() {
            return Ok(());
        }
        let mut is_progress = false;
        for name in names {
            match unlinkat(folder, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => is_progress = true,
                Err(Errno::ISDIR | Errno::PERM) => {
                    let child = open_folder(folder, &name)?;
                    if depth < DEPTH_MAX {
                        empty(&child, top, depth + 1, moved)?;
                        unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
                        is_progress = true;
                    } else {
                        *moved += 1;
                        renameat(folder, &name, top, format!(".moved-{moved}"))?;
                        is_progress = true;
                    }
                }
                Err(errno) => return Err(errno),
            }
        }
        // What was moved up belongs to the next pass.
        if depth == 0 && *moved > 0 || !is_progress {
            return Ok(());
        }
    }
}

/// A portion of the names, so that a folder of a million entries costs no more memory than one of a thousand.
fn some_names(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
        if names.len() >= 4096 {
            break;
        }
    }
    Ok(names)
}

/// Opens a folder that is ours to empty, giving ourselves the right first if it was taken away.
fn open_folder(parent: impl AsFd, name: impl rustix::path::Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let unlock = || chmodat(&parent, name, Mode::RWXU, AtFlags::empty());
    match openat(&parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            unlock()?;
            openat(&parent, name, flags, Mode::empty())
        }
        Ok(fd) => {
            // Readable is not yet removable from.
            if rustix::fs::fstat(&fd).is_ok_and(|stat| stat.st_mode & 0o700 != 0o700) {
                let _ = rustix::fs::fchmod(&fd, Mode::RWXU);
            }
            Ok(fd)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn deep_closed_and_linked_trees_go_and_what_links_point_at_stays() {
        let base = tempfile::tempdir().unwrap();
        let outside = base.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "x").unwrap();
        let tree = base.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
        let closed = tree.join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::write(closed.join("file"), "x").unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
        // Deeper than any path can say, and than the stack of a thread would bear.
        let mut at = open_folder(CWD, tree.as_path()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "deep", Mode::RWXU).unwrap();
            at = open_folder(&at, "deep").unwrap();
        }
        drop(at);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("kept").exists());
        remove_tree(&tree).unwrap();
    }
}
