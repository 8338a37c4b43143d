//! Functions that a patch made hollow: on base they worked with what they are given, and now they give one written-down
//! value whatever it is.

use super::{Source, above, added_lines, below, line, named, touches};
use domain::harness::Finding;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    let (mut given_before, mut given_now) = (Given::new(old, functions), Given::new(new, functions));
    let mut found = Vec::new();
    let mut now: Vec<(String, Node<'_>)> = of(new, functions, name).into_iter().collect();
    now.sort_by_key(|(_, function)| function.start_byte());
    for (called, function) in now {
        let Some(was) = before.get(&called) else { continue };
        let is_same = old.of(*was) == new.of(function);
        if !is_same && worked(*was, &mut given_before) && gives_one_value(function, &mut given_now) {
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
fn of<'t>(source: &'t Source<'_>, functions: &Functions, name: &dyn Fn(&Source<'_>, Node<'_>) -> String) -> BTreeMap<String, Node<'t>> {
    let mut all: BTreeMap<String, Vec<Node<'t>>> = BTreeMap::new();
    let is_function = |n: &Node<'_>| functions.kinds.contains(&n.kind()) && n.child_by_field_name("body").is_some();
    for node in source.nodes().into_iter().filter(is_function) {
        all.entry(format!("{}{}", around(source, node), name(source, node))).or_default().push(node);
    }
    let is_told = |(called, nodes): &(String, Vec<Node<'_>>)| !called.contains(' ') && nodes.len() == 1;
    all.into_iter().filter(is_told).map(|(called, nodes)| (called, nodes[0])).collect()
}

/// The class or type that a method stands in.
fn around(source: &Source<'_>, function: Node<'_>) -> String {
    let kinds = ["class_definition", "class_declaration", "class", "impl_item"];
    let outer = function.parent().and_then(|p| above(p, &kinds));
    let name = outer.and_then(|o| o.child_by_field_name("name").or_else(|| o.child_by_field_name("type")));
    name.map(|n| format!("{}.", source.of(n))).unwrap_or_default()
}

fn worked(function: Node<'_>, given: &mut Given<'_, '_>) -> bool {
    let mut end = 0;
    for work in lived(function, given.functions).into_iter().filter(|n| WORK.contains(&n.kind())) {
        // Work within other work was seen with that.
        if work.start_byte() < end {
            continue;
        }
        end = work.end_byte();
        if below(work).into_iter().any(|n| given.has(function, n)) {
            return true;
        }
    }
    false
}

/// It mentions nothing that it is given and raises nothing, and what it calls only makes values.
fn gives_one_value(function: Node<'_>, given: &mut Given<'_, '_>) -> bool {
    let (source, functions) = (given.source, given.functions);
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
        _ => !given.has(function, *node),
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

/// What each function has to work with; looked up once, since functions stand in functions.
struct Given<'s, 'a> {
    source: &'s Source<'a>,
    functions: &'s Functions,
    parameters: HashMap<usize, BTreeSet<&'a str>>,
    made: HashMap<usize, BTreeSet<&'a str>>,
}

impl<'s, 'a> Given<'s, 'a> {
    fn new(source: &'s Source<'a>, functions: &'s Functions) -> Self {
        Given { source, functions, parameters: HashMap::new(), made: HashMap::new() }
    }

    /// Whether the node names a parameter, of the functions around it too, or what those gave a name.
    fn has(&mut self, function: Node<'_>, node: Node<'_>) -> bool {
        if !NAMES.contains(&node.kind()) {
            return false;
        }
        let (source, functions, name) = (self.source, self.functions, self.source.of(node));
        let mut enclosing = std::iter::successors(Some(function), |n| n.parent()).filter(|n| functions.kinds.contains(&n.kind()));
        GIVEN.contains(&name)
            || enclosing.any(|outer| {
                let is_parameter = self.parameters.entry(outer.id()).or_insert_with(|| parameters(source, outer)).contains(name);
                is_parameter || outer != function && self.made.entry(outer.id()).or_insert_with(|| made(source, outer)).contains(name)
            })
    }
}

fn parameters<'a>(source: &Source<'a>, function: Node<'_>) -> BTreeSet<&'a str> {
    let lists = named(function).into_iter().filter(|n| PARAMETERS.contains(&n.kind()));
    let is_name = |n: &Node<'_>| NAMES.contains(&n.kind()) && above(*n, &["type", "type_annotation"]).is_none();
    lists.chain(function.child_by_field_name("parameter")).flat_map(below).filter(is_name).map(|n| source.of(n)).collect()
}

fn made<'a>(source: &Source<'a>, function: Node<'_>) -> BTreeSet<&'a str> {
    let makes = |n: &Node<'_>| matches!(n.kind(), "variable_declarator" | "assignment" | "let_declaration");
    let name = |n: Node<'_>| ["name", "left", "pattern"].into_iter().find_map(|field| n.child_by_field_name(field)).map(|n| source.of(n));
    below(function).into_iter().filter(makes).filter_map(name).collect()
}
