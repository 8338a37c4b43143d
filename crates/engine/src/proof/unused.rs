//! A patch that only adds files which nothing of the product names: whoever ran into the failure still does.

use super::aside;
use super::known::{Known, has_word};
use crate::evidence::PatchFile;
use domain::Result;
use domain::harness::{FileClass, TestHarness};
use std::collections::{BTreeSet, HashSet};

/// Names of files that stand for their folder.
const OF_FOLDER: &[&str] = &["__init__", "index", "main", "mod"];

/// The first such file. Nothing is said of a folder that the product may list or load from by names it makes up, nor of one
/// whose files nobody names.
pub async fn first(harness: &dyn TestHarness, files: &[PatchFile], known: &Known<'_>) -> Result<Option<String>> {
    let product: Vec<&PatchFile> = files.iter().filter(|f| f.is_product() && !is_prose(&f.path)).collect();
    let is_new_code = |f: &&PatchFile| f.old.is_none() && f.new.as_deref().is_some_and(|text| harness.loads_any(&f.path, text).is_some());
    if product.is_empty() || !product.iter().all(is_new_code) {
        return Ok(None);
    }
    let Some(texts) = known.texts().await? else { return Ok(None) };
    Ok(aside(|| alone(harness, &product, texts)))
}

fn alone(harness: &dyn TestHarness, product: &[&PatchFile], texts: &[(String, String)]) -> Option<String> {
    let one = product.first()?;
    let texts: Vec<Text<'_>> = texts.iter().map(|(path, text)| Text::of(path, text)).collect();
    let before: Vec<&Text<'_>> = texts.iter().filter(|t| harness.classify(t.path, None, None) != FileClass::Test).collect();
    if product.iter().any(|f| before.iter().any(|text| text.names(stem(&f.path)))) {
        return None;
    }
    let folders: BTreeSet<&str> = texts.iter().map(|t| name(folder(t.path))).filter(|name| !name.is_empty()).collect();
    let loads: Vec<(&Text<'_>, bool)> = before.iter().filter_map(|t| Some((*t, harness.loads_any(t.path, t.text)?))).collect();
    // One that names folders means these.
    let own = Some(name(folder(&one.path))).filter(|name| !name.is_empty());
    let may_load = |t: &Text<'_>| own.is_some_and(|own| t.names(own)) || !folders.iter().any(|folder| t.names(folder));
    if loads.iter().any(|(text, loads)| *loads && may_load(text)) {
        return None;
    }
    let is_beside = |path: &&str| folder(path) == folder(&one.path) && !OF_FOLDER.contains(&name(path));
    let mut beside = loads.iter().map(|(text, _)| text.path).filter(is_beside).peekable();
    let is_by_convention = beside.peek().is_some() && !beside.any(|path| texts.iter().any(|t| t.path != path && t.names(stem(path))));
    (!is_by_convention).then(|| one.path.clone())
}

/// A file of base, with its words for quick refusals.
struct Text<'a> {
    path: &'a str,
    text: &'a str,
    words: HashSet<&'a str>,
}

impl<'a> Text<'a> {
    fn of(path: &'a str, text: &'a str) -> Self {
        Text { path, text, words: words(text).collect() }
    }
    /// Nothing is named by an empty word.
    fn names(&self, name: &str) -> bool {
        !name.is_empty() && words(name).all(|word| self.words.contains(word)) && has_word(self.text, name)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn is_prose(path: &str) -> bool {
    [".md", ".rst", ".adoc"].iter().any(|end| path.ends_with(end))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path).trim_start_matches('.');
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// What others name it by.
fn stem(path: &str) -> &str {
    if OF_FOLDER.contains(&name(path)) && !folder(path).is_empty() { name(folder(path)) } else { name(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_stem() {
        assert_eq!(["lib/my-fix.mjs", "lib/.fix.js", "lib/fix/index.js", ".js"].map(stem), ["my-fix", "fix", "fix", "js"]);
        let text = Text::of("a.js", "import fix from './my-fix.mjs';");
        assert!(text.names("my-fix") && text.names("fix") && text.names("my"));
        assert!(!text.names("") && !text.names("other-fix") && !text.names("fi"));
    }
}
