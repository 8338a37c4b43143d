//! The tests that a JavaScript file declares: calls of `test` or `it` within calls of `describe`.
//!
//! A name that is computed, or comes from a table, is declared with `…` for the part that only a run knows.

use crate::syntax::{Language, Source, below, digest, essence, last_line, line, named};
use domain::harness::Declared;
use tree_sitter::Node;

pub fn declared(path: &str, text: &str) -> Vec<Declared> {
    let Some(source) = Language::of(path).filter(|l| !matches!(l, Language::Python | Language::Rust)).and_then(|l| Source::parse(l, text))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    walk(&source, source.root(), path, &mut Vec::new(), false, &mut found);
    found
}

/// How this file spells a test, when it spells one at its top level.
pub fn test_function(path: &str, text: &str) -> Option<&'static str> {
    let source = Language::of(path).and_then(|l| Source::parse(l, text))?;
    let words: Vec<&str> = source
        .nodes()
        .into_iter()
        .filter(|n| n.kind() == "call_expression")
        .filter_map(|n| callee(&source, n))
        .map(|(word, _)| word)
        .collect();
    ["test", "it", "specify"].into_iter().find(|w| words.contains(w))
}

fn walk(source: &Source<'_>, node: Node<'_>, path: &str, names: &mut Vec<String>, skipped: bool, found: &mut Vec<Declared>) {
    for child in named(node) {
        let called = (child.kind() == "call_expression").then(|| callee(source, child)).flatten();
        let arguments = child.child_by_field_name("arguments").map(named).unwrap_or_default();
        let Some(((word, marks), name)) = called.zip(arguments.first().and_then(|a| name_of(source, *a))) else {
            walk(source, child, path, names, skipped, found);
            continue;
        };
        let is_skipped = skipped
            || marks.contains("skip")
            || marks.contains("todo")
            || word.starts_with('x')
            || arguments.get(1).is_some_and(|o| o.kind() == "object" && source.of(*o).contains("skip"));
        names.push(if marks.contains("each") { wild(&name) } else { name });
        if matches!(word, "describe" | "suite" | "context" | "xdescribe") {
            arguments.iter().skip(1).for_each(|a| walk(source, *a, path, names, is_skipped, found));
        } else {
            found.push(test(source, child, &arguments, path, names, is_skipped));
            arguments.iter().skip(1).for_each(|a| walk(source, *a, path, names, is_skipped, found));
        }
        names.pop();
    }
}

fn test(source: &Source<'_>, call: Node<'_>, arguments: &[Node<'_>], path: &str, names: &[String], skipped: bool) -> Declared {
    let id = format!("{path}::{}", names.join(" > "));
    let body: String = arguments.iter().map(|a| essence(source, *a)).collect();
    let (mut checks, checked_at): (Vec<String>, _) = checks(source, call).into_iter().unzip();
    checks.sort();
    let rows_digest = if id.contains('…') { digest(&essence(source, table(call).unwrap_or(source.root()))) } else { String::new() };
    Declared { id, line: line(call), last_line: last_line(call), digest: digest(&body), rows_digest, checks, checked_at, skipped }
}

/// The rows of `each`, where they stand in the call itself. Any other table may be anywhere in the file, so that any
/// change of it may have added a row.
fn table(call: Node<'_>) -> Option<Node<'_>> {
    let each = call.child_by_field_name("function").filter(|f| f.kind() == "call_expression")?;
    let rows = each.child_by_field_name("arguments")?;
    let is_here = rows.kind() == "template_string" || named(rows).iter().all(|n| n.kind() == "array");
    (is_here && below(rows).iter().all(|n| n.kind() != "identifier")).then_some(rows)
}

/// `test`, `it.skip`, `describe.each(table)`: the word and everything said after it.
fn callee<'a>(source: &Source<'a>, call: Node<'_>) -> Option<(&'a str, &'a str)> {
    let function = call.child_by_field_name("function")?;
    let text = source.of(function);
    let end = text.find(['.', '(', '`']).unwrap_or(text.len());
    let (word, marks) = (&text[..end], &text[end..]);
    if word == "t" && marks == ".test" {
        return Some(("test", ""));
    }
    let marks = &marks[..marks.find(['(', '`']).unwrap_or(marks.len())];
    matches!(word, "test" | "it" | "specify" | "describe" | "suite" | "context" | "xit" | "xtest" | "xdescribe").then_some((word, marks))
}

fn name_of(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    let text = source.of(node);
    match node.kind() {
        "string" => Some(text.trim_matches(['"', '\'']).replace("\\'", "'").replace("\\\"", "\"")),
        "template_string" => {
            let mut name = text.trim_matches('`').to_string();
            for part in named(node).into_iter().filter(|n| n.kind() == "template_substitution").rev() {
                let at = part.start_byte() - node.start_byte() - 1;
                name.replace_range(at..at + part.byte_range().len(), "…");
            }
            Some(name)
        }
        "identifier" | "binary_expression" | "member_expression" | "call_expression" => Some("…".to_string()),
        _ => None,
    }
}

/// `%s` and `$name` of a table's title.
fn wild(name: &str) -> String {
    let mut out = String::new();
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '%' && chars.peek().is_some_and(|n| n.is_alphabetic() || matches!(n, '#' | '$')) {
            chars.next();
            out.push('…');
        } else if c == '$' && chars.peek().is_some_and(|n| n.is_alphanumeric() || *n == '_') {
            while chars.peek().is_some_and(|n| n.is_alphanumeric() || matches!(n, '_' | '.')) {
                chars.next();
            }
            out.push('…');
        } else {
            out.push(c);
        }
    }
    if out.contains('…') { out } else { format!("{out}…") }
}

/// The kinds of checks that a test makes, by the last word of each, and where.
fn checks(source: &Source<'_>, call: Node<'_>) -> Vec<(String, (u32, u32))> {
    let given = checkers(source);
    let mut checks = Vec::new();
    for node in below(call) {
        let chain = match node.kind() {
            "call_expression" => node.child_by_field_name("function"),
            // `expect(a).to.be.true` is a check without a call.
            "expression_statement" => named(node).into_iter().find(|n| n.kind() == "member_expression"),
            _ => None,
        };
        let Some(text) = chain.map(|c| source.of(c)) else { continue };
        let last = text.rsplit('.').next().unwrap_or(text);
        let first = text.split(['.', '(']).next().unwrap_or(text);
        let mut check = |kind: String| checks.push((kind, (line(node), last_line(node))));
        let is_own = given.iter().find(|(local, _)| local == first);
        if let Some((_, name)) = is_own.filter(|(_, name)| !matches!(name.as_str(), "expect" | "should")) {
            check(if first == text { name.clone() } else { last.to_string() });
        } else if first == "assert" || text.starts_with("t.assert") {
            check(last.to_string());
        } else if (text.contains("expect(") || text.contains(".should.")) && !text.ends_with("expect") {
            let is_chain = node.kind() == "expression_statement";
            if is_chain || last.starts_with("to") || last.starts_with("be") || CHAI.contains(&last) {
                let not = if text.contains(".not.") { "not " } else { "" };
                check(format!("{not}{last}"));
            }
        }
    }
    checks
}

/// The last words of chai's checks that are calls.
const CHAI: &[&str] = &[
    "equal",
    "equals",
    "eq",
    "eql",
    "eqls",
    "above",
    "below",
    "least",
    "most",
    "within",
    "instanceof",
    "instanceOf",
    "property",
    "include",
    "includes",
    "contain",
    "match",
    "matches",
    "string",
    "keys",
    "throw",
    "throws",
    "satisfy",
    "closeTo",
    "members",
    "oneOf",
    "lengthOf",
    "a",
    "an",
    "fulfilled",
    "rejected",
    "rejectedWith",
];

/// What the file takes from an assertion module: the name here and the name there.
fn checkers(source: &Source<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for node in source.nodes() {
        let (module, names) = match node.kind() {
            "import_statement" => (node.child_by_field_name("source"), Some(node)),
            "variable_declarator" => {
                let value = node.child_by_field_name("value").filter(|v| source.of(*v).starts_with("require("));
                (value.and_then(|v| below(v).into_iter().find(|n| n.kind() == "string")), node.child_by_field_name("name"))
            }
            _ => continue,
        };
        let module = module.map(|m| source.of(m).trim_matches(['"', '\'']).trim_start_matches("node:")).unwrap_or_default();
        if !matches!(module, "assert" | "assert/strict" | "chai" | "power-assert") {
            continue;
        }
        for inner in names.map(below).unwrap_or_default() {
            let of = |field: &str| inner.child_by_field_name(field).map(|n| source.of(n).to_string());
            match inner.kind() {
                "import_specifier" => found.extend(of("name").map(|name| (of("alias").unwrap_or(name.clone()), name))),
                "pair_pattern" => found.extend(of("key").and_then(|key| Some((of("value")?, key)))),
                "shorthand_property_identifier_pattern" => found.push((source.of(inner).to_string(), source.of(inner).to_string())),
                "identifier"
                    if inner.parent().is_none_or(|p| matches!(p.kind(), "import_clause" | "namespace_import" | "variable_declarator")) =>
                {
                    found.push((source.of(inner).to_string(), "ok".to_string()));
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_and_computed_names_are_declared() {
        let text = "const test = require('node:test');\ndescribe('cart', () => {\n  it('adds', () => { assert.equal(1, 1); });\n  it.skip('later', () => {});\n});\nfor (const c of CASES) test(`works for ${c}`, () => { expect(f(c)).toBe(1); });\ntest.each([[1]])('row %i', (n) => {});\n";
        let found = declared("a.test.js", text);
        let ids: Vec<_> = found.iter().map(|d| (d.id.as_str(), d.skipped)).collect();
        assert_eq!(
            ids,
            [
                ("a.test.js::cart > adds", false),
                ("a.test.js::cart > later", true),
                ("a.test.js::works for …", false),
                ("a.test.js::row …", false)
            ]
        );
        assert_eq!((found[0].checks.clone(), found[2].checks.clone()), (vec!["equal".to_string()], vec!["toBe".to_string()]));
    }

    #[test]
    fn checks_are_known_under_any_name() {
        let of = |text: &str| declared("a.test.js", text).remove(0).checks;
        assert_eq!(
            of("import { equal as same, ok } from 'node:assert/strict';\nit('a', () => { same(f(), 1); ok(g()); });\n"),
            ["equal", "ok"]
        );
        assert_eq!(of("const { strictEqual } = require('assert');\nit('a', () => { strictEqual(f(), 1); });\n"), ["strictEqual"]);
        assert_eq!(of("import a from 'assert';\nit('a', () => { a(f()); a.equal(f(), 1); });\n"), ["equal", "ok"]);
        assert_eq!(
            of("const { expect } = require('chai');\nit('a', () => { expect(f()).to.be.true; expect(f()).to.have.lengthOf(2); });\n"),
            ["lengthOf", "true"]
        );
    }
}
