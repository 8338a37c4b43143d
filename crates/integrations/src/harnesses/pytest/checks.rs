//! Checks of a test that compare with a literal, each expecting another one: a value that is equal to everything passes
//! them all.

use super::mutants::other_literal;
use super::tests_of;
use crate::syntax::{Language, Source, below, last_line, line, named, replace};
use domain::harness::{Mutant, MutantKind};
use tree_sitter::Node;

/// Calls that make a value of literals.
const MAKERS: &[&str] =
    &["Decimal", "Fraction", "date", "datetime", "timedelta", "Path", "approx", "set", "frozenset", "tuple", "list", "dict", "bytes"];

pub fn blunted(path: &str, text: &str, tests: &[String]) -> Vec<Mutant> {
    let Some(source) = Source::parse(Language::Python, text) else { return Vec::new() };
    let starts: Vec<u32> = tests_of::declared(path, text).into_iter().filter(|d| tests.contains(&d.id)).map(|d| d.line).collect();
    let functions = source.nodes().into_iter().filter(|n| n.kind() == "function_definition" && starts.contains(&line(*n)));
    let mut mutants = Vec::new();
    for function in functions {
        for check in below(function) {
            let Some(literal) = expected(&source, check).and_then(|side| first_literal(&source, side)) else { continue };
            let Some(now) = other_literal(&source, literal) else { continue };
            mutants.push(Mutant {
                description: format!("`{}` at line {} of the test turned into `{now}`", source.of(literal), line(literal)),
                file: path.to_string(),
                line: line(check),
                text: Some(replace(text, literal.byte_range(), &now)),
                kind: MutantKind::Check,
            });
        }
    }
    mutants
}

/// The side of an equality that is made of literals alone.
fn expected<'t>(source: &Source<'_>, check: Node<'t>) -> Option<Node<'t>> {
    let sides: Vec<Node<'t>> = match check.kind() {
        "assert_statement" => {
            let comparison = named(check).into_iter().next().filter(|n| n.kind() == "comparison_operator")?;
            let operator = comparison.child_by_field_name("operators").map(|o| source.of(o));
            named(comparison).into_iter().filter(|_| operator == Some("==")).collect()
        }
        "call" if source.of(check.child_by_field_name("function")?).rsplit('.').next() == Some("assertEqual") => {
            named(check.child_by_field_name("arguments")?).into_iter().take(2).collect()
        }
        _ => return None,
    };
    // What runs over several lines may be traced at any of them.
    let is_one_line = line(check) == last_line(check);
    sides.into_iter().rev().find(|side| is_one_line && is_literal(source, *side))
}

fn is_literal(source: &Source<'_>, node: Node<'_>) -> bool {
    match node.kind() {
        "integer" | "float" | "true" | "false" | "none" => true,
        "string" => !below(node).iter().any(|n| n.kind() == "interpolation"),
        "list" | "tuple" | "dictionary" | "set" | "pair" | "unary_operator" | "parenthesized_expression" => {
            named(node).into_iter().all(|n| is_literal(source, n))
        }
        "call" => {
            let function = node.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
            let is_maker = function.rsplit('.').next().is_some_and(|last| MAKERS.contains(&last));
            is_maker && node.child_by_field_name("arguments").map(named).unwrap_or_default().into_iter().all(|a| is_literal(source, a))
        }
        _ => false,
    }
}

fn first_literal<'t>(source: &Source<'_>, side: Node<'t>) -> Option<Node<'t>> {
    below(side).into_iter().find(|n| matches!(n.kind(), "integer" | "float" | "string" | "true" | "false") && is_literal(source, *n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_expected_is_turned() {
        let text = "def test_a():\n    assert total(cart('GBP', 4)) == Decimal('4.00')\n    assert f() in [1]\n    assert [g(1)] == [g(2)]\n    self.assertEqual(h(2), ['a', 3])\n\n\ndef test_b():\n    assert f() == 1\n";
        let found = blunted("t/test_a.py", text, &["t/test_a.py::test_a".to_string()]);
        let words: Vec<&str> = found.iter().map(|m| m.description.as_str()).collect();
        assert_eq!(words, ["`'4.00'` at line 2 of the test turned into `'5.00'`", "`'a'` at line 5 of the test turned into `'a~'`"]);
    }
}
