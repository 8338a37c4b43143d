//! Green: on base with the whole patch the same tests pass, every time, plain or disguised.

use super::{Saying, broken, count, holds, short};
use domain::evidence::{Outcome, Rule, RuleResult};
use domain::harness::{Canary, Ended, TestResult, VariantReport};
use std::time::Duration;

/// One run and how it was dressed, in words for a sentence.
pub struct Run<'a> {
    pub dress: &'static str,
    pub report: &'a VariantReport,
}

pub fn judge(red: &[String], runs: &[Run<'_>], canaries: &[Canary]) -> RuleResult {
    let rule = Rule::Green;
    if let Some(result) = tampered(rule, runs, canaries) {
        return result;
    }
    for id in red {
        let outcomes: Vec<(&'static str, Option<&TestResult>)> = runs.iter().map(|r| (r.dress, find(r.report, id))).collect();
        let passed = outcomes.iter().filter(|(_, r)| r.is_some_and(|r| r.outcome == Outcome::Passed)).count();
        if passed == outcomes.len() {
            continue;
        }
        let (dress, first) =
            outcomes.iter().find(|(_, r)| r.is_none_or(|r| r.outcome != Outcome::Passed)).map(|(d, r)| (*d, *r)).unwrap_or_default();
        let why = first.map(what_it_says).unwrap_or_else(|| "no result".to_string());
        let file = super::red::file_of(id);
        if passed == 0 {
            return broken(rule, "still_fails", format!("{} still fails with the patch ({why})", short(id)))
                .at(file, 0)
                .mend(format!("Make {} pass without changing what it checks.", short(id)));
        }
        let plain: Vec<bool> =
            outcomes.iter().filter(|(d, _)| d.is_empty()).map(|(_, r)| r.is_some_and(|r| r.outcome == Outcome::Passed)).collect();
        let when = if !dress.is_empty() && plain.iter().all(|p| *p) { format!(", and never {dress}") } else { String::new() };
        return broken(rule, "unsteady", format!("{} passes {passed} times of {} with the patch{when} ({why})", short(id), outcomes.len()))
            .at(file, 0)
            .mend("Make the change right every time, whoever runs it: no chance, no clock, no look at how the program was started.");
    }
    let disguised = runs.iter().filter(|r| !r.dress.is_empty()).count();
    holds(
        rule,
        format!(
            "{} with the patch, {} of {} runs, {disguised} of them in disguise",
            if red.len() == 1 { "passes".to_string() } else { format!("all {} pass", red.len()) },
            runs.len(),
            runs.len()
        ),
    )
}

/// All tests with the patch, which were given much longer than base's own take.
pub fn never_ends(given: Duration, on_base_ms: u64) -> RuleResult {
    let words = format!("the tests did not end within {} s with the patch; on base they take {on_base_ms} ms", given.as_secs());
    broken(Rule::Green, "timeout", words).mend("Find what never ends in the change or its test.")
}

/// A file of tests or of their configuration.
pub fn written_to(path: &str) -> RuleResult {
    broken(Rule::Green, "tampered", format!("`{path}` was changed while the tests ran"))
        .at(path, 0)
        .mend("Nothing may write to tests or their configuration while they run.")
}

pub fn find<'a>(report: &'a VariantReport, id: &str) -> Option<&'a TestResult> {
    report.tests.iter().find(|t| t.id == id)
}

/// One of ours must pass and one must fail in every run; anything else means that results are not what happened.
pub fn tampered(rule: Rule, runs: &[Run<'_>], canaries: &[Canary]) -> Option<RuleResult> {
    for run in runs {
        let report = run.report;
        if report.ended == Ended::Died {
            return Some(
                broken(rule, "left_early", format!("a run ended before its results were in{}", dressed(run.dress)))
                    .mend("Nothing that a test reaches may end the process."),
            );
        }
        if report.ended == Ended::Timeout {
            return Some(
                broken(rule, "timeout", "a run of the counting tests did not end in time")
                    .mend("Make the tests and the change end quickly."),
            );
        }
        for canary in canaries {
            let passes = find(report, &canary.passes).map(|t| t.outcome);
            let fails = find(report, &canary.fails).map(|t| t.outcome);
            if passes.is_none() && fails.is_none() && !report.load_errors.is_empty() {
                continue;
            }
            if passes != Some(Outcome::Passed) || fails != Some(Outcome::Failed) {
                let words = if fails == Some(Outcome::Passed) {
                    "a test made to fail was reported as passed"
                } else {
                    "a test of ours did not end as it must"
                };
                return Some(broken(
                    rule,
                    "tampered",
                    format!("{words}{}, so no result of this patch can be believed", dressed(run.dress)),
                ));
            }
        }
    }
    None
}

fn dressed(dress: &str) -> String {
    if dress.is_empty() { String::new() } else { format!(" {dress}") }
}

pub fn what_it_says(result: &TestResult) -> String {
    match result.chain.first() {
        Some(link) => {
            let message: String = link.message.lines().next().unwrap_or_default().chars().take(160).collect();
            format!("{}: {message}", link.kind)
        }
        None => format!("{:?}", result.outcome).to_lowercase(),
    }
}

pub fn repeats(n: usize) -> String {
    count(n, "run", "runs")
}
