//! The port to git. Every git process runs where it can see one repository and no credentials.

use crate::diff::FileChange;
use crate::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A full commit id, lower-case hex.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commit(String);

impl Commit {
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if (text.len() == 40 || text.len() == 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Commit(text.to_ascii_lowercase()));
        }
        Err(crate::Error::invalid("a commit id has 40 or 64 hex characters"))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a repository's first content comes from.
#[derive(Clone, Debug)]
pub enum Import {
    /// A folder on this host; administrators only.
    Path(PathBuf),
    Url(String),
}

/// Who wrote a line as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineChange {
    pub path: String,
    pub line: u32,
    pub commit: Commit,
    pub author: String,
    pub at: Timestamp,
    pub subject: String,
}

/// Where a branch is, seen from a commit that is to be merged into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Commits that the branch has and the commit does not.
    pub behind: u64,
    /// Files in which they would conflict.
    pub conflicts: Vec<String>,
}

/// Why a merge is refused, and the way out.
pub fn conflict_words(branch: &str, files: &[String]) -> String {
    format!("it conflicts with branch `{branch}` in {}; rerun it from Prepare, which begins at the newest commit", files.join(", "))
}

#[derive(Clone, Debug)]
pub struct Signature {
    pub name: String,
    pub email: String,
    /// Seconds since 1970; given so that the same patch makes the same commit.
    pub at: i64,
}

/// One bare repository per link, below the data dir.
#[async_trait]
pub trait GitHost: Send + Sync {
    async fn init(&self, repository: RepositoryId, default_branch: &str) -> Result<()>;
    /// Copies every branch and tag; answers the default branch.
    async fn import(&self, repository: RepositoryId, from: Import) -> Result<String>;
    async fn remove(&self, repository: RepositoryId) -> Result<()>;
    /// A branch, tag or commit to its commit. `NotFound` when it names nothing.
    async fn resolve(&self, repository: RepositoryId, reference: &str) -> Result<Commit>;
    /// A host folder with the files of the commit, made once and kept while it is used. With `history` it is a clone
    /// whose `HEAD` is a branch at the commit, for an agent; without, bare files. Callers mount it copy-on-write.
    async fn checkout(&self, repository: RepositoryId, commit: &Commit, history: bool) -> Result<PathBuf>;
    /// Removes checkouts that nobody has asked for since then, and commits that no branch or tag has held for as long.
    async fn tidy(&self, repository: RepositoryId, unused_since: Timestamp) -> Result<()>;
    /// A file's bytes at a commit.
    async fn file(&self, repository: RepositoryId, commit: &Commit, path: &str) -> Result<Option<Bytes>>;
    /// The commit's file paths.
    async fn files(&self, repository: RepositoryId, commit: &Commit) -> Result<Vec<String>>;
    /// Applies a `git diff --binary` patch to `base` without a work tree and commits the result; moves no ref.
    async fn commit_patch(
        &self,
        repository: RepositoryId,
        base: &Commit,
        patch: &Bytes,
        message: &str,
        author: &Signature,
    ) -> Result<Commit>;
    /// `base` with some files replaced or removed; moves no ref. Used for the mixtures that proof runs on.
    async fn commit_files(
        &self,
        repository: RepositoryId,
        base: &Commit,
        files: &[FileEdit],
        message: &str,
        author: &Signature,
    ) -> Result<Commit>;
    /// What differs, with whole old and new contents.
    async fn changes(&self, repository: RepositoryId, from: &Commit, to: &Commit) -> Result<Vec<FileChange>>;
    /// The commit that last changed this line of the file; `None` when the file has no such line.
    async fn last_change(&self, repository: RepositoryId, commit: &Commit, path: &str, line: u32) -> Result<Option<LineChange>>;
    /// A unified diff with git headers and three lines of context, binary files as `GIT binary patch`.
    async fn diff(&self, repository: RepositoryId, from: &Commit, to: &Commit) -> Result<Bytes>;
    /// Moves a branch; with `expect` only from that commit (`None` inside means "must not exist").
    async fn set_branch(&self, repository: RepositoryId, branch: &str, to: &Commit, expect: Option<Option<&Commit>>) -> Result<()>;
    async fn delete_branch(&self, repository: RepositoryId, branch: &str) -> Result<()>;
    /// Whether `ancestor` is the commit itself or part of its history.
    async fn contains(&self, repository: RepositoryId, commit: &Commit, ancestor: &Commit) -> Result<bool>;
    /// What `merge` would meet now; moves no ref.
    async fn standing(&self, repository: RepositoryId, branch: &str, commit: &Commit) -> Result<Standing>;
    /// Merges `commit` into the branch with a merge commit, all or nothing. `Conflict` names the files.
    async fn merge(&self, repository: RepositoryId, branch: &str, commit: &Commit, message: &str, author: &Signature) -> Result<Commit>;
    /// Smart HTTP for people: runs the backend for `GET info/refs?service=…`, `POST git-upload-pack`, `POST git-receive-pack`.
    async fn http(&self, repository: RepositoryId, request: GitHttp) -> Result<GitHttpAnswer>;
}

#[derive(Clone, Debug)]
pub struct FileEdit {
    pub path: String,
    /// `None` removes the file.
    pub content: Option<Bytes>,
    pub executable: bool,
}

#[derive(Clone, Debug)]
pub struct GitHttp {
    pub method: String,
    /// After the repository's name, such as `/info/refs`.
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub content_encoding: String,
    pub protocol: String,
    pub body: Bytes,
    pub may_write: bool,
}

#[derive(Clone, Debug)]
pub struct GitHttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}
