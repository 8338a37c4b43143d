//! A patch that only adds files which nothing of the product names: whoever ran into the failure still does.

use super::known::{Known, has_word};
use crate::evidence::PatchFile;
use domain::Result;
use domain::harness::{FileClass, TestHarness};
use std::collections::BTreeSet;

/// Names of files that stand for their folder.
const OF_FOLDER: &[&str] = &["__init__", "index", "main", "mod"];

/// The first such file. Nothing is said of a folder that the product may list or load from by names it makes up, nor of one
/// whose files nobody names.
pub async fn first(harness: &dyn TestHarness, files: &[PatchFile], known: &Known<'_>) -> Result<Option<String>> {
    let product: Vec<&PatchFile> = files.iter().filter(|f| f.is_product() && !is_prose(&f.path)).collect();
    let is_new_code = |f: &&PatchFile| f.old.is_none() && f.new.as_deref().is_some_and(|text| harness.loads_any(&f.path, text).is_some());
    let Some(one) = product.first().filter(|_| product.iter().all(is_new_code)) else { return Ok(None) };
    let Some(texts) = known.texts().await? else { return Ok(None) };
    let before: Vec<&(String, String)> = texts.iter().filter(|(path, _)| harness.classify(path, None, None) != FileClass::Test).collect();
    let names = |text: &str, path: &str| has_word(text, stem(path));
    let folders: BTreeSet<&str> = texts.iter().map(|(path, _)| name(folder(path))).filter(|name| !name.is_empty()).collect();
    let loaders: Vec<_> = before.iter().filter(|(path, text)| harness.loads_any(path, text) == Some(true)).collect();
    let may_load = |path: &str| {
        // One that names folders means these.
        let own = Some(name(folder(path))).filter(|name| !name.is_empty());
        loaders.iter().any(|(_, text)| own.is_some_and(|own| has_word(text, own)) || !folders.iter().any(|folder| has_word(text, folder)))
    };
    if product.iter().any(|f| before.iter().any(|(_, text)| names(text, &f.path)) || may_load(&f.path)) {
        return Ok(None);
    }
    let beside: Vec<&str> = before
        .iter()
        .filter(|(path, text)| {
            folder(path) == folder(&one.path) && !OF_FOLDER.contains(&name(path)) && harness.loads_any(path, text).is_some()
        })
        .map(|(path, _)| path.as_str())
        .collect();
    let is_named = |path: &&str| texts.iter().any(|(other, text)| other != path && names(text, path));
    let is_by_convention = !beside.is_empty() && !beside.iter().any(is_named);
    Ok((!is_by_convention).then(|| one.path.clone()))
}

fn is_prose(path: &str) -> bool {
    [".md", ".rst", ".adoc"].iter().any(|end| path.ends_with(end))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// What others name it by.
fn stem(path: &str) -> &str {
    if OF_FOLDER.contains(&name(path)) && !folder(path).is_empty() { name(folder(path)) } else { name(path) }
}
