//! A proposed change with its proof, and what people decided about it.

use crate::evidence::Verdict;
use crate::git::Commit;
use crate::{CommentId, Error, IncidentId, MergeRequestId, RepositoryId, RequestId, Result, RunId, Timestamp, UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub struct MergeRequest {
    pub id: MergeRequestId,
    pub workspace: WorkspaceId,
    pub request: RequestId,
    /// The newest run that updated it.
    pub run: RunId,
    pub repository: RepositoryId,
    pub incident: Option<IncidentId>,
    /// Counts within the workspace.
    pub number: i64,
    pub reference: String,
    pub title: String,
    pub description: String,
    pub source_branch: String,
    pub target_branch: String,
    pub base_commit: Commit,
    pub patch_commit: Commit,
    pub diff: String,
    pub status: MergeRequestStatus,
    pub verdict: Verdict,
    pub decisions: Decisions,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MergeRequestStatus {
    Open,
    Draft,
    Merged,
    Closed,
}

impl MergeRequestStatus {
    pub const ALL: [MergeRequestStatus; 4] =
        [MergeRequestStatus::Open, MergeRequestStatus::Draft, MergeRequestStatus::Merged, MergeRequestStatus::Closed];
    pub fn word(self) -> &'static str {
        match self {
            MergeRequestStatus::Open => "OPEN",
            MergeRequestStatus::Draft => "DRAFT",
            MergeRequestStatus::Merged => "MERGED",
            MergeRequestStatus::Closed => "CLOSED",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// What people said and did; kept with the merge request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decisions {
    pub approved_by: Option<UserId>,
    pub approved_by_name: Option<String>,
    pub approved_at: Option<Timestamp>,
    pub approved_commit: Option<Commit>,
    pub merged_by: Option<UserId>,
    pub merged_at: Option<Timestamp>,
    pub merge_commit: Option<Commit>,
    /// Releases that can't hold the fix: seen crashing before the merge, or made of a commit without it.
    pub releases_without_fix: Vec<String>,
    /// The fault came back although this was merged.
    pub recurrence: Option<Recurrence>,
    pub overridden: Option<Override>,
    pub reviewed: Vec<String>,
    pub comments: Vec<Comment>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Override {
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
    /// Only for this very patch.
    pub commit: Commit,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recurrence {
    pub at: Timestamp,
    /// Empty when the alert named none.
    pub release: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comment {
    pub id: CommentId,
    pub path: String,
    pub line: u32,
    pub side: String,
    pub body: String,
    pub author: String,
    pub created_at: Timestamp,
    pub sent: bool,
}

impl MergeRequest {
    /// Proven, or overridden by a person for this very patch, and approved for this very patch.
    pub fn check_mergeable(&self) -> Result<()> {
        match self.status {
            MergeRequestStatus::Merged => return Err(Error::conflict(format!("merge request !{} is merged already", self.number))),
            MergeRequestStatus::Closed => {
                return Err(Error::conflict(format!("merge request !{} is closed; reopen it by a follow-up run", self.number)));
            }
            MergeRequestStatus::Open | MergeRequestStatus::Draft => {}
        }
        if !self.is_ready() {
            return Err(Error::conflict("the fix is not proven; send it back to the agent, or override the verdict with a reason"));
        }
        if self.decisions.approved_commit.as_ref() != Some(&self.patch_commit) {
            return Err(Error::conflict("nobody has approved this version of the patch yet"));
        }
        Ok(())
    }
    pub fn is_ready(&self) -> bool {
        self.verdict == Verdict::Proven || self.decisions.overridden.as_ref().is_some_and(|o| o.commit == self.patch_commit)
    }
}
