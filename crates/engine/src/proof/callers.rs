//! A patch that mends one caller of what fails, while the incident came through another that it leaves as it was.

use super::known::has_word;
use super::strength::Parts;
use super::trees;
use crate::evidence::green;
use crate::evidence::incident::{Shape, same_file};
use crate::evidence::strength::OtherCaller;
use domain::Result;
use domain::harness::{FileClass, Place};
use std::collections::BTreeMap;
use std::path::Path;

/// Nothing where a test takes the incident's way through what is mended, or where what is mended lies on no test's way to
/// the exception: then it may keep everybody from getting there.
pub fn other(parts: &Parts<'_>, ids: &[String]) -> Result<Option<OtherCaller>> {
    let Some(shape) = parts.recurs.shape else { return Ok(None) };
    let is_own = |path: &str| parts.harness.classify(path, None, None) == FileClass::Product;
    let (mut red, mut base) = (Tree::of(parts, &parts.trees.red.path), Tree::of(parts, &parts.trees.base.path));
    let (mut mended, mut passed) = (None, Vec::new());
    for id in ids {
        let is_test = |path: &str| !is_own(path);
        // Of an exception that was caught on its way to the test, the way is not told here.
        let Some(result) = green::find(parts.recurs.base, id).filter(|r| shape.matched(&r.chain, &is_test).is_some()) else {
            return Ok(None);
        };
        let mut changed = Vec::new();
        for place in result.chain.iter().flat_map(|link| &link.frames).filter(|f| is_own(&f.file)) {
            let functions: Vec<&Function> = red.around(place)?.collect();
            let frame = Frame { place, heads: functions.iter().map(|f| f.head.clone()).collect() };
            let is_changed = functions.last().is_some_and(|innermost| innermost.is_changed);
            if is_changed && frame.is_of(shape) {
                return Ok(None);
            }
            changed.extend(is_changed.then_some(place));
            passed.push(frame);
        }
        if changed.is_empty() {
            return Ok(None);
        }
        mended = mended.or(changed.pop());
    }
    let Some(mended) = mended else { return Ok(None) };
    let mut left = None;
    for (file, function) in &shape.places {
        let alone = Shape { kinds: Vec::new(), places: vec![(file.clone(), function.clone())] };
        if passed.iter().any(|frame| frame.is_of(&alone)) {
            continue;
        }
        let Some(path) = parts.trees.base_files.iter().find(|path| same_file(file, path) && is_own(path)) else { continue };
        let is_changed: Vec<bool> = base.file(path)?.iter().filter(|f| has_word(&f.head, function)).map(|f| f.is_changed).collect();
        if is_changed.contains(&true) {
            return Ok(None);
        }
        left = left.or((!is_changed.is_empty()).then(|| function.clone()));
    }
    Ok(left.map(|reported| OtherCaller { reported, mended: mended.clone() }))
}

struct Frame<'a> {
    place: &'a Place,
    /// Of the functions that it lies in.
    heads: Vec<String>,
}

impl Frame<'_> {
    /// By its name, or by those in the text: a runtime names a callback after who calls it.
    fn is_of(&self, shape: &Shape) -> bool {
        let is_in_text = |(file, function): &(String, String)| {
            same_file(file, &self.place.file) && self.heads.iter().any(|head| has_word(head, function))
        };
        shape.is_place(self.place) || shape.places.iter().any(is_in_text)
    }
}

struct Function {
    lines: (u32, u32),
    head: String,
    /// The patch has it in other words.
    is_changed: bool,
}

/// The functions of the files of a tree, each read once.
struct Tree<'a> {
    parts: &'a Parts<'a>,
    path: &'a Path,
    files: BTreeMap<String, Vec<Function>>,
}

impl<'a> Tree<'a> {
    fn of(parts: &'a Parts<'a>, path: &'a Path) -> Self {
        Tree { parts, path, files: BTreeMap::new() }
    }

    /// Outer ones before inner ones.
    fn around(&mut self, place: &Place) -> Result<impl Iterator<Item = &Function>> {
        Ok(self.file(&place.file)?.iter().filter(|f| (f.lines.0..=f.lines.1).contains(&place.line)))
    }

    fn file(&mut self, file: &str) -> Result<&[Function]> {
        if !self.files.contains_key(file) {
            let text = trees::text(self.path, file)?.unwrap_or_default();
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let patched = self.parts.files.iter().find(|f| f.path == file && f.is_product());
            let function = |(first, last): (u32, u32)| {
                let own = lines.get(first as usize - 1..last as usize).unwrap_or_default().concat();
                let is_changed = patched.is_some_and(|f| !f.new.as_deref().unwrap_or_default().contains(own.trim_end()));
                Function { lines: (first, last), head: own.lines().next().unwrap_or_default().to_string(), is_changed }
            };
            let functions = self.parts.harness.functions(file, &text).into_iter().map(function).collect();
            self.files.insert(file.to_string(), functions);
        }
        Ok(&self.files[file])
    }
}
