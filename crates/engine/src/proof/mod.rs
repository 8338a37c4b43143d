//! The runner: composes trees from base and patch, runs tests on them in fresh sandboxes without a network, and hands
//! what happened to the rules in `evidence`.
//!
//! Which framework runs the tests is a harness's business; what results mean is decided in `evidence`.

mod callers;
mod counting;
mod ground;
mod junit;
mod known;
mod numb;
mod patch;
pub mod project_file;
mod singled;
mod strength;
mod trees;
mod unused;

use crate::evidence::{self, PatchFile, absence, green, incident::Shape, kept, not_judged, red, regression, set_up};
use domain::alert::Alert;
use domain::evidence::{Dot, Outcome, Proof, Rule, RuleResult, RuleState, SecretScanner, TestRow, Verdict};
use domain::git::{Commit, GitHost};
use domain::harness::{
    Batch, Canary, Disguise, Ended, FileClass, Layer, Link, Place, TestHarness, TestResult, Variant, VariantReport, Watch,
};
use domain::request::RequestKind;
use domain::sandbox::Provisioner;
use domain::{Clock, Error, RepositoryId, Result, RunId, limits};
use ground::{Ground, Job};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::sync::CancellationToken;
use trees::Trees;

const RED_REPEATS: usize = 3;
const GREEN_REPEATS: usize = 10;
/// Where added code reads a clock or a random source.
const GREEN_REPEATS_DICE: usize = 20;
const SUSPECT_REPEATS: usize = 10;
const TIMEOUT_MIN: Duration = Duration::from_secs(5);
/// Base's own tests; everything after is measured against how long they took.
const TIMEOUT_SUITE: Duration = Duration::from_secs(300);
/// The least for a whole suite, and for a first run of the counting tests.
const TIMEOUT_FIRST: Duration = Duration::from_secs(15);

/// Long work that waits for nothing, out of the way of what else this thread would do, where there are other threads.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

pub struct ProofContext {
    pub git: Arc<dyn GitHost>,
    pub provisioner: Arc<dyn Provisioner>,
    pub harnesses: Vec<Arc<dyn TestHarness>>,
    pub scanner: Arc<dyn SecretScanner>,
    pub clock: Arc<dyn Clock>,
    /// A folder of ours; the harnesses' own files are written here once and mounted read-only.
    pub assets_dir: PathBuf,
    /// Sandboxes that run at a time.
    pub parallel: usize,
}

#[derive(Clone)]
pub struct ProofInput {
    pub repository: RepositoryId,
    pub run: Option<RunId>,
    pub base: Commit,
    pub head: Commit,
    pub incident: Option<Alert>,
    pub kind: RequestKind,
    pub prompt: String,
    pub layer: Option<Layer>,
    pub config: ProofConfig,
}

/// What the repository's own configuration says about its proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProofConfig {
    /// A harness's id, when it shouldn't be guessed.
    pub harness: Option<String>,
    /// For a harness that is told how to run.
    pub command: Option<String>,
    pub report: Option<String>,
    /// Paths that no patch may change.
    pub exclude: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ProofEvent {
    /// What is being run now, in words.
    Running(String),
    Test {
        side: Side,
        test: String,
        repeat: usize,
        outcome: Outcome,
    },
    Rule(RuleResult),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Base,
    Patch,
}

pub type Progress<'a> = &'a (dyn Fn(ProofEvent) + Send + Sync);

/// Judges a patch. An `Err` means that we could not do our work, never that the patch is bad.
pub async fn prove(context: &ProofContext, input: &ProofInput, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Proof> {
    let begun = tokio::time::Instant::now();
    let work = run(context, input, progress);
    let time = Duration::from_secs(limits::PROOF_SECONDS_MAX);
    let mut proof = tokio::select! {
        done = tokio::time::timeout(time, work) => done
            .map_err(|_| Error::timeout(format!("the proof did not end within {} s; make the tests faster or choose fewer", limits::PROOF_SECONDS_MAX)))??,
        _ = cancel.cancelled() => return Err(Error::conflict("the proof was cancelled").code("cancelled")),
    };
    proof.duration_ms = begun.elapsed().as_millis() as u64;
    Ok(proof)
}

async fn run(context: &ProofContext, input: &ProofInput, progress: Progress<'_>) -> Result<Proof> {
    let mut proof = empty();
    let chosen = patch::harness(context, input).await?;
    let files = patch::read(context, input, chosen.as_deref()).await?;
    let guardrails = evidence::guardrails::judge(&files, &input.config.exclude, context.scanner.as_ref());
    let stop = guardrails.state == RuleState::Broken;
    add(&mut proof, progress, guardrails);
    if stop {
        return Ok(finish(proof, progress, "the guardrails come first"));
    }
    let Some(harness) = chosen else {
        proof.verdict = Verdict::NotApplicable;
        proof.reason =
            "no test framework that the runner knows was found; name a command and its JUnit report in `.astraforge.yml`".to_string();
        return Ok(proof);
    };
    proof.harness = harness.id().to_string();
    Judge { context, input, progress, harness, files }.judge(proof).await
}

/// One proof in the making.
struct Judge<'a> {
    context: &'a ProofContext,
    input: &'a ProofInput,
    progress: Progress<'a>,
    harness: Arc<dyn TestHarness>,
    files: Vec<PatchFile>,
}

impl Judge<'_> {
    async fn judge(&self, mut proof: Proof) -> Result<Proof> {
        let mut signs = patch::signs(self.harness.as_ref(), &self.files);
        let declared = counting::declared(self.harness.as_ref(), &self.files);
        if declared.is_empty() && !self.files.iter().any(PatchFile::is_test) {
            add(&mut proof, self.progress, red::no_counting_test());
            if let Some(found) = kept::signs(&signs) {
                add(&mut proof, self.progress, found);
            }
            return Ok(finish(proof, self.progress, "without a counting test there is nothing to run"));
        }
        let needs = |path: &str, text: &str| self.harness.dependencies(path, text);
        if let Some(found) = set_up::judge(&self.files, &needs) {
            add(&mut proof, self.progress, found);
            if let Some(found) = kept::signs(&signs) {
                add(&mut proof, self.progress, found);
            }
            return Ok(finish(proof, self.progress, "not judged while the patch asks for other dependencies than base"));
        }
        let nonce = format!("af{}", self.context.clock.token_hex(6));
        let trees = trees::compose(self.context, self.input, self.harness.as_ref(), &self.files, &declared, &nonce).await?;
        let ground = Ground::new(self.context, self.input, self.harness.clone(), self.progress).await?;

        let base = self.suite(&ground, &trees.base, "base's own tests on base", TIMEOUT_SUITE).await?;
        if base.ended != Ended::Finished && base.tests.is_empty() {
            proof.verdict = Verdict::NotApplicable;
            proof.reason = format!("base's own tests can't be run: {}", base.log.lines().last().unwrap_or("the runner gave no result"));
            return Ok(proof);
        }
        let patient = TIMEOUT_FIRST.max(Duration::from_millis(base.duration_ms * 10)).min(TIMEOUT_SUITE);
        let mut own = self.suite(&ground, &trees.patch, "all tests with the patch", patient).await?;
        if own.ended == Ended::Timeout {
            add(&mut proof, self.progress, green::never_ends(patient, base.duration_ms));
            return Ok(finish(proof, self.progress, "not judged while the tests do not end"));
        }
        own.tests.retain(|t| !t.id.contains(&nonce));
        let counting = counting::ids(&declared, &base, &own, &trees);
        if counting.is_empty() {
            add(&mut proof, self.progress, red::no_counting_test());
            let kept = kept::signs(&signs).or_else(|| kept::lost(&base, &own));
            kept.into_iter().for_each(|found| add(&mut proof, self.progress, found));
            return Ok(finish(proof, self.progress, "without a counting test there is nothing to judge"));
        }
        let evidence = self.gather(&ground, &trees, &counting, patient).await?;
        self.report_rows(&mut proof, &counting, &evidence);

        let shape = self.shape();
        let red = self.judge_red(&counting, &evidence, shape.as_ref(), &trees.canaries);
        let red_holds = red.result.state == RuleState::Holds;
        proof.is_new_behaviour = red.is_new_behaviour;
        add(&mut proof, self.progress, red.result.clone());
        let mut green = self.judge_green(&red.red, &evidence, &trees, red_holds);
        if let (Some(shape), RuleState::Holds) = (&shape, green.state) {
            green = self.absence(shape, &red.red, &declared, &evidence, &trees).unwrap_or(green);
        }
        let mut good = red_holds && green.state == RuleState::Holds;
        let still_fails = green.code == "still_fails";
        add(&mut proof, self.progress, green);

        let (regression, other) = self.judge_regression(&ground, &trees, &base, &evidence.patched).await?;
        good &= regression.state == RuleState::Holds;
        proof.other_tests = other;
        add(&mut proof, self.progress, regression);

        if !red.is_new_behaviour {
            signs.extend(patch::replaced(self.harness.as_ref(), &self.files, &declared, &red.red));
        }
        let mut kept = self.judge_kept(&ground, &signs, &base, &own, &red.red, still_fails).await?;
        good &= kept.state == RuleState::Holds;
        if good {
            let known = known::Known::of(self.input, &trees);
            let parts = strength::Parts {
                harness: self.harness.as_ref(),
                files: &self.files,
                trees: &trees,
                ground: &ground,
                own: &own,
                counting: &declared,
                watched: &evidence.green[0].1,
                recurs: strength::Recurs { shape: shape.as_ref(), base: &evidence.red[0], harness: self.harness.as_ref() },
                known: &known,
            };
            let timeout = deadline(&evidence.green);
            // A test that does not pass with the patch itself would seem to notice everything.
            let passing = regression::passed(&own);
            let able: Vec<String> = counting.iter().filter(|id| passing.contains(id.as_str())).cloned().collect();
            let numb = numb::tests(&parts, &evidence.patched, patient);
            let (found, numb) = futures::try_join!(strength::gather(&parts, &red, &able, timeout), numb)?;
            kept = kept::numb(&numb).unwrap_or(kept);
            let (result, versions) = evidence::strength::judge(&found);
            proof.wrong_versions = versions;
            add(&mut proof, self.progress, result);
        } else {
            add(&mut proof, self.progress, not_judged(Rule::Strength, "not judged while another rule is broken"));
        }
        add(&mut proof, self.progress, kept);
        proof.commands = ground.notes();
        proof.junit_xml = junit::write(self.harness.label(), &own);
        Ok(finish(proof, self.progress, ""))
    }

    async fn suite(&self, ground: &Ground<'_>, tree: &trees::Tree, line: &str, timeout: Duration) -> Result<VariantReport> {
        let job = Job { line: line.to_string(), fresh: false, disguised: false, timeout, guard: false };
        let variant = Variant { key: "suite".to_string(), ..Variant::default() };
        Ok(ground.run(tree, vec![variant], &job).await?.remove(0))
    }

    /// Red, green and base's tests on the patched source, as far as the machine allows at the same time.
    async fn gather(&self, ground: &Ground<'_>, trees: &Trees, counting: &[String], timeout: Duration) -> Result<Evidence> {
        let ids = trees.with_canaries(counting);
        let watch = self.shape().map(|s| Watch { kinds: s.kinds, others: counting::others(self.harness.as_ref(), &self.files, counting) });
        let words = red::words_for(counting.len());
        let red = self.red(ground, trees, &ids, watch.clone(), &words, timeout);
        let dice = self
            .files
            .iter()
            .filter(|f| f.is_product())
            .any(|f| f.new.as_deref().is_some_and(|new| self.harness.reads_dice(f.old.as_deref(), new)));
        let repeats = if dice { GREEN_REPEATS_DICE } else { GREEN_REPEATS };
        let green = self.green(ground, trees, &ids, watch.clone().unwrap_or_default(), repeats, &words, timeout);
        let patched = self.suite(ground, &trees.regression, "base's own tests on the patched source", timeout);
        let (red, green, patched) = futures::try_join!(red, green, patched)?;
        Ok(Evidence { red, green, patched, guarded: ground.tampered_with() })
    }

    /// Each repeat in a sandbox of its own, unless each of them would have to build the tree.
    async fn red(
        &self,
        ground: &Ground<'_>,
        trees: &Trees,
        ids: &[String],
        watch: Option<Watch>,
        words: &str,
        timeout: Duration,
    ) -> Result<Vec<VariantReport>> {
        let variant = |i: usize| Variant {
            key: format!("red-{i}"),
            ids: Some(ids.to_vec()),
            watch: watch.clone(),
            lenient: true,
            ..Variant::default()
        };
        let repeats: Vec<Variant> = (0..RED_REPEATS).map(variant).collect();
        let share = if self.harness.builds() { RED_REPEATS } else { 1 };
        let jobs = repeats.chunks(share).enumerate().map(|(i, part)| {
            let times = if share == 1 { format!("{} of {RED_REPEATS}", i + 1) } else { format!("{share} times") };
            let job = Job { line: format!("{words} on base, {times}"), fresh: share > 1, disguised: false, timeout, guard: true };
            async move { ground.run(&trees.red, part.to_vec(), &job).await }
        });
        Ok(futures::future::try_join_all(jobs).await?.into_iter().flatten().collect())
    }

    async fn green(
        &self,
        ground: &Ground<'_>,
        trees: &Trees,
        ids: &[String],
        watch: Watch,
        repeats: usize,
        words: &str,
        timeout: Duration,
    ) -> Result<Vec<(&'static str, VariantReport)>> {
        let plain = repeats.div_ceil(2);
        let dress = |i: usize| match i {
            i if i < plain => Disguise::None,
            i if i % 2 == 0 => Disguise::Dressed,
            _ => Disguise::Bare,
        };
        let variants: Vec<Variant> = (0..repeats)
            .map(|i| Variant {
                key: format!("green-{i}"),
                ids: Some(ids.to_vec()),
                shuffle: (i > 0).then_some(i as u64),
                disguise: dress(i),
                watch: (i == 0).then(|| watch.clone()),
                ..Variant::default()
            })
            .collect();
        let (clear, disguised) = variants.split_at(plain);
        let jobs = [clear, disguised].into_iter().enumerate().flat_map(|(disguised, part)| {
            let sandboxes = if self.harness.builds() { 1 } else { 2 };
            part.chunks(part.len().div_ceil(sandboxes).max(1)).map(move |chunk| {
                let chunk = chunk.to_vec();
                let line = format!("{words} with the patch{}, {} times", if disguised == 1 { ", in disguise" } else { "" }, chunk.len());
                let job = Job { line, fresh: true, disguised: disguised == 1, timeout, guard: disguised == 0 };
                async move { ground.run(&trees.patch, chunk, &job).await }
            })
        });
        let reports: Vec<VariantReport> = futures::future::try_join_all(jobs).await?.into_iter().flatten().collect();
        let words = |report: &VariantReport| {
            let i = report.key.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            match dress(i) {
                Disguise::None => "",
                Disguise::Dressed => "when it can't see the test runner's name",
                Disguise::Bare => "when no test runner is there",
            }
        };
        Ok(reports.into_iter().map(|r| (words(&r), r)).collect())
    }

    fn judge_red(&self, counting: &[String], evidence: &Evidence, shape: Option<&Shape>, canaries: &[Canary]) -> red::Judged {
        let runs: Vec<green::Run<'_>> = evidence.red.iter().map(|r| green::Run { dress: "on base", report: r }).collect();
        if let Some(result) = green::tampered(Rule::Red, &runs, canaries) {
            return red::Judged { result, red: Vec::new(), is_new_behaviour: false, frames: Vec::new() };
        }
        let by_id = counting
            .iter()
            .map(|id| (id.as_str(), red::Seen { repeats: evidence.red.iter().map(|r| green::find(r, id)).collect() }))
            .collect();
        let is_product = |path: &str| patch::is_own(path) && self.harness.classify(path, None, None) == FileClass::Product;
        let is_test = |path: &str| self.is_test(path);
        let is_new_name = |word: &str| {
            let times = |text: &Option<String>| {
                text.as_deref().map_or(0, |t| t.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| *w == word).count())
            };
            self.files.iter().any(|f| f.is_product() && times(&f.new) > times(&f.old))
        };
        red::judge(&red::Evidence {
            counting,
            by_id,
            load_errors: &evidence.red[0].load_errors,
            shape,
            is_feature: self.input.kind == RequestKind::Feature,
            is_product: &is_product,
            is_test: &is_test,
            is_new_name: &is_new_name,
        })
    }

    fn judge_green(&self, red: &[String], evidence: &Evidence, trees: &Trees, red_holds: bool) -> RuleResult {
        let runs: Vec<green::Run<'_>> = evidence.green.iter().map(|(dress, report)| green::Run { dress, report }).collect();
        if let Some(path) = &evidence.guarded {
            return green::written_to(path);
        }
        if !red_holds {
            return green::tampered(Rule::Green, &runs, &trees.canaries)
                .unwrap_or_else(|| not_judged(Rule::Green, "not judged without a red test"));
        }
        green::judge(red, &runs, &trees.canaries)
    }

    async fn judge_regression(
        &self,
        ground: &Ground<'_>,
        trees: &Trees,
        base: &VariantReport,
        patched: &VariantReport,
    ) -> Result<(RuleResult, domain::run::OtherTests)> {
        let suspects = regression::suspects(base, patched);
        let mut repeats = BTreeMap::new();
        let retried: Vec<String> = suspects.iter().take(50).cloned().collect();
        if !retried.is_empty() && suspects.len() * 2 <= base.tests.len().max(4) {
            let again = |tree, line: &str| {
                let variants: Vec<Variant> = (0..SUSPECT_REPEATS)
                    .map(|i| Variant { key: format!("again-{i}"), ids: Some(retried.clone()), ..Variant::default() })
                    .collect();
                let job = Job { line: line.to_string(), fresh: false, disguised: false, timeout: TIMEOUT_FIRST, guard: false };
                async move { ground.run(tree, variants, &job).await }
            };
            let (on_base, on_patch) = futures::try_join!(
                again(&trees.base, "tests that went wrong, ten times on base"),
                again(&trees.regression, "tests that went wrong, ten times with the patch")
            )?;
            let failed = |reports: &[VariantReport], id: &str| {
                reports.iter().filter(|r| green::find(r, id).is_none_or(|t| t.outcome != Outcome::Passed)).count()
            };
            for id in &retried {
                let counts = regression::Repeats {
                    base_failed: failed(&on_base, id),
                    base: on_base.len(),
                    patch_failed: failed(&on_patch, id),
                    patch: on_patch.len(),
                };
                repeats.insert(id.clone(), counts);
            }
        }
        let changed = |id: &str| counting::is_changed(self.harness.as_ref(), &self.files, id);
        Ok(regression::judge(base, patched, &suspects, &repeats, &changed))
    }

    async fn judge_kept(
        &self,
        ground: &Ground<'_>,
        signs: &[(String, domain::harness::Finding)],
        base: &VariantReport,
        own: &VariantReport,
        red: &[String],
        still_fails: bool,
    ) -> Result<RuleResult> {
        if let Some(found) = kept::signs(signs) {
            return Ok(found);
        }
        if self.files.iter().any(|f| f.class == FileClass::Harness) {
            let needed = still_fails && self.passes_with_own_harness(ground, red).await?;
            if let Some(found) = kept::harness(&self.files, needed) {
                return Ok(found);
            }
        }
        let (before, after) = counting::declared_on_both(self.harness.as_ref(), &self.files);
        let found = kept::lost(base, own)
            .or_else(|| kept::replaced(&self.files, &before, &after, base, own))
            .or_else(|| kept::weakened(&before, &after));
        Ok(found.unwrap_or_else(kept::clean))
    }

    async fn passes_with_own_harness(&self, ground: &Ground<'_>, red: &[String]) -> Result<bool> {
        let tree = trees::head(self.context, self.input).await?;
        let job = Job {
            line: "the counting tests with the patch's own test configuration".to_string(),
            fresh: false,
            disguised: false,
            timeout: TIMEOUT_FIRST,
            guard: false,
        };
        let variant = Variant { key: "own".to_string(), ids: Some(red.to_vec()), ..Variant::default() };
        let report = ground.run(&tree, vec![variant], &job).await?.remove(0);
        Ok(red.iter().all(|id| green::find(&report, id).is_some_and(|t| t.outcome == Outcome::Passed)))
    }

    /// The first run with the patch is watched as those on base are.
    fn absence(
        &self,
        shape: &Shape,
        red: &[String],
        declared: &[counting::Counting],
        evidence: &Evidence,
        trees: &Trees,
    ) -> Option<RuleResult> {
        let handles = |link: &Link, can_tell: bool| match &link.caught_in {
            Some(place) => self.changes_function_at(place),
            None if can_tell && self.harness.sees_handlers() => false,
            None => link.frames.iter().any(|place| self.adds_handler(&place.file)),
        };
        let is_test = |path: &str| self.is_test(path);
        let names =
            |path: &str, word: &str| trees::text(&trees.patch.path, path).ok().flatten().is_none_or(|text| known::has_word(&text, word));
        let helpers = absence::Helpers { of_base: &|place| self.helper_of_base(place), names: &names };
        red.iter().find_map(|id| {
            let base: Vec<&TestResult> = evidence.red.iter().filter_map(|r| green::find(r, id)).collect();
            let patch = green::find(&evidence.green.first()?.1, id)?;
            let own = declared.iter().map(|c| &c.declared).find(|d| d.names(patch));
            let checked_at = own.map_or(&[][..], |d| &d.checked_at);
            absence::judge(
                shape,
                &absence::Sides { id, base, patch, checked_at },
                &is_test,
                &handles,
                &|link, side| self.raises(link, side),
                &helpers,
            )
        })
    }

    /// A whole file that the patch leaves alone, or a function in which it changes nothing.
    fn helper_of_base(&self, place: &Place) -> Option<(u32, u32)> {
        let Some(file) = self.files.iter().find(|f| f.path == place.file) else { return Some((1, u32::MAX)) };
        let (first, last) = self.harness.function_around(&file.path, file.new.as_deref()?, place.line)?;
        (!file.added().iter().any(|(line, _)| (first..=last).contains(line))).then_some((first, last))
    }

    fn is_test(&self, path: &str) -> bool {
        patch::is_own(path) && self.harness.classify(path, None, None) != FileClass::Product
    }

    fn changes_function_at(&self, place: &Place) -> bool {
        let Some(file) = self.files.iter().find(|f| f.is_product() && f.path == place.file) else { return false };
        let around = file.new.as_deref().and_then(|new| self.harness.function_around(&file.path, new, place.line));
        let (first, last) = around.unwrap_or((0, u32::MAX));
        file.added().iter().any(|(line, _)| (first..=last).contains(line))
    }

    /// Whether an exception was made and thrown where it begins, and by the patch where the text is its own; unknown in
    /// files that the patch leaves alone.
    fn raises(&self, link: &Link, side: Side) -> Option<bool> {
        let place = link.frames.last()?;
        let file = self.files.iter().find(|f| f.is_product() && f.path == place.file)?;
        let text = if side == Side::Patch { &file.new } else { &file.old };
        let is_raised = self.harness.raises(&file.path, text.as_deref()?).contains(&place.line);
        let is_added = side == Side::Base || file.added().iter().any(|(line, _)| *line == place.line);
        Some(is_raised && is_added)
    }

    fn adds_handler(&self, path: &str) -> bool {
        let file = self.files.iter().find(|f| f.is_product() && f.path == path);
        let Some((file, new)) = file.and_then(|f| Some((f, f.new.as_deref()?))) else { return false };
        self.harness.adds_handler(path, file.old.as_deref(), new)
    }

    /// The incident's, or that of a traceback in the prompt.
    fn shape(&self) -> Option<Shape> {
        match &self.input.incident {
            Some(alert) => Shape::of(alert),
            None => self.harness.traceback(&self.input.prompt).and_then(|e| Shape::of_exceptions(&[e])),
        }
    }

    fn report_rows(&self, proof: &mut Proof, counting: &[String], evidence: &Evidence) {
        for id in counting {
            let dots = |reports: Vec<&VariantReport>, side: Side| -> Vec<Dot> {
                let dot = |(repeat, report): (usize, &&VariantReport)| {
                    let found = green::find(report, id);
                    let outcome = found.map_or(Outcome::Error, |t| t.outcome);
                    (self.progress)(ProofEvent::Test { side, test: id.clone(), repeat, outcome });
                    Dot { outcome, log: found.map(|t| t.log.clone()).unwrap_or_else(|| no_result(report)) }
                };
                reports.iter().enumerate().map(dot).collect()
            };
            let file = red::file_of(id).to_string();
            let name = id.split_once("::").map_or(id.as_str(), |(_, n)| n).to_string();
            let base = dots(evidence.red.iter().collect(), Side::Base);
            let patch = dots(evidence.green.iter().map(|(_, r)| r).collect(), Side::Patch);
            proof.tests.push(TestRow { id: id.clone(), file, name, base, patch });
        }
    }
}

/// Everything that was run for red, green and regression.
struct Evidence {
    red: Vec<VariantReport>,
    green: Vec<(&'static str, VariantReport)>,
    patched: VariantReport,
    /// A protected file that changed while tests ran.
    guarded: Option<String>,
}

/// What there is to say about a test that a run did not speak of.
fn no_result(report: &VariantReport) -> String {
    let said = report.load_errors.first().map_or(report.log.as_str(), |e| e.log.as_str()).trim();
    format!("no result: the run {}\n{said}", format!("{:?}", report.ended).to_lowercase())
}

/// Ten times a green run, and never less than five seconds.
fn deadline(green: &[(&'static str, VariantReport)]) -> Duration {
    let longest = green.iter().map(|(_, r)| r.duration_ms).max().unwrap_or(0);
    TIMEOUT_MIN.max(Duration::from_millis(longest * 10))
}

fn empty() -> Proof {
    Proof {
        verdict: Verdict::Unproven,
        reason: String::new(),
        is_new_behaviour: false,
        rules: Vec::new(),
        tests: Vec::new(),
        wrong_versions: Vec::new(),
        other_tests: Default::default(),
        commands: Vec::new(),
        harness: String::new(),
        mend: None,
        junit_xml: String::new(),
        duration_ms: 0,
    }
}

fn add(proof: &mut Proof, progress: Progress<'_>, result: RuleResult) {
    progress(ProofEvent::Rule(result.clone()));
    proof.rules.push(result);
}

/// Fills in the rules that were not judged, in their order, and draws the verdict.
fn finish(mut proof: Proof, progress: Progress<'_>, why_not: &str) -> Proof {
    for rule in Rule::ALL {
        if proof.rule(rule).is_none() {
            add(&mut proof, progress, not_judged(rule, why_not));
        }
    }
    proof.rules.sort_by_key(|r| Rule::ALL.iter().position(|rule| *rule == r.rule));
    let all_hold = proof.rules.iter().all(|r| r.state == RuleState::Holds);
    proof.verdict = if all_hold { Verdict::Proven } else { Verdict::Unproven };
    if proof.is_new_behaviour && all_hold {
        proof.reason = "new behaviour: its tests can't hold on base, so this is no proof of a fix".to_string();
    }
    let words: Vec<String> = proof
        .rules
        .iter()
        .filter(|r| r.state == RuleState::Broken)
        .filter_map(|r| Some(format!("{}: {}. {}", r.code, r.detail, r.mend.as_ref()?)))
        .collect();
    proof.mend = if words.is_empty() { None } else { Some(words.join("\n")) };
    proof
}

/// The batch that a harness gets.
fn batch(variants: Vec<Variant>, root: &str, assets_dir: &str, job: &Job, nonce: String, config: &ProofConfig) -> Batch {
    Batch {
        variants,
        root: root.to_string(),
        assets_dir: assets_dir.to_string(),
        fresh: job.fresh,
        timeout: job.timeout,
        nonce,
        command: config.command.clone(),
        report_path: config.report.clone(),
    }
}
