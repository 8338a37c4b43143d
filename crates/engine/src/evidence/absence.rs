//! Green's other half: the test passes with the patch because what was reported no longer happens, and not because the
//! test looks away or no longer does what made base fail.

use super::incident::Shape;
use super::{Saying, broken, short};
use crate::proof::Side;
use domain::evidence::{Rule, RuleResult};
use domain::harness::{Link, TestResult};
use std::collections::BTreeSet;

pub struct Sides<'a> {
    pub id: &'a str,
    pub base: Vec<&'a TestResult>,
    /// Of the watched run.
    pub patch: &'a TestResult,
    /// First and last lines of the test's checks, where they are known.
    pub checked_at: &'a [(u32, u32)],
}

pub fn judge(
    shape: &Shape,
    sides: &Sides<'_>,
    is_test: &dyn Fn(&str) -> bool,
    handles: &dyn Fn(&Link, bool) -> bool,
    raises: &dyn Fn(&Link, Side) -> Option<bool>,
) -> Option<RuleResult> {
    let on_base = common_steps(shape, sides, is_test);
    let can_tell = !sides.patch.steps.is_empty();
    let links = matching(shape, sides.patch, is_test);
    for link in &links {
        let step = step_of(link, is_test);
        let same = on_base.iter().any(|s| meets_the_same(s, &step)) || step.is_empty() && on_base.is_empty();
        let is_handled = || links.iter().filter(|l| l.kind == link.kind && step_of(l, is_test) == step).any(|l| handles(l, can_tell));
        if same && !is_handled() && !is_said_on_purpose(shape, sides, link, is_test, raises) {
            let place = link.frames.iter().rev().find(|p| shape.is_place(p)).map_or(String::new(), |p| format!(" in {}", p.file));
            return Some(
                broken(
                    Rule::Green,
                    "still_happens",
                    format!("{} passes, but while it runs the reported {} still happens{place}", short(sides.id), link.kind),
                )
                .at(super::red::file_of(sides.id), line_number(&step))
                .mend(format!("Change the code so that the reported {} no longer happens; the test must not catch it.", link.kind)),
            );
        }
    }
    let repeated = on_base.iter().any(|step| sides.patch.steps.iter().any(|s| asks_the_same(step, s)));
    if can_tell && !on_base.is_empty() && !repeated {
        let step = on_base.first().cloned().unwrap_or_default();
        return Some(
            broken(
                Rule::Green,
                "not_repeated",
                format!(
                    "with the patch {} no longer does what made base fail (`{}`)",
                    short(sides.id),
                    step.rsplit('/').next().unwrap_or_default()
                ),
            )
            .at(super::red::file_of(sides.id), line_number(&step))
            .mend("Let the test do the same, whatever the code under test says about itself."),
        );
    }
    unchecked(sides)
}

/// Where base ran into the exception and the patch throws one of the same kind on purpose, in other words: the answer
/// that it gives. Base's own words said otherwise would still be what was reported.
fn is_said_on_purpose(
    shape: &Shape,
    sides: &Sides<'_>,
    link: &Link,
    is_test: &dyn Fn(&str) -> bool,
    raises: &dyn Fn(&Link, Side) -> Option<bool>,
) -> bool {
    let words = |l: &Link| l.message.strip_prefix(&format!("{}: ", l.kind)).unwrap_or(&l.message).to_string();
    let on_base: Vec<&Link> = sides.base.iter().flat_map(|r| matching(shape, r, is_test)).collect();
    raises(link, Side::Patch) == Some(true)
        && !on_base.is_empty()
        && on_base.iter().all(|l| raises(l, Side::Base) == Some(false) && words(l) != words(link))
}

/// Of a test whose checks all stand behind a condition that does not hold, the patch may be anything.
fn unchecked(sides: &Sides<'_>) -> Option<RuleResult> {
    let file = super::red::file_of(sides.id);
    let ran = |line: u32| sides.checked_at.iter().any(|(first, last)| (*first..=*last).contains(&line));
    let is_checked = sides.patch.steps.iter().map(|s| line_of(s)).any(|s| s.starts_with(file) && ran(line_number(s)));
    let (first, _) = sides.checked_at.first().filter(|_| !sides.patch.steps.is_empty() && !is_checked)?;
    Some(
        broken(Rule::Green, "unchecked", format!("{} passes with the patch, but none of its checks ran", short(sides.id)))
            .at(file, *first)
            .mend("Let the test check, without a condition, what the code gives or does in the reported case."),
    )
}

/// What the incident's exception came from in every repeat on base; values that differ from run to run are left out.
fn common_steps(shape: &Shape, sides: &Sides<'_>, is_test: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let of = |result: &&TestResult| -> BTreeSet<String> {
        matching(shape, result, is_test).iter().map(|l| step_of(l, is_test)).filter(|s| !s.is_empty()).collect()
    };
    let all: Vec<BTreeSet<String>> = sides.base.iter().map(of).collect();
    let Some(first) = all.first() else { return BTreeSet::new() };
    let common: BTreeSet<&String> = first.iter().filter(|s| all.iter().all(|steps| steps.contains(*s))).collect();
    // A traceback knows the line alone; what was asked there says more.
    let says_more = |line: &str| common.iter().any(|s| s.len() > line.len() && line_of(s) == line);
    let telling: BTreeSet<String> = common.iter().filter(|s| !says_more(s)).map(|s| s.to_string()).collect();
    if !telling.is_empty() {
        return telling;
    }
    first.iter().map(|s| line_of(s).to_string()).collect()
}

fn matching<'a>(shape: &Shape, result: &'a TestResult, is_test: &dyn Fn(&str) -> bool) -> Vec<&'a Link> {
    let chain = shape.matched(&result.chain, is_test).map(|(link, _)| link);
    let seen = result.seen.iter().filter(|l| shape.matched(std::slice::from_ref(l), is_test).is_some());
    chain.into_iter().chain(seen).collect()
}

/// As the harness noted it, else the test's own line among the frames.
fn step_of(link: &Link, is_test: &dyn Fn(&str) -> bool) -> String {
    if !link.step.is_empty() {
        return link.step.clone();
    }
    let own = link.frames.iter().rev().find(|p| is_test(&p.file));
    own.map(|p| format!("{}:{}", p.file, p.line)).unwrap_or_default()
}

/// Whatever a function between is called: the exception that the test's line meets is the same.
fn meets_the_same(on_base: &str, step: &str) -> bool {
    let values = |step| asked(step).map_or("", |(_, values)| values);
    on_base == line_of(step) || line_of(on_base) == line_of(step) && gives_the_same(values(on_base), values(step))
}

/// The same line asks the same of the same function.
fn asks_the_same(a: &str, b: &str) -> bool {
    a == b || line_of(a) == line_of(b) && asked(a).zip(asked(b)).is_some_and(|(a, b)| a.0 == b.0 && gives_the_same(a.1, b.1))
}

/// The function and what it gets: `tests/a.py:7 rate, 'GBP'` → `rate` and `'GBP'`.
fn asked(step: &str) -> Option<(&str, &str)> {
    let (_, asked) = step.split_once(' ')?;
    Some(asked.split_once(", ").unwrap_or((asked, "")))
}

/// A patch may add a parameter with a default, or take one away.
fn gives_the_same(a: &str, b: &str) -> bool {
    let begins = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || short.is_empty() || rest.starts_with(", "))
    };
    begins(a, b) || begins(b, a)
}

/// `tests/a.py:7 rate, 'GBP'` → `tests/a.py:7`.
fn line_of(step: &str) -> &str {
    step.split_once(' ').map_or(step, |(line, _)| line)
}

fn line_number(step: &str) -> u32 {
    line_of(step).rsplit(':').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::evidence::Outcome;
    use domain::harness::Place;

    fn link(step: &str, caught: bool) -> Link {
        let place = Place { file: "shop/pricing.py".into(), function: "rate".into(), line: 7 };
        Link {
            kind: "KeyError".into(),
            step: step.into(),
            caught_in: caught.then(|| place.clone()),
            frames: vec![place],
            ..Link::default()
        }
    }

    fn result(seen: Vec<Link>, steps: &[&str]) -> TestResult {
        let steps = steps.iter().map(|s| s.to_string()).collect();
        let id = "tests/a.py::test_a".to_string();
        TestResult {
            declared: id.clone(),
            id,
            file: String::new(),
            outcome: Outcome::Passed,
            duration_ms: 0,
            chain: Vec::new(),
            seen,
            steps,
            log: String::new(),
        }
    }

    fn code(base: &TestResult, patch: &TestResult) -> Option<String> {
        let shape = Shape { kinds: vec!["KeyError".into()], places: vec![("shop/pricing.py".into(), "rate".into())] };
        let sides = Sides { id: "tests/a.py::test_a", base: vec![base, base], patch, checked_at: &[(9, 9)] };
        let raises = |link: &Link, side: Side| Some(side == Side::Patch && link.message == "no rate");
        judge(&shape, &sides, &|file| file.starts_with("tests/"), &|l, _| l.caught_in.is_some(), &raises).map(|r| r.code)
    }

    #[test]
    fn an_answer_of_its_own_is_not_what_was_reported() {
        let base = result(vec![link("tests/a.py:3 'GBP'", false)], &[]);
        let steps = ["tests/a.py:3", "tests/a.py:3 'GBP'", "tests/a.py:9"];
        let says = |message: &str| Link { message: message.into(), ..link("tests/a.py:3 'GBP'", false) };
        assert_eq!(code(&base, &result(vec![says("GBP")], &steps)).as_deref(), Some("still_happens"));
        assert_eq!(code(&base, &result(vec![says("no rate")], &steps)), None);
        let same = result(vec![says("KeyError: no rate")], &[]);
        assert_eq!(code(&same, &result(vec![says("no rate")], &steps)).as_deref(), Some("still_happens"));
    }

    #[test]
    fn looking_away_is_not_a_fix() {
        let base = result(vec![link("tests/a.py:3 rate, 'GBP'", false)], &[]);
        let steps = ["tests/a.py:3", "tests/a.py:3 rate, 'GBP'", "tests/a.py:9"];
        assert_eq!(code(&base, &result(Vec::new(), &steps)), None);
        assert_eq!(code(&base, &result(vec![link("tests/a.py:3 rate, 'GBP'", false)], &steps)).as_deref(), Some("still_happens"));
        assert_eq!(code(&base, &result(vec![link("tests/a.py:3 rate, 'GBP'", true)], &steps)), None);
        assert_eq!(code(&base, &result(vec![link("tests/a.py:9 rate, ''", false)], &steps)), None);
        assert_eq!(code(&base, &result(Vec::new(), &steps[..2])).as_deref(), Some("unchecked"));
        assert_eq!(code(&base, &result(Vec::new(), &["tests/a.py:3", "tests/a.py:3 rate, 'EUR'"])).as_deref(), Some("not_repeated"));
        assert_eq!(
            code(&base, &result(Vec::new(), &["tests/a.py:3 rate_or_none, 'GBP'", "tests/a.py:9"])).as_deref(),
            Some("not_repeated")
        );
        assert_eq!(code(&base, &result(Vec::new(), &["tests/a.py:3 rate, 'GBP', 2", "tests/a.py:9"])), None);
        assert_eq!(code(&base, &result(Vec::new(), &[])), None);
    }
}
