//! Checks on names before git sees them: branches, revisions, paths, people.

use domain::{Error, Result};

const NAME_CHARS_MAX: usize = 200;

/// A branch's short name, by git's own rules for refs and a few stricter ones of ours.
pub fn check_branch(name: &str) -> Result<()> {
    let part_is_fine = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".lock") && !part.ends_with('.');
    let fine = name.len() <= NAME_CHARS_MAX
        && name.split('/').all(part_is_fine)
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && name != "HEAD"
        && !name.starts_with("refs/")
        && name.chars().all(|c| !c.is_control() && !c.is_whitespace() && !matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '\u{7f}'));
    if fine {
        return Ok(());
    }
    Err(Error::field("branch", format!("`{}` is no name for a branch", shown(name))))
}

/// What `resolve` takes: a branch, a tag, or a whole or shortened commit id. Nothing of git's revision language.
pub fn check_revision(name: &str) -> Result<()> {
    match name {
        "HEAD" => Ok(()),
        _ => check_branch(name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name))
            .map_err(|_| Error::field("reference", format!("`{}` is no branch, tag or commit id", shown(name)))),
    }
}

/// A path inside a repository, relative, that can't reach git's own folder under any file system's spelling of it.
pub fn check_path(path: &str) -> Result<()> {
    let part_is_fine = |part: &str| !part.is_empty() && part != "." && part != ".." && !is_dot_git(part);
    if path.len() <= 4096 && !path.contains(['\0', '\n', '\r']) && path.split('/').all(part_is_fine) {
        return Ok(());
    }
    Err(Error::field("path", format!("`{}` is no path inside a repository", shown(path))))
}

/// Git's identity lines end at these characters, so a name can't carry them.
pub fn person(text: &str, fallback: &str) -> String {
    let kept: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).take(NAME_CHARS_MAX).collect();
    match kept.trim() {
        "" => fallback.to_string(),
        kept => kept.to_string(),
    }
}

pub fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn is_dot_git(part: &str) -> bool {
    let plain: String = part
        .chars()
        .filter(|c| !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'))
        .collect();
    let plain = plain.trim_end_matches([' ', '.']).to_ascii_lowercase();
    plain == ".git" || plain == "git~1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_plain_names() {
        for good in ["main", "astraforge/0198-ab", "release/1.2", "fix_ü", "a-b"] {
            check_branch(good).unwrap_or_else(|_| panic!("{good} is a good name"));
        }
        for bad in [
            "",
            "-x",
            "--upload-pack=touch",
            "a..b",
            "a//b",
            "/a",
            "a/",
            "a.lock",
            "a b",
            "x~1",
            "x^",
            "HEAD",
            "@",
            "x@{1}",
            "refs/heads/x",
            ".x",
            "a/.b",
            "a:b",
            "a\nb",
        ] {
            assert!(check_branch(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(check_revision("refs/tags/v1").is_ok());
        assert!(check_revision("v1^{tree}").is_err());
    }

    #[test]
    fn paths_stay_inside() {
        for good in ["a.py", "src/ü.rs", ".github/x", ".gitignore", "a/.gitattributes"] {
            check_path(good).unwrap_or_else(|_| panic!("{good} is a good path"));
        }
        for bad in [
            "",
            "/a",
            "../a",
            "a/../b",
            "a//b",
            ".git/hooks/x",
            "a/.GIT/config",
            "GIT~1/x",
            ".git./x",
            ".g\u{200c}it/config",
            "a\nb",
            "a\0b",
        ] {
            assert!(check_path(bad).is_err(), "{bad:?} must be refused");
        }
    }
}
