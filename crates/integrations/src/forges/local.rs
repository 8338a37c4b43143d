//! The forge in our own house: branches and merges in the repository we hold; the merge request itself is our own row.

use super::{Entry, Means};
use async_trait::async_trait;
use domain::forge::{Forge, Link, Proposal, Proposed};
use domain::git::{Commit, Signature, Standing};
use domain::repository::{Repository, check_local_name};
use domain::{Error, Kind, Result};
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: ID, label: LABEL, open: |means| Arc::new(Local(means.clone())) };

const ID: &str = "local";
const LABEL: &str = "Built-in";

struct Local(Means);

#[async_trait]
impl Forge for Local {
    fn id(&self) -> &'static str {
        ID
    }
    fn label(&self) -> &'static str {
        LABEL
    }
    fn is_built_in(&self) -> bool {
        true
    }
    fn unavailable(&self) -> Option<String> {
        None
    }
    fn check_link(&self, repository: &str, base_url: &str) -> Result<Link> {
        check_local_name(repository)?;
        if !base_url.is_empty() {
            return Err(Error::field("base_url", "repositories on this server have no base URL"));
        }
        Ok(Link { repository: repository.to_string(), base_url: String::new() })
    }

    async fn propose(&self, repository: &Repository, proposal: &Proposal) -> Result<Proposed> {
        match self.tip(repository, &proposal.source_branch).await? {
            Some(tip) if tip == proposal.commit => {}
            Some(tip) if Some(&tip) != proposal.previous.as_ref() => {
                return Err(Error::conflict(format!(
                    "branch `{}` holds {}, which AstraForge did not put there; delete the branch or keep that work under another name",
                    proposal.source_branch,
                    tip.short()
                ))
                .code("branch_moved"));
            }
            tip => self.0.git.set_branch(repository.id, &proposal.source_branch, &proposal.commit, Some(tip.as_ref())).await?,
        }
        Ok(Proposed { reference: format!("local://{}!{}", repository.repository, proposal.source_branch) })
    }

    async fn standing(&self, repository: &Repository, proposal: &Proposal) -> Result<Standing> {
        self.0.git.standing(repository.id, &proposal.target_branch, &proposal.commit).await
    }

    async fn merge(&self, repository: &Repository, proposal: &Proposal) -> Result<Commit> {
        let tip = self.tip(repository, &proposal.source_branch).await?;
        if let Some(tip) = tip.as_ref().filter(|tip| **tip != proposal.commit) {
            return Err(Error::conflict(format!("branch `{}` has moved to {} since it was proven", proposal.source_branch, tip.short()))
                .code("branch_moved"));
        }
        let author = Signature { name: self.0.author_name.clone(), email: self.0.author_email.clone(), at: self.0.clock.now().as_second() };
        let message = format!("Merge branch '{}'\n\n{}", proposal.source_branch, proposal.title);
        let merged = self.0.git.merge(repository.id, &proposal.target_branch, &proposal.commit, &message, &author).await?;
        if tip.is_some() {
            self.0.git.delete_branch(repository.id, &proposal.source_branch).await?;
        }
        Ok(merged)
    }

    /// The branch stays, for whoever wants to look at it or go on from it.
    async fn close(&self, _repository: &Repository, _proposal: &Proposal) -> Result<()> {
        Ok(())
    }
}

impl Local {
    async fn tip(&self, repository: &Repository, branch: &str) -> Result<Option<Commit>> {
        match self.0.git.resolve(repository.id, &format!("refs/heads/{branch}")).await {
            Ok(commit) => Ok(Some(commit)),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
