//! Values that the patch's code names and only its tests give: with others in their place, a fix for these values alone
//! shows itself.

use super::ground::Job;
use super::strength::{Parts, patched};
use crate::evidence::{PatchFile, green};
use domain::Result;
use domain::harness::{Singled, Variant};
use std::collections::BTreeSet;
use std::time::Duration;

const VALUES_MAX: usize = 6;

/// The file of a test, and a value of it without which everything is as on base, and which nothing but the patch knows.
pub async fn only(parts: &Parts<'_>, ids: &[String], timeout: Duration) -> Result<Option<(String, Singled)>> {
    let singled = all(parts);
    let mut variants = Vec::new();
    for (path, one) in &singled {
        for (other, text) in one.others.iter().flatten() {
            variants.push(Variant {
                key: format!("value-{}", variants.len()),
                edits: vec![(path.clone(), Some(text.clone()))],
                // A test may be named by what it gives.
                ids: Some(ids.iter().map(|id| Singled::replaced(id, &one.value, other)).collect()),
                lenient: true,
                ..Variant::default()
            });
        }
    }
    let job = Job { line: "the counting tests with other values".to_string(), fresh: false, disguised: false, timeout, guard: false };
    let mut reports = parts.ground.spread(&parts.trees.patch, variants, &job).await?.into_iter();
    for (path, one) in singled {
        let mut is_as_on_base = true;
        for group in &one.others {
            let mut is_any = false;
            for (other, _) in group {
                let Some(report) = reports.next() else { return Ok(None) };
                let in_words_of_base = |text: &str| text.replace(other.as_str(), &one.value);
                let is_same = |id: &String| {
                    let result = green::find(&report, &Singled::replaced(id, &one.value, other));
                    result.is_some_and(|result| parts.recurs.is_in_same_words(id, result, &in_words_of_base))
                };
                is_any |= ids.iter().any(is_same);
            }
            is_as_on_base &= is_any;
        }
        if is_as_on_base && !parts.known.was_written(&one.value).await? {
            return Ok(Some((path, one)));
        }
    }
    Ok(None)
}

/// None if some of it was reported: then the rest may belong to it.
fn all(parts: &Parts<'_>) -> Vec<(String, Singled)> {
    if parts.recurs.shape.is_none() {
        return Vec::new();
    }
    let patch = patched(parts);
    let of = |file: &PatchFile| {
        let own = parts.counting.iter().filter(|c| c.file == file.path).map(|c| &c.declared);
        let lines: BTreeSet<u32> = match file.is_test() {
            true => file.added().into_iter().map(|(line, _)| line).chain(own.flat_map(|d| d.line..=d.last_line)).collect(),
            false => own.flat_map(|d| d.line..=d.last_line).collect(),
        };
        let text = file.new.as_deref().filter(|_| !lines.is_empty())?;
        let found = parts.harness.singled_out(&file.path, text, &lines, &patch);
        Some(found.into_iter().map(|one| (file.path.clone(), one)).collect::<Vec<_>>())
    };
    let mut found: Vec<(String, Singled)> = parts.files.iter().filter_map(of).flatten().collect();
    if found.iter().any(|(_, one)| parts.known.was_told(&one.value)) {
        return Vec::new();
    }
    found.retain(|(_, one)| !is_protocol(&one.value));
    found.truncate(VALUES_MAX);
    found
}

/// Words and numbers of HTTP (RFC 9110 and the registry of its status codes) mean the same to everybody, whatever the
/// project says of them.
fn is_protocol(value: &str) -> bool {
    let is_status = |n: u16| matches!(n, 100..=103 | 200..=208 | 226 | 300..=308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511);
    value.parse().is_ok_and(is_status)
        || matches!(value, "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT")
}
