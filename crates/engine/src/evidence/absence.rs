//! Green's other half: the test passes with the patch because what was reported no longer happens, and not because the
//! test looks away or no longer does what made base fail.

use super::incident::Shape;
use super::{Saying, broken, short};
use crate::proof::Side;
use domain::evidence::{Rule, RuleResult};
use domain::harness::{Link, Place, TestResult};
use std::collections::BTreeSet;

pub struct Sides<'a> {
    pub id: &'a str,
    pub base: Vec<&'a TestResult>,
    /// Of the watched run.
    pub patch: &'a TestResult,
    /// First and last lines of the test's checks, where they are known.
    pub checked_at: &'a [(u32, u32)],
}

/// What is known of the code beside the tests.
pub struct Helpers<'a> {
    /// First and last line of a helper that is as on base.
    pub of_base: &'a dyn Fn(&Place) -> Option<(u32, u32)>,
    /// Whether a file names a word.
    pub names: &'a dyn Fn(&str, &str) -> bool,
}

pub fn judge(
    shape: &Shape,
    sides: &Sides<'_>,
    is_test: &dyn Fn(&str) -> bool,
    handles: &dyn Fn(&Link, bool) -> bool,
    raises: &dyn Fn(&Link, Side) -> Option<bool>,
    helpers: &Helpers<'_>,
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
    let repeated = on_base.iter().any(|step| sides.patch.steps.iter().any(|s| asks_the_same(step, s)))
        || sides.base.iter().flat_map(|r| matching(shape, r, is_test)).any(|link| is_called_off(sides, link, is_test, helpers));
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

/// Whether base failed in what a helper of base's tests called for the product, a timer's function or a listener, and now
/// nothing is called there though the test comes by. What a test names it calls itself, and that it has to go on doing.
fn is_called_off(sides: &Sides<'_>, link: &Link, is_test: &dyn Fn(&str) -> bool, helpers: &Helpers<'_>) -> bool {
    let own_file = super::red::file_of(sides.id);
    let Some(at) = link.frames.iter().rposition(|p| is_test(&p.file)) else { return false };
    let (helper, Some(called)) = (&link.frames[at], link.frames.get(at + 1)) else { return false };
    let Some(own) = link.frames[..at].iter().find(|p| p.file == own_file) else { return false };
    let Some((first, last)) = (helpers.of_base)(helper) else { return false };
    let function = called.function.rsplit(['.', ' ']).next().unwrap_or_default();
    if (helpers.names)(&helper.file, function) || (helpers.names)(own_file, function) {
        return false;
    }
    let ran = |file: &str, first: u32, last: u32| {
        let is_there = |s: &String| line_of(s).rsplit_once(':').is_some_and(|(f, _)| f == file) && (first..=last).contains(&line_number(s));
        sides.patch.steps.iter().any(is_there)
    };
    let is_other = |s: &String| {
        line_of(s) == format!("{}:{}", helper.file, helper.line)
            && asked(s).is_some_and(|(other, _)| !function.is_empty() && other != function)
    };
    ran(own_file, own.line, own.line) && ran(&helper.file, first, last) && !sides.patch.steps.iter().any(is_other)
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
            body: String::new(),
            log: String::new(),
        }
    }

    fn code(base: &TestResult, patch: &TestResult) -> Option<String> {
        let shape = Shape { kinds: vec!["KeyError".into()], places: vec![("shop/pricing.py".into(), "rate".into())] };
        let sides = Sides { id: "tests/a.py::test_a", base: vec![base, base], patch, checked_at: &[(9, 9)] };
        let raises = |link: &Link, side: Side| Some(side == Side::Patch && link.message == "no rate");
        let of_base = |place: &Place| (place.file == "tests/loop.py").then_some((1, 9));
        let names = |_: &str, word: &str| word == "rate";
        let helpers = Helpers { of_base: &of_base, names: &names };
        let is_test = |file: &str| file.starts_with("tests/");
        judge(&shape, &sides, &is_test, &|l, _| l.caught_in.is_some(), &raises, &helpers).map(|r| r.code)
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
    fn what_the_product_calls_off_need_not_be_called() {
        let place = |file: &str, function: &str, line| Place { file: file.into(), function: function.into(), line };
        let on_base = |function: &str, helper: &str| {
            let frames = vec![place("tests/a.py", "test_a", 3), place(helper, "pass", 7), place("shop/pricing.py", function, 9)];
            let frames = frames.into_iter().chain([place("shop/pricing.py", "rate", 7)]).collect();
            result(vec![Link { frames, ..link(&format!("{helper}:7 {function}, 1"), false) }], &[])
        };
        let passed = result(Vec::new(), &["tests/a.py:3", "tests/loop.py:6", "tests/a.py:9"]);
        assert_eq!(code(&on_base("expire", "tests/loop.py"), &passed), None);
        assert_eq!(code(&on_base("rate", "tests/loop.py"), &passed).as_deref(), Some("not_repeated"));
        assert_eq!(code(&on_base("expire", "tests/a.py"), &passed).as_deref(), Some("not_repeated"));
        let elsewhere = result(Vec::new(), &["tests/a.py:4", "tests/loop.py:6", "tests/a.py:9"]);
        assert_eq!(code(&on_base("expire", "tests/loop.py"), &elsewhere).as_deref(), Some("not_repeated"));
        let around = result(Vec::new(), &["tests/a.py:3", "tests/a.py:9"]);
        assert_eq!(code(&on_base("expire", "tests/loop.py"), &around).as_deref(), Some("not_repeated"));
        let another = result(Vec::new(), &["tests/a.py:3", "tests/loop.py:7 other, 1", "tests/a.py:9"]);
        assert_eq!(code(&on_base("expire", "tests/loop.py"), &another).as_deref(), Some("not_repeated"));
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
