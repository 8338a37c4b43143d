//! Values that the patch's code names and only its tests give: with others in their place, a fix for these values alone
//! shows itself.

use super::ground::Job;
use super::strength::{Parts, patched};
use crate::evidence::{PatchFile, green};
use domain::Result;
use domain::harness::{Declared, Singled, Sought, Variant};
use std::collections::BTreeSet;
use std::time::Duration;

const VALUES_MAX: usize = 6;

/// The file of a test, and a value of it without which everything is as on base, and which nothing but the patch knows.
pub async fn only(parts: &Parts<'_>, ids: &[String], timeout: Duration) -> Result<Option<(String, Singled)>> {
    let singled = all(parts);
    let (mut variants, mut named) = (Vec::new(), Vec::new());
    for (path, one) in &singled {
        for (other, text) in one.others.iter().flatten() {
            let declared = parts.harness.declared(path, text);
            let names: Vec<String> = ids.iter().map(|id| name(id, &declared, &one.value, other)).collect();
            named.push(names.clone());
            variants.push(Variant {
                key: format!("value-{}", variants.len()),
                edits: vec![(path.clone(), Some(text.clone()))],
                ids: Some(names),
                lenient: true,
                ..Variant::default()
            });
        }
    }
    let job = Job { line: "the counting tests with other values".to_string(), fresh: false, disguised: false, timeout, guard: false };
    let mut reports = parts.ground.spread(&parts.trees.patch, variants, &job).await?.into_iter().zip(named);
    for (path, one) in singled {
        let mut is_as_on_base = true;
        for group in &one.others {
            let mut is_any = false;
            for (other, _) in group {
                let Some((report, names)) = reports.next() else { return Ok(None) };
                let in_words_of_base = |text: &str| text.replace(other.as_str(), &one.value);
                let is_same = |(id, name): (&String, &String)| {
                    green::find(&report, name).is_some_and(|result| parts.recurs.is_in_same_words(id, result, &in_words_of_base))
                };
                is_any |= ids.iter().zip(&names).any(is_same);
            }
            is_as_on_base &= is_any;
        }
        if is_as_on_base && !parts.known.was_written(&one.value).await? {
            return Ok(Some((path, one)));
        }
    }
    Ok(None)
}

/// A test's title and its rows may be made of what it gives; a function's name is not.
fn name(id: &str, declared: &[Declared], value: &str, other: &str) -> String {
    let (own, row) = id.split_at(id.find('[').unwrap_or(id.len()));
    match declared.iter().any(|d| d.id == own) {
        true => format!("{own}{}", Singled::replaced(row, value, other)),
        false => Singled::replaced(id, value, other),
    }
}

/// None if some of it was reported: then the rest may belong to it.
fn all(parts: &Parts<'_>) -> Vec<(String, Singled)> {
    if parts.recurs.shape.is_none() {
        return Vec::new();
    }
    let patch = patched(parts);
    // What a file named before is known; a number there may be any.
    let is_old = |value: &str| value.parse::<f64>().is_err() && patch.iter().any(|f| f.old.is_some_and(|old| old.contains(value)));
    let is_known = |value: &str| is_protocol(value) || is_old(value);
    let of = |file: &PatchFile| {
        let own = parts.counting.iter().filter(|c| c.file == file.path).map(|c| &c.declared);
        let lines: BTreeSet<u32> = match file.is_test() {
            true => file.added().into_iter().map(|(line, _)| line).chain(own.flat_map(|d| d.line..=d.last_line)).collect(),
            false => own.flat_map(|d| d.line..=d.last_line).collect(),
        };
        let text = file.new.as_deref().filter(|_| !lines.is_empty())?;
        let found = parts.harness.singled_out(&file.path, text, &Sought { lines: &lines, patch: &patch, is_known: &is_known });
        Some(found.into_iter().map(|one| (file.path.clone(), one)).collect::<Vec<_>>())
    };
    let mut found: Vec<(String, Singled)> = parts.files.iter().filter_map(of).flatten().collect();
    if found.iter().any(|(_, one)| parts.known.was_told(&one.value)) {
        return Vec::new();
    }
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
