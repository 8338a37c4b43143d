//! Makes the patch wrong in many ways and sees which tests notice.

use super::counting::Counting;
use super::ground::{Ground, Job};
use super::known::Known;
use super::trees::{self, Tree, Trees};
use super::{aside, callers, singled, unused};
use crate::evidence::incident::Shape;
use crate::evidence::strength::{Evidence, Tried};
use crate::evidence::{PatchFile, green, red, regression};
use domain::evidence::Outcome;
use domain::harness::{
    Ended, FileClass, Finding, Link, Mutant, MutantKind, Patched, Place, TestHarness, TestResult, Variant, VariantReport,
};
use domain::{Result, limits};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// The frames nearest to where the exception was raised matter most.
const FRAMES_MAX: usize = 4;
const WRONG_MAX: usize = 40;
const HANDLERS_MAX: usize = 30;
/// Each condition is two of them.
const FORCED_MAX: usize = 24;
const CHECKS_MAX: usize = 8;
const GIVEN_MAX: usize = 6;
const AT_ONCE_MAX: usize = 4;
/// Variants that a sandbox takes before the clock is looked at again.
const STRETCH: usize = 24;

pub struct Parts<'a> {
    pub harness: &'a dyn TestHarness,
    pub files: &'a [PatchFile],
    pub trees: &'a Trees,
    pub ground: &'a Ground<'a>,
    /// The whole suite with the patch.
    pub own: &'a VariantReport,
    pub counting: &'a [Counting],
    /// The watched run with the patch.
    pub watched: &'a VariantReport,
    pub recurs: Recurs<'a>,
    pub known: &'a Known<'a>,
}

/// Tells a failure as on base from another one.
pub struct Recurs<'a> {
    pub shape: Option<&'a Shape>,
    pub base: &'a VariantReport,
    pub harness: &'a dyn TestHarness,
}

impl Recurs<'_> {
    fn is(&self, id: &str, result: &TestResult) -> bool {
        let words = |r: &TestResult| r.chain.first().map(|l| (l.kind.clone(), l.message.lines().next().unwrap_or_default().to_string()));
        let is_same = || green::find(self.base, id).and_then(words).is_some_and(|on_base| words(result) == Some(on_base));
        let is_test = |path: &str| self.harness.classify(path, None, None) != FileClass::Product;
        let is_incident = || self.shape.is_some_and(|shape| shape.matched(&result.chain, &is_test).is_some());
        result.outcome != Outcome::Passed && (is_incident() || is_same())
    }

    /// Whether the test fails by the incident's exception in the words that it has on base, all the way down to it: a fix may
    /// raise its like in words of its own, or raise another from it.
    pub fn is_in_same_words(&self, id: &str, result: &TestResult, in_words_of_base: &dyn Fn(&str) -> String) -> bool {
        let Some(shape) = self.shape else { return false };
        let is_test = |path: &str| self.harness.classify(path, None, None) != FileClass::Product;
        let words = |result: &TestResult| -> Option<Vec<(String, String)>> {
            let (cause, _) = shape.matched(&result.chain, &is_test)?;
            let first_line = |link: &Link| in_words_of_base(link.message.lines().next().unwrap_or_default());
            let way = result.chain.iter().position(|link| std::ptr::eq(link, cause))?;
            Some(result.chain[..=way].iter().map(|link| (link.kind.clone(), first_line(link))).collect())
        };
        let now = words(result).filter(|_| result.outcome != Outcome::Passed);
        now.is_some() && now == green::find(self.base, id).and_then(words)
    }
}

pub async fn gather(parts: &Parts<'_>, red: &red::Judged, counting: &[String], timeout: Duration) -> Result<Evidence> {
    let end = Instant::now() + Duration::from_secs(limits::STRENGTH_SECONDS_MAX);
    let (mut evidence, handlers, wrong) = aside(|| changes_of_files(parts));
    if parts.recurs.shape.is_some() {
        evidence.unused = unused::first(parts.harness, parts.files, parts.known).await?;
        evidence.hollow = aside(|| hollow(parts));
        evidence.other_caller = aside(|| callers::other(parts, &red.red))?;
    }
    let is_decided = !evidence.empty_handlers.is_empty() || !evidence.hollow.is_empty();
    if is_decided || evidence.unused.is_some() || evidence.other_caller.is_some() {
        return Ok(evidence);
    }
    let (forced, wrong): (Vec<Mutant>, Vec<Mutant>) = wrong.into_iter().partition(|m| matches!(m.kind, MutantKind::Forced { .. }));
    let cut = |mut mutants: Vec<Mutant>, max: usize| {
        let left = mutants.len().saturating_sub(max);
        mutants.truncate(max);
        (mutants, left)
    };
    let [checks, given, at_once] = aside(|| [checks(parts), given(parts), at_once(parts)]);
    let parts_of_patch = [
        cut(checks, CHECKS_MAX),
        cut(given, GIVEN_MAX),
        cut(at_once, AT_ONCE_MAX),
        cut(handlers, HANDLERS_MAX),
        cut(forced, FORCED_MAX),
        cut(wrong, WRONG_MAX),
    ];
    evidence.untried += parts_of_patch.iter().map(|(_, left)| left).sum::<usize>();
    let changes = parts_of_patch.into_iter().flat_map(|(mutants, _)| mutants).collect();
    let hushes = hushes(parts, &red.frames)?;
    let (hushed, tried, singled_out) = futures::try_join!(
        notice(parts, &parts.trees.red, hushes, &red.red, timeout, end, "base with the exception swallowed"),
        notice(parts, &parts.trees.patch, changes, counting, timeout, end, "the patch made wrong"),
        singled::only(parts, &red.red, timeout, end),
    )?;
    evidence.singled_out = singled_out.0;
    evidence.untried += hushed.1 + tried.1 + singled_out.1;
    evidence.hushed = hushed.0;
    for tried in whole_suite(parts, tried.0, timeout, end).await? {
        let list = match tried.mutant.kind {
            MutantKind::Handler => &mut evidence.handlers,
            MutantKind::Forced { .. } => &mut evidence.forced,
            MutantKind::Check => &mut evidence.checks,
            MutantKind::Given => &mut evidence.given,
            MutantKind::AtOnce => &mut evidence.at_once,
            _ => &mut evidence.wrong,
        };
        list.push(tried);
    }
    Ok(evidence)
}

/// What the patch's own files say: handlers without a sense, and the patch with handlers or other changes made wrong.
fn changes_of_files(parts: &Parts<'_>) -> (Evidence, Vec<Mutant>, Vec<Mutant>) {
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
    (evidence, handlers, wrong)
}

fn hollow(parts: &Parts<'_>) -> Vec<(String, Finding)> {
    let of = |file: &PatchFile| {
        let found = parts.harness.hollow(&file.path, file.old.as_deref()?, file.new.as_deref()?);
        Some(found.into_iter().map(|finding| (file.path.clone(), finding)).collect::<Vec<_>>())
    };
    parts.files.iter().filter(|f| f.is_product()).filter_map(of).flatten().collect()
}

/// Of the checks that ran: what stands in a branch that was not taken shows nothing.
fn checks(parts: &Parts<'_>) -> Vec<Mutant> {
    let steps: BTreeSet<&str> = parts.watched.tests.iter().flat_map(|t| t.steps.iter().map(String::as_str)).collect();
    let mut found = Vec::new();
    for file in parts.files {
        let tests: Vec<String> = parts.counting.iter().filter(|c| c.file == file.path).map(|c| c.declared.id.clone()).collect();
        if let Some(text) = file.new.as_deref().filter(|_| !tests.is_empty()) {
            found.extend(parts.harness.blunted(&file.path, text, &tests));
        }
    }
    found.retain(|m| steps.contains(format!("{}:{}", m.file, m.line).as_str()));
    found
}

fn at_once(parts: &Parts<'_>) -> Vec<Mutant> {
    if parts.recurs.shape.is_none() {
        return Vec::new();
    }
    patched(parts).iter().filter_map(|f| parts.harness.at_once(f.path, f.old, f.new)).collect()
}

pub fn patched<'a>(parts: &Parts<'a>) -> Vec<Patched<'a>> {
    let product = parts.files.iter().filter(|f| f.is_product());
    product.filter_map(|f| Some(Patched { path: &f.path, old: f.old.as_deref(), new: f.new.as_deref()? })).collect()
}

/// The counting tests without what they alone give to the patch.
fn given(parts: &Parts<'_>) -> Vec<Mutant> {
    // What was asked for without an incident may be just that: something more to give.
    if parts.recurs.shape.is_none() {
        return Vec::new();
    }
    let patch = patched(parts);
    let of = |file: &PatchFile| {
        let tests = parts.counting.iter().filter(|c| c.file == file.path);
        let tests: Vec<(u32, u32)> = tests.map(|c| (c.declared.line, c.declared.last_line)).collect();
        file.new.as_deref().map(|text| parts.harness.ungiven(&file.path, text, &tests, &patch)).unwrap_or_default()
    };
    parts.files.iter().filter(|f| f.is_test()).flat_map(of).collect()
}

fn hushes(parts: &Parts<'_>, frames: &[Place]) -> Result<Vec<Mutant>> {
    let mut mutants: Vec<Mutant> = Vec::new();
    let mut functions = 0;
    for frame in frames.iter().rev() {
        let Some(text) = trees::text(&parts.trees.red.path, &frame.file)? else { continue };
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
    let job = Job { line: format!("{line}, {} ways", mutants.len()), fresh: false, disguised: false, timeout, guard: false };
    let (mut tried, mut done) = (Vec::new(), 0);
    for stretch in mutants.chunks(STRETCH) {
        if Instant::now() >= end {
            break;
        }
        let variants = stretch.iter().enumerate().map(|(i, m)| variant(i, m, Some(ids.to_vec()))).collect();
        let reports = parts.ground.spread(tree, variants, &job).await?;
        tried.extend(stretch.iter().zip(&reports).filter(|(_, r)| r.ended != Ended::BuildFailed).map(|(m, r)| Tried {
            mutant: m.clone(),
            caught_by: caught(ids, r),
            as_on_base: r.tests.iter().any(|t| as_on_base(parts, m, t)),
        }));
        done += stretch.len();
        if reports.len() < stretch.len() {
            break;
        }
    }
    Ok((tried, mutants.len() - done))
}

fn as_on_base(parts: &Parts<'_>, mutant: &Mutant, test: &TestResult) -> bool {
    match mutant.kind {
        MutantKind::AtOnce => parts.recurs.is_in_same_words(&test.id, test, &str::to_string),
        _ => parts.recurs.is(&test.id, test),
    }
}

/// What the counting tests let through, against everything that passes with the patch.
async fn whole_suite(parts: &Parts<'_>, mut tried: Vec<Tried>, timeout: Duration, end: Instant) -> Result<Vec<Tried>> {
    let passing: Vec<String> = regression::passed(parts.own).into_iter().map(str::to_string).collect();
    let left: Vec<usize> = (0..tried.len()).filter(|i| tried[*i].caught_by.is_empty() && matters(&tried, &tried[*i].mutant)).collect();
    if left.is_empty() || passing.is_empty() {
        return Ok(tried);
    }
    if Instant::now() >= end {
        // Nobody was asked, so it can't be said that nobody notices.
        tried.retain(|t| !matches!(t.mutant.kind, MutantKind::Forced { .. }));
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

/// A forced condition matters only where its other side is as on base; a changed check is no other test's business.
fn matters(tried: &[Tried], mutant: &Mutant) -> bool {
    match mutant.kind {
        MutantKind::Check | MutantKind::Given | MutantKind::AtOnce => false,
        MutantKind::Forced { .. } => tried.iter().any(|t| t.as_on_base && t.mutant.is_other_side_of(mutant)),
        _ => true,
    }
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
