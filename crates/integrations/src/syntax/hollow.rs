//! Functions that a patch made hollow: on base they worked with what they are given, and now they give one written-down
//! value whatever it is.

use super::{Source, above, added_lines, below, line, named, touches};
use domain::harness::Finding;
use std::collections::BTreeSet;
use tree_sitter::Node;

/// What a language's functions look like.
pub struct Functions {
    pub kinds: &'static [&'static str],
    /// Kinds of nodes that hand control out of a function for good.
    pub ends: &'static [&'static str],
    /// Kinds of nodes that raise.
    pub raises: &'static [&'static str],
    /// Calls that do nothing but make a value, besides those of names with a capital.
    pub makers: &'static [&'static str],
}

const NAMES: &[&str] = &["identifier", "self", "this", "super", "shorthand_property_identifier", "shorthand_property_identifier_pattern"];
const GIVEN: &[&str] = &["self", "this", "super", "cls"];
const PARAMETERS: &[&str] = &["parameters", "formal_parameters", "closure_parameters", "lambda_parameters"];
/// What makes of values more than they are.
const WORK: &[&str] = &[
    "call",
    "call_expression",
    "new_expression",
    "macro_invocation",
    "for_statement",
    "for_in_statement",
    "for_expression",
    "while_statement",
    "while_expression",
    "if_statement",
    "if_expression",
    "match_expression",
    "match_statement",
    "switch_statement",
    "list_comprehension",
    "dictionary_comprehension",
    "set_comprehension",
    "generator_expression",
    "subscript",
    "subscript_expression",
    "index_expression",
];

pub fn hollow(old: &Source<'_>, new: &Source<'_>, functions: &Functions, name: &dyn Fn(&Source<'_>, Node<'_>) -> String) -> Vec<Finding> {
    let added = added_lines(Some(old.text), new.text);
    let before = of(old, functions, name);
    let mut found = Vec::new();
    for (called, function) in of(new, functions, name) {
        let was = before.iter().filter(|(n, _)| *n == called).collect::<Vec<_>>();
        let [(_, was)] = was[..] else { continue };
        let is_same = old.of(*was) == new.of(function);
        if !is_same && worked(old, *was, functions) && gives_one_value(new, function, functions) {
            let at = line(function);
            let first = added.range(at..).next().copied().filter(|_| touches(function, &added)).unwrap_or(at);
            found.push(Finding {
                line: first,
                what: format!("lets `{called}` give the same whatever it gets, where on base it worked with what it was given"),
            });
        }
    }
    // An outer function is hollow with the inner one.
    found.reverse();
    found.dedup_by_key(|f| f.line);
    found
}

/// By name, as far as a name is there once.
fn of<'t>(source: &'t Source<'_>, functions: &Functions, name: &dyn Fn(&Source<'_>, Node<'_>) -> String) -> Vec<(String, Node<'t>)> {
    let all: Vec<(String, Node<'t>)> = source
        .nodes()
        .into_iter()
        .filter(|n| functions.kinds.contains(&n.kind()) && n.child_by_field_name("body").is_some())
        .map(|n| (format!("{}{}", around(source, n), name(source, n)), n))
        .collect();
    let times = |called: &str| all.iter().filter(|(n, _)| n == called).count();
    all.iter().filter(|(called, _)| !called.contains(' ') && times(called) == 1).cloned().collect()
}

/// The class or type that a method stands in.
fn around(source: &Source<'_>, function: Node<'_>) -> String {
    let kinds = ["class_definition", "class_declaration", "class", "impl_item"];
    let outer = function.parent().and_then(|p| above(p, &kinds));
    let name = outer.and_then(|o| o.child_by_field_name("name").or_else(|| o.child_by_field_name("type")));
    name.map(|n| format!("{}.", source.of(n))).unwrap_or_default()
}

fn worked(source: &Source<'_>, function: Node<'_>, functions: &Functions) -> bool {
    let given = given(source, function, functions);
    let nodes = lived(function, functions);
    let uses = |node: &Node<'_>| below(*node).iter().any(|n| NAMES.contains(&n.kind()) && given.contains(source.of(*n)));
    nodes.iter().filter(|n| WORK.contains(&n.kind())).any(uses)
}

/// It mentions nothing that it is given and raises nothing, and what it calls only makes values.
fn gives_one_value(source: &Source<'_>, function: Node<'_>, functions: &Functions) -> bool {
    let given = given(source, function, functions);
    let is_made = |node: &Node<'_>| {
        let called = node.child_by_field_name("function").or_else(|| node.child_by_field_name("constructor"));
        let called = called.or_else(|| node.child_by_field_name("macro")).map(|f| source.of(f)).unwrap_or_default();
        let first = called.split([':', '.', '<']).next().unwrap_or_default();
        functions.makers.contains(&called) || first.starts_with(char::is_uppercase)
    };
    lived(function, functions).iter().all(|node| match node.kind() {
        "call" | "call_expression" | "new_expression" | "macro_invocation" => is_made(node),
        "yield" | "yield_expression" | "await" | "await_expression" => false,
        kind if functions.raises.contains(&kind) => false,
        kind if NAMES.contains(&kind) => !given.contains(source.of(*node)),
        _ => true,
    })
}

/// All nodes of the body up to where it ends for certain.
fn lived<'t>(function: Node<'t>, functions: &Functions) -> Vec<Node<'t>> {
    let Some(body) = function.child_by_field_name("body") else { return Vec::new() };
    let is_block = matches!(body.kind(), "block" | "statement_block");
    if !is_block {
        return below(body);
    }
    let mut found = Vec::new();
    for statement in named(body) {
        found.extend(below(statement));
        let inner = if statement.kind() == "expression_statement" { named(statement).into_iter().next() } else { None };
        if [Some(statement), inner].into_iter().flatten().any(|n| functions.ends.contains(&n.kind())) {
            break;
        }
    }
    found
}

/// Parameters, of the functions around it too, and the names that those give to what they made.
fn given<'a>(source: &Source<'a>, function: Node<'_>, functions: &Functions) -> BTreeSet<&'a str> {
    let mut given: BTreeSet<&str> = GIVEN.iter().copied().collect();
    let enclosing = std::iter::successors(Some(function), |n| n.parent()).filter(|n| functions.kinds.contains(&n.kind()));
    for outer in enclosing {
        let lists = named(outer).into_iter().filter(|n| PARAMETERS.contains(&n.kind()));
        let single = outer.child_by_field_name("parameter");
        let is_name = |n: &Node<'_>| NAMES.contains(&n.kind()) && above(*n, &["type", "type_annotation"]).is_none();
        given.extend(lists.chain(single).flat_map(below).filter(is_name).map(|n| source.of(n)));
        if outer != function {
            let made = below(outer).into_iter().filter_map(|n| {
                matches!(n.kind(), "variable_declarator" | "assignment" | "let_declaration")
                    .then(|| {
                        n.child_by_field_name("name").or_else(|| n.child_by_field_name("left")).or_else(|| n.child_by_field_name("pattern"))
                    })
                    .flatten()
            });
            given.extend(made.map(|n| source.of(n)));
        }
    }
    given
}
