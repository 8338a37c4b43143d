//! The mixtures of base and patch that tests run on. The test configuration is base's in every one of them.

use super::counting::Counting;
use super::{ProofContext, ProofInput};
use crate::evidence::PatchFile;
use crate::strangers;
use bytes::Bytes;
use domain::Result;
use domain::diff::BlobKind;
use domain::git::{Commit, FileEdit, Signature};
use domain::harness::{Canary, FileClass, TestHarness};
use std::path::{Path, PathBuf};

/// A longer file is no source code.
const TEXT_BYTES_MAX: u64 = 8 << 20;

pub struct Tree {
    pub path: PathBuf,
    /// Files that nobody may write while tests run.
    pub guarded: Vec<String>,
}

pub struct Trees {
    pub base: Tree,
    /// Base with the patch's tests.
    pub red: Tree,
    /// The patch with base's test configuration.
    pub patch: Tree,
    /// The patch with base's tests.
    pub regression: Tree,
    pub canaries: Vec<Canary>,
    pub base_files: Vec<String>,
}

/// Guarding more files than this costs more than it tells.
const GUARDED_MAX: usize = 64;

impl Trees {
    pub fn with_canaries(&self, ids: &[String]) -> Vec<String> {
        let ours = self.canaries.iter().flat_map(|c| [c.passes.clone(), c.fails.clone()]);
        ids.iter().cloned().chain(ours).collect()
    }
    pub fn is_canary(&self, id: &str) -> bool {
        self.canaries.iter().any(|c| c.passes == id || c.fails == id)
    }
}

pub async fn compose(
    context: &ProofContext,
    input: &ProofInput,
    harness: &dyn TestHarness,
    files: &[PatchFile],
    counting: &[Counting],
    nonce: &str,
) -> Result<Trees> {
    let (mut red, mut patch, mut regression) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        match file.class {
            FileClass::Test => {
                red.push(to_new(file));
                regression.push(to_old(file));
            }
            FileClass::Harness => {
                patch.push(to_old(file));
                regression.push(to_old(file));
            }
            FileClass::Product => {
                let graft = |onto: &Option<String>, tests: &Option<String>| harness.graft(&file.path, onto.as_deref(), tests.as_deref());
                red.extend(graft(&file.old, &file.new).map(|text| edit(&file.path, text)));
                regression.extend(graft(&file.new, &file.old).map(|text| edit(&file.path, text)));
            }
            FileClass::Forbidden(_) => {}
        }
    }
    let canaries = canaries(harness, files, counting, nonce, &mut red, &mut patch);
    let base_files = context.git.files(input.repository, &input.base).await?;
    let guarded = guarded(harness, files, &base_files, &canaries);
    Ok(Trees {
        base: tree(context, input, &input.base, Vec::new(), &guarded).await?,
        red: tree(context, input, &input.base, red, &guarded).await?,
        patch: tree(context, input, &input.head, patch, &guarded).await?,
        regression: tree(context, input, &input.head, regression, &guarded).await?,
        canaries,
        base_files,
    })
}

pub async fn head(context: &ProofContext, input: &ProofInput) -> Result<Tree> {
    tree(context, input, &input.head, Vec::new(), &[]).await
}

/// One pair per counting file: in a copy beside it, or at its own end where a copy would not be loaded.
fn canaries(
    harness: &dyn TestHarness,
    files: &[PatchFile],
    counting: &[Counting],
    nonce: &str,
    red: &mut Vec<FileEdit>,
    patch: &mut Vec<FileEdit>,
) -> Vec<Canary> {
    let mut canaries = Vec::new();
    let mut paths: Vec<&str> = counting.iter().map(|c| c.file.as_str()).collect();
    paths.dedup();
    for (i, path) in paths.into_iter().enumerate() {
        let Some(file) = files.iter().find(|f| f.path == path) else { continue };
        let nonce = format!("{nonce}{i}");
        let place = |edits: &mut Vec<FileEdit>, text: &str| -> Option<Canary> {
            let canary = harness.canary(path, text, &nonce)?;
            edits.retain(|e| e.path != canary.path);
            edits.push(edit(&canary.path, canary.text.clone()));
            Some(canary)
        };
        let on_red = match file.class {
            FileClass::Product => harness.graft(path, file.old.as_deref(), file.new.as_deref()),
            _ => file.new.clone(),
        };
        let made = on_red.and_then(|text| place(red, &text)).and(file.new.as_ref().and_then(|text| place(patch, text)));
        canaries.extend(made);
    }
    canaries
}

fn guarded(harness: &dyn TestHarness, files: &[PatchFile], base: &[String], canaries: &[Canary]) -> Vec<String> {
    let mut guarded: Vec<String> = files.iter().filter(|f| f.is_test() && f.new.is_some()).map(|f| f.path.clone()).collect();
    guarded.extend(canaries.iter().map(|c| c.path.clone()));
    guarded.extend(base.iter().filter(|f| harness.classify(f, None, None) == FileClass::Harness).cloned());
    guarded.extend(base.iter().filter(|f| harness.classify(f, None, None) == FileClass::Test).cloned());
    let mut seen = std::collections::BTreeSet::new();
    guarded.retain(|f| seen.insert(f.clone()));
    guarded.truncate(GUARDED_MAX);
    guarded
}

async fn tree(context: &ProofContext, input: &ProofInput, onto: &Commit, edits: Vec<FileEdit>, guarded: &[String]) -> Result<Tree> {
    let commit = match edits.is_empty() {
        true => onto.clone(),
        false => {
            // A fixed author and time: the same mixture is the same commit, and its checkout is made once.
            let author = Signature { name: "proof".to_string(), email: "proof@astraforge.invalid".to_string(), at: 0 };
            context.git.commit_files(input.repository, onto, &edits, "A mixture that a proof runs on", &author).await?
        }
    };
    let path = context.git.checkout(input.repository, &commit, false).await?;
    let guarded = guarded.iter().filter(|f| is_plain_file(&path, f)).cloned().collect();
    Ok(Tree { path, guarded })
}

fn to_new(file: &PatchFile) -> FileEdit {
    blob_edit(&file.path, file.change.new.as_ref())
}

fn to_old(file: &PatchFile) -> FileEdit {
    blob_edit(&file.path, file.change.old.as_ref())
}

fn blob_edit(path: &str, blob: Option<&domain::diff::Blob>) -> FileEdit {
    FileEdit {
        path: path.to_string(),
        content: blob.map(|b| b.content.clone()),
        executable: blob.is_some_and(|b| b.kind == BlobKind::Executable),
    }
}

fn edit(path: &str, text: String) -> FileEdit {
    FileEdit { path: path.to_string(), content: Some(Bytes::from(text)), executable: false }
}

/// Links are not guarded: what they lead to is, if it lies inside.
fn is_plain_file(root: &Path, path: &str) -> bool {
    strangers::inside(root, path).is_some() && root.join(path).symlink_metadata().is_ok_and(|meta| meta.is_file())
}

/// A file of a tree as text. The name may come from a report that the patch's own process wrote.
pub fn text(tree: &Path, path: &str) -> Result<Option<String>> {
    Ok(strangers::read(tree, path, TEXT_BYTES_MAX)?.and_then(|bytes| String::from_utf8(bytes).ok()))
}
