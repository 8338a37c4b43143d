//! Checks of a test that compare with a literal, each expecting something else: a value that is equal to everything
//! passes them all.

use super::tests_of;
use crate::syntax::{Language, Source, below, line, next_number};
use domain::harness::{Mutant, MutantKind};
use std::ops::Range;
use tree_sitter::Node;

/// Calls that keep what their arguments say.
const MAKERS: &[&str] = &["new", "from", "to_string", "to_owned", "into", "as_str", "as_slice", "to_vec", "vec"];

pub fn blunted(path: &str, text: &str, tests: &[String]) -> Vec<Mutant> {
    let Some(source) = Source::parse(Language::Rust, text).filter(|_| path.ends_with(".rs")) else { return Vec::new() };
    let starts: Vec<u32> = tests_of::declared(path, text).into_iter().filter(|d| tests.contains(&d.id)).map(|d| d.line).collect();
    let functions = source.nodes().into_iter().filter(|n| n.kind() == "function_item" && starts.contains(&line(*n)));
    let checks = functions.flat_map(below).filter(|n| n.kind() == "macro_invocation");
    checks.filter_map(|check| mutant(path, &source, check)).collect()
}

/// All literals of the expected side are turned at once, so that it certainly is another value.
fn mutant(path: &str, source: &Source<'_>, check: Node<'_>) -> Option<Mutant> {
    let name = source.of(check.child_by_field_name("macro")?);
    if name.rsplit("::").next() != Some("assert_eq") {
        return None;
    }
    let sides = arguments(source, check);
    let side = sides.iter().take(2).rev().find(|side| is_plain(source, side))?;
    let turned: Vec<(Range<usize>, String)> = side.iter().filter_map(|n| Some((n.byte_range(), other(n.kind(), source.of(*n))?))).collect();
    let (first, last) = (side.first()?, side.last()?);
    if turned.is_empty() {
        return None;
    }
    let mut text = source.text.to_string();
    for (range, now) in turned.iter().rev() {
        text.replace_range(range.clone(), now);
    }
    Some(Mutant {
        description: format!(
            "`{}` at line {} of the test turned into another value",
            &source.text[first.start_byte()..last.end_byte()],
            line(*first)
        ),
        file: path.to_string(),
        line: line(check),
        text: Some(text),
        kind: MutantKind::Check,
    })
}

/// The leaves of each argument of a macro: what it is given is no tree.
fn arguments<'t>(source: &Source<'_>, check: Node<'t>) -> Vec<Vec<Node<'t>>> {
    let Some(tokens) = below(check).into_iter().find(|n| n.kind() == "token_tree") else { return Vec::new() };
    let mut sides: Vec<Vec<Node<'t>>> = vec![Vec::new()];
    let mut cursor = tokens.walk();
    let inner: Vec<Node<'t>> = tokens.children(&mut cursor).collect();
    for token in &inner[1..inner.len().saturating_sub(1)] {
        if source.of(*token) == "," {
            sides.push(Vec::new());
        } else if let Some(side) = sides.last_mut() {
            side.extend(leaves(*token));
        }
    }
    sides
}

fn leaves<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    match node.kind() {
        "string_literal" | "char_literal" | "integer_literal" | "float_literal" | "boolean_literal" => vec![node],
        _ if node.child_count() == 0 => {
            if node.is_extra() {
                Vec::new()
            } else {
                vec![node]
            }
        }
        _ => {
            let mut cursor = node.walk();
            node.children(&mut cursor).flat_map(leaves).collect()
        }
    }
}

/// Literals, what makes values of them, and names of types and variants.
fn is_plain(source: &Source<'_>, side: &[Node<'_>]) -> bool {
    side.iter().all(|leaf| {
        let word = source.of(*leaf);
        match leaf.kind() {
            "string_literal" | "char_literal" | "integer_literal" | "float_literal" | "boolean_literal" => true,
            "identifier" | "type_identifier" | "primitive_type" => {
                MAKERS.contains(&word) || word.starts_with(|c: char| c.is_ascii_uppercase()) || word == "str"
            }
            _ => matches!(word, "(" | ")" | "[" | "]" | "{" | "}" | "," | "::" | "." | "&" | "!" | "<" | ">"),
        }
    })
}

fn other(kind: &str, word: &str) -> Option<String> {
    match kind {
        "integer_literal" | "float_literal" => next_number(word),
        "boolean_literal" => Some(if word == "true" { "false" } else { "true" }.to_string()),
        "string_literal" if word.starts_with('"') => Some(format!("\"~{}", &word[1..])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(check: &str) -> Option<String> {
        let text = format!("#[test]\nfn a() {{\n    {check}\n}}\n");
        let found = blunted("tests/a.rs", &text, &["tests/a.rs::a".to_string()]).pop()?;
        Some(found.text?.lines().nth(2)?.trim().to_string())
    }

    #[test]
    fn only_what_is_made_of_literals_is_turned() {
        assert_eq!(turned("assert_eq!(rate(3), 12, \"of 3\");").as_deref(), Some("assert_eq!(rate(3), 13, \"of 3\");"));
        assert_eq!(
            turned("assert_eq!(account, Account::new(\"ann\", 0));").as_deref(),
            Some("assert_eq!(account, Account::new(\"~ann\", 1));")
        );
        assert_eq!(turned("assert_eq!([1, 2], squares());").as_deref(), Some("assert_eq!([2, 3], squares());"));
        assert_eq!(turned("assert_eq!(rate(3), wanted(4));"), None);
        assert_eq!(turned("assert_eq!(rate(3), \"abc\".len());"), None);
        assert_eq!(turned("assert_eq!(name(), None);"), None);
        assert_eq!(turned("assert_ne!(rate(3), 12);"), None);
    }
}
