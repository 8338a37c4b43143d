//! Looking, on the host, at folders that strangers filled: checkouts of their repositories, layers that their set-up built.
//!
//! A link among their files may point anywhere on the host, and a name from a report or an alert may be any path. Nothing
//! outside the folder is ever read or mounted. Call these only while no sandbox writes to the folder.

use domain::{Error, Result};
use std::path::{Path, PathBuf};

/// The path with all links followed, if it exists and is still inside.
pub fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let full = root.join(path).canonicalize().ok()?;
    full.starts_with(&root).then_some(full)
}

/// A regular file's bytes; `None` if it is missing, outside, larger than the limit, or no file.
pub fn read(root: &Path, path: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
    let Some(full) = inside(root, path) else { return Ok(None) };
    match full.symlink_metadata() {
        Ok(meta) if meta.is_file() && meta.len() <= bytes_max => {
            std::fs::read(&full).map(Some).map_err(|e| Error::internal(format!("`{}` can't be read", full.display())).because(e))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_is_read() {
        let folder = std::env::temp_dir().join(format!("astraforge-strangers-{}", std::process::id()));
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("sub")).expect("a folder");
        std::fs::write(folder.join("secret"), "s").expect("a file");
        std::fs::write(root.join("sub/file"), "f").expect("a file");
        symlink("../secret", root.join("link")).expect("a link");
        symlink("sub/file", root.join("own")).expect("a link");
        symlink("/dev/zero", root.join("endless")).expect("a link");
        let read = |path: &str| read(&root, path, 100).expect("no failure");
        assert_eq!(read("sub/file").as_deref(), Some(&b"f"[..]));
        assert_eq!(read("own").as_deref(), Some(&b"f"[..]), "a link that stays inside");
        for outside in ["link", "../secret", "/etc/hostname", "endless", "sub", "gone"] {
            assert_eq!(read(outside), None, "{outside}");
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
