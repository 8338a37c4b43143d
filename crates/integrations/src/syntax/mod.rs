//! What the harnesses of all languages share about syntax trees and line differences: parsing, walking, what a patch
//! added, each hunk taken back, operators and numbers turned. A language's own rules live with its harness; only short
//! lists of its words stand here.

mod failing;
mod forced;
mod hollow;
mod put_off;
mod singled;

pub use failing::failing;
pub use forced::{Conditions, forced};
pub use hollow::{Functions, hollow};
pub use put_off::at_once;
pub use singled::singled_out;

use domain::harness::{Finding, Mutant, MutantKind};
use similar::{Algorithm, DiffOp};
use std::collections::BTreeSet;
use std::ops::Range;
use tree_sitter::{Node, Parser, Tree};

/// Nobody writes larger files by hand.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// The squares of all nodes' depths together: to find what stands above a node takes that long.
const SOURCE_DEPTHS_MAX: u64 = 50_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Python,
    JavaScript,
    TypeScript,
    Tsx,
    Rust,
}

impl Language {
    pub fn of(path: &str) -> Option<Self> {
        match path.rsplit('.').next()? {
            "py" => Some(Language::Python),
            "js" | "mjs" | "cjs" | "jsx" => Some(Language::JavaScript),
            "ts" | "mts" | "cts" => Some(Language::TypeScript),
            "tsx" => Some(Language::Tsx),
            "rs" => Some(Language::Rust),
            _ => None,
        }
    }
    fn grammar(self) -> tree_sitter::Language {
        match self {
            Language::Python => tree_sitter_python::LANGUAGE.into(),
            Language::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Language::Rust => tree_sitter_rust::LANGUAGE.into(),
        }
    }
}

/// A parsed file.
pub struct Source<'a> {
    pub text: &'a str,
    pub language: Language,
    tree: Tree,
}

impl<'a> Source<'a> {
    pub fn parse(language: Language, text: &'a str) -> Option<Self> {
        if text.len() > SOURCE_BYTES_MAX {
            return None;
        }
        let mut parser = Parser::new();
        parser.set_language(&language.grammar()).ok()?;
        let tree = parser.parse(text, None)?;
        is_within_depth(&tree).then_some(Source { text, language, tree })
    }
    pub fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }
    pub fn has_error(&self) -> bool {
        self.root().has_error()
    }
    pub fn of(&self, node: Node<'_>) -> &'a str {
        &self.text[node.byte_range()]
    }
    /// Every node, parents before children.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        below(self.root())
    }
}

fn is_within_depth(tree: &Tree) -> bool {
    let mut cursor = tree.walk();
    let (mut depth, mut squares) = (1_u64, 0_u64);
    loop {
        squares += depth * depth;
        if squares > SOURCE_DEPTHS_MAX {
            return false;
        }
        if cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return true;
            }
            depth -= 1;
        }
    }
}

/// A file of a patch that is too large or too deep for the rules to read, so that anything may be in it.
pub fn unreadable() -> Finding {
    Finding { line: 1, what: "begins a file too large or too deeply nested for the rules to read".to_string() }
}

pub fn below(node: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        found.push(node);
        let mut cursor = node.walk();
        let children: Vec<_> = node.children(&mut cursor).collect();
        stack.extend(children.into_iter().rev());
    }
    found
}

/// Every node below, without those inside of others of these kinds.
pub fn own<'t>(node: Node<'t>, kinds: &[&str]) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    let mut stack = vec![node];
    while let Some(next) = stack.pop() {
        if next != node {
            found.push(next);
        }
        if next == node || !kinds.contains(&next.kind()) {
            let mut cursor = next.walk();
            let children: Vec<_> = next.children(&mut cursor).collect();
            stack.extend(children.into_iter().rev());
        }
    }
    found
}

pub fn named(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|n| !n.is_extra()).collect()
}

/// One-based.
pub fn line(node: Node<'_>) -> u32 {
    node.start_position().row as u32 + 1
}

pub fn last_line(node: Node<'_>) -> u32 {
    node.end_position().row as u32 + 1
}

/// The nearest node above (or the node itself) of one of the kinds.
pub fn above<'t>(node: Node<'t>, kinds: &[&str]) -> Option<Node<'t>> {
    let mut node = Some(node);
    while let Some(n) = node {
        if kinds.contains(&n.kind()) {
            return Some(n);
        }
        node = n.parent();
    }
    None
}

pub fn replace(text: &str, range: Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}

/// One-based lines of `new` that are not in `old`.
pub fn added_lines(old: Option<&str>, new: &str) -> BTreeSet<u32> {
    let Some(old) = old else {
        return (1..=new.lines().count() as u32).collect();
    };
    let mut added = BTreeSet::new();
    for op in diff(old, new) {
        if let DiffOp::Insert { new_index, new_len, .. } | DiffOp::Replace { new_index, new_len, .. } = op {
            added.extend((new_index..new_index + new_len).map(|i| i as u32 + 1));
        }
    }
    added
}

pub fn touches(node: Node<'_>, lines: &BTreeSet<u32>) -> bool {
    lines.range(line(node)..=last_line(node)).next().is_some()
}

/// One stretch of changed lines.
#[derive(Clone, Debug)]
pub struct Hunk {
    /// One-based line in the new text where it begins.
    pub line: u32,
    /// The new text with only this stretch taken back.
    pub reverted: String,
}

/// Each change of a text is a copy of it. More of one kind than this are never tried, and would only fill the memory.
const COPIES_BYTES_MAX: usize = 16 << 20;

pub fn changes_max(text: &str) -> usize {
    (COPIES_BYTES_MAX / text.len().max(1)).clamp(60, 1000)
}

/// The first of them, as many as may be tried.
pub fn hunks(old: &str, new: &str) -> Vec<Hunk> {
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
    let mut hunks = Vec::new();
    for op in diff(old, new) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        if hunks.len() == changes_max(new) {
            break;
        }
        let (o, n) = (op.old_range(), op.new_range());
        let changed = old_lines[o.clone()].iter().chain(&new_lines[n.clone()]).any(|l| !l.trim().is_empty());
        if !changed {
            continue;
        }
        let mut reverted = new_lines[..n.start].concat();
        reverted.push_str(&old_lines[o].concat());
        reverted.push_str(&new_lines[n.end..].concat());
        hunks.push(Hunk { line: n.start as u32 + 1, reverted });
    }
    hunks
}

fn diff(old: &str, new: &str) -> Vec<DiffOp> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    similar::capture_diff_slices(Algorithm::Myers, &old, &new)
}

/// Which operators and number nodes a language has.
pub struct Turns {
    /// Kinds of nodes whose operator may be turned.
    pub comparisons: &'static [&'static str],
    pub operators: &'static [(&'static str, &'static str)],
    pub numbers: &'static [&'static str],
}

/// Changed comparisons and number constants, each turned once.
pub fn turned(path: &str, source: &Source<'_>, added: &BTreeSet<u32>, turns: &Turns) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for node in source.nodes() {
        if !added.contains(&line(node)) {
            continue;
        }
        if mutants.len() == changes_max(source.text) {
            break;
        }
        let Some(parent) = node.parent() else { continue };
        let (was, now) = if turns.numbers.contains(&node.kind()) {
            let was = source.of(node);
            let Some(now) = next_number(was) else { continue };
            (was.to_string(), now)
        } else if !node.is_named() && turns.comparisons.contains(&parent.kind()) {
            let Some((was, now)) = turns.operators.iter().find(|(was, _)| *was == source.of(node)) else { continue };
            (was.to_string(), now.to_string())
        } else {
            continue;
        };
        mutants.push(Mutant {
            description: format!("`{was}` turned into `{now}`"),
            file: path.to_string(),
            line: line(node),
            text: Some(replace(source.text, node.byte_range(), &now)),
            kind: MutantKind::Turned,
        });
    }
    mutants
}

/// A different number of the same type.
pub fn next_number(text: &str) -> Option<String> {
    if let Ok(n) = text.parse::<i64>() {
        return Some((n.checked_add(1)?).to_string());
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.') {
        let n = text.parse::<f64>().ok()?;
        return Some(format!("{:?}", n + 1.0));
    }
    None
}

/// Each hunk reverted alone, as far as the result still parses.
pub fn reverted(path: &str, language: Option<Language>, old: &str, new: &str) -> Vec<Mutant> {
    let hunks = hunks(old, new);
    hunks
        .into_iter()
        .filter(|h| match language {
            Some(language) => Source::parse(language, &h.reverted).is_some_and(|s| !s.has_error()),
            None => true,
        })
        .map(|h| Mutant {
            description: format!("the change at line {} taken back", h.line),
            file: path.to_string(),
            line: h.line,
            text: Some(h.reverted),
            kind: MutantKind::Hunk,
        })
        .collect()
}

/// The text without what only a reader sees: comments and blank space, for digests.
pub fn essence(source: &Source<'_>, node: Node<'_>) -> String {
    let mut words = String::new();
    for leaf in below(node).into_iter().filter(|n| n.child_count() == 0 && !n.is_extra()) {
        words.push_str(source.of(leaf));
        words.push('\u{1f}');
    }
    words
}

pub fn digest(text: &str) -> String {
    use sha2::Digest;
    hex::encode(&sha2::Sha256::digest(text.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hunk_is_taken_back_alone() {
        let old = "a\nb\nc\nd\ne\n";
        let new = "a\nB\nc\nd\nE\n";
        let reverted: Vec<_> = hunks(old, new).into_iter().map(|h| (h.line, h.reverted)).collect();
        assert_eq!(reverted, [(2, "a\nb\nc\nd\nE\n".to_string()), (5, "a\nB\nc\nd\ne\n".to_string())]);
        assert_eq!(added_lines(Some(old), new).into_iter().collect::<Vec<_>>(), [2, 5]);
    }

    #[test]
    fn what_nobody_can_read_is_not_parsed() {
        let nested = |levels: usize| format!("a = {}1{}\n", "[".repeat(levels), "]".repeat(levels));
        assert!(Source::parse(Language::Python, &nested(200)).is_some());
        assert!(Source::parse(Language::Python, &nested(50_000)).is_none());
        let long = "def f(a):\n    return [n * 2 for n in a if n > 1]\n".repeat(4_000);
        assert!(Source::parse(Language::Python, &long).is_some());
        assert!(Source::parse(Language::Python, &long.repeat(8)).is_none());
    }

    #[test]
    fn numbers_stay_in_their_type() {
        assert_eq!(next_number("0").as_deref(), Some("1"));
        assert_eq!(next_number("0.5").as_deref(), Some("1.5"));
        assert_eq!(next_number("0x1f"), None);
    }
}
