//! A repository that a workspace is linked to.

use crate::{Error, RepositoryId, Result, Timestamp, UserId, WorkspaceId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    pub id: RepositoryId,
    pub workspace: WorkspaceId,
    /// The forge adapter's id, such as `local`.
    pub provider: String,
    /// `name`, `owner/name`, or a full URL, as the person gave it.
    pub repository: String,
    pub base_url: String,
    pub default_branch: String,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A name that is safe as a path segment: letters, digits, `.`, `_`, `-`, not starting with a dot.
pub fn check_local_name(name: &str) -> Result<()> {
    let fine = !name.is_empty()
        && name.len() <= 100
        && !name.starts_with('.')
        && !name.starts_with('-')
        && !name.ends_with(".git")
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if fine {
        return Ok(());
    }
    Err(Error::field(
        "repository",
        "a local repository's name has letters, digits, `.`, `_` and `-`, and does not start with a dot or end in `.git`",
    ))
}
