//! Old tests that the patch made numb: on a product of which every function fails they fail as base has them, and not as
//! the patch has them.

use super::aside;
use super::ground::Job;
use super::strength::Parts;
use super::trees::{self, Tree};
use crate::evidence::{green, regression};
use domain::Result;
use domain::evidence::Outcome;
use domain::harness::{FileClass, Variant, VariantReport};
use std::collections::BTreeSet;
use std::time::Duration;

/// Files that are made to fail, the patch's own first, and their bytes together.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 2 << 20;
/// A test that wavers by itself may look numb once.
const REPEATS: usize = 4;
const SUSPECTS_MAX: usize = 50;

type Edits = Vec<(String, Option<String>)>;

/// `patched` is the whole suite on the patched source with base's tests.
pub async fn tests(parts: &Parts<'_>, patched: &VariantReport, timeout: Duration) -> Result<Vec<String>> {
    let now = regression::passed(parts.own);
    let old: Vec<&str> = regression::passed(patched).intersection(&now).copied().collect();
    if old.is_empty() {
        return Ok(Vec::new());
    }
    let Parts { trees, ground, .. } = parts;
    let (with_old, with_new) = aside(|| (failing(parts, &trees.regression), failing(parts, &trees.patch)));
    let (with_old, with_new) = (with_old?, with_new?);
    if with_old.is_empty() {
        return Ok(Vec::new());
    }
    let both = async |ids: Option<&[String]>, times: usize| {
        let variants = |edits: &Edits| {
            let one = |i: usize| Variant {
                key: format!("failing-{i}"),
                edits: edits.clone(),
                ids: ids.map(<[String]>::to_vec),
                lenient: true,
                ..Variant::default()
            };
            (0..times).map(one).collect()
        };
        let job = |tests: &str| Job {
            line: format!("{tests} on a product whose functions fail{}", if ids.is_some() { ", again" } else { "" }),
            fresh: false,
            disguised: false,
            timeout,
            guard: false,
        };
        let (of_base, of_patch) = (job("base's own tests"), job("all tests"));
        futures::try_join!(
            ground.run(&trees.regression, variants(&with_old), &of_base),
            ground.run(&trees.patch, variants(&with_new), &of_patch)
        )
    };
    let (base, patch) = both(None, 1).await?;
    let mut numb: Vec<String> =
        old.iter().filter(|id| is_numb(id, &base[0], &patch[0])).take(SUSPECTS_MAX).map(|id| id.to_string()).collect();
    if !numb.is_empty() {
        let (base, patch) = both(Some(&numb), REPEATS).await?;
        numb.retain(|id| base.iter().zip(&patch).all(|(base, patch)| is_numb(id, base, patch)));
    }
    Ok(numb)
}

/// A test that gave no result at all, since its file could not be loaded, says nothing.
fn is_numb(id: &str, base: &VariantReport, patch: &VariantReport) -> bool {
    let outcome = |report| green::find(report, id).map(|t| t.outcome);
    let has_failed = |outcome: Option<Outcome>| outcome.is_some_and(|o| !matches!(o, Outcome::Passed | Outcome::Skipped));
    has_failed(outcome(base)) && outcome(patch).is_some_and(|o| matches!(o, Outcome::Passed | Outcome::Skipped))
}

/// The product's files with failing functions.
fn failing(parts: &Parts<'_>, tree: &Tree) -> Result<Edits> {
    let own = parts.files.iter().filter(|f| f.is_product()).map(|f| &f.path);
    let is_product = |path: &&String| parts.harness.classify(path, None, None) == FileClass::Product;
    let (mut edits, mut bytes, mut seen) = (Vec::new(), 0, BTreeSet::new());
    for path in own.chain(parts.trees.base_files.iter().filter(is_product)) {
        if edits.len() == FILES_MAX {
            break;
        }
        if !seen.insert(path) {
            continue;
        }
        let Some(text) = trees::text(&tree.path, path)? else { continue };
        bytes += text.len();
        if bytes > BYTES_MAX {
            break;
        }
        edits.extend(parts.harness.failing(path, &text).map(|failing| (path.clone(), Some(failing))));
    }
    Ok(edits)
}
