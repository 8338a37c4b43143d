//! Both suites of proof at the door: bad patches that must never be called proven, and honest ones that must be.
//!
//! Every case is a small repository and a patch; git, sandboxes, test runners and the judge are the real ones. The
//! report prints both error rates. `PROOF_CASE=word` runs only the cases whose `file/name` contains the word.

// A test owns the clock and the dice.
#![allow(clippy::disallowed_methods)]

mod proof_suites {
    pub mod ground;
    pub mod layers;
}

use domain::evidence::Verdict;
use domain::harness::Layer;
use proof_suites::ground::{Cases, Ground};
use proof_suites::layers;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use tokio::sync::Mutex;

/// What a run of one language's suite came to.
#[derive(Default)]
struct Score {
    bad: usize,
    bad_passed: Vec<String>,
    /// Passed by a gap that is known.
    bad_open: usize,
    /// Known gaps that are none any more.
    closed: Vec<String>,
    honest: usize,
    honest_refused: Vec<String>,
    /// Refused by a gap that is known.
    honest_open: usize,
    /// Refused as they should be, but by another rule than meant.
    other_code: Vec<String>,
    honest_ms: Vec<u64>,
    /// Kept for the soak.
    left: usize,
}

impl Score {
    fn report(&mut self, language: &str) {
        self.honest_ms.sort_unstable();
        let median = self.honest_ms.get(self.honest_ms.len() / 2).copied().unwrap_or_default();
        say(&format!(
            "{language}: {} of {} bad patches called proven ({} by gaps that are known); {} of {} honest patches refused ({} by gaps that are known); {} refused under another name; an honest proof takes {median} ms (median)",
            self.bad_passed.len() + self.bad_open,
            self.bad,
            self.bad_open,
            self.honest_refused.len() + self.honest_open,
            self.honest,
            self.honest_open,
            self.other_code.len()
        ));
        if self.left > 0 {
            say(&format!("{language}: {} more cases in `make soak`", self.left));
        }
    }
}

/// For whoever runs the tests, also where they pass: the test framework keeps what `println!` says to itself then.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The cases of a file below `proof_cases`.
fn cases(file: &str) -> Cases {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proof_cases").join(file).with_extension("yml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_norway::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

async fn suite(language: &str, files: &[&str], layer: impl Fn(Option<&str>) -> Option<Layer>) -> Score {
    let mut score = Score::default();
    for file in files {
        judge(file, &layer, &mut score).await;
    }
    score.report(language);
    score
}

async fn judge(file: &str, layer: impl Fn(Option<&str>) -> Option<Layer>, score: &mut Score) {
    let cases = cases(file);
    let only = std::env::var("PROOF_CASE").unwrap_or_default();
    let ground = Ground::new();
    let is_soak = is_soak() || !only.is_empty();
    for case in cases.cases.iter().filter(|c| format!("{file}/{}", c.name).contains(&only)) {
        if case.soak && !is_soak {
            score.left += 1;
            continue;
        }
        let project = cases.projects.get(&case.project).unwrap_or_else(|| panic!("{}: no project {}", case.name, case.project));
        let layer = layer(case.layer.as_deref().or(project.layer.as_deref()));
        let begun = Instant::now();
        let proof = ground.prove(case, project, layer).await;
        let ms = begun.elapsed().as_millis() as u64;
        let proven = proof.verdict == Verdict::Proven && !(proof.is_new_behaviour && !case.feature);
        let codes = proof.codes().join(",");
        println!("{:6} ms  {:14} {:24} {}", ms, proof.verdict.word(), codes, case.name);
        let told =
            || proof.rules.iter().map(|r| format!("      {:?} {:?}: {}\n", r.rule, r.state, r.detail)).collect::<String>() + &proof.reason;
        if case.expect == "proven" {
            score.honest += 1;
            score.honest_ms.push(ms);
            if case.open {
                match proven {
                    false => score.honest_open += 1,
                    true => score.closed.push(case.name.clone()),
                }
            } else if !proven {
                println!("{}", told());
                score.honest_refused.push(case.name.clone());
            }
        } else {
            score.bad += 1;
            if case.open {
                match proven {
                    true => score.bad_open += 1,
                    false => score.closed.push(case.name.clone()),
                }
            } else if proven {
                println!("{}", told());
                score.bad_passed.push(case.name.clone());
            } else if case.expect != "unproven" && !proof.codes().contains(&case.expect.as_str()) {
                println!("      expected {}\n{}", case.expect, told());
                score.other_code.push(case.name.clone());
            }
        }
        if only == case.name {
            println!("{}", told());
            for row in &proof.tests {
                println!("      {}", row.id);
                row.base.iter().take(1).chain(&row.patch).for_each(|dot| println!("        {:?} {}", dot.outcome, dot.log));
            }
        }
    }
}

fn is_soak() -> bool {
    std::env::var_os("ASTRAFORGE_SOAK").is_some()
}

/// A suite of runners that npm fetches first.
async fn with_packages(label: &str, file: &str) {
    let _turn = TURN.lock().await;
    let Cases { projects, cases } = cases(file);
    let run = cases.iter().filter(|c| is_soak() || !c.soak);
    let names: BTreeSet<&str> = run.filter_map(|c| c.layer.as_deref().or(projects[&c.project].layer.as_deref())).collect();
    for name in names {
        if let Err(why) = layers::fetch(name) {
            say(&format!("SKIPPED {label}: {why}, and the runner is not here"));
            return;
        }
    }
    check(suite(label, &[file], layers::npm).await);
}

fn check(score: Score) {
    assert!(score.bad_passed.is_empty(), "bad patches called proven: {:?}", score.bad_passed);
    assert!(score.closed.is_empty(), "no gap any more, so these are not `open`: {:?}", score.closed);
    assert!(score.honest_refused.is_empty(), "honest patches refused: {:?}", score.honest_refused);
    assert!(score.other_code.is_empty(), "refused by another rule than meant: {:?}", score.other_code);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    check(
        suite("Python", &["python", "python_styles", "python_signs", "python_more", "python_close", "python_blind"], |_| {
            Some(layers::python())
        })
        .await,
    );
}

/// Each of them keeps both cores busy: side by side they would only be slow enough for their deadlines.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript() {
    let _turn = TURN.lock().await;
    check(suite("node:test", &["javascript", "javascript_close", "javascript_blind"], layers::npm).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jest() {
    with_packages("jest", "jest").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vitest() {
    with_packages("vitest", "vitest").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mocha() {
    with_packages("mocha", "mocha").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_styles() {
    with_packages("All runners of JavaScript", "javascript_styles").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_more() {
    with_packages("All runners of JavaScript, again", "javascript_more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust() {
    let _turn = TURN.lock().await;
    check(suite("Rust", &["rust", "rust_styles", "rust_examples", "rust_close", "rust_blind"], |_| Some(layers::rust())).await);
}

/// Set-up as a run does it: a dependency is fetched and built once, and proofs without a network stand on that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_with_a_dependency() {
    if !is_soak() {
        println!("skipped: it asks the crates registry; `make soak` runs it");
        return;
    }
    let cases = cases("rust_dependency");
    let (case, project) = (&cases.cases[0], &cases.projects[&cases.cases[0].project]);
    let ground = Ground::new();
    let layer = ground.set_up(project).await;
    let begun = Instant::now();
    let proof = ground.prove(case, project, Some(layer)).await;
    println!("the proof took {} ms", begun.elapsed().as_millis());
    assert_eq!(proof.verdict, Verdict::Proven, "{:#?}", proof.rules);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generic() {
    check(suite("A command with JUnit XML", &["generic"], |_| None).await);
}
