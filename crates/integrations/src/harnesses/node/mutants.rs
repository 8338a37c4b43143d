//! JavaScript made wrong on purpose, by changing text within its braces.

use crate::syntax::{Language, Source, Turns, added_lines, below, last_line, line, named, next_number, replace, reverted, touches, turned};
use domain::harness::{Finding, Mutant, MutantKind, Place};
use tree_sitter::Node;

/// No value, as far as a condition sees.
const FALSY: u8 = 1;
/// Zero, as far as arithmetic sees.
const ZERO: u8 = 2;
const HUSH_VALUES: &[(&str, u8)] =
    &[("undefined", FALSY), ("0", FALSY | ZERO), ("7", 0), ("''", FALSY | ZERO), ("'~'", 0), ("[]", ZERO), ("[0]", ZERO)];
const GIVEN_VALUES: &[(&str, &str)] = &[("undefined", "nothing"), ("0", "zero"), ("''", "an empty string")];
const FUNCTIONS: &[&str] = &[
    "function_declaration",
    "function_expression",
    "arrow_function",
    "method_definition",
    "generator_function_declaration",
    "generator_function",
];

const TURNS: Turns = Turns {
    comparisons: &["binary_expression"],
    operators: &[
        ("<", "<="),
        ("<=", "<"),
        (">", ">="),
        (">=", ">"),
        ("==", "!="),
        ("!=", "=="),
        ("===", "!=="),
        ("!==", "==="),
        ("&&", "||"),
        ("||", "&&"),
    ],
    numbers: &["number"],
};

fn parse<'a>(path: &str, text: &'a str) -> Option<Source<'a>> {
    Language::of(path).filter(|l| !matches!(l, Language::Python | Language::Rust)).and_then(|l| Source::parse(l, text))
}

pub fn hush(path: &str, text: &str, frame: &Place) -> Vec<Mutant> {
    let Some(source) = parse(path, text) else { return Vec::new() };
    let inner = source
        .nodes()
        .into_iter()
        .filter(|n| FUNCTIONS.contains(&n.kind()) && line(*n) <= frame.line && frame.line <= last_line(*n))
        .last();
    let Some(function) = inner else { return Vec::new() };
    let name = name(&source, function);
    HUSH_VALUES
        .iter()
        .filter_map(|(value, alike)| {
            Some(Mutant {
                description: format!("the exception swallowed in `{name}`, giving {value}"),
                file: path.to_string(),
                line: line(function),
                text: Some(swallowing(&source, function, value)?),
                kind: MutantKind::Hush { alike: *alike },
            })
        })
        .collect()
}

fn swallowing(source: &Source<'_>, function: Node<'_>, value: &str) -> Option<String> {
    let body = function.child_by_field_name("body")?;
    let own = source.of(body);
    if name(source, function) == "constructor" {
        return None;
    }
    let block = if body.kind() == "statement_block" { own.to_string() } else { format!("{{ return ({own}); }}") };
    let head = &source.text[function.start_byte()..body.start_byte()];
    let text = if function.kind().starts_with("generator") || head.contains('*') {
        let end = if value == "undefined" { String::new() } else { format!("yield {value};") };
        format!("{{ try {block} catch {{ {end} }} }}")
    } else if head.trim_start().starts_with("async") || head.contains("async ") {
        format!("{{ try {{ return await (async () => {block})(); }} catch {{ return {value}; }} }}")
    } else {
        format!(
            "{{ try {{ const _r = (() => {block})(); return _r && typeof _r.then === 'function' ? _r.then((v) => v, () => ({value})) : _r; }} catch {{ return {value}; }} }}"
        )
    };
    Some(replace(source.text, body.byte_range(), &text))
}

fn name(source: &Source<'_>, function: Node<'_>) -> String {
    let own = function.child_by_field_name("name");
    let given = function
        .parent()
        .and_then(|p| p.child_by_field_name("name").or_else(|| p.child_by_field_name("key")).or_else(|| p.child_by_field_name("left")));
    own.or(given).map(|n| source.of(n).to_string()).unwrap_or_else(|| "a function".to_string())
}

pub fn wrong_versions(path: &str, old: Option<&str>, new: &str) -> Vec<Mutant> {
    let Some(source) = parse(path, new) else {
        return old.map(|old| reverted(path, None, old, new)).unwrap_or_default();
    };
    let added = added_lines(old, new);
    let mut mutants = old.map(|old| reverted(path, Some(source.language), old, new)).unwrap_or_default();
    let mut lines = added.clone();
    if let Some(old) = old {
        lines.extend(crate::syntax::hunks(old, new).into_iter().map(|h| h.line));
    }
    let functions: Vec<Node<'_>> = source.nodes().into_iter().filter(|n| FUNCTIONS.contains(&n.kind())).collect();
    let mut chosen: Vec<Node<'_>> = Vec::new();
    for at in lines {
        if let Some(inner) = functions.iter().filter(|f| line(**f) <= at && at <= last_line(**f)).last()
            && !chosen.contains(inner)
            && name(&source, *inner) != "constructor"
        {
            chosen.push(*inner);
        }
    }
    for function in chosen {
        let Some(body) = function.child_by_field_name("body") else { continue };
        for (value, words) in GIVEN_VALUES {
            mutants.push(Mutant {
                description: format!("`{}` gives {words}", name(&source, function)),
                file: path.to_string(),
                line: line(function),
                text: Some(replace(new, body.byte_range(), &format!("{{ return {value}; }}"))),
                kind: MutantKind::Emptied,
            });
        }
    }
    mutants.extend(turned(path, &source, &added, &TURNS));
    mutants
}

pub fn handlers(path: &str, old: Option<&str>, new: &str) -> (Vec<Finding>, Vec<Mutant>) {
    let (mut findings, mut mutants) = (Vec::new(), Vec::new());
    let Some(source) = parse(path, new) else { return (findings, mutants) };
    let added = added_lines(old, new);
    let mut literals: Vec<Node<'_>> = Vec::new();
    for node in source.nodes().into_iter().filter(|n| touches(*n, &added)) {
        let is_new = added.contains(&line(node));
        match node.kind() {
            "catch_clause" if is_new || node.child_by_field_name("body").is_some_and(|b| touches(b, &added)) => {
                let Some(body) = node.child_by_field_name("body") else { continue };
                let statements = named(body);
                if statements.iter().any(|s| s.kind() == "throw_statement") {
                    continue;
                }
                if statements.iter().all(|s| does_nothing(&source, *s)) {
                    findings.push(swallows(node));
                    continue;
                }
                for statement in statements.into_iter().filter(|s| touches(*s, &added) && !is_remark(&source, *s)) {
                    if !does_nothing(&source, statement) && statement.kind() != "lexical_declaration" {
                        mutants.push(piece(
                            path,
                            &source,
                            statement,
                            ";",
                            format!("`{}` left out of the handler", first_line(source.of(statement))),
                        ));
                    }
                    literals.extend(literals_in(&source, statement));
                }
            }
            "call_expression" if is_new => {
                let function = node.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
                let arguments = node.child_by_field_name("arguments").map(named).unwrap_or_default();
                if let Some(handler) = arguments.first().filter(|a| function.ends_with(".catch") && FUNCTIONS.contains(&a.kind())) {
                    let body = handler.child_by_field_name("body");
                    let nothing = body.is_some_and(|b| match b.kind() {
                        "statement_block" => named(b).iter().all(|s| does_nothing(&source, *s)),
                        _ => matches!(source.of(b), "undefined" | "null"),
                    });
                    if nothing {
                        findings.push(swallows(node));
                    } else {
                        literals.extend(body.map(|b| literals_in(&source, b)).unwrap_or_default());
                    }
                }
            }
            "binary_expression" if is_new => {
                let operator = node.child_by_field_name("operator").map(|o| source.of(o)).unwrap_or_default();
                if matches!(operator, "??" | "||") && !is_looked_into(&source, node) {
                    literals.extend(node.child_by_field_name("right").map(|r| literals_in(&source, r)).unwrap_or_default());
                }
            }
            "ternary_expression" if is_new => literals.extend(named(node).into_iter().skip(1).filter(|n| is_literal(*n))),
            "return_statement" if is_new => {
                let mut above = node.parent();
                if above.is_some_and(|a| a.kind() == "statement_block") {
                    above = above.and_then(|a| a.parent());
                }
                if above.is_some_and(|a| matches!(a.kind(), "if_statement" | "else_clause") && added.contains(&line(a))) {
                    literals.extend(literals_in(&source, node));
                }
            }
            _ => {}
        }
    }
    literals.sort_by_key(|n| n.start_byte());
    literals.dedup_by_key(|n| n.start_byte());
    for literal in literals {
        if let Some(now) = turn(source.of(literal), literal.kind()) {
            mutants.push(piece(path, &source, literal, &now, format!("`{}` turned into `{now}`", source.of(literal))));
        }
    }
    (findings, mutants)
}

fn piece(path: &str, source: &Source<'_>, node: Node<'_>, with: &str, description: String) -> Mutant {
    Mutant {
        description,
        file: path.to_string(),
        line: line(node),
        text: Some(replace(source.text, node.byte_range(), with)),
        kind: MutantKind::Handler,
    }
}

fn swallows(node: Node<'_>) -> Finding {
    Finding { line: line(node), what: "takes every exception and does nothing about it".to_string() }
}

fn does_nothing(source: &Source<'_>, statement: Node<'_>) -> bool {
    let text = source.of(statement).trim_end_matches(';').trim();
    matches!(statement.kind(), "empty_statement" | "continue_statement" | "break_statement" | "comment")
        || matches!(text, "return" | "return null" | "return undefined" | "return void 0")
        || is_remark(source, statement)
}

fn is_remark(source: &Source<'_>, statement: Node<'_>) -> bool {
    let text = source.of(statement);
    statement.kind() == "expression_statement"
        && ["console.", "log.", "logger.", "this.log.", "this.logger.", "Sentry.capture"].iter().any(|p| text.starts_with(p))
}

/// `(header ?? '').split(',')`: an empty default that nobody is given, only what comes of looking into it.
fn is_looked_into(source: &Source<'_>, node: Node<'_>) -> bool {
    let is_empty = node.child_by_field_name("right").is_some_and(|r| matches!(source.of(r), "''" | "\"\"" | "``" | "[]" | "{}"));
    let around = node.parent().filter(|p| p.kind() == "parenthesized_expression");
    is_empty && around.is_some_and(|a| a.parent().is_some_and(|p| p.child_by_field_name("object") == Some(a)))
}

fn is_literal(node: Node<'_>) -> bool {
    match node.kind() {
        "number" | "string" | "template_string" | "true" | "false" => true,
        "array" | "object" => node.named_child_count() == 0,
        _ => false,
    }
}

fn literals_in<'t>(source: &Source<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    below(node)
        .into_iter()
        .filter(|n| is_literal(*n))
        .filter(|n| {
            !n.parent()
                .is_some_and(|p| p.kind() == "subscript_expression" || (p.kind() == "pair" && p.child_by_field_name("key") == Some(*n)))
        })
        .filter(|n| source.of(*n).matches(' ').count() < 2)
        .collect()
}

fn turn(was: &str, kind: &str) -> Option<String> {
    match kind {
        "number" => next_number(was),
        "true" => Some("false".to_string()),
        "false" => Some("true".to_string()),
        "array" => Some("[0]".to_string()),
        "object" => Some("({ '~': 0 })".to_string()),
        _ => {
            if let Some(at) = was.find(|c: char| c.is_ascii_digit()) {
                let digit = was.as_bytes()[at] - b'0';
                return Some(replace(was, at..at + 1, &((digit + 1) % 10).to_string()));
            }
            let end = was.len().checked_sub(1)?;
            Some(replace(was, end..end, "~"))
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_function_still_parses_when_hushed() {
        for text in [
            "function f(a) {\n  return a.b;\n}\n",
            "const f = (a) =>\n  a.b;\n",
            "class C { async f(a) {\n  return a.b;\n} }\n",
            "function* f(a) {\n  yield a.b;\n}\n",
        ] {
            let found = hush("a.js", text, &Place { file: "a.js".into(), function: "f".into(), line: 2 });
            assert_eq!(found.len(), HUSH_VALUES.len(), "{text}");
            for mutant in found {
                let changed = mutant.text.expect("a text");
                assert!(parse("a.js", &changed).is_some_and(|s| !s.has_error()), "{changed}");
            }
        }
    }

    #[test]
    fn handlers_are_pinned_or_refused() {
        let old = "function f(a) {\n  return a.b;\n}\n";
        assert_eq!(handlers("a.js", Some(old), "function f(a) {\n  try {\n    return a.b;\n  } catch {\n  }\n}\n").0.len(), 1);
        assert!(handlers("a.js", Some(old), "function f(a) {\n  return (a ?? '').b;\n}\n").1.is_empty());
        let (none, pieces) = handlers("a.js", Some(old), "function f(a) {\n  return a?.b ?? 0;\n}\n");
        assert!(none.is_empty());
        assert_eq!(pieces.iter().map(|m| m.description.as_str()).collect::<Vec<_>>(), ["`0` turned into `1`"]);
    }
}
