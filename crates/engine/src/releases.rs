//! Which commit a release is made of, as far as its repository can tell.

use domain::git::{Commit, GitHost};
use domain::{Kind, RepositoryId, Result};

/// A release is named by a commit's id, or by a tag of its own name; senders often put the project before it.
pub async fn commit(git: &dyn GitHost, repository: RepositoryId, release: &str) -> Result<Option<Commit>> {
    for reference in references(release) {
        match git.resolve(repository, &reference).await {
            Ok(commit) => return Ok(Some(commit)),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What git may know `checkout@4.18.2+f3c9…` by.
fn references(release: &str) -> Vec<String> {
    let release = release.trim();
    let version = release.rsplit('@').next().unwrap_or_default();
    let build = version.rsplit('+').next().unwrap_or_default();
    if release.is_empty() {
        return Vec::new();
    }
    if let Ok(commit) = Commit::parse(build) {
        return vec![commit.to_string()];
    }
    let mut tags = vec![release.to_string(), version.to_string(), format!("v{version}")];
    tags.dedup();
    tags.into_iter().map(|tag| format!("refs/tags/{tag}")).collect()
}

#[cfg(test)]
mod tests {
    use super::references;

    #[test]
    fn a_release_names_a_commit_or_a_tag() {
        let id = "f3c9".repeat(10);
        assert_eq!(references(&id).as_slice(), std::slice::from_ref(&id));
        assert_eq!(references(&format!("checkout@4.18.2+{id}")), [id]);
        assert_eq!(references("checkout@4.18.2"), ["refs/tags/checkout@4.18.2", "refs/tags/4.18.2", "refs/tags/v4.18.2"]);
        assert!(references(" ").is_empty());
    }
}
