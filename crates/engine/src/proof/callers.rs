//! A patch that mends one caller of what fails, while the incident came through another that it leaves as it was.

use super::strength::Parts;
use super::trees;
use crate::evidence::incident::{Shape, same_file};
use crate::evidence::strength::OtherCaller;
use crate::evidence::{PatchFile, green};
use domain::Result;
use domain::harness::{FileClass, Place};

/// Nothing where a test takes the incident's way through what is mended, or where what is mended lies on no test's way to
/// the exception: then it may keep everybody from getting there.
pub fn other(parts: &Parts<'_>, ids: &[String]) -> Result<Option<OtherCaller>> {
    let Some(shape) = parts.recurs.shape else { return Ok(None) };
    let is_own = |path: &str| parts.harness.classify(path, None, None) == FileClass::Product;
    let (mut mended, mut passed) = (None, Vec::new());
    for id in ids {
        let Some(result) = green::find(parts.recurs.base, id) else { return Ok(None) };
        let frames: Vec<&Place> = result.chain.iter().flat_map(|link| &link.frames).filter(|f| is_own(&f.file)).collect();
        let mut changed = Vec::new();
        for frame in &frames {
            let text = trees::text(&parts.trees.red.path, &frame.file)?.unwrap_or_default();
            changed.extend(is_changed(parts, &frame.file, &text, frame.line).then_some(*frame));
        }
        if changed.is_empty() || changed.iter().any(|frame| shape.is_place(frame)) {
            return Ok(None);
        }
        mended = mended.or(changed.pop());
        passed.extend(frames);
    }
    let Some(mended) = mended else { return Ok(None) };
    let mut left = None;
    for (file, function) in &shape.places {
        let alone = Shape { kinds: Vec::new(), places: vec![(file.clone(), function.clone())] };
        if passed.iter().any(|frame| alone.is_place(frame)) {
            continue;
        }
        let Some(path) = parts.trees.base_files.iter().find(|path| same_file(file, path) && is_own(path)) else { continue };
        let text = trees::text(&parts.trees.base.path, path)?.unwrap_or_default();
        let is_head = |line: &u32| parts.harness.function_around(path, &text, *line).is_some_and(|(first, _)| first == *line);
        let named = (1..).zip(text.lines()).filter(|(_, words)| super::known::has_word(words, function)).map(|(line, _)| line);
        let heads: Vec<u32> = named.filter(is_head).collect();
        if heads.iter().any(|line| is_changed(parts, path, &text, *line)) {
            return Ok(None);
        }
        left = left.or((!heads.is_empty()).then(|| function.clone()));
    }
    Ok(left.map(|reported| OtherCaller { reported, mended: mended.clone() }))
}

/// Whether the patch has the function around this line in other words.
fn is_changed(parts: &Parts<'_>, path: &str, text: &str, line: u32) -> bool {
    let Some(PatchFile { new, .. }) = parts.files.iter().find(|f| f.path == path && f.is_product()) else { return false };
    let Some((first, last)) = parts.harness.function_around(path, text, line) else { return false };
    let own: String = text.split_inclusive('\n').skip(first as usize - 1).take((last - first) as usize + 1).collect();
    !new.as_deref().unwrap_or_default().contains(own.trim_end())
}
