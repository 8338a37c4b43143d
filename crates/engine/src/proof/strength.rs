//! Makes the patch wrong in many ways and sees which tests notice.

use super::ground::{Ground, Job};
use super::trees::{self, Tree, Trees};
use crate::evidence::strength::{Evidence, Tried};
use crate::evidence::{PatchFile, green, red, regression};
use domain::evidence::Outcome;
use domain::harness::{Ended, Mutant, MutantKind, Place, TestHarness, Variant, VariantReport};
use domain::{Result, limits};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// The frames nearest to where the exception was raised matter most.
const FRAMES_MAX: usize = 4;
const WRONG_MAX: usize = 40;
const HANDLERS_MAX: usize = 30;
/// Variants that a sandbox takes before the clock is looked at again.
const STRETCH: usize = 24;

pub struct Parts<'a> {
    pub harness: &'a dyn TestHarness,
    pub files: &'a [PatchFile],
    pub trees: &'a Trees,
    pub ground: &'a Ground<'a>,
    /// The whole suite with the patch.
    pub own: &'a VariantReport,
}

pub async fn gather(parts: &Parts<'_>, red: &red::Judged, counting: &[String], timeout: Duration) -> Result<Evidence> {
    let end = Instant::now() + Duration::from_secs(limits::STRENGTH_SECONDS_MAX);
    let mut evidence = Evidence::default();
    let (mut handlers, mut wrong) = (Vec::new(), Vec::new());
    for file in parts.files.iter().filter(|f| f.is_product()) {
        match (&file.old, &file.new) {
            (old, Some(new)) => {
                let (findings, pieces) = parts.harness.handlers(&file.path, old.as_deref(), new);
                evidence.empty_handlers.extend(findings.into_iter().map(|f| (file.path.clone(), f)));
                handlers.extend(pieces);
                wrong.extend(parts.harness.wrong_versions(&file.path, old.as_deref(), new));
            }
            (Some(old), None) => wrong.push(Mutant {
                description: format!("`{}` put back", file.path),
                file: file.path.clone(),
                line: 0,
                text: Some(old.clone()),
                kind: MutantKind::Hunk,
            }),
            _ => {}
        }
    }
    if !evidence.empty_handlers.is_empty() {
        return Ok(evidence);
    }
    evidence.untried += handlers.len().saturating_sub(HANDLERS_MAX) + wrong.len().saturating_sub(WRONG_MAX);
    handlers.truncate(HANDLERS_MAX);
    wrong.truncate(WRONG_MAX);
    let hushes = hushes(parts, &red.frames).await?;
    let (hushed, tried) = futures::try_join!(
        notice(parts, &parts.trees.red, hushes, &red.red, timeout, end, "base with the exception swallowed"),
        notice(
            parts,
            &parts.trees.patch,
            handlers.into_iter().chain(wrong).collect(),
            counting,
            timeout,
            end,
            "wrong versions of the patch"
        ),
    )?;
    evidence.untried += hushed.1 + tried.1;
    evidence.hushed = hushed.0;
    let (pieces, versions): (Vec<Tried>, Vec<Tried>) =
        whole_suite(parts, tried.0, timeout, end).await?.into_iter().partition(|t| t.mutant.kind == MutantKind::Handler);
    evidence.handlers = pieces;
    evidence.wrong = versions;
    Ok(evidence)
}

async fn hushes(parts: &Parts<'_>, frames: &[Place]) -> Result<Vec<Mutant>> {
    let mut mutants: Vec<Mutant> = Vec::new();
    let mut functions = 0;
    for frame in frames.iter().rev() {
        let Some(text) = trees::text(&parts.trees.red, &frame.file).await? else { continue };
        let found = parts.harness.hush(&frame.file, &text, frame);
        let known = found.first().is_some_and(|f| mutants.iter().any(|m| m.file == f.file && m.line == f.line));
        if found.is_empty() || known {
            continue;
        }
        mutants.extend(found);
        functions += 1;
        if functions == FRAMES_MAX {
            break;
        }
    }
    Ok(mutants)
}

/// Runs the tests on each mutant; the second figure is how many the clock left over.
async fn notice(
    parts: &Parts<'_>,
    tree: &Tree,
    mutants: Vec<Mutant>,
    ids: &[String],
    timeout: Duration,
    end: Instant,
    line: &str,
) -> Result<(Vec<Tried>, usize)> {
    let job = Job { line: format!("{} {line}", mutants.len()), fresh: false, disguised: false, timeout, guard: false };
    let mut tried = Vec::new();
    for stretch in mutants.chunks(STRETCH) {
        if Instant::now() >= end {
            break;
        }
        let variants = stretch.iter().enumerate().map(|(i, m)| variant(i, m, Some(ids.to_vec()))).collect();
        let reports = parts.ground.spread(tree, variants, &job).await?;
        tried.extend(
            stretch
                .iter()
                .zip(&reports)
                .filter(|(_, r)| r.ended != Ended::BuildFailed)
                .map(|(m, r)| Tried { mutant: m.clone(), caught_by: caught(ids, r) }),
        );
        if reports.len() < stretch.len() {
            break;
        }
    }
    let left = mutants.len().saturating_sub(mutants.chunks(STRETCH).take(tried.len().div_ceil(STRETCH)).map(<[Mutant]>::len).sum());
    Ok((tried, left))
}

/// What the counting tests let through, against everything that passes with the patch.
async fn whole_suite(parts: &Parts<'_>, mut tried: Vec<Tried>, timeout: Duration, end: Instant) -> Result<Vec<Tried>> {
    let passing: Vec<String> = regression::passed(parts.own).into_iter().map(str::to_string).collect();
    let left: Vec<usize> = (0..tried.len()).filter(|i| tried[*i].caught_by.is_empty()).collect();
    if left.is_empty() || passing.is_empty() || Instant::now() >= end {
        return Ok(tried);
    }
    let timeout = timeout.max(Duration::from_millis(parts.own.duration_ms * 10));
    let job = Job { line: "what they let through, with all tests".to_string(), fresh: false, disguised: false, timeout, guard: false };
    let variants = left.iter().map(|i| variant(*i, &tried[*i].mutant, None)).collect();
    let reports = parts.ground.spread(&parts.trees.patch, variants, &job).await?;
    for (i, report) in left.iter().zip(&reports) {
        tried[*i].caught_by = caught(&passing, report);
    }
    Ok(tried)
}

fn variant(i: usize, mutant: &Mutant, ids: Option<Vec<String>>) -> Variant {
    Variant {
        key: format!("mutant-{i}"),
        edits: vec![(mutant.file.clone(), mutant.text.clone())],
        ids,
        lenient: true,
        ..Variant::default()
    }
}

/// The tests that should pass and don't; a run that never ended is noticed by all of them.
fn caught(ids: &[String], report: &VariantReport) -> Vec<String> {
    let passed: BTreeSet<&str> = report.tests.iter().filter(|t| t.outcome == Outcome::Passed).map(|t| t.id.as_str()).collect();
    let mut caught: Vec<String> = ids.iter().filter(|id| !passed.contains(id.as_str())).cloned().collect();
    // Tests that really failed are better witnesses than those that gave no result.
    caught.sort_by_key(|id| green::find(report, id).is_none());
    caught.truncate(5);
    caught
}
