//! What git processes left half-done when their server died: lock files that would stop every later writer, and work
//! trees that nobody will finish. Only names are looked at, and links are never followed.

use std::fs::{self, DirEntry};
use std::path::Path;

/// Folders below folders that a bare repository has; deeper ones are not git's.
const DEPTH_MAX: usize = 12;

/// Only while no git process runs: at a server's start, after the sandboxes of the one before are gone.
pub fn sweep(data_dir: &Path) {
    for repository in entries(&data_dir.join("git")) {
        remove_locks(&repository, DEPTH_MAX);
    }
    for tree in entries(&data_dir.join("checkouts")).iter().filter(|e| is_dir(e)).flat_map(|repository| entries(&repository.path())) {
        if tree.file_name().as_encoded_bytes().starts_with(b".new-") {
            told(&tree.path(), fs::remove_dir_all(tree.path()));
        }
    }
}

fn remove_locks(entry: &DirEntry, depth: usize) {
    if is_dir(entry) {
        // Loose objects are never locked, and there are many.
        if depth > 0 && entry.file_name() != "objects" {
            entries(&entry.path()).iter().for_each(|below| remove_locks(below, depth - 1));
        }
    } else if entry.file_name().as_encoded_bytes().ends_with(b".lock") {
        told(&entry.path(), fs::remove_file(entry.path()));
    }
}

/// A link to a folder is none.
fn is_dir(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

fn entries(folder: &Path) -> Vec<DirEntry> {
    fs::read_dir(folder).map(|all| all.flatten().collect()).unwrap_or_default()
}

fn told(path: &Path, outcome: std::io::Result<()>) {
    match outcome {
        Ok(()) => tracing::info!(path = %path.display(), "removed what an interrupted git process left"),
        Err(error) => tracing::warn!(path = %path.display(), %error, "what an interrupted git process left could not be removed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_half_trees_go_and_nothing_behind_a_link_does() {
        let dir = tempfile::tempdir().unwrap();
        let (data, outside) = (dir.path().join("data"), dir.path().join("outside"));
        let (refs, tree) = (data.join("git/a.git/refs/heads"), data.join("checkouts/a/.new-abc/tree"));
        for folder in [&refs, &tree, &outside, &data.join("checkouts/a/whole")] {
            fs::create_dir_all(folder).unwrap();
        }
        for file in [refs.join("main"), refs.join("main.lock"), data.join("git/a.git/HEAD.lock"), outside.join("kept.lock"), tree.join("f")]
        {
            fs::write(file, "x").unwrap();
        }
        std::os::unix::fs::symlink(&outside, data.join("git/a.git/refs/link")).unwrap();
        std::os::unix::fs::symlink(&outside, data.join("checkouts/b")).unwrap();
        sweep(&data);
        assert!(!refs.join("main.lock").exists() && !data.join("git/a.git/HEAD.lock").exists());
        assert!(!data.join("checkouts/a/.new-abc").exists());
        assert!(refs.join("main").exists() && outside.join("kept.lock").exists() && data.join("checkouts/a/whole").exists());
    }
}
