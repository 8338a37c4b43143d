//! GitLab: its repositories can be linked. Proposing there is not written yet, and says so before a run starts.

use super::{Entry, Means, check_full_name, check_web_address};
use async_trait::async_trait;
use domain::forge::{Forge, Link, Proposal, Proposed};
use domain::git::{Commit, Standing};
use domain::repository::Repository;
use domain::{Error, Result};
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: ID, label: LABEL, open: |_: &Means| Arc::new(GitLab) };

const ID: &str = "gitlab";
const LABEL: &str = "GitLab";
/// Twenty nested groups and the project.
const GROUPS_MAX: usize = 21;
const UNAVAILABLE: &str = "this version keeps links to GitLab, but can't open merge requests there yet; \
    import the repository into a `local` link and work on that";

struct GitLab;

#[async_trait]
impl Forge for GitLab {
    fn id(&self) -> &'static str {
        ID
    }
    fn label(&self) -> &'static str {
        LABEL
    }
    fn is_built_in(&self) -> bool {
        false
    }
    fn unavailable(&self) -> Option<String> {
        Some(UNAVAILABLE.to_string())
    }
    fn check_link(&self, repository: &str, base_url: &str) -> Result<Link> {
        let base_url = match base_url.trim() {
            "" => "https://gitlab.com",
            given => given,
        };
        check_web_address("base_url", base_url)?;
        Ok(Link { repository: check_full_name(repository, GROUPS_MAX)?, base_url: base_url.to_string() })
    }

    async fn propose(&self, _repository: &Repository, _proposal: &Proposal) -> Result<Proposed> {
        Err(Error::conflict(UNAVAILABLE).code("forge_unavailable"))
    }
    async fn standing(&self, _repository: &Repository, _proposal: &Proposal) -> Result<Standing> {
        Err(Error::conflict(UNAVAILABLE).code("forge_unavailable"))
    }
    async fn merge(&self, _repository: &Repository, _proposal: &Proposal) -> Result<Commit> {
        Err(Error::conflict(UNAVAILABLE).code("forge_unavailable"))
    }
    async fn close(&self, _repository: &Repository, _proposal: &Proposal) -> Result<()> {
        Err(Error::conflict(UNAVAILABLE).code("forge_unavailable"))
    }
}
