//! Reads a patch file by file and chooses the harness that judges it.

use super::counting::Counting;
use super::{ProofContext, ProofInput};
use crate::evidence::{PatchFile, red};
use domain::diff::{Blob, FileChange};
use domain::harness::{FileClass, Finding, SetUp, TestHarness};
use domain::{Error, Result};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Files of base that a harness may read to recognise its own.
const DETECT_FILES: &[&str] = &[
    "pyproject.toml",
    "package.json",
    "Cargo.toml",
    "Cargo.lock",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "setup.py",
    "setup.cfg",
];

/// The configured harness, else the first that recognises base and calls a file of the patch a test, else the first
/// that recognises base.
pub async fn harness(context: &ProofContext, input: &ProofInput) -> Result<Option<Arc<dyn TestHarness>>> {
    if let Some(id) = &input.config.harness {
        let found = context.harnesses.iter().find(|h| h.id() == id).cloned();
        return found
            .map(Some)
            .ok_or_else(|| Error::invalid(format!("`.astraforge.yml` names the harness `{id}`, which this server does not have")));
    }
    if input.config.command.is_some() {
        return Ok(context.harnesses.iter().find(|h| h.id() == "generic").cloned());
    }
    let files = context.git.files(input.repository, &input.base).await?;
    let changes = context.git.changes(input.repository, &input.base, &input.head).await?;
    let detected = detect(context, input, &files).await?;
    let of_patch = detected.iter().find(|(h, _)| changes.iter().any(|c| declares(h.as_ref(), c)));
    Ok(of_patch.or(detected.first()).map(|(h, _)| h.clone()))
}

fn declares(harness: &dyn TestHarness, change: &FileChange) -> bool {
    change.new.as_ref().and_then(Blob::text).is_some_and(|new| !harness.declared(&change.path, new).is_empty())
}

/// Every harness that recognises the base commit, with how to set it up.
pub async fn detect(context: &ProofContext, input: &ProofInput, files: &[String]) -> Result<Vec<(Arc<dyn TestHarness>, SetUp)>> {
    let mut texts = std::collections::BTreeMap::new();
    for file in files.iter().filter(|f| DETECT_FILES.contains(&f.as_str()) || (f.contains("requirements") && f.ends_with(".txt"))) {
        let bytes = context.git.file(input.repository, &input.base, file).await?;
        if let Some(text) = bytes.and_then(|b| String::from_utf8(b.to_vec()).ok()) {
            texts.insert(file.clone(), text);
        }
    }
    let read = |path: &str| texts.get(path).cloned();
    Ok(context.harnesses.iter().filter_map(|h| Some((h.clone(), h.detect(files, &read)?))).collect())
}

pub async fn read(context: &ProofContext, input: &ProofInput, harness: Option<&dyn TestHarness>) -> Result<Vec<PatchFile>> {
    let changes = context.git.changes(input.repository, &input.base, &input.head).await?;
    let mut files = Vec::new();
    for change in changes {
        for half in halves(change) {
            let text = |blob: &Option<Blob>| blob.as_ref().and_then(Blob::text).map(str::to_string);
            let (old, new) = (text(&half.old), text(&half.new));
            let class = harness.map_or(FileClass::Product, |h| h.classify(&half.path, old.as_deref(), new.as_deref()));
            files.push(PatchFile { path: half.path.clone(), class, old, new, change: half });
        }
    }
    Ok(files)
}

/// A rename as a removal and an addition; anything else as it is.
fn halves(change: FileChange) -> Vec<FileChange> {
    match change.old_path.clone() {
        Some(old_path) if old_path != change.path => vec![
            FileChange { path: old_path, old_path: None, old: change.old, new: None },
            FileChange { path: change.path, old_path: None, old: None, new: change.new },
        ],
        _ => vec![change],
    }
}

pub fn signs(harness: &dyn TestHarness, files: &[PatchFile]) -> Vec<(String, Finding)> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| f.is_product()) {
        // A moved file is judged against where it came from.
        let moved = files.iter().find(|f| f.new.is_none() && file.old.is_none() && f.is_product() && name(&f.path) == name(&file.path));
        let old = file.old.as_deref().or_else(|| moved.and_then(|m| m.old.as_deref()));
        if let Some(new) = &file.new {
            found.extend(harness.sleeve(&file.path, old, new).into_iter().map(|f| (file.path.clone(), f)));
        }
    }
    found
}

/// Where a test that is red on base replaces what the patch adds, or puts it in the place of what base has: with the
/// patch it then passes without what users call.
pub fn replaced(harness: &dyn TestHarness, files: &[PatchFile], declared: &[Counting], red: &[String]) -> Vec<(String, Finding)> {
    let names = |path: &str, text: &Option<String>| text.as_deref().map(|t| harness.defines(path, t)).unwrap_or_default();
    let product = || files.iter().filter(|f| f.is_product());
    let before: BTreeSet<String> = product().flat_map(|f| names(&f.path, &f.old)).collect();
    let added: BTreeSet<String> = product().flat_map(|f| names(&f.path, &f.new)).filter(|name| !before.contains(name)).collect();
    let mut found = Vec::new();
    for file in files.iter().filter(|f| f.is_test() && red.iter().any(|id| red::file_of(id) == f.path)) {
        let Some(text) = &file.new else { continue };
        // Another test of the file may look at the callers of what is new.
        let is_red = |test: &Counting| {
            red.iter().any(|id| id.strip_prefix(&test.declared.id).is_some_and(|rest| rest.is_empty() || rest.starts_with('[')))
        };
        let others = declared.iter().filter(|test| test.file == file.path && !is_red(test));
        let others: Vec<_> = others.filter_map(|test| harness.function_around(&file.path, text, test.declared.line)).collect();
        let is_meant =
            |(name, line): &(String, u32)| added.contains(name) && !others.iter().any(|(first, last)| (first..=last).contains(&line));
        let replaced = harness.replaces(&file.path, text).into_iter().filter(is_meant);
        let replaced = replaced.map(|(name, line)| (line, format!("replaces `{name}`, which the patch itself adds")));
        let put = harness.puts(&file.path, text).into_iter().filter(is_meant);
        let put = put.map(|(name, line)| (line, format!("puts `{name}`, which the patch itself adds, in the place of what others call")));
        found.extend(replaced.chain(put).map(|(line, what)| (file.path.clone(), Finding { line, what })));
    }
    found
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Inside the tree and not somebody else's package.
pub fn is_own(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with(['/', '<'])
        && !["node_modules/", "site-packages/", ".venv/", "node:"].iter().any(|p| path.contains(p))
}
