//! Added conditions taken as always true and as always false, and added choices taken as always the same: a fix that rests on a condition which is the same in every
//! test is right for the tests alone.

use super::{Source, above, below, changes_max, line, named, replace, touches};
use domain::harness::{Mutant, MutantKind};
use std::collections::BTreeSet;
use tree_sitter::Node;

/// What a language's conditions look like.
pub struct Conditions {
    /// Kinds of nodes that hold one, as their field `condition` or in their middle.
    pub holders: &'static [&'static str],
    /// Kinds of nodes with `left`, `operator` and `right`, and the operators that join truths.
    pub joined: &'static [&'static str],
    pub operators: &'static [&'static str],
    /// Kinds of nodes that compare.
    pub compared: &'static [&'static str],
    /// True and false.
    pub truths: (&'static str, &'static str),
    pub functions: &'static [&'static str],
    /// Kinds of nodes that hand a value out of a function.
    pub returns: &'static [&'static str],
    /// A condition that gives names to values can't be replaced.
    pub binding: &'static [&'static str],
}

/// Kind of a node that gives names to values, the fields with the names, the field with the value.
const BINDERS: &[(&str, &str, &str)] = &[
    ("assignment", "left", "right"),
    ("augmented_assignment", "left", "right"),
    ("named_expression", "name", "value"),
    ("for_statement", "left", "right"),
    ("for_in_clause", "left", "right"),
    ("for_in_statement", "left", "right"),
    ("variable_declarator", "name", "value"),
    ("assignment_expression", "left", "right"),
    ("let_declaration", "pattern", "value"),
    ("let_condition", "pattern", "value"),
    ("for_expression", "pattern", "value"),
];

/// Whatever these give names to comes from outside.
const INPUTS: &[&str] =
    &["parameters", "formal_parameters", "closure_parameters", "lambda_parameters", "match_pattern", "except_clause", "catch_clause"];

const NAMES: &[&str] = &["identifier", "self", "this", "shorthand_property_identifier_pattern"];

/// What a choice among a few written-down values is made of: `[a, b][n]`, `{1: a, 2: b}[n]`, `{…}.get(n, c)`.
const PICKS: &[&str] = &["subscript", "subscript_expression", "index_expression", "call", "call_expression"];
const TABLES: &[&str] = &["list", "tuple", "dictionary", "array", "object", "array_expression", "tuple_expression"];
/// A longer table is data, not a condition in disguise.
const OPTIONS_MAX: usize = 4;
const COMPARISONS: &[&str] = &["<", ">", "<=", ">=", "==", "!=", "===", "!=="];

/// Each added condition as if it always held and as if it never did. Of a longer one also the parts that ask about
/// something else than what the function was given, such comparisons wherever they stand, the answers of added
/// functions, and choices as if they always fell the same way.
pub fn forced(path: &str, source: &Source<'_>, added: &BTreeSet<u32>, conditions: &Conditions) -> Vec<Mutant> {
    let mut found: Vec<Node<'_>> = Vec::new();
    for node in source.nodes().into_iter().filter(|n| touches(*n, added)) {
        if conditions.holders.contains(&node.kind()) {
            found.extend(condition_of(node));
        }
        if is_joined(source, node, conditions) {
            let parts = [node.child_by_field_name("left"), node.child_by_field_name("right")].into_iter().flatten();
            found.extend(parts.filter(|p| !is_joined(source, *p, conditions) && !depends_on_input(source, *p, added, conditions)));
        }
        if is_comparison(source, node, conditions) && !depends_on_input(source, node, added, conditions) {
            found.push(node);
        }
        if conditions.returns.contains(&node.kind()) && above(node, conditions.functions).is_some_and(|f| added.contains(&line(f))) {
            found.extend(named(node).into_iter().next());
        }
        if conditions.functions.contains(&node.kind()) && added.contains(&line(node)) {
            found.extend(tail(node));
        }
    }
    // What is written as true or false can't be anything else.
    let is_written = |c: &Node<'_>| [conditions.truths.0, conditions.truths.1].contains(&source.of(*c));
    found.retain(|c| touches(*c, added) && !is_written(c) && !below(*c).iter().any(|n| conditions.binding.contains(&n.kind())));
    found.sort_by_key(|c| (c.start_byte(), c.end_byte()));
    found.dedup_by_key(|c| c.byte_range());
    found.truncate(changes_max(source.text) / 2);
    let sides = [(0, conditions.truths.0, "always"), (1, conditions.truths.1, "never")];
    let mutant = |condition: &Node<'_>, (side, truth, often): (usize, &str, &str)| {
        let text = source.of(*condition);
        let words: String = text.trim_matches(['(', ')']).lines().next().unwrap_or_default().chars().take(60).collect();
        let truth = if text.starts_with('(') && text.ends_with(')') { format!("({truth})") } else { truth.to_string() };
        Mutant {
            description: format!("`{words}` taken as {often} true"),
            file: path.to_string(),
            line: line(*condition),
            text: Some(replace(source.text, condition.byte_range(), &truth)),
            kind: MutantKind::Forced { at: (condition.start_byte(), condition.end_byte()), side },
        }
    };
    let mut mutants: Vec<Mutant> = found.iter().flat_map(|c| sides.map(|side| mutant(c, side))).collect();
    for node in source.nodes().into_iter().filter(|n| touches(*n, added) && PICKS.contains(&n.kind())) {
        if mutants.len() >= changes_max(source.text) * 2 {
            break;
        }
        let options = options(source, node);
        if (2..=OPTIONS_MAX).contains(&options.len()) {
            mutants.extend(options.iter().enumerate().map(|(side, option)| picked(path, source, node, side, *option)));
        }
    }
    mutants
}

fn picked(path: &str, source: &Source<'_>, node: Node<'_>, side: usize, option: Node<'_>) -> Mutant {
    let words = |node: Node<'_>| source.of(node).lines().next().unwrap_or_default().chars().take(60).collect::<String>();
    Mutant {
        description: format!("`{}` taken as always `{}`", words(node), words(option)),
        file: path.to_string(),
        line: line(node),
        text: Some(replace(source.text, node.byte_range(), &format!("({})", source.of(option)))),
        kind: MutantKind::Forced { at: (node.start_byte(), node.end_byte()), side },
    }
}

fn options<'t>(source: &Source<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    let function = node.child_by_field_name("function");
    let (table, otherwise) = match function {
        None => (named(node).into_iter().next(), None),
        Some(function) => {
            let is_get = function.child_by_field_name("attribute").or_else(|| function.child_by_field_name("property"));
            let otherwise = node.child_by_field_name("arguments").and_then(|a| named(a).into_iter().nth(1));
            (named(function).into_iter().next().filter(|_| is_get.is_some_and(|name| source.of(name) == "get")), otherwise)
        }
    };
    let table =
        std::iter::successors(table, |n| (n.kind() == "parenthesized_expression").then(|| named(*n).into_iter().next()).flatten()).last();
    let Some(table) = table.filter(|t| TABLES.contains(&t.kind())) else { return Vec::new() };
    let value = |entry: Node<'t>| entry.child_by_field_name("value").unwrap_or(entry);
    named(table).into_iter().filter(|n| !n.kind().contains("comment")).map(value).chain(otherwise).collect()
}

fn is_comparison(source: &Source<'_>, node: Node<'_>, conditions: &Conditions) -> bool {
    let compares = |operator: Node<'_>| COMPARISONS.contains(&source.of(operator));
    conditions.compared.contains(&node.kind()) && node.child_by_field_name("operator").is_none_or(compares)
}

/// Python's `a if b else c` has no name for its condition: it stands in the middle.
fn condition_of<'t>(node: Node<'t>) -> Option<Node<'t>> {
    let middle = || named(node).get(node.named_child_count() / 2).copied().filter(|_| node.kind() == "conditional_expression");
    node.child_by_field_name("condition").or_else(middle).or_else(|| named(node).into_iter().next().filter(|_| node.kind() == "if_clause"))
}

/// The expression that a function of Rust ends with.
fn tail<'t>(function: Node<'t>) -> Option<Node<'t>> {
    let body = function.child_by_field_name("body").filter(|b| b.kind() == "block")?;
    let last = named(body).into_iter().next_back()?;
    matches!(last.kind(), "binary_expression" | "call_expression" | "unary_expression" | "macro_invocation").then_some(last)
}

fn is_joined(source: &Source<'_>, node: Node<'_>, conditions: &Conditions) -> bool {
    conditions.joined.contains(&node.kind())
        && node.child_by_field_name("operator").is_some_and(|o| conditions.operators.contains(&source.of(o)))
}

/// Whether it mentions a parameter of the functions around it, or what was made of one. What the change itself keeps
/// count of (`this.calls += 1`) is not given from outside.
fn depends_on_input(source: &Source<'_>, part: Node<'_>, added: &BTreeSet<u32>, conditions: &Conditions) -> bool {
    let outermost = std::iter::successors(part.parent(), |n| n.parent()).filter(|n| conditions.functions.contains(&n.kind())).last();
    let Some(function) = outermost else { return false };
    let nodes = below(function);
    let names = |node: Node<'_>| below(node).into_iter().filter(|n| NAMES.contains(&n.kind())).map(|n| source.of(n)).collect::<Vec<_>>();
    let mut given: BTreeSet<&str> = BTreeSet::from(["self", "this"]);
    given.extend(nodes.iter().filter(|n| INPUTS.contains(&n.kind())).flat_map(|n| names(*n)));
    given.extend(nodes.iter().filter_map(|n| n.child_by_field_name("parameter")).flat_map(names));
    let bound: Vec<(Vec<&str>, Vec<&str>)> = nodes
        .iter()
        .filter_map(|n| {
            let (_, left, right) = BINDERS.iter().find(|(kind, _, _)| *kind == n.kind())?;
            Some((names(n.child_by_field_name(left)?), names(n.child_by_field_name(right)?)))
        })
        .collect();
    // What is made of what is given is given too; a few rounds follow it through later lines and loops.
    for _ in 0..3 {
        for (left, right) in &bound {
            if right.iter().any(|name| given.contains(name)) {
                given.extend(left);
            }
        }
    }
    let kept: BTreeSet<&str> = nodes.iter().filter(|n| touches(**n, added)).filter_map(|n| kept_by(source, *n)).collect();
    let is_kept = |node: &Node<'_>| {
        let around = std::iter::successors(node.parent(), |n| n.parent().filter(|_| *n != part));
        around.take_while(|n| n.kind() == "member_expression").any(|n| kept.contains(source.of(n)))
    };
    let mentioned = below(part).into_iter().filter(|n| NAMES.contains(&n.kind()) && !is_kept(n));
    mentioned.map(|n| source.of(n)).any(|name| given.contains(name))
}

/// `this.calls` of `this.calls += 1`.
fn kept_by<'a>(source: &Source<'a>, node: Node<'_>) -> Option<&'a str> {
    let target = match node.kind() {
        "assignment_expression" | "augmented_assignment_expression" => node.child_by_field_name("left"),
        "update_expression" => node.child_by_field_name("argument"),
        _ => None,
    };
    target.filter(|t| t.kind() == "member_expression").map(|t| source.of(t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{Language, added_lines};

    const PYTHON: Conditions = Conditions {
        holders: &["if_statement", "conditional_expression"],
        joined: &["boolean_operator"],
        operators: &["and", "or"],
        compared: &["comparison_operator"],
        truths: ("True", "False"),
        functions: &["function_definition"],
        returns: &["return_statement"],
        binding: &["named_expression"],
    };

    fn descriptions(new: &str, added: &[u32]) -> Vec<String> {
        let source = Source::parse(Language::Python, new).expect("parses");
        let mut found: Vec<String> =
            forced("a.py", &source, &added.iter().copied().collect(), &PYTHON).into_iter().map(|m| m.description).collect();
        found.retain(|d| d.contains("always"));
        found
    }

    #[test]
    fn what_a_change_counts_is_not_given() {
        let conditions = Conditions {
            joined: &["binary_expression"],
            operators: &["&&", "||"],
            truths: ("true", "false"),
            functions: &["method_definition"],
            ..PYTHON
        };
        let text = "class H {\n  emit(topic) {\n    this.#calls += 1;\n    if (this.#calls === 1 && !this.topics[topic]) return 0;\n    return 1;\n  }\n}\n";
        let source = Source::parse(Language::JavaScript, text).expect("parses");
        let words = |added: &[u32]| {
            let found = forced("a.js", &source, &added.iter().copied().collect(), &conditions);
            found.into_iter().map(|m| m.description).filter(|d| d.contains("always")).collect::<Vec<_>>()
        };
        let whole = "`this.#calls === 1 && !this.topics[topic]` taken as always true";
        assert_eq!(words(&[3, 4]), [whole, "`this.#calls === 1` taken as always true"]);
        assert_eq!(words(&[4]), [whole]);
    }

    #[test]
    fn parts_that_ask_about_something_else_are_tried_alone() {
        let new = "def f(a):\n    b = a + 1\n    c = look()\n    if c and b not in R:\n        return 1\n    return 2 if a else 3\n";
        assert_eq!(descriptions(new, &[4]), ["`c` taken as always true", "`c and b not in R` taken as always true"]);
        assert_eq!(descriptions(new, &[6]), ["`a` taken as always true"]);
        let table = "def f(a):\n    return {1: g, 2: h}.get(look(), k)(a)\n";
        assert_eq!(
            descriptions(table, &[2]),
            ["g", "h", "k"].map(|option| format!("`{{1: g, 2: h}}.get(look(), k)` taken as always `{option}`"))
        );
        assert_eq!(
            descriptions("def f(a):\n    return (g, h)[look() > 3](a)\n", &[2]),
            ["`look() > 3` taken as always true", "`(g, h)[look() > 3]` taken as always `g`", "`(g, h)[look() > 3]` taken as always `h`"]
        );
        let whole = added_lines(None, "def g(a):\n    return look() > 3\n").into_iter().collect::<Vec<_>>();
        assert_eq!(descriptions("def g(a):\n    return look() > 3\n", &whole), ["`look() > 3` taken as always true"]);
    }
}
