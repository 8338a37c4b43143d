//! The tests that a Python file declares, by its syntax.

use crate::syntax::{Language, Source, below, digest, essence, last_line, line, named};
use domain::harness::Declared;
use tree_sitter::Node;

pub fn declared(path: &str, text: &str) -> Vec<Declared> {
    let Some(source) = Source::parse(Language::Python, text) else { return Vec::new() };
    let mut found = Vec::new();
    walk(&source, source.root(), path, false, &mut found);
    found
}

fn walk(source: &Source<'_>, block: Node<'_>, prefix: &str, in_class: bool, found: &mut Vec<Declared>) {
    for node in named(block) {
        let (definition, decorators) = undecorated(node);
        let Some(name) = definition.child_by_field_name("name").map(|n| source.of(n)) else {
            if matches!(definition.kind(), "if_statement" | "try_statement" | "block") && !in_class {
                for inner in named(definition).into_iter().filter(|n| n.kind() == "block") {
                    walk(source, inner, prefix, in_class, found);
                }
            }
            continue;
        };
        match definition.kind() {
            "function_definition" if name.starts_with("test") => {
                let id = format!("{prefix}::{name}");
                // Of two functions of one name only the last ever runs.
                found.iter_mut().filter(|earlier| earlier.id == id).for_each(|earlier| earlier.skipped = true);
                found.push(test(source, definition, &decorators, id));
            }
            "class_definition" if name.starts_with("Test") || definition.child_by_field_name("superclasses").is_some() => {
                if let Some(body) = definition.child_by_field_name("body") {
                    let prefix = format!("{prefix}::{name}");
                    let inside = format!("{prefix}::");
                    found.iter_mut().filter(|earlier| earlier.id.starts_with(&inside)).for_each(|earlier| earlier.skipped = true);
                    let begin = found.len();
                    walk(source, body, &prefix, true, found);
                    if decorators.iter().any(|d| is_skip(source.of(*d))) {
                        found[begin..].iter_mut().for_each(|t| t.skipped = true);
                    }
                }
            }
            _ => {}
        }
    }
}

fn undecorated(node: Node<'_>) -> (Node<'_>, Vec<Node<'_>>) {
    if node.kind() != "decorated_definition" {
        return (node, Vec::new());
    }
    let decorators = named(node).into_iter().filter(|n| n.kind() == "decorator").collect();
    (node.child_by_field_name("definition").unwrap_or(node), decorators)
}

fn test(source: &Source<'_>, definition: Node<'_>, decorators: &[Node<'_>], id: String) -> Declared {
    let (rows, marks): (Vec<Node<'_>>, Vec<Node<'_>>) = decorators.iter().copied().partition(|d| source.of(*d).contains("parametrize"));
    let mut body = essence(source, definition);
    for mark in &marks {
        body.push_str(&essence(source, *mark));
    }
    let rows: String = rows.iter().map(|r| essence(source, *r)).collect();
    let (mut checks, checked_at): (Vec<String>, _) = checks(source, definition).into_iter().unzip();
    checks.sort();
    let text = source.of(definition);
    Declared {
        id,
        line: line(definition),
        last_line: last_line(definition),
        digest: digest(&body),
        rows_digest: if rows.is_empty() { String::new() } else { digest(&rows) },
        checks,
        checked_at,
        skipped: marks.iter().any(|d| is_skip(source.of(*d))) || text.contains("pytest.skip(") || text.contains("self.skipTest("),
    }
}

fn is_skip(decorator: &str) -> bool {
    decorator.contains("skip") || decorator.contains("xfail") || decorator.contains("expectedFailure")
}

fn checks(source: &Source<'_>, definition: Node<'_>) -> Vec<(String, (u32, u32))> {
    let mut checks = Vec::new();
    for node in below(definition) {
        let mut check = |kind: String| checks.push((kind, (line(node), last_line(node))));
        match node.kind() {
            "assert_statement" => {
                let Some(what) = named(node).into_iter().next() else { continue };
                check(format!("assert {}", shape(source, what)).trim_end().to_string());
            }
            "call" => {
                let Some(function) = node.child_by_field_name("function").map(|f| source.of(f)) else { continue };
                let last = function.rsplit('.').next().unwrap_or(function);
                if last.starts_with("assert") && function != last {
                    check(last.to_string());
                } else if last == "raises" || last == "warns" {
                    let first = node.child_by_field_name("arguments").map(|a| named(a)).unwrap_or_default();
                    let kind = first.first().map(|k| source.of(*k)).unwrap_or_default();
                    check(format!("{last} {kind}"));
                }
            }
            _ => {}
        }
    }
    checks
}

/// The operators of a check and the helpers that loosen it: `== or`, `== approx`.
fn shape(source: &Source<'_>, what: Node<'_>) -> String {
    let mut words = Vec::new();
    for part in below(what) {
        match part.kind() {
            "comparison_operator" | "boolean_operator" | "not_operator" => {
                let mut cursor = part.walk();
                words.extend(part.children(&mut cursor).filter(|c| !c.is_named()).map(|c| source.of(c).to_string()));
            }
            "identifier" if matches!(source.of(part), "approx" | "isclose" | "ANY" | "any" | "isinstance" | "hasattr") => {
                words.push(source.of(part).to_string());
            }
            _ => {}
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_methods_and_tables_are_declared_once_each() {
        let text = "import pytest, unittest\n\ndef helper(): pass\n\n@pytest.mark.parametrize('a', [1, 2])\ndef test_a(a):\n    assert a == 1\n\nclass TestB:\n    def test_c(self):\n        assert f() in g()\n\nclass Old(unittest.TestCase):\n    @unittest.skip('no')\n    def test_d(self):\n        self.assertEqual(1, 1)\n";
        let found = declared("t/test_x.py", text);
        let ids: Vec<_> = found.iter().map(|d| (d.id.as_str(), d.skipped)).collect();
        assert_eq!(ids, [("t/test_x.py::test_a", false), ("t/test_x.py::TestB::test_c", false), ("t/test_x.py::Old::test_d", true)]);
        assert_eq!(found[0].checks, ["assert =="]);
        let twice = declared("t/test_x.py", &format!("{text}\ndef test_a():\n    pass\n\nclass TestB:\n    def test_e(self): pass\n"));
        let runs: Vec<_> = twice.iter().filter(|d| !d.skipped).map(|d| (d.id.as_str(), d.line)).collect();
        assert_eq!(runs, [("t/test_x.py::test_a", 18), ("t/test_x.py::TestB::test_e", 22)]);
        let more = declared("t/test_x.py", &text.replace("[1, 2]", "[1, 2, 3]"));
        assert_eq!(more[0].digest, found[0].digest);
        assert_ne!(more[0].rows_digest, found[0].rows_digest);
    }
}
