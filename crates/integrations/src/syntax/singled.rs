//! Values that a patch singles out and a test gives: copies of the test that give others. Where they fail as on base, the
//! patch is right for those values alone.

use super::{Language, Source, added_lines, below, essence, line, named, replace};
use domain::harness::{Patched, Singled};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tree_sitter::Node;

const WORDS: &[&str] = &["string_content", "string_fragment", "char_literal"];
const NUMBERS: &[&str] = &["integer", "float", "number", "integer_literal", "float_literal"];
const KEYS: &[&str] = &["property_identifier"];
/// Collections that are written down, and choices by a value.
const TABLES: &[&str] =
    &["array", "array_expression", "dictionary", "list", "match_block", "object", "set", "switch_body", "tuple", "enum_body"];
const PATTERNS: &[&str] = &["regex_pattern"];
/// A shorter word may stand in a longer one by chance.
const PART_CHARS_MIN: usize = 3;
const VALUES_MAX: usize = 8;

/// Of `text`, a test file, at these lines.
pub fn singled_out(path: &str, text: &str, lines: &BTreeSet<u32>, patch: &[Patched<'_>]) -> Vec<Singled> {
    let given = match Language::of(path).map(|language| Source::parse(language, text)) {
        Some(Some(source)) => literals(&source, lines),
        Some(None) => return Vec::new(),
        None => plain(text, lines),
    };
    let mut found: BTreeMap<String, Singled> = BTreeMap::new();
    for file in patch {
        for (value, at) in named_by(file) {
            let places: Vec<&Literal> = given.iter().filter(|l| l.gives(&value)).collect();
            let Some(first) = places.first() else { continue };
            let others = others(&value);
            if others.is_empty() || found.contains_key(&value) {
                continue;
            }
            let copy = |other: &String| (other.clone(), given_instead(text, &places, &value, other));
            let others = others.iter().map(|group| group.iter().map(copy).collect()).collect();
            let singled = Singled { value: value.clone(), named_in: file.path.to_string(), named_at: at, line: first.line, others };
            found.insert(value, singled);
        }
    }
    found.into_values().take(VALUES_MAX).collect()
}

struct Literal {
    range: Range<usize>,
    line: u32,
    text: String,
    is_number: bool,
}

impl Literal {
    fn gives(&self, value: &str) -> bool {
        if self.is_number || is_number(value) {
            return self.is_number && self.text == value;
        }
        self.text == value || value.len() >= PART_CHARS_MIN && !Singled::places(&self.text, value).is_empty()
    }
}

fn literals(source: &Source<'_>, lines: &BTreeSet<u32>) -> Vec<Literal> {
    let nodes = source.nodes().into_iter().filter(|n| lines.contains(&line(*n)));
    nodes
        .filter(|n| WORDS.contains(&n.kind()) || NUMBERS.contains(&n.kind()))
        .map(|n| Literal {
            range: n.byte_range(),
            line: line(n),
            text: bare(source.of(n)).to_string(),
            is_number: NUMBERS.contains(&n.kind()),
        })
        .collect()
}

/// Of a file in no language: the lines themselves.
fn plain(text: &str, lines: &BTreeSet<u32>) -> Vec<Literal> {
    let mut at = 0;
    let mut found = Vec::new();
    for (i, whole) in text.split_inclusive('\n').enumerate() {
        let range = at..at + whole.trim_end().len();
        at += whole.len();
        if lines.contains(&(i as u32 + 1)) {
            found.push(Literal { text: text[range.clone()].to_string(), range, line: i as u32 + 1, is_number: false });
        }
    }
    found
}

/// Without the quotes of a `char`, the type of a number.
fn bare(text: &str) -> &str {
    let text = text.trim_matches('\'');
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    if digits > 0 && ["i", "u", "f"].iter().any(|t| text[digits..].starts_with(t)) { &text[..digits] } else { text }
}

fn is_number(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_digit()) && value.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_'))
}

/// What added code names and its own file did not, with the line.
fn named_by(file: &Patched<'_>) -> BTreeMap<String, u32> {
    let Some(language) = Language::of(file.path) else { return BTreeMap::new() };
    let Some(source) = Source::parse(language, file.new) else { return BTreeMap::new() };
    let added = added_lines(file.old, file.new);
    let before = file.old.and_then(|old| Source::parse(language, old)).map(|old| tables(&old)).unwrap_or_default();
    let mut found = BTreeMap::new();
    for node in below(source.root()).into_iter().filter(|n| added.contains(&line(*n))) {
        let mut around = std::iter::successors(node.parent(), |n| n.parent());
        if around.any(|n| TABLES.contains(&n.kind()) && has_grown(&entries(&source, n), &before)) {
            continue;
        }
        let text = source.of(node);
        let is_key = || KEYS.contains(&node.kind()) && node.parent().is_some_and(|p| p.kind() == "pair");
        if WORDS.contains(&node.kind()) || NUMBERS.contains(&node.kind()) || is_key() {
            found.entry(bare(text).to_string()).or_insert(line(node));
            // A pattern may be written as a string.
            parts(text).for_each(|part| _ = found.entry(part).or_insert(line(node)));
        } else if PATTERNS.contains(&node.kind()) {
            parts(text).for_each(|part| _ = found.entry(part).or_insert(line(node)));
        }
    }
    found
}

/// The entries of each table.
fn tables(source: &Source<'_>) -> Vec<BTreeSet<String>> {
    let tables = source.nodes().into_iter().filter(|n| TABLES.contains(&n.kind()));
    tables.map(|n| entries(source, n)).filter(|entries| !entries.is_empty()).collect()
}

fn entries(source: &Source<'_>, table: Node<'_>) -> BTreeSet<String> {
    named(table).into_iter().map(|entry| essence(source, entry)).collect()
}

/// A further entry of base's own table is data like the others.
fn has_grown(now: &BTreeSet<String>, before: &[BTreeSet<String>]) -> bool {
    before.iter().any(|old| old.is_subset(now))
}

/// The words of a pattern, without what a backslash makes of a letter.
fn parts(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\\');
    let words = words.map(|w| w.rsplit_once('\\').map_or(w, |(_, rest)| rest.get(1..).unwrap_or_default()));
    words.filter(|w| w.chars().count() >= PART_CHARS_MIN && !is_number(w)).map(str::to_string)
}

/// Values of the same look, in groups. On one side of a boundary a number is another case, so there have to be some on both;
/// a year of leap years is not next to the last one.
fn others(value: &str) -> Vec<Vec<String>> {
    if is_number(value) {
        return match (value.parse::<i64>(), value.parse::<f64>()) {
            (Ok(n), _) if n > 0 => {
                vec![steps(n, -1), steps(n, 1)].into_iter().map(|side| side.iter().map(i64::to_string).collect()).collect()
            }
            (Err(_), Ok(n)) if n >= 1.0 => vec![vec![format!("{:?}", n - 1.0)], vec![format!("{:?}", n + 1.0)]],
            _ => Vec::new(),
        };
    }
    let turned = |at: usize| value.char_indices().map(|(i, c)| if i == at { next(c) } else { c }).collect::<String>();
    let mut places: Vec<usize> = [value.rfind(can_turn), value.find(can_turn)].into_iter().flatten().collect();
    places.dedup();
    places.into_iter().map(|at| vec![turned(at)]).collect()
}

fn steps(n: i64, towards: i64) -> Vec<i64> {
    [1, 4, 10].into_iter().map(|step| n.saturating_add(step * towards)).filter(|other| *other >= 0).collect()
}

fn can_turn(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn next(c: char) -> char {
    match c {
        'z' => 'a',
        'Z' => 'A',
        '9' => '8',
        c => (c as u8 + 1) as char,
    }
}

fn given_instead(text: &str, places: &[&Literal], value: &str, other: &str) -> String {
    let turned = |text: String, place: &&Literal| {
        let own = Singled::replaced(&text[place.range.clone()], value, other);
        replace(&text, place.range.clone(), &own)
    };
    places.iter().rev().fold(text.to_string(), turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(old: &str, new: &str, test: &str) -> Vec<(String, Vec<String>)> {
        let lines = added_lines(None, test);
        let patch = [Patched { path: "a.js", old: Some(old), new }];
        let all = singled_out("a.test.js", test, &lines, &patch);
        all.into_iter().map(|s| (s.value, s.others.into_iter().flatten().map(|(_, text)| text).collect())).collect()
    }

    #[test]
    fn what_the_code_asks_for_is_given_otherwise() {
        let old = "const f = (at) => day(at);\n";
        let new = format!("if (at === 'soon') no();\n{old}");
        let test = "it('a', () => equal(f('Soon'), ['soon', 3]));\n";
        let copies =
            ["it('a', () => equal(f('sooo'), ['sooo', 3]));\n".to_string(), "it('a', () => equal(f('toon'), ['toon', 3]));\n".to_string()];
        assert_eq!(found(old, &new, test), [("soon".to_string(), copies.to_vec())]);
        assert_eq!(found(&new, &new.replace("no()", "yes()"), "it('a', () => f(3));\n"), []);
    }

    #[test]
    fn keys_patterns_and_numbers_are_values_too() {
        let values = |new: &str, test: &str| found("", new, test).into_iter().map(|(value, _)| value).collect::<Vec<_>>();
        assert_eq!(values("f({ soon: 1 }[at] ?? at);\n", "f('soon');\n"), ["soon"]);
        assert_eq!(values("/^\\dsoon$/.test(at);\n", "f('1soon');\n"), ["soon"]);
        assert_eq!(values("if (n === 42) no();\n", "f(42);\n"), ["42"]);
        assert_eq!(values("if (n === 0 || n === ',') no();\n", "f(0, ',');\n"), Vec::<String>::new());
        let numbers = [41, 38, 32, 43, 46, 52].map(|n| format!("f({n});\n"));
        assert_eq!(found("", "n === 42;\n", "f(42);\n")[0].1, numbers);
        assert_eq!(found("const R = { EUR: 1 };\n", "const R = { EUR: 1, GBP: 2 };\n", "f('GBP');\n"), []);
        assert_eq!(found("const R = { EUR: 1 };\n", "const R = { EUR: 1 };\nconst S = { GBP: 2 };\n", "f('GBP');\n").len(), 1);
    }

    #[test]
    fn data_beside_a_test_is_given_otherwise_as_text() {
        let patch = [Patched { path: "a.py", old: None, new: "if day == 'soon': pass\n" }];
        let all = singled_out("tests/days.csv", "day\nsoon,3\n", &[2].into(), &patch);
        assert_eq!(all[0].others[0][0], ("sooo".to_string(), "day\nsooo,3\n".to_string()));
    }
}
