//! Strength: the counting tests notice when the fix is wrong.

use super::{Saying, broken, count, holds, list};
use domain::evidence::{Rule, RuleResult, WrongVersion};
use domain::harness::{Finding, Mutant, MutantKind, Place, Singled};

/// A wrong version and who noticed; `caught_by` empty means nobody.
#[derive(Clone, Debug)]
pub struct Tried {
    pub mutant: Mutant,
    pub caught_by: Vec<String>,
    /// A counting test then fails as it does on base.
    pub as_on_base: bool,
}

/// The incident came through one function, which is as on base; another one is mended.
#[derive(Clone, Debug)]
pub struct OtherCaller {
    pub reported: String,
    pub mended: Place,
}

#[derive(Default)]
pub struct Evidence {
    /// Hushed base: caught means that a counting test still failed.
    pub hushed: Vec<Tried>,
    pub empty_handlers: Vec<(String, Finding)>,
    pub handlers: Vec<Tried>,
    pub wrong: Vec<Tried>,
    /// Added conditions, each taken as always true and as always false.
    pub forced: Vec<Tried>,
    /// Checks of the counting tests that expect something else.
    pub checks: Vec<Tried>,
    /// The counting tests without what they alone give to the patch.
    pub given: Vec<Tried>,
    /// A value that alone makes the difference to base and that only the patch knows.
    pub singled_out: Option<Singled>,
    /// The patch with what it puts off done at once.
    pub at_once: Vec<Tried>,
    /// Functions that no longer look at what they are given.
    pub hollow: Vec<(String, Finding)>,
    pub other_caller: Option<OtherCaller>,
    /// A file that nothing of the product names, where the patch adds only such.
    pub unused: Option<String>,
    /// Changes that were left untried for want of time, or because there are too many.
    pub untried: usize,
}

pub fn judge(evidence: &Evidence) -> (RuleResult, Vec<WrongVersion>) {
    let shown = evidence.wrong.iter().chain(&evidence.handlers).map(version).collect();
    (result(evidence), shown)
}

fn result(e: &Evidence) -> RuleResult {
    let rule = Rule::Strength;
    if let Some((path, finding)) = e.empty_handlers.first() {
        return broken(rule, "swallows_everything", format!("the handler at line {} of `{path}` {}", finding.line, finding.what))
            .at(path, finding.line)
            .mend("Handle the one exception that is meant, and do what the program should do instead.");
    }
    if let Some(path) = &e.unused {
        return broken(
            rule,
            "unused",
            format!("nothing of the product names `{path}`, and the patch only adds: whoever ran into the failure still does"),
        )
        .at(path, 0)
        .mend("Change what runs where the failure was reported.");
    }
    if let Some((path, finding)) = e.hollow.first() {
        return broken(rule, "hollow", format!("line {} of `{path}` {}, and no test notices", finding.line, finding.what))
            .at(path, finding.line)
            .mend("Let the function go on doing its work and mend only what fails.");
    }
    if let Some(OtherCaller { reported, mended: Place { file, function, line } }) = &e.other_caller {
        return broken(
            rule,
            "other_caller",
            format!("the incident came through `{reported}`, which is as on base; what is mended is `{function}`"),
        )
        .at(file, *line)
        .mend("Mend what fails for every caller, or let a test take the way that was reported.");
    }
    if let Some((mutant, values)) = hush_survivors(&e.hushed) {
        let place = mutant.description.split('`').nth(1).unwrap_or_default();
        return broken(
            rule,
            "weak_test",
            format!("on base, with the exception merely swallowed in `{place}`, the new tests pass whatever it gives ({} different values): they only see that nothing is raised", values),
        )
        .at(&mutant.file, mutant.line)
        .mend("Check in the test what the code must give or do in this case, not only that nothing is raised.");
    }
    if let Some(tried) = e.handlers.iter().find(|t| t.caught_by.is_empty()) {
        return broken(
            rule,
            "weak_test",
            format!("nobody notices when, at line {} of `{}`, {}", tried.mutant.line, tried.mutant.file, lower(&tried.mutant.description)),
        )
        .at(&tried.mutant.file, tried.mutant.line)
        .mend("Check in a test exactly what the added handler or default gives.");
    }
    if let Some(tried) = e.checks.iter().find(|t| t.caught_by.is_empty()) {
        return broken(
            rule,
            "weak_test",
            format!("a check passes whatever it expects: with {}, the tests still pass", lower(&tried.mutant.description)),
        )
        .at(&tried.mutant.file, tried.mutant.line)
        .mend("Compare what the code gives by values that can't be equal to everything.");
    }
    if let Some(tried) = e.given.iter().find(|t| t.as_on_base) {
        let Mutant { file, line, description, .. } = &tried.mutant;
        return broken(rule, "one_sided", format!("without {description}, at line {line} of `{file}`, everything is as on base"))
            .at(file, *line)
            .mend("Mend what happens to the callers that there are; the test must call as they do.");
    }
    if let Some(Singled { spelled, path, line, named_in, named_at, .. }) = &e.singled_out {
        return broken(
            rule,
            "one_sided",
            format!(
                "line {named_at} of `{named_in}` names `{spelled}`, which only the test gives; with another value everything is as on base"
            ),
        )
        .at(path, *line)
        .mend("Mend the failure for every value of this kind, and let the test give more than one.");
    }
    if let Some(Mutant { file, line, .. }) = e.at_once.iter().find(|t| t.as_on_base).map(|t| &t.mutant) {
        return broken(rule, "put_off", format!("what line {line} of `{file}` puts off fails as on base when it is done at once"))
            .at(file, *line)
            .mend("Mend the failure itself; a later one is still one.");
    }
    if let Some(tried) = one_sided(&e.forced) {
        let Mutant { file, line, description, .. } = &tried.mutant;
        return broken(
            rule,
            "one_sided",
            format!("no test notices when, at line {line} of `{file}`, {}, and otherwise everything is as on base", lower(description)),
        )
        .at(file, *line)
        .mend("Let a test try the other side of this condition, or make the change hold without it.");
    }
    let caught = e.wrong.iter().filter(|t| !t.caught_by.is_empty()).count();
    let total = e.wrong.len();
    let survivors: Vec<String> = e
        .wrong
        .iter()
        .filter(|t| t.caught_by.is_empty())
        .map(|t| format!("{} ({}:{})", t.mutant.description, t.mutant.file, t.mutant.line))
        .collect();
    let untried = if e.untried > 0 { format!("; {} not tried", count(e.untried, "more was", "more were")) } else { String::new() };
    if total > 0 && caught * 2 <= total {
        return broken(
            rule,
            "weak_test",
            format!("only {caught} of {total} wrong versions are caught; not noticed: {}{untried}", list(&survivors, 3)),
        )
        .mend("Check more of what the change does: with half of it wrong, the tests still pass.");
    }
    let mut words = match total {
        0 => "there was no wrong version to make".to_string(),
        _ => format!("{caught} of {total} wrong versions are caught"),
    };
    if !e.handlers.is_empty() {
        words.push_str(&format!(", {} of its handlers and defaults too", count(e.handlers.len(), "piece", "pieces")));
    }
    if !survivors.is_empty() {
        words.push_str(&format!("; not noticed: {}", list(&survivors, 3)));
    }
    words.push_str(&untried);
    holds(rule, words)
}

/// A condition that could as well be fixed, where its other side brings back what base does: in every test it is the
/// same, so the fix may be right for the tests alone.
fn one_sided(forced: &[Tried]) -> Option<&Tried> {
    let brings_back = |tried: &Tried| forced.iter().any(|other| other.as_on_base && other.mutant.is_other_side_of(&tried.mutant));
    forced.iter().filter(|t| t.caught_by.is_empty()).find(|tried| brings_back(tried))
}

/// The frame where two or more values that differ in every respect made the tests pass.
fn hush_survivors(hushed: &[Tried]) -> Option<(&Mutant, usize)> {
    for tried in hushed.iter().filter(|t| t.caught_by.is_empty()) {
        let same = |t: &&Tried| t.mutant.file == tried.mutant.file && t.mutant.line == tried.mutant.line && t.caught_by.is_empty();
        let values: Vec<u8> = hushed.iter().filter(same).map(alike).collect();
        let are_one = values.iter().fold(u8::MAX, |all, bits| all & bits) != 0;
        if values.len() >= 2 && !are_one {
            return Some((&tried.mutant, values.len()));
        }
    }
    None
}

fn alike(tried: &Tried) -> u8 {
    match tried.mutant.kind {
        MutantKind::Hush { alike } => alike,
        _ => 0,
    }
}

fn version(tried: &Tried) -> WrongVersion {
    let m = &tried.mutant;
    let unneeded = m.kind == MutantKind::Hunk && tried.caught_by.is_empty();
    let description = if unneeded { format!("{}: nobody notices, so it is not needed", m.description) } else { m.description.clone() };
    WrongVersion { description, file: m.file.clone(), line: m.line, caught_by: tried.caught_by.clone() }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}
