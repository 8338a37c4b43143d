//! What an added handler or default does with an exception: nothing at all, or something that a test can pin.

use super::mutants::{FUNCTIONS, parse};
use crate::syntax::{Source, above, added_lines, below, changes_max, last_line, line, named, next_number, replace, touches};
use domain::harness::{Finding, Mutant, MutantKind};
use std::collections::BTreeSet;
use tree_sitter::Node;

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
                    if !does_nothing(&source, statement) && statement.kind() != "lexical_declaration" && mutants.len() < changes_max(new) {
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
            "finally_clause" => findings.extend(leaving(node).filter(|l| added.contains(&line(*l))).map(swallows)),
            "call_expression" if is_new => {
                if drops_failures(&source, node) {
                    findings.push(swallows(node));
                }
                if let Some(handler) = handler_of(&source, node) {
                    let Some(body) = handler.child_by_field_name("body") else { continue };
                    if is_nothing(&source, body) {
                        findings.push(swallows(node));
                    } else {
                        literals.extend(literals_in(&source, body));
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
    for literal in literals.into_iter().take(changes_max(new)) {
        if let Some(sentinel) = sentinel(&source, literal) {
            mutants.push(piece(path, &source, sentinel, "1", "`-1` turned into `1`".to_string()));
        } else if let Some(now) = turn(source.of(literal), literal.kind()) {
            mutants.push(piece(path, &source, literal, &now, format!("`{}` turned into `{now}`", source.of(literal))));
        }
    }
    findings.dedup_by_key(|f| f.line);
    (findings, mutants)
}

/// The function that is given an exception instead of a value: `promise.catch(f)`, `promise.then(g, f)`.
fn handler_of<'t>(source: &Source<'_>, call: Node<'t>) -> Option<Node<'t>> {
    let function = call.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
    let position = match function.rsplit('.').next() {
        Some("catch") if function.contains('.') => 0,
        Some("then") if function.contains('.') => 1,
        _ => return None,
    };
    let arguments = call.child_by_field_name("arguments").map(named).unwrap_or_default();
    arguments.get(position).copied().filter(|a| FUNCTIONS.contains(&a.kind()))
}

fn is_nothing(source: &Source<'_>, body: Node<'_>) -> bool {
    match body.kind() {
        "statement_block" => named(body).iter().all(|s| does_nothing(source, *s)),
        _ => matches!(source.of(body), "undefined" | "null"),
    }
}

/// What leaves a `finally` by itself: the exception on its way is gone then.
fn leaving<'t>(clause: Node<'t>) -> impl Iterator<Item = Node<'t>> {
    let goes = |n: &Node<'_>| matches!(n.kind(), "return_statement" | "break_statement" | "continue_statement");
    let is_own = move |n: &Node<'_>| {
        let mut kinds = FUNCTIONS.to_vec();
        kinds.push("finally_clause");
        if n.kind() != "return_statement" {
            kinds.extend(["for_statement", "for_in_statement", "while_statement", "do_statement", "switch_statement"]);
        }
        above(*n, &kinds) == Some(clause)
    };
    below(clause).into_iter().filter(goes).filter(is_own)
}

/// `Promise.allSettled` in a function that never asks what failed.
fn drops_failures(source: &Source<'_>, call: Node<'_>) -> bool {
    if call.child_by_field_name("function").map(|f| source.of(f)) != Some("Promise.allSettled") {
        return false;
    }
    let around = above(call, FUNCTIONS).unwrap_or(source.root());
    let asks = |n: &Node<'_>| match n.kind() {
        "string" => source.of(*n).trim_matches(['"', '\'']) == "rejected",
        "property_identifier" | "shorthand_property_identifier_pattern" => source.of(*n) == "reason",
        "ternary_expression" => source.of(*n).contains("fulfilled"),
        "if_statement" => {
            let has_else = n.child_by_field_name("alternative").is_some();
            has_else && n.child_by_field_name("condition").is_some_and(|c| source.of(c).contains("fulfilled"))
        }
        "binary_expression" => {
            let operator = n.child_by_field_name("operator").map(|o| source.of(o)).unwrap_or_default();
            operator.starts_with('!') && source.of(*n).contains("fulfilled")
        }
        _ => false,
    };
    !below(around).iter().any(asks)
}

/// The lines of statements that make an exception and throw it.
pub fn raises(path: &str, text: &str) -> BTreeSet<u32> {
    let Some(source) = parse(path, text) else { return BTreeSet::new() };
    let makes = |n: &Node<'_>| {
        n.kind() == "throw_statement" && named(*n).first().is_some_and(|e| matches!(e.kind(), "new_expression" | "call_expression"))
    };
    source.nodes().into_iter().filter(makes).flat_map(|n| line(n)..=last_line(n)).collect()
}

/// Whether the patch adds something to a file that keeps an exception from going on: a `catch` that ends by throwing
/// what it caught does not.
pub fn adds_handler(path: &str, old: Option<&str>, new: &str) -> bool {
    let Some(source) = parse(path, new) else { return false };
    let added = added_lines(old, new);
    source.nodes().into_iter().filter(|n| touches(*n, &added)).any(|node| match node.kind() {
        "catch_clause" => !throws_on(&source, node),
        "finally_clause" => leaving(node).next().is_some(),
        "call_expression" => {
            handler_of(&source, node).is_some()
                || node
                    .child_by_field_name("function")
                    .map(|f| source.of(f))
                    .is_some_and(|f| f == "Promise.allSettled" || f.ends_with(".catch"))
        }
        _ => false,
    })
}

fn throws_on(source: &Source<'_>, clause: Node<'_>) -> bool {
    let caught = clause.child_by_field_name("parameter").filter(|p| p.kind() == "identifier").map(|p| source.of(p));
    let last = clause.child_by_field_name("body").and_then(|b| named(b).into_iter().next_back());
    let thrown = last.filter(|s| s.kind() == "throw_statement").and_then(|s| named(s).into_iter().next()).map(|t| source.of(t));
    caught.is_some() && thrown == caught
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

/// `-1` says that nothing was found, as `indexOf` does, and whoever asks looks at its sign: `-2` would say the same.
fn sentinel<'t>(source: &Source<'_>, literal: Node<'t>) -> Option<Node<'t>> {
    literal.parent().filter(|p| p.kind() == "unary_expression" && source.of(*p) == "-1")
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
    fn handlers_are_pinned_or_refused() {
        let old = "function f(a) {\n  return a.b;\n}\n";
        assert_eq!(handlers("a.js", Some(old), "function f(a) {\n  try {\n    return a.b;\n  } catch {\n  }\n}\n").0.len(), 1);
        assert!(handlers("a.js", Some(old), "function f(a) {\n  return (a ?? '').b;\n}\n").1.is_empty());
        let (none, pieces) = handlers("a.js", Some(old), "function f(a) {\n  return a?.b ?? 0;\n}\n");
        assert!(none.is_empty());
        assert_eq!(pieces.iter().map(|m| m.description.as_str()).collect::<Vec<_>>(), ["`0` turned into `1`"]);
    }

    #[test]
    fn what_says_that_nothing_was_found_is_turned_into_something_found() {
        let words = |new: &str| handlers("a.js", Some(""), new).1.into_iter().map(|m| m.description).collect::<Vec<_>>();
        assert_eq!(words("const f = (a) => a.b ?? -1;\n"), ["`-1` turned into `1`"]);
        assert_eq!(words("const f = (a) => a.b ?? -5;\n"), ["`5` turned into `6`"]);
    }

    #[test]
    fn whatever_takes_every_exception_is_a_handler() {
        let swallowed = |body: &str| handlers("a.js", Some(""), &format!("async function f(a) {{\n{body}\n}}\n")).0.len();
        assert_eq!(swallowed("  let n = 0;\n  try {\n    n = a.b;\n  } finally {\n    return n;\n  }"), 1);
        assert_eq!(swallowed("  try {\n    return a.b;\n  } finally {\n    a.all(() => {\n      return 1;\n    });\n  }"), 0);
        assert_eq!(swallowed("  return a.then((b) => b, () => {});"), 1);
        assert_eq!(swallowed("  return a.then((b) => b, () => 7);"), 0);
        assert_eq!(swallowed("  const all = await Promise.allSettled(a);\n  return all.flatMap(({ value }) => value ?? []);"), 1);
        assert_eq!(
            swallowed("  const all = await Promise.allSettled(a);\n  return all.map((one) => one.reason?.message ?? one.value);"),
            0
        );
    }

    #[test]
    fn throwing_on_handles_nothing() {
        let adds = |body: &str| adds_handler("a.js", Some(""), &format!("function f(a) {{\n{body}\n}}\n"));
        assert!(adds("  try {\n    return a.b;\n  } catch (error) {\n    throw new RangeError('no a', { cause: error });\n  }"));
        assert!(!adds("  try {\n    return a.b;\n  } catch (error) {\n    error.a = a;\n    throw error;\n  }"));
        assert!(!adds("  // catch\n  return a.b;"));
    }
}
