//! The tests that a Rust file declares, by its syntax.

use super::inline::{is_test_attribute, items};
use crate::syntax::{Language, Source, below, digest, essence, last_line, line, named};
use domain::harness::Declared;
use tree_sitter::Node;

pub fn declared(path: &str, text: &str) -> Vec<Declared> {
    let Some(source) = Source::parse(Language::Rust, text).filter(|_| path.ends_with(".rs")) else { return Vec::new() };
    let mut found = Vec::new();
    walk(&source, source.root(), path, &mut found);
    found
}

fn walk(source: &Source<'_>, block: Node<'_>, prefix: &str, found: &mut Vec<Declared>) {
    for (item, attributes) in items(block) {
        let Some(name) = item.child_by_field_name("name").map(|n| source.of(n)) else {
            if item.kind() == "expression_statement" || item.kind() == "macro_invocation" {
                in_macro(source, item, prefix, found);
            }
            continue;
        };
        match item.kind() {
            "function_item" if attributes.iter().any(|a| is_test_attribute(source.of(*a))) => {
                found.push(test(source, item, &attributes, format!("{prefix}::{name}")));
            }
            "mod_item" => {
                if let Some(body) = item.child_by_field_name("body") {
                    walk(source, body, &format!("{prefix}::{name}"), found);
                }
            }
            _ => {}
        }
    }
}

/// `proptest! { #[test] fn holds(…) { … } }`: the tokens of a macro are no tree, so its tests share one digest.
fn in_macro(source: &Source<'_>, node: Node<'_>, prefix: &str, found: &mut Vec<Declared>) {
    let leaves: Vec<Node<'_>> = below(node).into_iter().filter(|n| n.child_count() == 0 && !n.is_extra()).collect();
    let words: Vec<&str> = leaves.iter().map(|n| source.of(*n)).collect();
    for at in 0..words.len().saturating_sub(5) {
        if words[at..at + 4] == ["#", "[", "test", "]"] && words[at + 4] == "fn" {
            found.push(Declared {
                id: format!("{prefix}::{}", words[at + 5]),
                line: line(leaves[at + 5]),
                last_line: last_line(node),
                digest: digest(&essence(source, node)),
                rows_digest: String::new(),
                checks: checks(source, node),
                checked_at: Vec::new(),
                skipped: false,
            });
        }
    }
}

fn test(source: &Source<'_>, function: Node<'_>, attributes: &[Node<'_>], id: String) -> Declared {
    let is_row = |a: &&Node<'_>| ["#[case", "#[test_case", "#[rstest::case", "#[values"].iter().any(|p| source.of(**a).starts_with(p));
    let (rows, marks): (Vec<&Node<'_>>, Vec<&Node<'_>>) = attributes.iter().partition(is_row);
    let together = |nodes: &[&Node<'_>]| nodes.iter().map(|n| essence(source, **n)).collect::<String>();
    let mut checks = checks(source, function);
    if marks.iter().any(|m| source.of(**m).contains("should_panic")) {
        checks.push("should_panic".to_string());
        checks.sort();
    }
    let rows = together(&rows);
    Declared {
        id,
        line: line(function),
        last_line: last_line(function),
        digest: digest(&format!("{}{}", essence(source, function), together(&marks))),
        rows_digest: if rows.is_empty() { String::new() } else { digest(&rows) },
        checks,
        checked_at: Vec::new(),
        skipped: marks.iter().any(|m| source.of(**m).contains("ignore") || source.of(**m).contains("cfg")),
    }
}

/// Of the code of an example.
pub fn checks_in(code: &str) -> Vec<String> {
    // Statements need a function around them to be a program.
    let text = format!("fn example() {{\n{code}\n}}");
    Source::parse(Language::Rust, &text).map(|source| checks(&source, source.root())).unwrap_or_default()
}

/// Macros that check, with the operators of a plain `assert!`, and returns that hand an error on.
fn checks(source: &Source<'_>, function: Node<'_>) -> Vec<String> {
    let mut checks = Vec::new();
    for node in below(function).into_iter().filter(|n| n.kind() == "macro_invocation") {
        let name = node.child_by_field_name("macro").map(|m| source.of(m)).unwrap_or_default();
        let last = name.rsplit("::").next().unwrap_or(name);
        if !(last.starts_with("assert") || last.starts_with("prop_assert")) {
            continue;
        }
        let words: Vec<&str> = named(node).into_iter().flat_map(below).filter(|n| n.child_count() == 0).map(|n| source.of(n)).collect();
        let loose = words.iter().filter(|w| {
            matches!(**w, "==" | "!=" | "<" | ">" | "<=" | ">=" | "||" | "&&" | "is_ok" | "is_err" | "is_some" | "is_none" | "contains")
        });
        let shape = if last == "assert" { loose.copied().collect::<Vec<_>>().join(" ") } else { String::new() };
        checks.push(format!("{last}! {shape}").trim_end().to_string());
    }
    checks.sort();
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_attributes_and_tables_are_seen() {
        let text = "fn helper() {}\n\n#[test]\nfn a() {\n    assert_eq!(1, 1);\n}\n\n#[cfg(test)]\nmod tests {\n    #[tokio::test(flavor = \"current_thread\")]\n    async fn b() {\n        assert!(1 < 2);\n    }\n    #[rstest]\n    #[case(1, 2)]\n    fn c(#[case] x: u8, #[case] y: u8) {}\n    #[test]\n    #[ignore]\n    fn d() {}\n}\n";
        let found = declared("src/x.rs", text);
        let ids: Vec<_> = found.iter().map(|d| (d.id.as_str(), d.skipped)).collect();
        assert_eq!(
            ids,
            [("src/x.rs::a", false), ("src/x.rs::tests::b", false), ("src/x.rs::tests::c", false), ("src/x.rs::tests::d", true)]
        );
        assert_eq!(
            (found[0].checks.as_slice(), found[1].checks.as_slice()),
            (["assert_eq!".to_string()].as_slice(), ["assert! <".to_string()].as_slice())
        );
        let more = declared("src/x.rs", &text.replace("#[case(1, 2)]", "#[case(1, 2)]\n    #[case(3, 4)]"));
        assert_eq!(more[2].digest, found[2].digest);
        assert_ne!(more[2].rows_digest, found[2].rows_digest);
    }
}
