//! GitHub: its repositories can be linked. Proposing there is not written yet, and says so before a run starts.

use super::{Entry, Means, check_full_name};
use async_trait::async_trait;
use domain::forge::{Forge, Link, Proposal, Proposed};
use domain::git::{Commit, Standing};
use domain::repository::Repository;
use domain::{Error, Result};
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: ID, label: LABEL, open: |_: &Means| Arc::new(GitHub) };

const ID: &str = "github";
const LABEL: &str = "GitHub";
const UNAVAILABLE: &str = "this version keeps links to GitHub, but can't open merge requests there yet; \
    import the repository into a `local` link and work on that";

struct GitHub;

#[async_trait]
impl Forge for GitHub {
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
        if !base_url.is_empty() {
            return Err(Error::field("base_url", "GitHub links take no base URL"));
        }
        Ok(Link { repository: check_full_name(repository, 2)?, base_url: String::new() })
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
