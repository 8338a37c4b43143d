//! Red: on base with the patch's tests, a counting test fails every time, for the right reason.

use super::incident::Shape;
use super::{Saying, broken, count, holds, list, short};
use domain::evidence::{Outcome, Rule, RuleResult};
use domain::harness::{Link, LoadError, Place, TestResult};
use std::collections::BTreeMap;

/// How one test went on base, over all repeats.
pub struct Seen<'a> {
    pub repeats: Vec<Option<&'a TestResult>>,
}

pub struct Evidence<'a> {
    pub counting: &'a [String],
    pub by_id: BTreeMap<&'a str, Seen<'a>>,
    pub load_errors: &'a [LoadError],
    pub shape: Option<&'a Shape>,
    pub is_feature: bool,
    pub is_product: &'a dyn Fn(&str) -> bool,
    pub is_test: &'a dyn Fn(&str) -> bool,
    /// Whether only the patch gives the name a meaning.
    pub is_new_name: &'a dyn Fn(&str) -> bool,
}

pub struct Judged {
    pub result: RuleResult,
    /// The tests that failed for the right reason.
    pub red: Vec<String>,
    pub is_new_behaviour: bool,
    /// Product frames that the right failures passed, innermost last, each function once.
    pub frames: Vec<Place>,
}

pub fn judge(evidence: &Evidence<'_>) -> Judged {
    let mut right: Vec<(String, String)> = Vec::new();
    let mut wrong: Vec<(String, String)> = Vec::new();
    let (mut passing, mut wavering, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    let mut frames = Vec::new();
    let mut is_new_behaviour = false;
    for id in evidence.counting {
        let results: Vec<&TestResult> =
            evidence.by_id.get(id.as_str()).map(|s| s.repeats.iter().flatten().copied().collect()).unwrap_or_default();
        let repeats = evidence.by_id.get(id.as_str()).map_or(0, |s| s.repeats.len());
        if results.len() < repeats || results.is_empty() {
            absent.push(id.clone());
            continue;
        }
        let failed = results.iter().filter(|r| matches!(r.outcome, Outcome::Failed | Outcome::Error)).count();
        if failed == 0 {
            passing.push(id.clone());
        } else if failed < results.len() {
            wavering.push(format!("{} failed {failed} times of {}", short(id), results.len()));
        } else {
            match reason_of_all(evidence, &results) {
                Ok((words, is_new)) => {
                    is_new_behaviour |= is_new;
                    results.iter().for_each(|r| note_frames(evidence, r, &mut frames));
                    right.push((id.clone(), format!("fails on base with {words}, {failed} of {}", results.len())));
                }
                Err(words) => wrong.push((id.clone(), words)),
            }
        }
    }
    let failing_loads: Vec<&LoadError> = evidence.load_errors.iter().collect();
    if right.is_empty() && evidence.is_feature && !absent.is_empty() && failing_loads.iter().any(|e| names_new(evidence, &e.chain)) {
        is_new_behaviour = true;
        right = absent.iter().map(|id| (id.clone(), "can't load on base, which lacks what it names".to_string())).collect();
    }
    if !right.is_empty() {
        let detail = sentence(&right, evidence.counting.len());
        let red = right.into_iter().map(|(id, _)| id).collect();
        return Judged { result: holds(Rule::Red, detail), red, is_new_behaviour, frames };
    }
    let result = refusal(evidence, &passing, &wavering, &absent, &wrong);
    Judged { result, red: Vec::new(), is_new_behaviour: false, frames }
}

fn sentence(right: &[(String, String)], counting: usize) -> String {
    let (first, words) = &right[0];
    match (right.len(), counting) {
        (1, 1) => words.clone(),
        (1, _) => format!("{} {words}; 1 of {counting} new tests", short(first)),
        (n, _) => format!("{} {words}; so do {} of {counting} new tests in all", short(first), n),
    }
}

fn refusal(e: &Evidence<'_>, passing: &[String], wavering: &[String], absent: &[String], wrong: &[(String, String)]) -> RuleResult {
    let rule = Rule::Red;
    let shorts = |ids: &[String]| ids.iter().map(|id| short(id)).collect::<Vec<_>>();
    if let (Some(error), false) = (e.load_errors.first(), absent.is_empty()) {
        let why = error.chain.last().map(|l| format!("{}: {}", l.kind, l.message.lines().next().unwrap_or_default())).unwrap_or_default();
        return broken(rule, "load_error", format!("`{}` can't be loaded on base ({why}), which shows nothing about the problem", error.file))
            .at(&error.file, 0)
            .mend("Write the test so that its file loads on the base commit: import what only your change defines inside the test, or test through what is there already.");
    }
    if let Some((id, words)) = wrong.first() {
        let mend = match e.shape {
            Some(shape) => {
                format!("Write a test that makes the reported {} happen in the reported code on the base commit.", shape.kinds[0])
            }
            None => {
                "Write a test that fails on the base commit because a check of it does not hold, or because the project's own code raises."
                    .to_string()
            }
        };
        return broken(rule, "wrong_reason", format!("{} fails on base, but {words}", short(id))).at(file_of(id), 0).mend(mend);
    }
    if !wavering.is_empty() {
        return broken(rule, "unsteady", format!("on base, {}", list(wavering, 3)))
            .mend("Write a test that fails on the base commit every time.");
    }
    if !passing.is_empty() {
        return broken(
            rule,
            "passes_on_base",
            format!(
                "{} on base, so {} nothing about the problem",
                pass(&shorts(passing)),
                if passing.len() == 1 { "it shows" } else { "they show" }
            ),
        )
        .at(file_of(&passing[0]), 0)
        .mend("Write a test that fails on the base commit and passes with your change.");
    }
    broken(rule, "no_result", format!("{} gave no result on base", list(&shorts(absent), 3)))
        .mend("Write a test that runs to its end on the base commit.")
}

fn pass(names: &[String]) -> String {
    if names.len() == 1 { format!("{} passes", names[0]) } else { format!("{} pass", list(names, 3)) }
}

pub fn file_of(id: &str) -> &str {
    id.split_once("::").map_or(id, |(file, _)| file)
}

/// Words for the right reason, the same kind of it in every repeat.
fn reason_of_all(e: &Evidence<'_>, results: &[&TestResult]) -> Result<(String, bool), String> {
    let mut words = Err("nothing ran".to_string());
    for result in results {
        words = Ok(reason(e, result)?);
    }
    words
}

fn reason(e: &Evidence<'_>, result: &TestResult) -> Result<(String, bool), String> {
    let first = result.chain.first();
    let met = first
        .map(|l| format!("{}: {}", l.kind, l.message.lines().next().unwrap_or_default().chars().take(120).collect::<String>()))
        .unwrap_or_else(|| "no exception".to_string());
    if e.is_feature && names_new(e, &result.chain) {
        return Ok(("a name that only the patch defines".to_string(), true));
    }
    if let Some(shape) = e.shape {
        if let Some((link, place)) = shape.matched(&result.chain, e.is_test) {
            return Ok((at(&link.kind, place), false));
        }
        for link in &result.seen {
            if let Some((link, place)) = shape.matched(std::slice::from_ref(link), e.is_test) {
                return Ok((format!("{} (swallowed on the way)", at(&link.kind, place)), false));
            }
        }
        return Err(format!("with {met}, and not with the incident's {} in its code", shape.kinds[0]));
    }
    for link in &result.chain {
        if let Some(place) = link.frames.iter().rev().find(|p| (e.is_product)(&p.file)) {
            return Ok((at(&link.kind, Some(place)), false));
        }
    }
    let raised = first.and_then(|l| l.frames.iter().rev().find(|p| (e.is_test)(&p.file)));
    if first.is_some_and(|l| l.is_check) && raised.is_some() {
        return Ok((format!("a check that does not hold ({met})"), false));
    }
    Err(format!("with {met}, which is neither a check of the test nor raised by the project's code"))
}

fn at(kind: &str, place: Option<&Place>) -> String {
    match place {
        Some(place) => format!("{kind} in {}", place.file),
        None => kind.to_string(),
    }
}

fn names_new(e: &Evidence<'_>, chain: &[Link]) -> bool {
    chain
        .iter()
        .filter(|l| {
            matches!(
                l.kind.as_str(),
                "ImportError"
                    | "ModuleNotFoundError"
                    | "AttributeError"
                    | "NameError"
                    | "TypeError"
                    | "SyntaxError"
                    | "ReferenceError"
                    | "Error"
            )
        })
        .any(|l| l.message.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| w.len() > 1).any(|w| (e.is_new_name)(w)))
}

fn note_frames(e: &Evidence<'_>, result: &TestResult, frames: &mut Vec<Place>) {
    for link in result.chain.iter().chain(&result.seen) {
        for place in link.frames.iter().filter(|p| (e.is_product)(&p.file)) {
            if !frames.iter().any(|f: &Place| f.file == place.file && f.function == place.function) {
                frames.push(place.clone());
            }
        }
    }
}

/// Words for a test that the patch brings but none counts.
pub fn no_counting_test() -> RuleResult {
    broken(Rule::Red, "no_counting_test", "the patch brings no new or changed test")
        .mend("Add a test that fails on the base commit for the reported reason and passes with your change.")
}

pub fn words_for(n: usize) -> String {
    count(n, "counting test", "counting tests")
}
