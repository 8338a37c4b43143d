//! Values that a patch singles out and its tests give: copies of the tests that give others. Where they fail as on base, the
//! patch is right for those values alone.

use super::{Language, Source, added_lines, essence, line, named, touches};
use domain::harness::{Giver, Other, Patched, Singled, SingledOut, Sought};
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
/// What compares or looks up.
const CHOICES: &[&str] = &[
    "comparison_operator",
    "binary_expression",
    "boolean_operator",
    "case_pattern",
    "match_pattern",
    "switch_case",
    "subscript",
    "subscript_expression",
    "index_expression",
    "token_tree",
];
/// What a value in a condition or a table does not stand beyond.
const STATEMENTS: &[&str] =
    &["block", "statement_block", "module", "program", "source_file", "arrow_function", "lambda", "closure_expression"];
/// A shorter word may stand in a longer one by chance.
const PART_CHARS_MIN: usize = 3;
const VALUES_MAX: usize = 24;
const COPIES_BYTES_MAX: usize = 32 << 20;
/// More literals than this are data that nobody wrote by hand.
const NAMED_MAX: usize = 2000;
const GIVEN_MAX: usize = 2000;
const TABLES_MAX: usize = 1000;

pub fn singled_out(sought: &Sought<'_>) -> SingledOut {
    let given: Vec<Literal> = sought.tests.iter().enumerate().flat_map(|(test, giver)| literals(test, giver)).take(GIVEN_MAX).collect();
    let mut all = BTreeMap::new();
    sought.patch.iter().for_each(|file| names(file, &mut all));
    let mut all: Vec<(Value, Named)> = all.into_iter().filter(|(value, _)| !(sought.is_known)(&value.text, value.is_number)).collect();
    all.sort_by_key(|(_, named)| !named.is_choice);
    let (mut out, mut bytes) = (SingledOut::default(), 0);
    for (value, named) in all.into_iter().take(NAMED_MAX) {
        let places: Vec<&Literal> = given.iter().filter(|literal| literal.gives(&value)).collect();
        let others = others(&value);
        let Some(first) = places.first().filter(|_| !others.is_empty()) else { continue };
        if out.found.len() == VALUES_MAX || bytes > COPIES_BYTES_MAX {
            out.left += 1;
            continue;
        }
        let copy = |other: String| Other { edits: given_instead(sought.tests, &places, &value, &other), value: other };
        let others: Vec<Vec<Other>> = others.into_iter().map(|group| group.into_iter().map(copy).collect()).collect();
        bytes += others.iter().flatten().flat_map(|other| &other.edits).map(|(_, text)| text.len()).sum::<usize>();
        let Named { path: named_in, line: named_at, spelled, tables, .. } = named;
        let path = sought.tests[first.test].path.to_string();
        out.found.push(Singled { value: value.text, spelled, path, line: first.line, named_in, named_at, tables, others });
    }
    out
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Value {
    text: String,
    is_number: bool,
}

impl Value {
    /// With what follows a number to tell its type.
    fn of(source: &Source<'_>, node: Node<'_>) -> (Self, String) {
        let text = source.of(node);
        if NUMBERS.contains(&node.kind()) {
            let (text, suffix) = number(text);
            return (Value { text, is_number: true }, suffix);
        }
        (Value::word(text.trim_matches('\'')), String::new())
    }
    fn word(text: &str) -> Self {
        Value { text: text.to_string(), is_number: false }
    }
}

/// Where code names a value.
struct Named {
    path: String,
    line: u32,
    spelled: String,
    tables: BTreeSet<(String, usize)>,
    /// Code chooses by it what to do.
    is_choice: bool,
}

struct Literal {
    /// Its place among the givers.
    test: usize,
    range: Range<usize>,
    line: u32,
    value: Value,
    suffix: String,
}

impl Literal {
    fn gives(&self, value: &Value) -> bool {
        let is_within = || value.text.len() >= PART_CHARS_MIN && !Singled::places(&self.value.text, &value.text).is_empty();
        self.value == *value || !self.value.is_number && !value.is_number && is_within()
    }
}

fn literals(test: usize, giver: &Giver<'_>) -> Vec<Literal> {
    let Some(language) = Language::of(giver.path) else { return plain(test, giver) };
    let Some(source) = Source::parse(language, giver.text) else { return Vec::new() };
    let is_literal = |n: &Node<'_>| giver.lines.contains(&line(*n)) && (WORDS.contains(&n.kind()) || NUMBERS.contains(&n.kind()));
    let literals = source.nodes().into_iter().filter(is_literal).take(GIVEN_MAX);
    let literal = |n: Node<'_>| {
        let (value, suffix) = Value::of(&source, n);
        Literal { test, range: n.byte_range(), line: line(n), value, suffix }
    };
    literals.map(literal).collect()
}

/// Of a file in no language: the lines themselves.
fn plain(test: usize, giver: &Giver<'_>) -> Vec<Literal> {
    let mut at = 0;
    let mut found = Vec::new();
    for (line, whole) in (1..).zip(giver.text.split_inclusive('\n')) {
        let range = at..at + whole.trim_end().len();
        at += whole.len();
        if giver.lines.contains(&line) && found.len() < GIVEN_MAX {
            found.push(Literal { test, line, value: Value::word(&giver.text[range.clone()]), range, suffix: String::new() });
        }
    }
    found
}

/// `42`, `4_2`, `0x2a` and `42u8` are the same number; what is left is its type.
fn number(text: &str) -> (String, String) {
    let text = text.replace('_', "").to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find_map(|(sign, radix)| Some((text.strip_prefix(sign)?, radix)));
    let (digits, radix) = radix.unwrap_or((&text, 10));
    let end = digits.find(|c: char| !c.is_digit(radix) && !(radix == 10 && matches!(c, '.' | 'e' | '-' | '+'))).unwrap_or(digits.len());
    match i128::from_str_radix(&digits[..end], radix) {
        Ok(number) => (number.to_string(), digits[end..].to_string()),
        Err(_) if radix == 10 => (digits[..end].to_string(), digits[end..].to_string()),
        Err(_) => (text, String::new()),
    }
}

/// What added code names.
fn names(file: &Patched<'_>, all: &mut BTreeMap<Value, Named>) {
    let Some(language) = Language::of(file.path) else { return };
    let Some(source) = Source::parse(language, file.new) else { return };
    let added = added_lines(file.old, file.new);
    let grown = grown_tables(&source, &added, file.old.and_then(|old| Source::parse(language, old)).as_ref());
    let is_data = |node: &Node<'_>| grown.iter().any(|table| table.contains(&node.start_byte()));
    let mut add = |value: Value, suffix: &str, node: Node<'_>| {
        let spelled = match value.is_number {
            true => source.of(node).strip_suffix(suffix).unwrap_or_default().trim_end_matches('_').to_string(),
            false => value.text.clone(),
        };
        let named = all.entry(value).or_insert_with(|| Named {
            path: file.path.to_string(),
            line: line(node),
            spelled,
            tables: BTreeSet::new(),
            is_choice: false,
        });
        named.is_choice |= is_choice(node);
        named.tables.extend(table(node).map(|table| (file.path.to_string(), table.start_byte())));
    };
    for node in source.nodes().into_iter().filter(|n| added.contains(&line(*n)) && !is_data(n)) {
        let is_key = KEYS.contains(&node.kind()) && node.parent().is_some_and(|p| p.kind() == "pair");
        if WORDS.contains(&node.kind()) || NUMBERS.contains(&node.kind()) || is_key {
            let (value, suffix) = Value::of(&source, node);
            add(value, &suffix, node);
        }
        // A pattern may be written as a string.
        if WORDS.contains(&node.kind()) || PATTERNS.contains(&node.kind()) {
            parts(source.of(node)).for_each(|text| add(Value::word(&text), "", node));
        }
    }
}

/// The nearest table within the statement.
fn table(node: Node<'_>) -> Option<Node<'_>> {
    within_statement(node).find(|(n, _)| TABLES.contains(&n.kind()) || is_match(*n)).map(|(n, _)| n)
}

fn is_choice(node: Node<'_>) -> bool {
    within_statement(node)
        .any(|(n, inner)| TABLES.contains(&n.kind()) || CHOICES.contains(&n.kind()) || n.child_by_field_name("condition") == Some(inner))
}

/// What the node stands in, each with its part.
fn within_statement<'t>(node: Node<'t>) -> impl Iterator<Item = (Node<'t>, Node<'t>)> {
    let above = std::iter::successors(node.parent().map(|outer| (outer, node)), |(outer, _)| Some((outer.parent()?, *outer)));
    above.take_while(|(n, _)| is_match(*n) || !STATEMENTS.contains(&n.kind()))
}

/// Python's cases stand in a block.
fn is_match(node: Node<'_>) -> bool {
    node.kind() == "block" && node.parent().is_some_and(|p| p.kind() == "match_statement")
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
        return match (text.parse::<i128>(), text.parse::<f64>()) {
            (Ok(n), _) if n > 0 => [-1, 1].map(|towards| steps(n, towards).iter().map(i128::to_string).collect()).to_vec(),
            (Err(_), Ok(n)) if (1.0..1e15).contains(&n) => vec![vec![format!("{:?}", n - 1.0)], vec![format!("{:?}", n + 1.0)]],
            _ => Vec::new(),
        };
    }
    let turned = |at: usize| text.char_indices().map(|(i, c)| if i == at { next(c) } else { c }).collect::<String>();
    let mut places: Vec<usize> = [text.rfind(can_turn), text.find(can_turn)].into_iter().flatten().collect();
    places.dedup();
    places.into_iter().map(|at| vec![turned(at)]).collect()
}

fn steps(n: i128, towards: i128) -> Vec<i128> {
    [1, 4, 10].into_iter().filter_map(|step| n.checked_add(step * towards)).filter(|other| *other >= 0).collect()
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

fn given_instead(tests: &[Giver<'_>], places: &[&Literal], value: &Value, other: &str) -> Vec<(String, String)> {
    let givers: BTreeSet<usize> = places.iter().map(|place| place.test).collect();
    let copy = |test: usize| {
        let Giver { path, text, .. } = tests[test];
        let (mut copy, mut at) = (String::with_capacity(text.len() + places.len()), 0);
        for place in places.iter().filter(|place| place.test == test) {
            copy.push_str(&text[at..place.range.start]);
            match value.is_number {
                true => copy.extend([other, &place.suffix]),
                false => copy.push_str(&Singled::replaced(&text[place.range.clone()], &value.text, other)),
            }
            at = place.range.end;
        }
        copy.push_str(&text[at..]);
        (path.to_string(), copy)
    };
    givers.into_iter().map(copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(old: &str, new: &str, test: &str) -> Vec<(String, Vec<String>)> {
        found_in("js", old, new, test)
    }

    fn found_in(ending: &str, old: &str, new: &str, test: &str) -> Vec<(String, Vec<String>)> {
        let (path, test_path) = (format!("a.{ending}"), format!("a.test.{ending}"));
        let tests = [Giver { path: &test_path, text: test, lines: added_lines(None, test) }];
        let patch = [Patched { path: &path, old: Some(old), new }];
        let is_known = |value: &str, is_number: bool| !is_number && old.contains(value);
        let all = singled_out(&Sought { tests: &tests, patch: &patch, is_known: &is_known }).found;
        let copies = |s: Singled| s.others.into_iter().flatten().map(|other| other.edits[0].1.clone()).collect();
        all.into_iter().map(|s| (s.value.clone(), copies(s))).collect()
    }

    #[test]
    fn a_number_keeps_its_type() {
        let copies = |given: &str| {
            let copy = |n: i32, suffix: &str| format!("fn t() {{ f({n}{suffix}) }}\n");
            let found = found_in("rs", "", "fn f(n: u8) { if n == 42 { g() } }\n", &format!("fn t() {{ f({given}) }}\n"));
            (found, move |suffix: &str| [41, 38, 32, 43, 46, 52].map(|n| copy(n, suffix)).to_vec())
        };
        for (given, suffix) in [("42", ""), ("42u8", "u8"), ("4_2_u8", "u8"), ("0x2a", ""), ("0b101010i64", "i64")] {
            let (found, expected) = copies(given);
            assert_eq!(found, [("42".to_string(), expected(suffix))], "{given}");
        }
        let most = i64::MAX.to_string();
        let found = found_in("rs", "", &format!("const A: i64 = {most};\n"), &format!("fn t() {{ f({most}) }}\n"));
        assert!(found[0].1.len() == 6 && found[0].1.iter().all(|copy| !copy.contains(&most)));
        assert_eq!(found_in("py", "inf", "if a == 'inf': pass\n", "f('inf')\n"), []);
    }

    #[test]
    fn what_code_chooses_by_comes_first_and_the_rest_is_counted() {
        let decoys: Vec<String> = (0..60).map(|i| format!("'a{i:02}x'")).collect();
        let new = format!("note({});\nif (at === 'soon') no();\n", decoys.join(", "));
        let test = format!("f({}, 'soon');\n", decoys.join(", "));
        let tests = [Giver { path: "a.test.js", text: &test, lines: [1].into() }];
        let patch = [Patched { path: "a.js", old: None, new: &new }];
        let all = singled_out(&Sought { tests: &tests, patch: &patch, is_known: &|_, _| false });
        assert_eq!((all.found[0].value.as_str(), all.found.len(), all.left), ("soon", VALUES_MAX, 61 - VALUES_MAX));
    }

    #[test]
    fn entries_of_one_table_know_each_other() {
        let tests = [Giver { path: "a.test.js", text: "f('soon', 'late', 'never');\n", lines: [1].into() }];
        let new = "const T = { soon: 1, late: 2 };\nif (at === 'never') no();\n";
        let patch = [Patched { path: "a.js", old: None, new }];
        let found = singled_out(&Sought { tests: &tests, patch: &patch, is_known: &|_, _| false }).found;
        let tables: Vec<(&str, usize)> = found.iter().map(|s| (s.value.as_str(), s.tables.len())).collect();
        assert_eq!(tables, [("late", 1), ("never", 0), ("soon", 1)]);
        assert_eq!(found[0].tables, found[2].tables);
        let tests = [Giver { path: "test_a.py", text: "f('soon', 4_2)\n", lines: [1].into() }];
        let patch = [Patched { path: "a.py", old: None, new: "match at:\n    case 'soon':\n        no()\n    case 0x2A:\n        no()\n" }];
        let found = singled_out(&Sought { tests: &tests, patch: &patch, is_known: &|_, _| false }).found;
        let spelled: Vec<(&str, &str)> = found.iter().map(|s| (s.value.as_str(), s.spelled.as_str())).collect();
        assert_eq!(spelled, [("42", "0x2A"), ("soon", "soon")]);
        assert!(!found[0].tables.is_empty() && found[0].tables == found[1].tables);
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
        let days = Giver { path: "tests/days.csv", text: "day\nsoon,3\n", lines: [2].into() };
        let more = Giver { path: "tests/more.csv", text: "later,soon\n", lines: [1].into() };
        let all = singled_out(&Sought { tests: &[days, more], patch: &patch, is_known: &|_, _| false }).found;
        let edits = [("tests/days.csv", "day\nsooo,3\n"), ("tests/more.csv", "later,sooo\n")].map(|(p, t)| (p.to_string(), t.to_string()));
        assert_eq!(all[0].others[0][0], Other { value: "sooo".to_string(), edits: edits.to_vec() });
    }
}
