//! Where merge requests live. A new forge is one file here and one entry in [`ALL`].

mod github;
mod gitlab;
mod local;

use domain::forge::Forge;
use domain::git::GitHost;
use domain::{Clock, Error, Result};
use std::sync::Arc;

pub const ALL: &[Entry] = &[local::ENTRY, gitlab::ENTRY, github::ENTRY];

pub struct Entry {
    pub id: &'static str,
    pub label: &'static str,
    pub open: fn(&Means) -> Arc<dyn Forge>,
}

/// What a forge may need to do its work.
#[derive(Clone)]
pub struct Means {
    pub git: Arc<dyn GitHost>,
    pub clock: Arc<dyn Clock>,
    pub author_name: String,
    pub author_email: String,
}

pub fn open_all(means: &Means) -> Vec<Arc<dyn Forge>> {
    ALL.iter().map(|entry| (entry.open)(means)).collect()
}

const REPOSITORY_CHARS_MAX: usize = 255;

/// `owner/name`, with further groups between them where the forge has those, or a whole web address.
fn check_full_name(repository: &str, parts_max: usize) -> Result<String> {
    let wrong = |why: &str| Error::field("repository", format!("{why}; write `owner/name` or the repository's web address"));
    let repository = repository.trim();
    if repository.is_empty() || repository.chars().count() > REPOSITORY_CHARS_MAX {
        return Err(wrong(&format!("a repository's name has 1 to {REPOSITORY_CHARS_MAX} characters")));
    }
    let path = match repository.split_once("://") {
        None => repository,
        Some(_) => {
            check_web_address("repository", repository)?;
            repository.splitn(4, '/').nth(3).unwrap_or_default()
        }
    };
    let parts: Vec<&str> = path.trim_end_matches('/').trim_end_matches(".git").split('/').collect();
    let is_fine = |part: &&str| {
        !part.is_empty() && !part.starts_with(['.', '-']) && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    if !(2..=parts_max).contains(&parts.len()) || !parts.iter().all(is_fine) {
        return Err(wrong("this is no repository's full name"));
    }
    Ok(repository.to_string())
}

fn check_web_address(field: &str, url: &str) -> Result<()> {
    let parsed = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let parsed = parsed.ok_or_else(|| Error::field(field, "a web address starts with http:// or https://"))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Error::field(field, "the address contains a user name or password; the token has a field of its own"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_have_an_owner() {
        for good in ["a/b", "https://example.com/a/b.git", "a.b/c_d-e"] {
            assert_eq!(check_full_name(good, 2).unwrap_or_default(), good);
        }
        assert!(check_full_name("group/sub/name", 20).is_ok());
        for bad in ["", "a", "a/b/c", "/a", "a/", "../b", "a/-b", "ssh://h/a/b", "https://u:p@h/a/b", "a/b c"] {
            assert!(check_full_name(bad, 2).is_err(), "{bad:?} must be refused");
        }
    }
}
