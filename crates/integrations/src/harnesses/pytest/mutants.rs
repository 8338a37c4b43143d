//! Python made wrong on purpose. Functions are wrapped by a decorator put on the line above, so that nothing has to be
//! indented again; the launcher provides the module that the decorators come from.

use crate::syntax::{
    Conditions, Functions, Language, Source, Turns, above, added_lines, below, changes_max, failing, forced, hollow, last_line, line,
    named, next_number, replace, reverted, touches, turned,
};
use domain::harness::{Finding, Mutant, MutantKind, Place};
use std::collections::BTreeSet;
use tree_sitter::Node;

/// What a swallowed exception leaves behind, one variant each; the empty ones first.
const HUSH_VALUES: &[&str] = &["None", "0", "''", "[]", "{}", "7", "'~'", "[0]", "{'~': 0}"];
const EMPTY_VALUES: usize = 5;
const GIVEN_VALUES: &[(&str, &str)] = &[("None", "nothing"), ("0", "zero"), ("''", "an empty string")];

const TURNS: Turns = Turns {
    comparisons: &["comparison_operator", "boolean_operator"],
    operators: &[
        ("<", "<="),
        ("<=", "<"),
        (">", ">="),
        (">=", ">"),
        ("==", "!="),
        ("!=", "=="),
        ("in", "not in"),
        ("not in", "in"),
        ("is", "is not"),
        ("is not", "is"),
        ("and", "or"),
        ("or", "and"),
    ],
    numbers: &["integer", "float"],
};

const CONDITIONS: Conditions = Conditions {
    holders: &["if_statement", "elif_clause", "conditional_expression", "if_clause"],
    joined: &["boolean_operator"],
    operators: &["and", "or"],
    compared: &["comparison_operator"],
    truths: ("True", "False"),
    functions: &["function_definition", "lambda"],
    returns: &["return_statement"],
    binding: &["named_expression", "yield", "await"],
};

const HOLLOW: Functions = Functions {
    kinds: &["function_definition"],
    ends: &["return_statement", "raise_statement"],
    raises: &["raise_statement", "assert_statement"],
    makers: &["bool", "bytes", "dict", "float", "frozenset", "int", "iter", "list", "object", "set", "str", "tuple"],
};

/// `_wrong` is there in changed trees alone, and fails nothing before the first test: a file must still load.
const FAIL: &str = "__import__(\"_wrong\").fail()";

pub fn failing_functions(path: &str, text: &str) -> Option<String> {
    let source = Source::parse(Language::Python, text).filter(|_| path.ends_with(".py"))?;
    failing(&source, HOLLOW.kinds, FAIL, &|_| false)
}

pub fn hush(path: &str, text: &str, frame: &Place) -> Vec<Mutant> {
    let Some(source) = Source::parse(Language::Python, text) else { return Vec::new() };
    let name = frame.function.rsplit('.').next().unwrap_or_default();
    let function = source
        .nodes()
        .into_iter()
        .filter(|n| n.kind() == "function_definition" && line(*n) <= frame.line && frame.line <= last_line(*n))
        .rfind(|n| n.child_by_field_name("name").is_some_and(|m| source.of(m) == name));
    let Some(function) = function else { return Vec::new() };
    let mutant = |with: String, giving: &str, alike: u8| Mutant {
        description: format!("the exception swallowed in `{name}`, {giving}"),
        file: path.to_string(),
        line: line(function),
        text: Some(decorated(text, function, &with)),
        kind: MutantKind::Hush { alike },
    };
    let is_generator = own(function).iter().any(|n| n.kind() == "yield");
    let given = returned(&source, function);
    if given.is_empty() && !is_generator {
        // Nothing to look at but what it does: a test that looks there notices a disturbance.
        return vec![mutant("swallow(None)".into(), "giving None", 0), mutant("disturb()".into(), "with what it works on disturbed", 0)];
    }
    if given.iter().all(|value| is_truth(&source, *value)) && !is_generator {
        return vec![mutant("swallow(False)".into(), "giving False", 1), mutant("swallow(True)".into(), "giving True", 0)];
    }
    HUSH_VALUES
        .iter()
        .enumerate()
        .map(|(i, value)| {
            // An element of a generator is one, whatever it is.
            let alike = u8::from(i < EMPTY_VALUES && !is_generator);
            mutant(format!("swallow({value})"), &format!("giving {value}"), alike)
        })
        .collect()
}

/// The nodes of a function without those of the functions in it.
fn own<'t>(function: Node<'t>) -> Vec<Node<'t>> {
    crate::syntax::own(function, &["function_definition", "lambda"])
}

/// The expressions that it returns.
fn returned<'t>(source: &Source<'_>, function: Node<'t>) -> Vec<Node<'t>> {
    let statements = own(function).into_iter().filter(|n| n.kind() == "return_statement");
    statements.filter_map(|n| named(n).into_iter().next()).filter(|value| source.of(*value) != "None").collect()
}

fn is_truth(source: &Source<'_>, value: Node<'_>) -> bool {
    match value.kind() {
        "true" | "false" | "not_operator" | "comparison_operator" => true,
        "boolean_operator" => named(value).into_iter().all(|part| is_truth(source, part)),
        "parenthesized_expression" => named(value).first().is_some_and(|inner| is_truth(source, *inner)),
        "call" => {
            let function = value.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
            let last = function.rsplit('.').next().unwrap_or_default();
            matches!(last, "bool" | "any" | "all" | "isinstance" | "issubclass" | "hasattr" | "callable" | "startswith" | "endswith")
                || last.starts_with("is_")
        }
        _ => false,
    }
}

fn decorated(text: &str, function: Node<'_>, with: &str) -> String {
    let at = function.start_byte();
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let indent: String = text[start..at].chars().take_while(|c| c.is_whitespace()).collect();
    replace(text, at..at, &format!("@__import__('_wrong').{with}\n{indent}"))
}

pub fn hollow_functions(old: &str, new: &str) -> Vec<Finding> {
    let parse = |text| Source::parse(Language::Python, text);
    let (Some(old), Some(new)) = (parse(old), parse(new)) else { return Vec::new() };
    let name = |source: &Source<'_>, n: Node<'_>| n.child_by_field_name("name").map(|n| source.of(n).to_string()).unwrap_or_default();
    hollow(&old, &new, &HOLLOW, &name)
}

pub fn wrong_versions(path: &str, old: Option<&str>, new: &str) -> Vec<Mutant> {
    if !path.ends_with(".py") {
        return old.map(|old| reverted(path, None, old, new)).unwrap_or_default();
    }
    let Some(source) = Source::parse(Language::Python, new) else { return Vec::new() };
    let added = added_lines(old, new);
    let mut mutants = old.map(|old| reverted(path, Some(Language::Python), old, new)).unwrap_or_default();
    for function in changed_functions(&source, old, new, &added).into_iter().take(changes_max(new)) {
        let name = function.child_by_field_name("name").map(|n| source.of(n)).unwrap_or_default();
        for (value, words) in GIVEN_VALUES {
            mutants.push(Mutant {
                description: format!("`{name}` gives {words}"),
                file: path.to_string(),
                line: line(function),
                text: Some(decorated(new, function, &format!("give({value})"))),
                kind: MutantKind::Emptied,
            });
        }
    }
    mutants.extend(forced(path, &source, &added, &CONDITIONS));
    mutants.extend(turned(path, &source, &added, &TURNS));
    mutants
}

pub fn functions(text: &str) -> Vec<(u32, u32)> {
    let Some(source) = Source::parse(Language::Python, text) else { return Vec::new() };
    source.nodes().into_iter().filter(|n| n.kind() == "function_definition").map(|f| (line(f), last_line(f))).collect()
}

/// The innermost functions around added lines and around the places where lines were taken out.
fn changed_functions<'t>(source: &'t Source<'_>, old: Option<&str>, new: &str, added: &BTreeSet<u32>) -> Vec<Node<'t>> {
    let mut lines = added.clone();
    if let Some(old) = old {
        lines.extend(crate::syntax::hunks(old, new).into_iter().map(|h| h.line));
    }
    let functions: Vec<Node<'_>> = source.nodes().into_iter().filter(|n| n.kind() == "function_definition").collect();
    let mut chosen: Vec<Node<'_>> = Vec::new();
    for at in lines {
        let inner = functions.iter().rfind(|f| line(**f) <= at && at <= last_line(**f));
        if let Some(inner) = inner {
            let name = inner.child_by_field_name("name").map(|n| source.of(n)).unwrap_or_default();
            if !chosen.contains(inner) && name != "__init__" {
                chosen.push(*inner);
            }
        }
    }
    chosen
}

pub fn handlers(path: &str, old: Option<&str>, new: &str) -> (Vec<Finding>, Vec<Mutant>) {
    let (mut findings, mut mutants) = (Vec::new(), Vec::new());
    let Some(source) = Source::parse(Language::Python, new).filter(|_| path.ends_with(".py")) else {
        return (findings, mutants);
    };
    let added = added_lines(old, new);
    let mut literals: Vec<Node<'_>> = Vec::new();
    for node in source.nodes() {
        if !touches(node, &added) {
            continue;
        }
        match node.kind() {
            "except_clause" => handler(path, &source, node, &added, &mut findings, &mut mutants, &mut literals),
            "with_statement" if added.contains(&line(node)) && source.of(node).contains("suppress(") => {
                let broad = source.of(node).contains("suppress(Exception") || source.of(node).contains("suppress(BaseException");
                if broad {
                    findings.push(swallows(node));
                }
            }
            "call" if added.contains(&line(node)) => {
                literals.extend(default_of_call(&source, node));
                if mutants.len() < changes_max(new) {
                    mutants.extend(silent_none(path, &source, node, old.unwrap_or_default()));
                }
            }
            "boolean_operator" | "conditional_expression" if added.contains(&line(node)) => {
                literals.extend(named(node).into_iter().filter(|n| is_literal(*n)));
            }
            "return_statement" | "break_statement" | "continue_statement" if added.contains(&line(node)) && leaves_finally(node) => {
                findings.push(Finding { line: line(node), what: "leaves a `finally`, which drops every exception".to_string() });
            }
            "return_statement" if added.contains(&line(node)) && in_exit(&source, node) => match named(node).first() {
                Some(value)
                    if value.kind() == "true"
                        && node.parent().and_then(|b| b.parent()).is_some_and(|f| f.kind() == "function_definition") =>
                {
                    findings.push(swallows(node));
                }
                Some(value) if !matches!(source.of(*value), "False" | "None") => mutants.push(Mutant {
                    description: format!("`{0}` turned into `not ({0})`", source.of(*value)),
                    file: path.to_string(),
                    line: line(node),
                    text: Some(replace(source.text, value.byte_range(), &format!("not ({})", source.of(*value)))),
                    kind: MutantKind::Handler,
                }),
                _ => {}
            },
            "return_statement" if added.contains(&line(node)) => {
                let guard = node
                    .parent()
                    .and_then(|b| b.parent())
                    .is_some_and(|g| matches!(g.kind(), "if_statement" | "elif_clause" | "else_clause") && added.contains(&line(g)));
                if guard {
                    literals.extend(literals_in(&source, node));
                }
            }
            _ => {}
        }
    }
    literals.sort_by_key(|n| n.start_byte());
    literals.dedup_by_key(|n| n.start_byte());
    for literal in literals.into_iter().take(changes_max(new)) {
        mutants.extend(turn(path, &source, literal));
    }
    (findings, mutants)
}

fn handler<'t>(
    path: &str,
    source: &'t Source<'_>,
    clause: Node<'t>,
    added: &BTreeSet<u32>,
    findings: &mut Vec<Finding>,
    mutants: &mut Vec<Mutant>,
    literals: &mut Vec<Node<'t>>,
) {
    let Some(block) = named(clause).into_iter().find(|n| n.kind() == "block") else { return };
    if !added.contains(&line(clause)) && !touches(block, added) {
        return;
    }
    let head = &source.text[clause.start_byte()..block.start_byte()];
    let broad = head.trim_start_matches("except").trim_start_matches('*').trim().starts_with(':')
        || head.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "Exception" || w == "BaseException");
    let statements = named(block);
    if statements.iter().any(|s| s.kind() == "raise_statement") {
        return;
    }
    if broad && statements.iter().all(|s| does_nothing(source, *s)) {
        findings.push(swallows(clause));
        return;
    }
    for statement in statements {
        let trivial =
            matches!(statement.kind(), "pass_statement" | "continue_statement" | "break_statement") || is_remark(source, statement);
        if trivial || !touches(statement, added) {
            continue;
        }
        let nothing = statement.kind() == "return_statement" && matches!(source.of(statement).trim(), "return" | "return None");
        if !nothing && mutants.len() < changes_max(source.text) {
            mutants.push(Mutant {
                description: format!("`{}` left out of the handler", first_line(source.of(statement))),
                file: path.to_string(),
                line: line(statement),
                text: Some(replace(source.text, statement.byte_range(), "pass")),
                kind: MutantKind::Handler,
            });
        }
        literals.extend(literals_in(source, statement));
    }
}

/// A jump out of a `finally` of the same function or loop.
fn leaves_finally(node: Node<'_>) -> bool {
    let walls: &[&str] = match node.kind() {
        "return_statement" => &["finally_clause", "function_definition", "lambda"],
        _ => &["finally_clause", "function_definition", "lambda", "for_statement", "while_statement"],
    };
    above(node, walls).is_some_and(|n| n.kind() == "finally_clause")
}

/// What `__exit__` gives decides whether an exception goes on.
fn in_exit(source: &Source<'_>, node: Node<'_>) -> bool {
    let name = above(node, &["function_definition"]).and_then(|f| f.child_by_field_name("name")).map(|n| source.of(n));
    matches!(name, Some("__exit__" | "__aexit__"))
}

fn swallows(node: Node<'_>) -> Finding {
    Finding { line: line(node), what: "takes every exception and does nothing about it".to_string() }
}

fn does_nothing(source: &Source<'_>, statement: Node<'_>) -> bool {
    match statement.kind() {
        "pass_statement" | "continue_statement" | "break_statement" => true,
        "return_statement" => matches!(source.of(statement).trim(), "return" | "return None"),
        _ => is_remark(source, statement),
    }
}

/// A statement that only tells somebody: a log line, a print, a docstring.
fn is_remark(source: &Source<'_>, statement: Node<'_>) -> bool {
    if statement.kind() != "expression_statement" {
        return false;
    }
    let Some(inner) = named(statement).into_iter().next() else { return true };
    match inner.kind() {
        "string" | "ellipsis" => true,
        "call" => {
            let function = inner.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
            let words: Vec<&str> = function.split('.').collect();
            let last = *words.last().unwrap_or(&"");
            function == "print"
                || function == "warnings.warn"
                || (words.len() > 1
                    && matches!(
                        last,
                        "debug"
                            | "info"
                            | "warning"
                            | "warn"
                            | "error"
                            | "exception"
                            | "critical"
                            | "log"
                            | "capture_exception"
                            | "capture_message"
                    ))
        }
        _ => false,
    }
}

fn is_literal(node: Node<'_>) -> bool {
    match node.kind() {
        "integer" | "float" | "string" | "true" | "false" => true,
        "list" | "dictionary" | "tuple" => node.named_child_count() == 0,
        _ => false,
    }
}

/// `rates[c]` that became `rates.get(c)`: the `None` that it now gives is a default too, though nobody wrote it.
fn silent_none(path: &str, source: &Source<'_>, call: Node<'_>, old: &str) -> Option<Mutant> {
    let function = call.child_by_field_name("function").filter(|f| f.kind() == "attribute")?;
    let arguments = named(call.child_by_field_name("arguments")?);
    let (object, name) = (function.child_by_field_name("object")?, function.child_by_field_name("attribute")?);
    let [key] = arguments.as_slice() else { return None };
    if source.of(name) != "get" || !old.contains(&format!("{}[{}]", source.of(object), source.of(*key))) {
        return None;
    }
    Some(Mutant {
        description: format!("`{}` gives something else than None", source.of(call)),
        file: path.to_string(),
        line: line(call),
        text: Some(replace(source.text, key.end_byte()..key.end_byte(), ", '~'")),
        kind: MutantKind::Handler,
    })
}

/// `get(key, 0)`, `getattr(a, "b", 0)`, `pop`, `setdefault`, `next(it, 0)`.
fn default_of_call<'t>(source: &Source<'_>, call: Node<'t>) -> Vec<Node<'t>> {
    let function = call.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
    let last = function.rsplit('.').next().unwrap_or_default();
    let position = match last {
        "get" | "pop" | "setdefault" | "next" => 1,
        "getattr" => 2,
        _ => return Vec::new(),
    };
    let arguments = call.child_by_field_name("arguments").map(named).unwrap_or_default();
    arguments.into_iter().skip(position).flat_map(|a| literals_in(source, a)).collect()
}

/// The literals that decide a value; prose, keys and what is only logged or raised are not among them.
fn literals_in<'t>(source: &Source<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    for inner in below(node) {
        let within = above(inner, &["string", "raise_statement"]);
        if !is_literal(inner) || within.is_some_and(|w| w != inner) {
            continue;
        }
        let is_key = inner.parent().is_some_and(|p| p.kind() == "pair" && p.child_by_field_name("key") == Some(inner));
        let is_index = inner.parent().is_some_and(|p| p.kind() == "subscript");
        let is_prose = inner.kind() == "string" && source.of(inner).matches(' ').count() >= 2;
        if !is_key && !is_index && !is_prose {
            found.push(inner);
        }
    }
    found
}

fn turn(path: &str, source: &Source<'_>, literal: Node<'_>) -> Option<Mutant> {
    let was = source.of(literal);
    let now = other_literal(source, literal)?;
    Some(Mutant {
        description: format!("`{was}` turned into `{now}`"),
        file: path.to_string(),
        line: line(literal),
        text: Some(replace(source.text, literal.byte_range(), &now)),
        kind: MutantKind::Handler,
    })
}

/// Another literal of the same type.
pub fn other_literal(source: &Source<'_>, literal: Node<'_>) -> Option<String> {
    let was = source.of(literal);
    Some(match literal.kind() {
        "integer" | "float" => next_number(was)?,
        "true" => "False".to_string(),
        "false" => "True".to_string(),
        "list" => "[0]".to_string(),
        "tuple" => "(0,)".to_string(),
        "dictionary" => "{'~': 0}".to_string(),
        _ => turned_string(was)?,
    })
}

/// A number inside stays a number, so that `Decimal("0.00")` still reads it.
fn turned_string(was: &str) -> Option<String> {
    let open = was.find(['"', '\''])?;
    if let Some(at) = was[open..].find(|c: char| c.is_ascii_digit()).map(|i| i + open) {
        let digit = was.as_bytes()[at] - b'0';
        return Some(replace(was, at..at + 1, &((digit + 1) % 10).to_string()));
    }
    let quotes = if was.ends_with("\"\"\"") || was.ends_with("'''") { 3 } else { 1 };
    let end = was.len().checked_sub(quotes)?;
    Some(replace(was, end..end, "~"))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "def rate(c):\n    return RATES[c]\n";

    #[test]
    fn a_hushed_function_still_parses() {
        let frame = Place { file: "a.py".into(), function: "rate".into(), line: 2 };
        let found = hush("a.py", OLD, &frame);
        assert_eq!(found.len(), HUSH_VALUES.len());
        assert_eq!(hush("a.py", "def good(c):\n    return c in RATES\n", &Place { function: "good".into(), ..frame.clone() }).len(), 2);
        assert_eq!(hush("a.py", "def put(c):\n    RATES.pop(c)\n", &Place { function: "put".into(), ..frame.clone() }).len(), 2);
        assert_eq!(found[1].text.as_deref(), Some("@__import__('_wrong').swallow(0)\ndef rate(c):\n    return RATES[c]\n"));
    }

    #[test]
    fn a_handler_is_pinned_piece_by_piece_and_an_empty_one_is_refused() {
        let honest = "def rate(c):\n    try:\n        return RATES[c]\n    except KeyError:\n        log.warning('no rate for %s here', c)\n        return Decimal('0.00')\n";
        let (findings, mutants) = handlers("a.py", Some(OLD), honest);
        assert!(findings.is_empty());
        let words: Vec<_> = mutants.iter().map(|m| m.description.as_str()).collect();
        assert_eq!(words, ["`return Decimal('0.00')` left out of the handler", "`'0.00'` turned into `'1.00'`"]);
        let empty = "def rate(c):\n    try:\n        return RATES[c]\n    except Exception:\n        pass\n";
        assert_eq!(handlers("a.py", Some(OLD), empty).0[0].line, 4);
    }

    #[test]
    fn wrong_versions_cover_hunks_functions_and_comparisons() {
        let new = "def rate(c):\n    if c not in RATES:\n        return 1\n    return RATES[c]\n";
        let words: Vec<_> = wrong_versions("a.py", Some(OLD), new).into_iter().map(|m| m.description).collect();
        assert_eq!(
            words,
            [
                "the change at line 2 taken back",
                "`rate` gives nothing",
                "`rate` gives zero",
                "`rate` gives an empty string",
                "`c not in RATES` taken as always true",
                "`c not in RATES` taken as never true",
                "`not in` turned into `in`",
                "`1` turned into `2`"
            ]
        );
    }
}
