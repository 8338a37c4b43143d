//! What a patch changes, file by file.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One file on both sides of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    pub path: String,
    /// The former path, for a rename.
    pub old_path: Option<String>,
    pub old: Option<Blob>,
    pub new: Option<Blob>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub kind: BlobKind,
    pub content: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobKind {
    File,
    Executable,
    Symlink,
    Submodule,
}

impl Blob {
    pub fn text(&self) -> Option<&str> {
        if self.content.contains(&0) { None } else { std::str::from_utf8(&self.content).ok() }
    }
    pub fn is_binary(&self) -> bool {
        matches!(self.kind, BlobKind::File | BlobKind::Executable) && self.text().is_none()
    }
}

/// Counts for a row in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffStat {
    pub files: usize,
    pub additions: usize,
    pub deletions: usize,
}

/// Reads the counts off a unified diff.
pub fn stat(diff: &str) -> DiffStat {
    let mut stat = DiffStat::default();
    let mut in_hunk = false;
    for line in diff.lines() {
        if line.starts_with("diff --git ") {
            stat.files += 1;
            in_hunk = false;
        } else if line.starts_with("@@") {
            in_hunk = true;
        } else if in_hunk && line.starts_with('+') {
            stat.additions += 1;
        } else if in_hunk && line.starts_with('-') {
            stat.deletions += 1;
        }
    }
    stat
}
