//! Nothing up its sleeve: signs in added product code, and existing tests that went away, were skipped or weakened.

use super::{PatchFile, Saying, broken, holds, list, short};
use domain::evidence::{Outcome, Rule, RuleResult};
use domain::harness::{Declared, Finding, TestResult, VariantReport};
use std::collections::{BTreeMap, BTreeSet};

const RULE: Rule = Rule::NothingUpItsSleeve;

pub fn signs(findings: &[(String, Finding)]) -> Option<RuleResult> {
    let (path, first) = findings.first()?;
    let more = if findings.len() > 1 { format!(", and {} more such lines", findings.len() - 1) } else { String::new() };
    Some(
        broken(RULE, "sleeve", format!("line {} of `{path}` {}{more}", first.line, first.what))
            .at(path, first.line)
            .mend(format!("Take out what {} at line {} of `{path}`: a fix has no need of it.", first.what, first.line)),
    )
}

/// Tests that base's own run knows and the patch's own run lacks or skips.
pub fn lost(base: &VariantReport, patched: &VariantReport) -> Option<RuleResult> {
    let now: BTreeMap<&str, Outcome> = patched.tests.iter().map(|t| (t.id.as_str(), t.outcome)).collect();
    let unloaded: BTreeSet<&str> = patched.load_errors.iter().map(|e| e.file.as_str()).collect();
    let before = base.tests.iter().filter(|t| t.outcome != Outcome::Skipped);
    let mut gone = Vec::new();
    let mut skipped = Vec::new();
    for test in before {
        match now.get(test.id.as_str()) {
            None if !unloaded.contains(test.file.as_str()) => gone.push(short(&test.id)),
            Some(Outcome::Skipped) => skipped.push(short(&test.id)),
            _ => {}
        }
    }
    if !gone.is_empty() {
        return Some(
            broken(RULE, "test_removed", format!("the patch takes away {}", list(&gone, 3)))
                .mend(format!("Put {} back as on the base commit.", list(&gone, 3))),
        );
    }
    if !skipped.is_empty() {
        return Some(
            broken(RULE, "test_skipped", format!("the patch skips {}", list(&skipped, 3)))
                .mend(format!("Let {} run again.", list(&skipped, 3))),
        );
    }
    None
}

/// Tests whose lines the patch left alone, but whose name means other code now.
pub fn replaced(
    files: &[PatchFile],
    before: &[Declared],
    after: &[Declared],
    base: &VariantReport,
    patched: &VariantReport,
) -> Option<RuleResult> {
    let is_same = |test: &TestResult| {
        let stays = |old: &Declared| after.iter().any(|new| new.id == old.id && new.digest == old.digest);
        !files.iter().any(|f| f.path == test.file) || before.iter().any(|old| old.id == test.declared && stays(old))
    };
    let now: BTreeMap<&str, &str> = patched.tests.iter().map(|t| (t.id.as_str(), t.body.as_str())).collect();
    // A decorator or a factory from elsewhere may change with the file that it is in.
    let is_known = |t: &&TestResult| !matches!(t.body.as_str(), "" | "elsewhere");
    let is_other = |t: &&TestResult| now.get(t.id.as_str()).is_some_and(|body| *body != t.body);
    let tests = base.tests.iter().filter(is_known).filter(is_other);
    let gone: Vec<String> = tests.filter(|t| is_same(t)).map(|t| short(&t.id)).collect();
    (!gone.is_empty()).then(|| {
        broken(RULE, "test_removed", format!("the patch puts something else in the place of {}", list(&gone, 3)))
            .mend(format!("Let {} be what it is on the base commit.", list(&gone, 3)))
    })
}

/// Old tests that fail on a product whose functions fail, but only as base has them.
pub fn numb(ids: &[String]) -> Option<RuleResult> {
    let names: Vec<String> = ids.iter().map(|id| short(id)).collect();
    let first = ids.first()?;
    let words = format!("with the patch's tests {} no longer notices when the product's functions fail", list(&names, 3));
    Some(
        broken(RULE, "test_numb", words).at(super::red::file_of(first), 0).mend(format!(
            "Let {} check what it checks on the base commit, with the helpers and data that it uses there.",
            list(&names, 3)
        )),
    )
}

/// A changed test that checks less than it did.
pub fn weakened(before: &[Declared], after: &[Declared]) -> Option<RuleResult> {
    for old in before {
        let named: Vec<&Declared> = after.iter().filter(|n| n.id == old.id).collect();
        if named.iter().any(|n| n.digest == old.digest) {
            continue;
        }
        let Some(new) = named.first() else { continue };
        let mut left = new.checks.clone();
        let missing = old.checks.iter().find(|check| match left.iter().position(|c| c == *check) {
            Some(at) => {
                left.remove(at);
                false
            }
            None => true,
        });
        if let Some(check) = missing {
            let name = short(&old.id);
            return Some(
                broken(RULE, "test_weakened", format!("{name} lost a check that it made on base (`{check}`)"))
                    .at(super::red::file_of(&old.id), new.line)
                    .mend(format!("Leave {name} as on the base commit and add a test of its own for your change.")),
            );
        }
        if new.skipped && !old.skipped {
            return Some(
                broken(RULE, "test_skipped", format!("the patch skips {}", short(&old.id)))
                    .mend(format!("Let {} run again.", short(&old.id))),
            );
        }
    }
    None
}

/// Harness files that the patch carries.
pub fn harness(files: &[PatchFile], needed: bool) -> Option<RuleResult> {
    let paths: Vec<String> =
        files.iter().filter(|f| f.class == domain::harness::FileClass::Harness).map(|f| format!("`{}`", f.path)).collect();
    if paths.is_empty() {
        return None;
    }
    let names = list(&paths, 3);
    let path = paths[0].trim_matches('`').to_string();
    Some(if needed {
        broken(RULE, "harness_needed", format!("the new tests pass only with the patch's own {names}"))
            .at(&path, 0)
            .mend(format!("Write the tests so that they need no change to {names}."))
    } else {
        broken(RULE, "harness_unneeded", format!("the patch changes {names}, which its proof does not need"))
            .at(&path, 0)
            .mend(format!("Leave {names} as on the base commit."))
    })
}

pub fn clean() -> RuleResult {
    holds(RULE, "added code has no sign of watching the tests; no existing test was removed, skipped or weakened")
}
