//! Which tests count: ids that are new or changed, as functions or as rows of a table.

use super::trees::Trees;
use crate::evidence::PatchFile;
use domain::evidence::Outcome;
use domain::harness::{Declared, TestHarness, VariantReport};
use std::collections::BTreeSet;

/// A declaration of the patch that is new or changed.
#[derive(Clone, Debug)]
pub struct Counting {
    pub file: String,
    pub declared: Declared,
    /// Only the table changed: just its new rows count.
    pub rows_only: bool,
}

pub fn declared(harness: &dyn TestHarness, files: &[PatchFile]) -> Vec<Counting> {
    let mut counting = Vec::new();
    for file in files {
        let before = file.old.as_deref().map(|t| of(harness, file, t)).unwrap_or_default();
        for new in file.new.as_deref().map(|t| of(harness, file, t)).unwrap_or_default() {
            // A name may be given twice.
            let old = before.iter().filter(|o| o.id == new.id).max_by_key(|o| (o.digest == new.digest, o.rows_digest == new.rows_digest));
            let same_body = old.is_some_and(|o| o.digest == new.digest);
            let same_rows = old.is_some_and(|o| o.rows_digest == new.rows_digest);
            if !(same_body && same_rows) && !new.skipped {
                counting.push(Counting { file: file.path.clone(), declared: new, rows_only: same_body });
            }
        }
    }
    counting
}

/// Of test files, and of product files in languages that keep tests inside.
fn of(harness: &dyn TestHarness, file: &PatchFile, text: &str) -> Vec<Declared> {
    let inside = file.is_product() && harness.graft(&file.path, Some(text), Some(text)).is_some();
    if file.is_test() || inside { harness.declared(&file.path, text) } else { Vec::new() }
}

/// Where the tests of the patch's files stand that do not count.
pub fn others(harness: &dyn TestHarness, files: &[PatchFile], counting: &[String]) -> Vec<(String, u32, u32)> {
    let is_asked = |test: &Declared| test.id.contains('…') || counting.iter().any(|id| id.starts_with(&test.id));
    let tests = files.iter().filter(|f| f.is_test()).flat_map(|f| {
        let declared = f.new.as_deref().map(|text| of(harness, f, text)).unwrap_or_default();
        declared.into_iter().filter(|test| !is_asked(test)).map(|test| (f.path.clone(), test.line, test.last_line))
    });
    tests.collect()
}

pub fn declared_on_both(harness: &dyn TestHarness, files: &[PatchFile]) -> (Vec<Declared>, Vec<Declared>) {
    let side =
        |text: fn(&PatchFile) -> Option<&str>| files.iter().flat_map(|f| text(f).map(|t| of(harness, f, t)).unwrap_or_default()).collect();
    (side(|f| f.old.as_deref()), side(|f| f.new.as_deref()))
}

/// Whether the patch changed or removed the declaration behind this id.
pub fn is_changed(harness: &dyn TestHarness, files: &[PatchFile], id: &str) -> bool {
    let (before, after) = declared_on_both(harness, files);
    // A row's id begins with its declaration's.
    let declared = id.split('[').next().unwrap_or(id);
    let Some(old) = before.iter().find(|d| d.id == declared) else { return false };
    after.iter().find(|d| d.id == declared).is_none_or(|new| new.digest != old.digest || new.rows_digest != old.rows_digest)
}

/// The ids that count, as the patch's own run names them; one that gave no result stands under its declared id.
pub fn ids(declared: &[Counting], base: &VariantReport, own: &VariantReport, trees: &Trees) -> Vec<String> {
    let known: BTreeSet<&str> = base.tests.iter().map(|t| t.id.as_str()).collect();
    let mut ids = Vec::new();
    for counting in declared {
        let named: Vec<&str> =
            own.tests.iter().filter(|t| counting.declared.names(t) && !trees.is_canary(&t.id)).map(|t| t.id.as_str()).collect();
        let fresh: Vec<&str> = named.iter().copied().filter(|id| !known.contains(id)).collect();
        // A row may have changed without a new name, or all rows have one name: then any of them may be the new one.
        let chosen = if counting.rows_only && !fresh.is_empty() { fresh } else { named };
        match chosen.is_empty() {
            true => ids.push(counting.declared.id.clone()),
            false => ids.extend(chosen.into_iter().map(str::to_string)),
        }
    }
    // Ids that only the patch's run knows count too: rows from a data file, and frameworks whose syntax we don't read.
    for test in own.tests.iter().filter(|t| !known.contains(t.id.as_str()) && !trees.is_canary(&t.id)) {
        if !ids.contains(&test.id) && test.outcome != Outcome::Skipped {
            ids.push(test.id.clone());
        }
    }
    let mut known = BTreeSet::new();
    ids.retain(|id| known.insert(id.clone()));
    ids
}
