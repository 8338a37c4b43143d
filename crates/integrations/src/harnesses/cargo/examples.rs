//! Documentation tests: the examples in doc comments, by the item that they describe. rustdoc names them by file and
//! line; lines move, so an example is known by its item and its number there.

use super::tests_of;
use crate::syntax::{Language, Source, digest, line};
use domain::evidence::Outcome;
use domain::harness::Declared;
use std::collections::BTreeMap;
use tree_sitter::Node;

/// How ids of examples end.
const MARK: &str = "(example";

pub struct Example {
    /// `Ring<T>::push`, or nothing for the file itself.
    item: String,
    /// Counted from 1 within the item.
    number: usize,
    /// Of its opening fence.
    pub line: u32,
    words: String,
    code: String,
}

impl Example {
    pub fn id(&self, file: &str) -> String {
        let number = if self.number == 1 { String::new() } else { format!(" {}", self.number) };
        let gap = if self.item.is_empty() { "" } else { " " };
        format!("{file}::{}{gap}{MARK}{number})", self.item)
    }
    fn is_ignored(&self) -> bool {
        self.words.split([',', ' ']).any(|w| w.starts_with("ignore"))
    }
}

pub fn is_example(id: &str) -> bool {
    id.contains(MARK)
}

/// A doc comment of one item: its lines, zero-based and half open.
struct Block {
    item: String,
    lines: std::ops::Range<usize>,
}

pub fn of(text: &str) -> Vec<Example> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found: Vec<Example> = Vec::new();
    for block in Source::parse(Language::Rust, text).map(|s| blocks(&s)).unwrap_or_default() {
        let mut open: Option<(char, Example)> = None;
        for at in block.lines {
            let said = words(lines[at]);
            match (&mut open, fence(said)) {
                (None, Some(mark)) => {
                    let words = said.trim_start().trim_start_matches(mark).trim().to_string();
                    let example = Example { item: block.item.clone(), number: 0, line: at as u32 + 1, words, code: String::new() };
                    open = Some((mark, example));
                }
                (Some((mark, _)), Some(other)) if *mark == other => {
                    let Some((_, mut example)) = open.take() else { continue };
                    if is_rust(&example.words) {
                        example.number = found.iter().filter(|e| e.item == example.item).count() + 1;
                        found.push(example);
                    }
                }
                (Some((_, example)), _) => example.code.push_str(&format!("{}\n", hidden(said))),
                (None, None) => {}
            }
        }
    }
    found
}

/// The character that it is made of.
fn fence(line: &str) -> Option<char> {
    ['`', '~'].into_iter().find(|mark| line.trim_start().starts_with(&mark.to_string().repeat(3)))
}

/// What the words after a fence say about the language; without any it is Rust.
fn is_rust(words: &str) -> bool {
    let known = ["rust", "no_run", "should_panic", "compile_fail", "test_harness", "standalone", "standalone_crate"];
    words
        .split([',', ' '])
        .filter(|w| !w.is_empty())
        .all(|w| known.contains(&w) || w.starts_with("ignore") || w.starts_with("edition20") || w.len() == 5 && w.starts_with('E'))
}

/// A line of a doc comment without what makes it one.
fn words(line: &str) -> &str {
    let line = line.trim_start();
    let line = line.strip_prefix("///").or(line.strip_prefix("//!")).unwrap_or(line);
    line.strip_prefix(' ').unwrap_or(line)
}

/// `# use shop::rate;` is code that the reader does not see.
fn hidden(line: &str) -> &str {
    line.strip_prefix("# ").unwrap_or(if line == "#" { "" } else { line })
}

const ITEMS: &[&str] = &[
    "function_item",
    "function_signature_item",
    "struct_item",
    "enum_item",
    "union_item",
    "trait_item",
    "impl_item",
    "mod_item",
    "const_item",
    "static_item",
    "type_item",
    "macro_definition",
    "field_declaration",
    "enum_variant",
];

fn blocks(source: &Source<'_>) -> Vec<Block> {
    let lines: Vec<&str> = source.text.lines().collect();
    let items: Vec<Node<'_>> = source.nodes().into_iter().filter(|n| ITEMS.contains(&n.kind())).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim_start();
        let mark = ["///", "//!"].into_iter().find(|m| line.starts_with(m) && !line.starts_with("////"));
        let Some(mark) = mark else {
            at += 1;
            continue;
        };
        let end = (at..lines.len()).find(|i| !lines[*i].trim_start().starts_with(mark)).unwrap_or(lines.len());
        let outer = items.iter().rfind(|n| n.start_position().row < at && end <= n.end_position().row);
        if mark == "//!" {
            let item = outer.map(|n| path(source, *n)).unwrap_or_default();
            found.push(Block { item, lines: at..end });
        } else if let Some(item) = items.iter().find(|n| n.start_position().row >= end) {
            found.push(Block { item: path(source, *item), lines: at..end });
        }
        at = end;
    }
    found
}

/// The names of what it stands in, and its own.
fn path(source: &Source<'_>, item: Node<'_>) -> String {
    let around = std::iter::successors(Some(item), |n| n.parent()).filter(|n| ITEMS.contains(&n.kind()));
    let name = |n: Node<'_>| n.child_by_field_name("name").or(n.child_by_field_name("type")).map(|m| source.of(m).to_string());
    let mut names: Vec<String> = around.filter_map(name).collect();
    names.reverse();
    names.join("::")
}

/// As declared tests; what stands below a test folder is documentation that nobody runs.
pub fn declared(file: &str, text: &str) -> Vec<Declared> {
    if !text.contains("```") && !text.contains("~~~") {
        return Vec::new();
    }
    let declare = |e: Example| Declared {
        id: e.id(file),
        line: e.line,
        last_line: e.line + e.code.lines().count() as u32,
        digest: digest(&format!("{} {}", e.words, e.code.split_whitespace().collect::<Vec<_>>().join(" "))),
        rows_digest: String::new(),
        checks: tests_of::checks_in(&e.code),
        checked_at: Vec::new(),
        skipped: e.is_ignored(),
    };
    of(text).into_iter().map(declare).collect()
}

/// `onto` with the doc comments of `donor` wherever one of the two has an example; `None` when neither has any.
pub fn graft(onto: &str, donor: &str) -> Option<String> {
    let (here, there) = (of(onto), of(donor));
    if here.is_empty() && there.is_empty() {
        return None;
    }
    let (onto_source, donor_source) = (Source::parse(Language::Rust, onto)?, Source::parse(Language::Rust, donor)?);
    let (old, new) = (blocks(&onto_source), blocks(&donor_source));
    let donor_lines: Vec<&str> = donor.split_inclusive('\n').collect();
    let mut lines: Vec<String> = onto.split_inclusive('\n').map(str::to_string).collect();
    let has = |examples: &[Example], item: &str| examples.iter().any(|e| e.item == item);
    // From the end, so that lines before stay where they are.
    let mut edits: Vec<(std::ops::Range<usize>, Vec<String>)> = Vec::new();
    let of_donor = |item: &str| -> Vec<String> {
        let block = new.iter().find(|b| b.item == item && has(&there, item));
        block.map(|b| donor_lines[b.lines.clone()].iter().map(|l| l.to_string()).collect()).unwrap_or_default()
    };
    for block in old.iter().filter(|b| has(&here, &b.item) || has(&there, &b.item)) {
        edits.push((block.lines.clone(), of_donor(&block.item)));
    }
    for block in new.iter().filter(|b| has(&there, &b.item) && !old.iter().any(|o| o.item == b.item)) {
        let place = match block.item.is_empty() {
            true => Some(0),
            false => item_line(&onto_source, &block.item).filter(|_| donor_lines[block.lines.start].trim_start().starts_with("///")),
        };
        edits.extend(place.map(|at| (at..at, of_donor(&block.item))));
    }
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, with) in edits {
        lines.splice(range, with);
    }
    Some(lines.concat())
}

/// Where the item of this path begins, with its attributes.
fn item_line(source: &Source<'_>, item: &str) -> Option<usize> {
    let found = source.nodes().into_iter().find(|n| ITEMS.contains(&n.kind()) && path(source, *n) == item)?;
    let before = std::iter::successors(found.prev_named_sibling(), |n| n.prev_named_sibling());
    let first = before.take_while(|n| n.kind() == "attribute_item").last().unwrap_or(found);
    Some(line(first) as usize - 1)
}

/// What rustdoc calls an example: `src/pricing.rs - pricing::rate (line 12)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    pub whole: String,
    pub file: String,
    pub line: u32,
}

fn name(text: &str) -> Option<Name> {
    let (head, rest) = text.rsplit_once(" (line ")?;
    let (at, _) = rest.split_once(')')?;
    let (file, _) = head.split_once(" - ")?;
    Some(Name { whole: format!("{head} (line {at})"), file: file.to_string(), line: at.parse().ok()? })
}

/// What a run of rustdoc came to. What an example prints stands in sections of their own, after its runner's lines; a name
/// that fails once has failed.
pub fn results(output: &str) -> Vec<(Name, Outcome)> {
    let mut found: BTreeMap<String, (Name, Outcome)> = BTreeMap::new();
    let mut is_open = false;
    for line in output.lines() {
        if line.starts_with("running ") && line.trim_end_matches('s').ends_with(" test") {
            is_open = true;
        } else if matches!(line, "failures:" | "successes:") || line.starts_with("test result:") {
            is_open = false;
        } else if let Some((said, word)) = line.strip_prefix("test ").filter(|_| is_open).and_then(|l| l.rsplit_once(" ... ")) {
            let outcome = match word {
                "ok" => Outcome::Passed,
                "FAILED" => Outcome::Failed,
                word if word.starts_with("ignored") => Outcome::Skipped,
                _ => continue,
            };
            if let Some(name) = name(said) {
                let kept = found.entry(name.whole.clone()).or_insert((name, outcome));
                if outcome == Outcome::Failed {
                    kept.1 = outcome;
                }
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//! ```\n//! shop::open();\n//! ```\n\npub struct Cart<T>(T);\n\nimpl<T> Cart<T> {\n    /// Adds.\n    ///\n    /// ```\n    /// # let mut cart = shop::cart();\n    /// assert_eq!(cart.add(1), 1);\n    /// ```\n    /// ```text\n    /// no code\n    /// ```\n    /// ~~~ignore\n    /// later\n    /// ~~~\n    #[inline]\n    pub fn add(&mut self, n: u8) -> u8 {\n        n\n    }\n}\n";

    #[test]
    fn examples_are_known_by_their_item() {
        let found = declared("src/a.rs", TEXT);
        let ids: Vec<_> = found.iter().map(|d| (d.id.as_str(), d.line, d.skipped)).collect();
        let add = "src/a.rs::Cart<T>::add (example)";
        let second = "src/a.rs::Cart<T>::add (example 2)";
        assert_eq!(ids, [("src/a.rs::(example)", 1, false), (add, 10, false), (second, 17, true)]);
        assert_eq!(found[1].checks, ["assert_eq!"]);
    }

    #[test]
    fn comments_move_with_their_examples() {
        let changed =
            TEXT.replace("/// assert_eq!(cart.add(1), 1);", "/// assert_eq!(cart.add(2), 3);").replace("        n\n", "        n + 1\n");
        let moved = graft(TEXT, &changed).expect("there are examples");
        assert!(moved.contains("cart.add(2), 3") && moved.contains("        n\n"));
        let elsewhere = TEXT.replace('\n', "\r\n");
        assert_eq!([graft(TEXT, TEXT), graft(&elsewhere, &elsewhere)], [Some(TEXT.to_string()), Some(elsewhere)]);
        let bare =
            "pub struct Cart<T>(T);\n\nimpl<T> Cart<T> {\n    #[inline]\n    pub fn add(&mut self, n: u8) -> u8 {\n        n\n    }\n}\n";
        let dressed = graft(bare, TEXT).expect("the donor has examples");
        assert_eq!(dressed.replace("\n\npub", "\npub"), TEXT.replace("\n\npub", "\npub"));
        assert_eq!(graft(&dressed, bare).as_deref(), Some(bare));
        assert_eq!(graft("fn a() {}\n", "fn b() {}\n"), None);
    }

    #[test]
    fn an_example_can_not_speak_for_another() {
        let output = "\nrunning 2 tests\ntest src/a.rs - rate (line 3) - compile ... ok\ntest src/a.rs - rate (line 9) ... FAILED\n\nfailures:\n\n---- src/a.rs - rate (line 9) stdout ----\nrunning 1 test\ntest src/a.rs - rate (line 9) ... ok\n\nfailures:\n    src/a.rs - rate (line 9)\n";
        let found: Vec<_> = results(output).into_iter().map(|(n, o)| (n.file, n.line, o)).collect();
        assert_eq!(found, [("src/a.rs".to_string(), 3, Outcome::Passed), ("src/a.rs".to_string(), 9, Outcome::Failed)]);
    }
}
