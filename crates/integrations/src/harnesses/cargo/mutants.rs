//! Rust made wrong on purpose: panics swallowed around a function's body, functions that give something else, added
//! handlers and defaults changed piece by piece, operators turned.

use super::disturb::Disturbance;
use super::inline::{function_at, functions, innermost, is_test_line, product_side, test_items};
use super::values;
use crate::syntax::{
    Conditions, Functions, Language, Source, Turns, above, added_lines, below, changes_max, failing, forced, hollow, hunks, last_line,
    line, named, next_number, replace, reverted, turned,
};
use domain::harness::{Finding, Mutant, MutantKind, Place};
use std::collections::BTreeSet;
use tree_sitter::Node;

const HUSH_MAX: usize = 4;
const GIVEN_MAX: usize = 3;

const TURNS: Turns = Turns {
    // What a macro is given is no tree, only tokens.
    comparisons: &["binary_expression", "range_expression", "let_chain", "token_tree"],
    operators: &[
        ("<", "<="),
        ("<=", "<"),
        (">", ">="),
        (">=", ">"),
        ("==", "!="),
        ("!=", "=="),
        ("&&", "||"),
        ("||", "&&"),
        ("+", "-"),
        ("-", "+"),
        ("..", "..="),
        ("..=", ".."),
    ],
    numbers: &["integer_literal", "float_literal"],
};

const CONDITIONS: Conditions = Conditions {
    // Not a loop's: one that always held would only run into the deadline.
    holders: &["if_expression", "match_pattern"],
    joined: &["binary_expression"],
    operators: &["&&", "||"],
    compared: &["binary_expression"],
    truths: ("true", "false"),
    functions: &["function_item", "closure_expression"],
    returns: &["return_expression"],
    binding: &["let_condition", "let_chain", "await_expression", "try_expression"],
};

/// Methods whose opposite has the same shape.
const OPPOSITES: &[(&str, &str)] = &[
    ("min", "max"),
    ("max", "min"),
    ("first", "last"),
    ("last", "first"),
    ("is_some", "is_none"),
    ("is_none", "is_some"),
    ("is_ok", "is_err"),
    ("is_err", "is_ok"),
    ("any", "all"),
    ("all", "any"),
    ("saturating_sub", "wrapping_sub"),
    ("saturating_add", "wrapping_add"),
    ("saturating_mul", "wrapping_mul"),
    ("floor", "ceil"),
    ("ceil", "floor"),
];

const HOLLOW: Functions =
    Functions { kinds: &["function_item"], ends: &["return_expression"], raises: &[], makers: &["vec!", "vec", "format!", "format"] };

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

/// Behind a condition, so that whatever the function returns still has its type.
const FAIL: &str = "if ::std::hint::black_box(true) { panic!(\"every function of the product fails\") }";

pub fn failing_functions(path: &str, text: &str) -> Option<String> {
    let source = Source::parse(Language::Rust, text).filter(|_| is_rust(path) && !path.ends_with("build.rs"))?;
    let tests = test_items(&source);
    // A constant is computed while it is compiled, and a panic while another goes on ends the process.
    let is_left_out = |function: Node<'_>| {
        let head = source.of(function).split('{').next().unwrap_or_default();
        is_test_line(&tests, line(function)) || head.split_whitespace().any(|word| word == "const") || head.contains("fn drop(")
    };
    failing(&source, HOLLOW.kinds, FAIL, &is_left_out)
}

pub fn hush(path: &str, text: &str, frame: &Place) -> Vec<Mutant> {
    let Some(source) = Source::parse(Language::Rust, text).filter(|_| is_rust(path)) else { return Vec::new() };
    if is_test_line(&test_items(&source), frame.line) {
        return Vec::new();
    }
    let Some(function) = function_at(&source, frame.line) else { return Vec::new() };
    let (Some(body), name) = (function.child_by_field_name("body"), name_of(&source, function)) else { return Vec::new() };
    let kind = return_type(&source, function);
    if has_word(&source, function, "const") || name == "main" {
        return Vec::new();
    }
    let waits = has_word(&source, function, "async");
    let mut values: Vec<String> = values::of(&kind).into_iter().take(HUSH_MAX).collect();
    let disturbed = if kind.is_empty() && !waits { Disturbance::of(&source, function) } else { None };
    if kind.is_empty() && disturbed.is_none() {
        // A function that gives nothing says it all by its silence: it counts as every value.
        values.push("{}".to_string());
    }
    let inner = source.of(body);
    let gives = if kind.is_empty() { String::new() } else { format!(" -> {kind}") };
    let wrapped = |before: &str, value: &str| match waits {
        // A future's panics pass through whoever polls it, so the body as a whole has to go.
        true => format!("{{ {value} }}"),
        false => format!(
            "{{ {before}match ::std::panic::catch_unwind(::std::panic::AssertUnwindSafe({}||{gives} {inner})) {{ Ok(given) => given, Err(_) => {value} }} }}",
            if before.is_empty() { "move " } else { "" }
        ),
    };
    let mutant = |description: String, with: &str| Mutant {
        description,
        file: path.to_string(),
        line: line(function),
        text: Some(replace(text, body.byte_range(), with)),
        kind: MutantKind::Hush { alike: 0 },
    };
    let swallowed = values.iter().map(|value| mutant(format!("the panic swallowed in `{name}`, giving {value}"), &wrapped("", value)));
    let disturbed = disturbed
        .map(|d| mutant(format!("the panic swallowed in `{name}`, with what it works on disturbed"), &wrapped(&d.before, &d.after)));
    swallowed.chain(disturbed).collect()
}

pub fn hollow_functions(path: &str, old: &str, new: &str) -> Vec<Finding> {
    let parse = |text| Source::parse(Language::Rust, text).filter(|_| is_rust(path));
    let (Some(old), Some(new)) = (parse(old), parse(new)) else { return Vec::new() };
    let mut found = hollow(&old, &new, &HOLLOW, &|source, n| name_of(source, n).to_string());
    let tests = test_items(&new);
    found.retain(|f| !is_test_line(&tests, f.line));
    found
}

pub fn wrong_versions(path: &str, old: Option<&str>, new: &str) -> Vec<Mutant> {
    if !is_rust(path) {
        let is_lock = path.ends_with("Cargo.lock");
        return old.filter(|_| !is_lock).map(|old| reverted(path, None, old, new)).unwrap_or_default();
    }
    let Some(source) = Source::parse(Language::Rust, new) else { return Vec::new() };
    let old = product_side(old, new);
    let tests = test_items(&source);
    let added = added(old.as_deref(), new, &source);
    let mut mutants = old.as_deref().map(|old| reverted(path, Some(Language::Rust), old, new)).unwrap_or_default();
    mutants.retain(|m| !is_test_line(&tests, m.line));
    let mut lines = added.clone();
    lines.extend(
        old.as_deref().map(|old| hunks(old, new)).unwrap_or_default().into_iter().map(|h| h.line).filter(|l| !is_test_line(&tests, *l)),
    );
    mutants.extend(emptied(path, &source, &lines));
    mutants.extend(conditions(path, &source, &added));
    mutants.extend(turned(path, &source, &added, &TURNS));
    mutants.extend(opposites(path, &source, &added));
    // What pins a handler is tried there.
    let (_, pins) = handlers(path, old.as_deref(), new);
    mutants.retain(|m| !pins.iter().any(|p| p.line == m.line && p.text == m.text));
    mutants
}

fn added(old: Option<&str>, new: &str, source: &Source<'_>) -> BTreeSet<u32> {
    let tests = test_items(source);
    added_lines(old, new).into_iter().filter(|l| !is_test_line(&tests, *l)).collect()
}

fn emptied(path: &str, source: &Source<'_>, lines: &BTreeSet<u32>) -> Vec<Mutant> {
    let all = functions(source);
    let mut chosen: Vec<Node<'_>> = Vec::new();
    for at in lines {
        if let Some(function) = innermost(&all, *at)
            && !chosen.contains(&function)
        {
            chosen.push(function);
        }
    }
    let mut mutants = Vec::new();
    for function in chosen.into_iter().take(changes_max(source.text)) {
        let Some(body) = function.child_by_field_name("body") else { continue };
        let name = name_of(source, function);
        for value in values::of(&return_type(source, function)).into_iter().take(GIVEN_MAX) {
            if source.of(body).trim_matches(['{', '}', ' ', '\n']) == value {
                continue;
            }
            mutants.push(Mutant {
                description: format!("`{name}` gives {value}"),
                file: path.to_string(),
                line: line(function),
                text: Some(replace(source.text, body.byte_range(), &format!("{{ {value} }}"))),
                kind: MutantKind::Emptied,
            });
        }
    }
    mutants
}

/// Answers of functions are tried only where a truth is asked for: each of these is a build.
fn conditions(path: &str, source: &Source<'_>, added: &BTreeSet<u32>) -> Vec<Mutant> {
    let mut mutants = forced(path, source, added, &CONDITIONS);
    let functions = functions(source);
    mutants.retain(|m| {
        let MutantKind::Forced { at: (start, end), .. } = m.kind else { return false };
        let node = source.root().descendant_for_byte_range(start, end);
        let is_answer = node.and_then(|n| n.parent()).is_some_and(|p| matches!(p.kind(), "return_expression" | "block"));
        !is_answer || innermost(&functions, m.line).is_some_and(|f| return_type(source, f) == "bool")
    });
    mutants
}

pub fn lines_of_functions(path: &str, text: &str) -> Vec<(u32, u32)> {
    let Some(source) = Source::parse(Language::Rust, text).filter(|_| is_rust(path)) else { return Vec::new() };
    functions(&source).into_iter().map(|f| (line(f), last_line(f))).collect()
}

fn opposites(path: &str, source: &Source<'_>, added: &BTreeSet<u32>) -> Vec<Mutant> {
    let is_method =
        |n: &Node<'_>| n.kind() == "field_identifier" && n.parent().and_then(|p| p.parent()).is_some_and(|c| c.kind() == "call_expression");
    let methods = source.nodes().into_iter().filter(|n| added.contains(&line(*n)) && is_method(n));
    let methods = methods.filter_map(|n| OPPOSITES.iter().find(|(was, _)| *was == source.of(n)).map(|(was, now)| (n, *was, *now)));
    let flags = source.nodes().into_iter().filter(|n| added.contains(&line(*n)) && n.kind() == "boolean_literal");
    let flags = flags.map(|n| (n, source.of(n), if source.of(n) == "true" { "false" } else { "true" }));
    methods
        .chain(flags)
        .take(changes_max(source.text))
        .map(|(node, was, now)| mutant(path, source, node, was, now, MutantKind::Turned))
        .collect()
}

fn mutant(path: &str, source: &Source<'_>, node: Node<'_>, was: &str, now: &str, kind: MutantKind) -> Mutant {
    Mutant {
        description: format!("`{was}` turned into `{now}`"),
        file: path.to_string(),
        line: line(node),
        text: Some(replace(source.text, node.byte_range(), now)),
        kind,
    }
}

fn name_of<'a>(source: &Source<'a>, function: Node<'_>) -> &'a str {
    function.child_by_field_name("name").map(|n| source.of(n)).unwrap_or_default()
}

fn return_type(source: &Source<'_>, function: Node<'_>) -> String {
    function.child_by_field_name("return_type").map(|n| source.of(n).to_string()).unwrap_or_default()
}

fn has_word(source: &Source<'_>, function: Node<'_>, word: &str) -> bool {
    named(function).into_iter().any(|n| n.kind() == "function_modifiers" && source.of(n).split_whitespace().any(|w| w == word))
}

pub fn handlers(path: &str, old: Option<&str>, new: &str) -> (Vec<Finding>, Vec<Mutant>) {
    let Some(source) = Source::parse(Language::Rust, new).filter(|_| is_rust(path)) else { return (Vec::new(), Vec::new()) };
    let old = product_side(old, new);
    let added = added(old.as_deref(), new, &source);
    let mut pins = Pins { path, source: &source, added: &added, findings: Vec::new(), mutants: Vec::new(), literals: Vec::new() };
    for node in source.nodes().into_iter().filter(|n| added.contains(&line(*n))) {
        pins.look(node);
    }
    pins.finish()
}

struct Pins<'a, 't> {
    path: &'a str,
    source: &'t Source<'a>,
    added: &'a BTreeSet<u32>,
    findings: Vec<Finding>,
    mutants: Vec<Mutant>,
    literals: Vec<Node<'t>>,
}

impl<'t> Pins<'_, 't> {
    fn look(&mut self, node: Node<'t>) {
        match node.kind() {
            "call_expression" => self.call(node),
            "match_arm" => {
                let pattern = node.child_by_field_name("pattern").map(|p| self.source.of(p)).unwrap_or_default();
                let is_default = pattern == "_" || pattern.starts_with("None") || pattern.starts_with("Err(");
                if let Some(value) = node.child_by_field_name("value").filter(|_| is_default) {
                    self.body(value);
                }
            }
            "let_declaration" => {
                if let Some(otherwise) = node.child_by_field_name("alternative") {
                    self.body(otherwise);
                }
            }
            "if_expression" => {
                let tests_error = node.child_by_field_name("condition").is_some_and(|c| self.source.of(c).contains("Err("));
                if let Some(block) = node.child_by_field_name("consequence") {
                    if tests_error {
                        self.body(block);
                    } else {
                        self.guard(block);
                    }
                }
            }
            "else_clause" => {
                if let Some(block) = named(node).into_iter().find(|n| n.kind() == "block") {
                    self.guard(block);
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, call: Node<'t>) {
        let Some(function) = call.child_by_field_name("function") else { return };
        let word = match function.kind() {
            "field_expression" => function.child_by_field_name("field").map(|f| self.source.of(f)).unwrap_or_default(),
            _ => self.source.of(function).rsplit("::").next().unwrap_or_default(),
        };
        let arguments = call.child_by_field_name("arguments").map(named).unwrap_or_default();
        match word {
            "unwrap_or" | "map_or" | "or_insert" | "unwrap_or_else" | "map_or_else" | "or_insert_with" | "or_else" => {
                if let Some(first) = arguments.first() {
                    self.gather(*first);
                }
            }
            "unwrap_or_default" | "or_default" => self.typeless_default(call, function, word),
            "catch_unwind" if self.is_dropped(call) => {
                self.findings.push(Finding { line: line(call), what: "takes every panic and does nothing about it".to_string() });
            }
            _ => {}
        }
    }

    /// Of the guesses only those of the right type compile.
    fn typeless_default(&mut self, call: Node<'t>, function: Node<'t>, word: &str) {
        let Some(value) = function.child_by_field_name("value").map(|v| self.source.of(v)) else { return };
        if self.mutants.len() >= changes_max(self.source.text) {
            return;
        }
        let with = if word == "or_default" { "or_insert" } else { "unwrap_or" };
        for now in ["7", "7.0", "true", "\"~\".into()", "::std::iter::once(Default::default()).collect()"] {
            self.mutants.push(Mutant {
                description: format!("`{word}()` turned into `{with}({now})`"),
                file: self.path.to_string(),
                line: line(call),
                text: Some(replace(self.source.text, call.byte_range(), &format!("{value}.{with}({now})"))),
                kind: MutantKind::Handler,
            });
        }
    }

    /// `let _ = catch_unwind(…)`, `catch_unwind(…).ok();`, or a match whose `Err` arm is empty.
    fn is_dropped(&self, call: Node<'t>) -> bool {
        let mut node = call;
        while let Some(parent) = node.parent() {
            match parent.kind() {
                "field_expression" | "call_expression" => {
                    let field = parent.child_by_field_name("field").map(|f| self.source.of(f)).unwrap_or("ok");
                    if !matches!(field, "ok" | "is_ok" | "is_err") {
                        return false;
                    }
                }
                "expression_statement" => return true,
                "let_declaration" => return parent.child_by_field_name("pattern").is_some_and(|p| self.source.of(p).starts_with('_')),
                "let_condition" => {
                    return parent.child_by_field_name("pattern").is_some_and(|p| self.source.of(p).starts_with("Ok"))
                        && above(parent, &["if_expression"]).is_some_and(|i| i.child_by_field_name("alternative").is_none());
                }
                "match_expression" => {
                    let arms = below(parent).into_iter().filter(|n| n.kind() == "match_arm");
                    let mut errors = arms.filter(|a| {
                        a.child_by_field_name("pattern").is_some_and(|p| self.source.of(p).starts_with("Err") || self.source.of(p) == "_")
                    });
                    return errors.any(|a| {
                        a.child_by_field_name("value").is_some_and(|v| {
                            matches!(
                                self.source.of(v).split_whitespace().collect::<String>().as_str(),
                                "{}" | "()" | "continue" | "return" | "return()"
                            )
                        })
                    });
                }
                _ => return false,
            }
            node = parent;
        }
        false
    }

    /// What a handler does and gives.
    fn body(&mut self, value: Node<'t>) {
        if value.kind() != "block" {
            self.gather(value);
            return;
        }
        for statement in named(value) {
            if self.added.contains(&line(statement)) {
                self.statement(statement);
            }
        }
    }

    fn statement(&mut self, statement: Node<'t>) {
        let inner =
            if statement.kind() == "expression_statement" { named(statement).into_iter().next().unwrap_or(statement) } else { statement };
        let acts = statement.kind() == "expression_statement"
            && matches!(
                inner.kind(),
                "call_expression" | "assignment_expression" | "compound_assignment_expr" | "await_expression" | "try_expression"
            );
        if is_remark(self.source, inner) {
            return;
        }
        if acts && self.mutants.len() < changes_max(self.source.text) {
            self.mutants.push(Mutant {
                description: format!(
                    "`{}` left out of the handler",
                    self.source.of(statement).lines().next().unwrap_or_default().chars().take(60).collect::<String>()
                ),
                file: self.path.to_string(),
                line: line(statement),
                text: Some(replace(self.source.text, statement.byte_range(), "();")),
                kind: MutantKind::Handler,
            });
        }
        self.gather(inner);
    }

    /// A guard that leaves early, or one whose last expression is the answer.
    fn guard(&mut self, block: Node<'t>) {
        for node in below(block).into_iter().filter(|n| n.kind() == "return_expression" && self.added.contains(&line(*n))) {
            self.gather(node);
        }
        if let Some(last) = named(block)
            .into_iter()
            .next_back()
            .filter(|n| self.added.contains(&line(*n)) && n.kind() != "expression_statement" && n.kind() != "let_declaration")
        {
            self.gather(last);
        }
    }

    fn gather(&mut self, node: Node<'t>) {
        self.literals.extend(below(node).into_iter().filter(|n| decides(self.source, *n) && self.added.contains(&line(*n))));
    }

    fn finish(mut self) -> (Vec<Finding>, Vec<Mutant>) {
        self.literals.sort_by_key(|n| n.start_byte());
        self.literals.dedup_by_key(|n| n.start_byte());
        for literal in self.literals.iter().take(changes_max(self.source.text)) {
            let was = self.source.of(*literal);
            let now = match literal.kind() {
                "boolean_literal" => Some(if was == "true" { "false" } else { "true" }.to_string()),
                "string_literal" => was.strip_suffix('"').map(|open| format!("{open}~\"")),
                _ => next_number(was),
            };
            self.mutants.extend(now.map(|now| mutant(self.path, self.source, *literal, was, &now, MutantKind::Handler)));
        }
        (self.findings, self.mutants)
    }
}

/// A literal that decides a value; what is only said to people, indexes and patterns are not among them.
fn decides(source: &Source<'_>, node: Node<'_>) -> bool {
    let is_literal = matches!(node.kind(), "integer_literal" | "float_literal" | "string_literal" | "boolean_literal");
    let is_prose = node.kind() == "string_literal" && source.of(node).matches(' ').count() >= 2;
    is_literal && !is_prose && above(node, &["macro_invocation", "index_expression", "match_pattern", "attribute_item"]).is_none()
}

/// A macro or call that only tells somebody.
fn is_remark(source: &Source<'_>, node: Node<'_>) -> bool {
    if node.kind() != "macro_invocation" {
        return false;
    }
    let name = node.child_by_field_name("macro").map(|m| source.of(m)).unwrap_or_default();
    matches!(
        name.rsplit("::").next().unwrap_or(name),
        "println" | "eprintln" | "print" | "eprint" | "trace" | "debug" | "info" | "warn" | "error" | "log" | "event" | "dbg"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "pub fn rate(c: &str) -> f64 {\n    find(c).unwrap()\n}\n";

    #[test]
    fn a_hushed_function_still_parses() {
        let frame = Place { file: "src/a.rs".into(), function: "shop::rate".into(), line: 2 };
        let found = hush("src/a.rs", OLD, &frame);
        assert_eq!(found.len(), 2);
        let text = found[1].text.clone().unwrap_or_default();
        assert!(text.contains("Err(_) => 7.0") && !Source::parse(Language::Rust, &text).expect("parses").has_error());
    }

    #[test]
    fn handlers_are_pinned_piece_by_piece() {
        let honest = "pub fn rate(c: &str) -> f64 {\n    match find(c) {\n        Some(r) => r,\n        None => {\n            eprintln!(\"no rate\");\n            count(c);\n            1.5\n        }\n    }\n}\n";
        let (findings, mutants) = handlers("src/a.rs", Some(OLD), honest);
        assert!(findings.is_empty());
        let words: Vec<_> = mutants.iter().map(|m| m.description.as_str()).collect();
        assert_eq!(words, ["`count(c);` left out of the handler", "`1.5` turned into `2.5`"]);
        let empty = "pub fn rate(c: &str) -> f64 {\n    let _ = std::panic::catch_unwind(|| find(c).unwrap());\n    0.0\n}\n";
        assert_eq!(handlers("src/a.rs", Some(OLD), empty).0[0].line, 2);
    }

    #[test]
    fn inline_tests_are_left_alone() {
        let tests = "\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {\n        assert_eq!(1 + 1, 2);\n    }\n}\n";
        let new = format!("pub fn rate(c: &str) -> f64 {{\n    find(c).unwrap_or(1.0)\n}}\n{tests}");
        let words: Vec<_> = wrong_versions("src/a.rs", Some(OLD), &new).into_iter().map(|m| m.description).collect();
        assert_eq!(words, ["the change at line 2 taken back", "`rate` gives 0.0", "`rate` gives 7.0"]);
    }
}
