//! Values that a patch singles out and a test gives: copies of the test that give others. Where they fail as on base, the
//! patch is right for those values alone.

use super::{Language, Source, added_lines, essence, line, named, replace, touches};
use domain::harness::{Patched, Singled, Sought};
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
/// More literals than this are data that nobody wrote by hand.
const NAMED_MAX: usize = 500;
const GIVEN_MAX: usize = 2000;
const TABLES_MAX: usize = 1000;

/// Of `text`, a test file.
pub fn singled_out(path: &str, text: &str, sought: &Sought<'_>) -> Vec<Singled> {
    let given = match Language::of(path).map(|language| Source::parse(language, text)) {
        Some(Some(source)) => literals(&source, sought.lines),
        Some(None) => return Vec::new(),
        None => plain(text, sought.lines),
    };
    let mut found: BTreeMap<Value, Singled> = BTreeMap::new();
    for file in sought.patch {
        for (value, named_at) in named_by(file).into_iter().filter(|(value, _)| !(sought.is_known)(&value.text)).take(NAMED_MAX) {
            let places: Vec<&Literal> = given.iter().filter(|l| l.gives(&value)).collect();
            let Some(first) = places.first().filter(|_| !found.contains_key(&value)) else { continue };
            let copy = |other: &String| (other.clone(), given_instead(text, &places, &value.text, other));
            let others: Vec<Vec<_>> = others(&value).iter().map(|group| group.iter().map(copy).collect()).collect();
            if !others.is_empty() {
                let (named_in, line) = (file.path.to_string(), first.line);
                found.insert(value.clone(), Singled { value: value.text, line, named_in, named_at, others });
            }
            if found.len() == VALUES_MAX {
                break;
            }
        }
    }
    found.into_values().collect()
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Value {
    text: String,
    is_number: bool,
}

impl Value {
    fn of(source: &Source<'_>, node: Node<'_>) -> Self {
        let (text, is_number) = (source.of(node), NUMBERS.contains(&node.kind()));
        let text = if is_number { without_type(text) } else { text.trim_matches('\'') };
        Value { text: text.to_string(), is_number }
    }
}

struct Literal {
    range: Range<usize>,
    line: u32,
    value: Value,
}

impl Literal {
    fn gives(&self, value: &Value) -> bool {
        let is_within = || value.text.len() >= PART_CHARS_MIN && !Singled::places(&self.value.text, &value.text).is_empty();
        self.value == *value || !self.value.is_number && !value.is_number && is_within()
    }
}

fn literals(source: &Source<'_>, lines: &BTreeSet<u32>) -> Vec<Literal> {
    let is_literal = |n: &Node<'_>| lines.contains(&line(*n)) && (WORDS.contains(&n.kind()) || NUMBERS.contains(&n.kind()));
    let literals = source.nodes().into_iter().filter(is_literal).take(GIVEN_MAX);
    literals.map(|n| Literal { range: n.byte_range(), line: line(n), value: Value::of(source, n) }).collect()
}

/// Of a file in no language: the lines themselves.
fn plain(text: &str, lines: &BTreeSet<u32>) -> Vec<Literal> {
    let mut at = 0;
    let mut found = Vec::new();
    for (i, whole) in text.split_inclusive('\n').enumerate() {
        let range = at..at + whole.trim_end().len();
        at += whole.len();
        if lines.contains(&(i as u32 + 1)) && found.len() < GIVEN_MAX {
            let value = Value { text: text[range.clone()].to_string(), is_number: false };
            found.push(Literal { range, line: i as u32 + 1, value });
        }
    }
    found
}

/// `42_u8` and `42` are the same number.
fn without_type(text: &str) -> &str {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let is_type = text[digits..].starts_with(['i', 'u', 'f']);
    if digits > 0 && is_type { text[..digits].trim_end_matches('_') } else { text }
}

/// What added code names, with the line.
fn named_by(file: &Patched<'_>) -> BTreeMap<Value, u32> {
    let Some(language) = Language::of(file.path) else { return BTreeMap::new() };
    let Some(source) = Source::parse(language, file.new) else { return BTreeMap::new() };
    let added = added_lines(file.old, file.new);
    let grown = grown_tables(&source, &added, file.old.and_then(|old| Source::parse(language, old)).as_ref());
    let is_data = |node: &Node<'_>| grown.iter().any(|table| table.contains(&node.start_byte()));
    let mut found = BTreeMap::new();
    for node in source.nodes().into_iter().filter(|n| added.contains(&line(*n)) && !is_data(n)) {
        let is_key = KEYS.contains(&node.kind()) && node.parent().is_some_and(|p| p.kind() == "pair");
        if WORDS.contains(&node.kind()) || NUMBERS.contains(&node.kind()) || is_key {
            found.entry(Value::of(&source, node)).or_insert(line(node));
        }
        // A pattern may be written as a string.
        if WORDS.contains(&node.kind()) || PATTERNS.contains(&node.kind()) {
            for text in parts(source.of(node)) {
                found.entry(Value { text, is_number: false }).or_insert(line(node));
            }
        }
    }
    found
}

/// Where base's own tables got further entries: those are data like the others.
fn grown_tables(source: &Source<'_>, added: &BTreeSet<u32>, old: Option<&Source<'_>>) -> Vec<Range<usize>> {
    let tables = |source: &Source<'_>, is_meant: &dyn Fn(Node<'_>) -> bool| -> Vec<(Range<usize>, BTreeSet<String>)> {
        let entries = |n: Node<'_>| named(n).into_iter().map(|entry| essence(source, entry)).collect::<BTreeSet<_>>();
        let tables = source.nodes().into_iter().filter(|n| TABLES.contains(&n.kind()) && is_meant(*n)).take(TABLES_MAX);
        tables.map(|n| (n.byte_range(), entries(n))).filter(|(_, entries)| !entries.is_empty()).collect()
    };
    let before = old.map(|old| tables(old, &|_| true)).unwrap_or_default();
    let mut now = tables(source, &|n| touches(n, added));
    now.retain(|(_, entries)| before.iter().any(|(_, old)| old.is_subset(entries)));
    now.into_iter().map(|(range, _)| range).collect()
}

/// The words of a pattern, without what a backslash makes of a letter.
fn parts(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\\');
    let words = words.map(|w| w.rsplit_once('\\').map_or(w, |(_, rest)| rest.get(1..).unwrap_or_default()));
    words.filter(|w| w.chars().count() >= PART_CHARS_MIN && !w.bytes().all(|b| b.is_ascii_digit())).map(str::to_string)
}

/// Values of the same look, in groups. On one side of a boundary a number is another case, so there have to be some on both;
/// a year of leap years is not next to the last one.
fn others(value: &Value) -> Vec<Vec<String>> {
    let text = value.text.as_str();
    if value.is_number {
        let plain = text.replace('_', "");
        return match (plain.parse::<i64>(), plain.parse::<f64>()) {
            (Ok(n), _) if n > 0 => [-1, 1].map(|towards| steps(n, towards).iter().map(i64::to_string).collect()).to_vec(),
            (Err(_), Ok(n)) if (1.0..1e15).contains(&n) => vec![vec![format!("{:?}", n - 1.0)], vec![format!("{:?}", n + 1.0)]],
            _ => Vec::new(),
        };
    }
    let turned = |at: usize| text.char_indices().map(|(i, c)| if i == at { next(c) } else { c }).collect::<String>();
    let mut places: Vec<usize> = [text.rfind(can_turn), text.find(can_turn)].into_iter().flatten().collect();
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
        let all = singled_out("a.test.js", test, &Sought { lines: &lines, patch: &patch, is_known: &|value| old.contains(value) });
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
        let all = singled_out("tests/days.csv", "day\nsoon,3\n", &Sought { lines: &[2].into(), patch: &patch, is_known: &|_| false });
        assert_eq!(all[0].others[0][0], ("sooo".to_string(), "day\nsooo,3\n".to_string()));
    }
}
