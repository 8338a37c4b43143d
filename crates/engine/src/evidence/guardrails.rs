//! The first rule: the patch's files are of kinds and sizes that a patch may carry.

use super::{PatchFile, Saying, broken, count, holds};
use domain::diff::{Blob, BlobKind};
use domain::evidence::{Rule, RuleResult, SecretScanner};
use domain::harness::FileClass;
use domain::limits;
use globset::{Glob, GlobSet, GlobSetBuilder};

pub fn judge(files: &[PatchFile], exclude: &[String], scanner: &dyn SecretScanner) -> RuleResult {
    let rule = Rule::Guardrails;
    if files.is_empty() {
        return broken(rule, "empty_patch", "the patch changes nothing")
            .mend("Change the code so that the problem is gone, with a test that shows it.");
    }
    if let Some(result) = size(files) {
        return result;
    }
    let excluded = globs(exclude);
    for file in files {
        if let Some(reason) = forbidden(file, &excluded) {
            return broken(rule, "forbidden_file", reason)
                .at(&file.path, 0)
                .mend(format!("Leave `{}` as it is on the base commit.", file.path));
        }
    }
    for file in files {
        if let Some(found) = scanner.scan(&file.path, &file.added()).into_iter().next() {
            return broken(rule, "secret", format!("line {} of `{}` looks like {}", found.line, file.path, found.what))
                .at(&file.path, found.line)
                .mend("Take the credential out of the patch; read it from the configuration where it is needed.");
        }
    }
    holds(rule, format!("{}, none of a kind that a patch may not carry, no secret", count(files.len(), "file", "files")))
}

fn size(files: &[PatchFile]) -> Option<RuleResult> {
    let bytes: usize = files.iter().flat_map(|f| [&f.change.new, &f.change.old]).flatten().map(|b| b.content.len()).sum();
    let lines: usize = files.iter().map(|f| f.added().len()).sum();
    let words = if files.len() > limits::DIFF_FILES_MAX {
        format!("the patch changes {} files; {} are allowed", files.len(), limits::DIFF_FILES_MAX)
    } else if lines > limits::DIFF_LINES_MAX {
        format!("the patch adds {lines} lines; {} are allowed", limits::DIFF_LINES_MAX)
    } else if bytes > limits::DIFF_BYTES_MAX * 16 {
        format!("the patch touches files of {bytes} bytes together; that is more than anybody reviews")
    } else {
        return None;
    };
    Some(broken(Rule::Guardrails, "too_large", words).mend("Make the smallest change that fixes the problem."))
}

fn forbidden(file: &PatchFile, excluded: &GlobSet) -> Option<String> {
    let path = &file.path;
    if let FileClass::Forbidden(reason) = &file.class {
        return Some(reason.clone());
    }
    if excluded.is_match(path) {
        return Some(format!("`{path}` is excluded by the repository's or the request's configuration"));
    }
    for blob in [&file.change.new, &file.change.old].into_iter().flatten() {
        match blob.kind {
            BlobKind::Symlink if leaves_tree(path, blob) => return Some(format!("`{path}` is a symbolic link out of the tree")),
            BlobKind::Submodule => return Some(format!("`{path}` is a submodule")),
            _ => {}
        }
    }
    if file.change.new.as_ref().is_some_and(Blob::is_binary) {
        return Some(format!("`{path}` is a binary file"));
    }
    let was = file.change.old.as_ref().map(|b| b.kind);
    if file.change.new.as_ref().is_some_and(|b| b.kind == BlobKind::Symlink) && was != Some(BlobKind::Symlink) {
        return Some(format!("`{path}` is a new symbolic link"));
    }
    None
}

fn leaves_tree(path: &str, link: &Blob) -> bool {
    let Some(target) = link.text() else { return true };
    if target.starts_with('/') {
        return true;
    }
    let mut depth = path.split('/').count() as i64 - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Patterns that don't parse exclude nothing; the configuration's reader complains about them.
fn globs(patterns: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        if let Ok(glob) = Glob::new(pattern) {
            set.add(glob);
        }
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
}
