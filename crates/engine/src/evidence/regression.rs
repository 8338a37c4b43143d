//! No regression: base's own tests, unmodified, on the patched source.

use super::green::what_it_says;
use super::{Saying, broken, holds, list, short};
use domain::evidence::{Outcome, Rule, RuleResult};
use domain::harness::VariantReport;
use domain::run::OtherTests;
use std::collections::{BTreeMap, BTreeSet};

pub fn passed(report: &VariantReport) -> BTreeSet<&str> {
    report.tests.iter().filter(|t| t.outcome == Outcome::Passed).map(|t| t.id.as_str()).collect()
}

/// Tests that passed on base and don't on the patched source.
pub fn suspects(base: &VariantReport, patched: &VariantReport) -> Vec<String> {
    let now = passed(patched);
    passed(base).into_iter().filter(|id| !now.contains(id)).map(str::to_string).collect()
}

/// Failures and repeats of one suspect on both sides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeats {
    pub base_failed: usize,
    pub base: usize,
    pub patch_failed: usize,
    pub patch: usize,
}

impl Repeats {
    /// It wavers by itself: base fails too, or the patch passes as often as base does but for the first try.
    pub fn is_flaky(self) -> bool {
        self.base_failed > 0
    }
}

pub fn judge(
    base: &VariantReport,
    patched: &VariantReport,
    suspects: &[String],
    repeats: &BTreeMap<String, Repeats>,
    changed_by_patch: &dyn Fn(&str) -> bool,
) -> (RuleResult, OtherTests) {
    let rule = Rule::NoRegression;
    let passed_on_base = passed(base).len();
    let flaky: Vec<String> = suspects
        .iter()
        .filter(|id| repeats.get(*id).is_some_and(|r| r.is_flaky()))
        .map(|id| {
            let r = repeats[id];
            format!("{} (base fails {} of {}, patch {} of {})", short(id), r.base_failed, r.base, r.patch_failed, r.patch)
        })
        .collect();
    let real: Vec<&String> = suspects.iter().filter(|id| !repeats.get(*id).is_some_and(|r| r.is_flaky())).collect();
    let other = OtherTests { passed_on_base, still_pass: passed_on_base - suspects.len(), flaky: flaky.len() };
    let Some(first) = real.first() else {
        let mut words = if passed_on_base == 0 {
            "base has no other test that passes".to_string()
        } else {
            format!("{} of {passed_on_base} tests that passed on base still pass", other.still_pass)
        };
        if !flaky.is_empty() {
            words.push_str(&format!("; flaky by themselves: {}", list(&flaky, 3)));
        }
        return (holds(rule, words), other);
    };
    let file = super::red::file_of(first).to_string();
    if changed_by_patch(first) {
        let name = short(first);
        return (
            broken(rule, "pins_the_bug", format!("base's {name} fails with the patch, which changes that test"))
                .at(&file, 0)
                .mend(format!("If {name} is right, keep it as it is and fix the code so that it passes. If it pins the bug itself, a person has to decide.")),
            other,
        );
    }
    let result = patched.tests.iter().find(|t| &&t.id == first);
    let why = result.map(what_it_says).unwrap_or_else(|| "it gives no result any more".to_string());
    let names: Vec<String> = real.iter().map(|id| short(id)).collect();
    let verb = if real.len() == 1 { "passes on base and fails" } else { "pass on base and fail" };
    let detail = format!("{} {verb} with the patch ({why})", list(&names, 3));
    (broken(rule, "regression", detail).at(&file, 0).mend(format!("Keep {} passing.", list(&names, 3))), other)
}
