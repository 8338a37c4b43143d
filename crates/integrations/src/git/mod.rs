//! Repositories on this host: one bare repository per link below `<data dir>/git`, work trees below `<data dir>/checkouts`.
//!
//! Every git process runs in a sandbox without credentials that sees the one repository. Nothing here reads on the host side
//! what a repository contains; scripts get names as arguments, never pasted into their text.

mod call;
mod commits;
mod config;
mod content;
mod copies;
mod http;
mod names;
mod sandboxed;
mod sweep;

pub use names::check_branch;
pub use sweep::sweep;

use async_trait::async_trait;
use bytes::Bytes;
use call::{Call, Output, Place};
use domain::diff::FileChange;
use domain::git::{Commit, FileEdit, GitHost, GitHttp, GitHttpAnswer, Import, LineChange, Signature, Standing};
use domain::sandbox::Provisioner;
use domain::{Clock, RepositoryId, Result, Timestamp};
use sandboxed::Sandboxed;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Git {
    runner: Sandboxed,
    clock: Arc<dyn Clock>,
    data_dir: PathBuf,
}

impl Git {
    /// Git in sandboxes of the given provisioner.
    pub fn new(data_dir: &Path, provisioner: Arc<dyn Provisioner>, clock: Arc<dyn Clock>) -> Result<Self> {
        let runner = Sandboxed::new(data_dir, provisioner, clock.clone())?;
        Ok(Git { runner, clock, data_dir: data_dir.to_path_buf() })
    }
    async fn run(&self, repository: RepositoryId, call: Call) -> Result<Output> {
        self.runner.run(&Place::of(repository), call).await
    }
}

/// The bare repository's folder on the host.
pub fn repository_dir(data_dir: &Path, repository: RepositoryId) -> PathBuf {
    data_dir.join("git").join(format!("{repository}.git"))
}

/// The folder of a repository's work trees on the host.
pub fn checkouts_dir(data_dir: &Path, repository: RepositoryId) -> PathBuf {
    data_dir.join("checkouts").join(repository.to_string())
}

#[async_trait]
impl GitHost for Git {
    async fn init(&self, repository: RepositoryId, default_branch: &str) -> Result<()> {
        copies::init(self, repository, default_branch).await
    }
    async fn import(&self, repository: RepositoryId, from: Import) -> Result<String> {
        copies::import(self, repository, from).await
    }
    async fn remove(&self, repository: RepositoryId) -> Result<()> {
        copies::remove(self, repository).await
    }
    async fn resolve(&self, repository: RepositoryId, reference: &str) -> Result<Commit> {
        content::resolve(self, repository, reference).await
    }
    async fn checkout(&self, repository: RepositoryId, commit: &Commit, history: bool) -> Result<PathBuf> {
        copies::checkout(self, repository, commit, history).await
    }
    async fn tidy(&self, repository: RepositoryId, unused_since: Timestamp) -> Result<()> {
        copies::tidy(self, repository, unused_since).await
    }
    async fn file(&self, repository: RepositoryId, commit: &Commit, path: &str) -> Result<Option<Bytes>> {
        content::file(self, repository, commit, path).await
    }
    async fn files(&self, repository: RepositoryId, commit: &Commit) -> Result<Vec<String>> {
        content::files(self, repository, commit).await
    }
    async fn commit_patch(
        &self,
        repository: RepositoryId,
        base: &Commit,
        patch: &Bytes,
        message: &str,
        author: &Signature,
    ) -> Result<Commit> {
        commits::commit_patch(self, repository, base, patch, message, author).await
    }
    async fn commit_files(
        &self,
        repository: RepositoryId,
        base: &Commit,
        files: &[FileEdit],
        message: &str,
        author: &Signature,
    ) -> Result<Commit> {
        commits::commit_files(self, repository, base, files, message, author).await
    }
    async fn changes(&self, repository: RepositoryId, from: &Commit, to: &Commit) -> Result<Vec<FileChange>> {
        content::changes(self, repository, from, to).await
    }
    async fn diff(&self, repository: RepositoryId, from: &Commit, to: &Commit) -> Result<Bytes> {
        content::diff(self, repository, from, to).await
    }
    async fn set_branch(&self, repository: RepositoryId, branch: &str, to: &Commit, expect: Option<Option<&Commit>>) -> Result<()> {
        commits::set_branch(self, repository, branch, to, expect).await
    }
    async fn delete_branch(&self, repository: RepositoryId, branch: &str) -> Result<()> {
        commits::delete_branch(self, repository, branch).await
    }
    async fn last_change(&self, repository: RepositoryId, commit: &Commit, path: &str, line: u32) -> Result<Option<LineChange>> {
        content::last_change(self, repository, commit, path, line).await
    }
    async fn contains(&self, repository: RepositoryId, commit: &Commit, ancestor: &Commit) -> Result<bool> {
        content::contains(self, repository, commit, ancestor).await
    }
    async fn standing(&self, repository: RepositoryId, branch: &str, commit: &Commit) -> Result<Standing> {
        commits::standing(self, repository, branch, commit).await
    }
    async fn merge(&self, repository: RepositoryId, branch: &str, commit: &Commit, message: &str, author: &Signature) -> Result<Commit> {
        commits::merge(self, repository, branch, commit, message, author).await
    }
    async fn http(&self, repository: RepositoryId, request: GitHttp) -> Result<GitHttpAnswer> {
        http::answer(self, repository, request).await
    }
}
