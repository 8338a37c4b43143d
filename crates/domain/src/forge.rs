//! The port to where merge requests live.

use crate::Result;
use crate::git::{Commit, Standing};
use crate::repository::Repository;
use async_trait::async_trait;

/// What is proposed; the same source branch always means the same merge request.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub source_branch: String,
    pub target_branch: String,
    pub commit: Commit,
    /// What we published on the source branch last time. Anything else found there is somebody's own work and stays.
    pub previous: Option<Commit>,
    pub title: String,
    pub description: String,
    pub draft: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The web address or name people know it by.
    pub reference: String,
}

/// How a linked repository is kept: as the forge itself would spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub repository: String,
    pub base_url: String,
}

#[async_trait]
pub trait Forge: Send + Sync {
    fn id(&self) -> &'static str;
    fn label(&self) -> &'static str;
    /// Its repositories are our own: made when they are linked, served by us, no token needed.
    fn is_built_in(&self) -> bool;
    /// Why no run can work on its repositories, with the way out; `None` when it can.
    fn unavailable(&self) -> Option<String>;
    /// Checks what a person gave to name a repository there.
    fn check_link(&self, repository: &str, base_url: &str) -> Result<Link>;
    /// Publishes the branch and opens or updates its one merge request. Idempotent.
    async fn propose(&self, repository: &Repository, proposal: &Proposal) -> Result<Proposed>;
    /// How far the target branch has moved on, and whether it can still take the proposal.
    async fn standing(&self, repository: &Repository, proposal: &Proposal) -> Result<Standing>;
    /// Merges the source branch's commit, if it is still that commit. Answers the merge commit.
    async fn merge(&self, repository: &Repository, proposal: &Proposal) -> Result<Commit>;
    async fn close(&self, repository: &Repository, proposal: &Proposal) -> Result<()>;
}
