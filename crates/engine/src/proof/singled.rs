//! Values that the patch's code names and only its tests give: with others in their place, a fix for these values alone
//! shows itself.

use super::aside;
use super::ground::Job;
use super::known::has;
use super::strength::{Parts, patched};
use crate::evidence::{PatchFile, green, red};
use domain::Result;
use domain::harness::{Declared, Ended, Giver, Singled, SingledOut, Sought, Variant};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Values that are tried before the clock is looked at again.
const STRETCH: usize = 8;

/// A value without which everything is as on base, and which nothing but the patch knows; and how many could not be tried.
pub async fn only(parts: &Parts<'_>, ids: &[String], timeout: Duration, end: Instant) -> Result<(Option<Singled>, usize)> {
    let SingledOut { found, left } = aside(|| all(parts));
    let (mut decisive, mut tried) = (Vec::new(), 0);
    for stretch in found.chunks(STRETCH) {
        if Instant::now() >= end {
            break;
        }
        decisive.extend(without(parts, ids, stretch, timeout).await?);
        tried += stretch.len();
    }
    let left = left + found.len() - tried;
    // Where the incident tells a value that makes a difference, its fix may be a table with others in it too.
    let (told, untold): (Vec<&Singled>, Vec<&Singled>) =
        decisive.into_iter().partition(|one| parts.known.was_told(&one.value) || parts.known.was_told(&one.spelled));
    let tables: BTreeSet<_> = told.iter().flat_map(|one| &one.tables).collect();
    for one in untold.into_iter().filter(|one| one.tables.iter().all(|table| !tables.contains(table))) {
        if !parts.known.was_written(&one.value).await? && !parts.known.was_written(&one.spelled).await? {
            return Ok((Some(one.clone()), left));
        }
    }
    Ok((None, left))
}

/// Those without which a test fails as on base.
async fn without<'s>(parts: &Parts<'_>, ids: &[String], singled: &'s [Singled], timeout: Duration) -> Result<Vec<&'s Singled>> {
    let (mut variants, mut names) = (Vec::new(), Vec::new());
    for (one, other) in singled.iter().flat_map(|one| one.others.iter().flatten().map(move |other| (one, other))) {
        let declared: BTreeMap<&str, Vec<Declared>> =
            other.edits.iter().map(|(path, text)| (path.as_str(), parts.harness.declared(path, text))).collect();
        let renamed: Vec<String> = ids.iter().map(|id| name(id, &declared, &one.value, &other.value)).collect();
        variants.push(Variant {
            key: format!("value-{}", variants.len()),
            edits: other.edits.iter().map(|(path, text)| (path.clone(), Some(text.clone()))).collect(),
            ids: Some(renamed.clone()),
            lenient: true,
            ..Variant::default()
        });
        names.push(renamed);
    }
    let job = Job { line: "the counting tests with other values".to_string(), fresh: false, disguised: false, timeout, guard: false };
    let mut reports = parts.ground.spread(&parts.trees.patch, variants, &job).await?.into_iter().zip(names);
    let mut decisive = Vec::new();
    for one in singled {
        let (mut is_decisive, mut is_tried) = (true, false);
        for group in &one.others {
            let reports: Vec<_> = reports.by_ref().take(group.len()).collect();
            // A number that its type does not hold says nothing.
            let mut built = group.iter().zip(&reports).filter(|(_, (report, _))| report.ended != Ended::BuildFailed).peekable();
            if built.peek().is_none() {
                continue;
            }
            is_tried = true;
            is_decisive &= built.any(|(other, (report, names))| {
                let in_words_of_base = |text: &str| text.replace(other.value.as_str(), &one.value);
                ids.iter().zip(names).any(|(id, name)| {
                    green::find(report, name).is_some_and(|result| parts.recurs.is_in_same_words(id, result, &in_words_of_base))
                })
            });
        }
        decisive.extend((is_tried && is_decisive).then_some(one));
    }
    Ok(decisive)
}

/// A test's title and its rows may be made of what it gives; a function's name is not.
fn name(id: &str, declared: &BTreeMap<&str, Vec<Declared>>, value: &str, other: &str) -> String {
    let Some(declared) = declared.get(red::file_of(id)) else { return id.to_string() };
    let (own, row) = id.split_at(id.find('[').unwrap_or(id.len()));
    match declared.iter().any(|d| d.id == own) {
        true => format!("{own}{}", Singled::replaced(row, value, other)),
        false => Singled::replaced(id, value, other),
    }
}

fn all(parts: &Parts<'_>) -> SingledOut {
    if parts.recurs.shape.is_none() {
        return SingledOut::default();
    }
    let patch = patched(parts);
    // What a file named before is known; a number there may be any.
    let is_old = |value: &str| patch.iter().any(|f| f.old.is_some_and(|old| has(old, value)));
    let is_known = |value: &str, is_number: bool| is_protocol(value) || !is_number && is_old(value);
    let giver = |file: &'_ PatchFile| {
        let own = parts.counting.iter().filter(|c| c.file == file.path).map(|c| &c.declared);
        let lines: BTreeSet<u32> = match file.is_test() {
            true => file.added().into_iter().map(|(line, _)| line).chain(own.flat_map(|d| d.line..=d.last_line)).collect(),
            false => own.flat_map(|d| d.line..=d.last_line).collect(),
        };
        (!lines.is_empty()).then_some(lines)
    };
    let givers = parts.files.iter().filter_map(|f| Some(Giver { path: &f.path, text: f.new.as_deref()?, lines: giver(f)? }));
    parts.harness.singled_out(&Sought { tests: &givers.collect::<Vec<_>>(), patch: &patch, is_known: &is_known })
}

/// Words and numbers of HTTP (RFC 9110 and the registry of its status codes) mean the same to everybody, whatever the
/// project says of them.
fn is_protocol(value: &str) -> bool {
    let is_status = |n: u16| matches!(n, 100..=103 | 200..=208 | 226 | 300..=308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511);
    value.parse().is_ok_and(is_status)
        || matches!(value, "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT")
}
