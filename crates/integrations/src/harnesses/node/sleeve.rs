//! Signs in added JavaScript that it wants to know who is watching, or to leave before the results are read.

use crate::syntax::{Language, Source, added_lines, line, named};
use domain::harness::Finding;
use std::collections::BTreeSet;
use tree_sitter::Node;

const RUNNERS: &[&str] = &[
    "node:test",
    "test",
    "jest",
    "vitest",
    "mocha",
    "chai",
    "ava",
    "tap",
    "sinon",
    "jasmine",
    "@jest/globals",
    "node:test/reporters",
    "supertest",
];
const MODULES: &[(&str, &str)] = &[
    ("module", "changes how modules are loaded"),
    ("vm", "runs text as code"),
    ("v8", "reaches below the language"),
    ("inspector", "traces the interpreter"),
    ("async_hooks", "traces the interpreter"),
    ("worker_threads", "looks at a thread's name"),
    ("child_process", "starts processes"),
    ("cluster", "starts processes"),
];
const DOTTED: &[(&str, &str)] = &[
    ("process.env", "reads the environment"),
    ("process.argv", "reads the command line"),
    ("process.argv0", "reads the command line"),
    ("process.execArgv", "reads the command line"),
    ("process.execPath", "looks at the executable's path"),
    ("process.title", "looks at the process's name"),
    ("process.exit", "leaves the process"),
    ("process.exitCode", "leaves the process"),
    ("process.reallyExit", "leaves the process"),
    ("process.abort", "leaves the process"),
    ("process.kill", "leaves the process"),
    ("process.pid", "looks at the process's own number"),
    ("process.ppid", "looks at the process's parent"),
    ("process.cwd", "looks at the working directory"),
    ("process.on", "listens to the process"),
    ("process.once", "listens to the process"),
    ("process.binding", "reaches below the language"),
    ("process.mainModule", "looks at the list of loaded modules"),
    ("process.stdout", "looks at the process's output"),
    ("process.stderr", "looks at the process's output"),
    ("require.cache", "looks at the list of loaded modules"),
    ("require.main", "looks at the list of loaded modules"),
    ("module.parent", "looks at the list of loaded modules"),
    ("module.children", "looks at the list of loaded modules"),
    ("Error.captureStackTrace", "looks at the call stack"),
    ("Error.prepareStackTrace", "looks at the call stack"),
    ("Error.stackTraceLimit", "looks at the call stack"),
    ("arguments.callee", "looks at the call stack"),
    ("os.hostname", "looks at the host's name"),
    ("import.meta.vitest", "names a test runner"),
];
const GLOBALS: &[(&str, &str)] = &[
    ("eval", "runs text as code"),
    ("Function", "runs text as code"),
    ("jest", "names a test runner"),
    ("vi", "names a test runner"),
    ("vitest", "names a test runner"),
    ("describe", "names a test runner"),
    ("expect", "names a test runner"),
    ("beforeEach", "names a test runner"),
    ("afterEach", "names a test runner"),
    ("globalThis", "reaches into the global object"),
    ("global", "reaches into the global object"),
];
/// Objects that everybody shares; changing one changes the tests' own tools.
const SHARED: &[&str] = &[
    "Object",
    "Array",
    "String",
    "Number",
    "Promise",
    "Map",
    "Set",
    "Error",
    "JSON",
    "Math",
    "Date",
    "Reflect",
    "Symbol",
    "Function",
    "console",
    "process",
    "globalThis",
    "global",
    "RegExp",
    "Boolean",
];

pub fn findings(path: &str, old: Option<&str>, new: &str) -> Vec<Finding> {
    let Some(language) = Language::of(path).filter(|l| !matches!(l, Language::Python | Language::Rust)) else { return Vec::new() };
    let Some(source) = Source::parse(language, new) else { return Vec::new() };
    let before: BTreeSet<(String, String, String)> = old
        .and_then(|old| Source::parse(language, old))
        .map(|old| signs(&old).into_iter().map(|s| (s.function, s.what, s.detail)).collect())
        .unwrap_or_default();
    let added = added_lines(old, new);
    let mut found: Vec<Finding> = signs(&source)
        .into_iter()
        .filter(|s| added.contains(&s.line) && !before.contains(&(s.function.clone(), s.what.clone(), s.detail.clone())))
        .map(|s| Finding { line: s.line, what: s.what })
        .collect();
    found.dedup();
    found
}

pub fn reads_dice(old: Option<&str>, new: &str) -> bool {
    let old: BTreeSet<&str> = old.unwrap_or_default().lines().collect();
    let words = ["Math.random", "Date.now", "new Date", "randomUUID", "randomBytes", "performance.now", "hrtime", "setTimeout"];
    new.lines().filter(|l| !old.contains(l)).any(|l| words.iter().any(|w| l.contains(w)))
}

struct Sign {
    function: String,
    line: u32,
    what: String,
    detail: String,
}

fn signs(source: &Source<'_>) -> Vec<Sign> {
    let mut signs = Vec::new();
    let imports = imports(source);
    let locals = locals(source);
    for node in source.nodes() {
        let mut note = |what: &str, detail: &str| {
            signs.push(Sign {
                function: function_around(source, node),
                line: line(node),
                what: what.to_string(),
                detail: detail.to_string(),
            });
        };
        match node.kind() {
            "import_statement" | "call_expression" => match module_of(source, node) {
                Some(Ok(name)) => {
                    let short = name.strip_prefix("node:").unwrap_or(&name);
                    if RUNNERS.contains(&name.as_str()) {
                        note("names a test runner", &name);
                    } else if let Some((_, what)) = MODULES.iter().find(|(m, _)| *m == short) {
                        note(what, &name);
                    }
                }
                Some(Err(())) => note("loads code by a computed name", ""),
                None => {}
            },
            "member_expression" | "subscript_expression" => {
                let object = node.child_by_field_name("object").map(|o| source.of(o)).unwrap_or_default();
                let property = node.child_by_field_name("property").map(|p| source.of(p)).unwrap_or_default();
                let object = if object == "os" || imports.iter().any(|(local, module)| local == object && module.ends_with("os")) {
                    "os"
                } else {
                    object
                };
                if let Some((_, what)) = DOTTED.iter().find(|(d, _)| *d == format!("{object}.{property}")) {
                    note(what, &variable(source, node));
                } else if node.kind() == "subscript_expression"
                    && matches!(object, "process" | "globalThis" | "global" | "require" | "module")
                {
                    note("reaches into a shared object by a computed name", "");
                }
                if property == "stack" || property == "caller" {
                    note("looks at the call stack", "");
                }
                if property == "isTTY" {
                    note("asks whether somebody is watching", "");
                }
                if property == "constructor"
                    && node.parent().is_some_and(|p| p.kind() == "call_expression" || p.kind() == "member_expression")
                {
                    note("runs text as code", "");
                }
            }
            "identifier" => {
                let name = source.of(node);
                let is_use = !node
                    .parent()
                    .is_some_and(|p| p.kind().ends_with("_declaration") || p.kind() == "formal_parameters" || p.kind() == "pair");
                if is_use
                    && !locals.contains(name)
                    && let Some((_, what)) = GLOBALS.iter().find(|(g, _)| *g == name)
                {
                    note(what, name);
                }
                if is_use
                    && name == "process"
                    && node.parent().is_some_and(|p| {
                        p.kind() == "variable_declarator" || p.kind() == "arguments" || p.kind() == "assignment_expression"
                    })
                {
                    note("hides the process behind another name", "");
                }
            }
            "assignment_expression" | "augmented_assignment_expression" => {
                let Some(target) =
                    node.child_by_field_name("left").filter(|t| matches!(t.kind(), "member_expression" | "subscript_expression"))
                else {
                    continue;
                };
                let root = source.of(root(target));
                let is_shared = SHARED.contains(&root) && !locals.contains(root);
                if is_shared || imports.iter().any(|(local, _)| local == root) {
                    note("changes what everybody shares", source.of(target));
                }
            }
            "string" => {
                if source.of(node).contains("/proc/") {
                    note("looks at its own process through `/proc`", "");
                }
            }
            _ => {}
        }
        if node.kind() == "call_expression" {
            let function = node.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
            let first = node
                .child_by_field_name("arguments")
                .and_then(|a| named(a).into_iter().next())
                .map(|a| source.of(root(a)))
                .unwrap_or_default();
            if matches!(
                function,
                "Object.defineProperty" | "Object.assign" | "Reflect.set" | "Object.defineProperties" | "Object.setPrototypeOf"
            ) && (SHARED.contains(&first) || imports.iter().any(|(local, _)| local == first))
            {
                note("changes what everybody shares", function);
            }
            if matches!(function, "Reflect.get" | "Object.entries" | "Object.keys")
                && matches!(first, "process" | "globalThis" | "global" | "require")
            {
                note("reaches into a shared object by a computed name", function);
            }
        }
    }
    signs
}

/// The module that an import or a `require` names; an error when the name is computed.
fn module_of(source: &Source<'_>, node: Node<'_>) -> Option<Result<String, ()>> {
    let name = if node.kind() == "import_statement" {
        node.child_by_field_name("source")
    } else {
        let function = node.child_by_field_name("function")?;
        if !matches!(source.of(function), "require" | "import" | "require.resolve") {
            return None;
        }
        node.child_by_field_name("arguments").and_then(|a| named(a).into_iter().next())
    };
    let name = name?;
    Some(if name.kind() == "string" { Ok(source.of(name).trim_matches(['"', '\'']).to_string()) } else { Err(()) })
}

/// Local name and the module it comes from.
fn imports(source: &Source<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for node in source.nodes() {
        if node.kind() == "import_statement" {
            let Some(Ok(module)) = module_of(source, node) else { continue };
            for inner in crate::syntax::below(node).into_iter().filter(|n| n.kind() == "identifier") {
                found.push((source.of(inner).to_string(), module.clone()));
            }
        } else if node.kind() == "variable_declarator"
            && let Some(value) = node.child_by_field_name("value").filter(|v| v.kind() == "call_expression")
            && let Some(Ok(module)) = module_of(source, value)
            && let Some(name) = node.child_by_field_name("name").filter(|n| n.kind() == "identifier")
        {
            found.push((source.of(name).to_string(), module));
        }
    }
    found
}

/// Names that the file gives itself, so that a parameter called `global` is no sign.
fn locals<'a>(source: &Source<'a>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for node in source.nodes() {
        let name = match node.kind() {
            "variable_declarator" | "function_declaration" | "class_declaration" => node.child_by_field_name("name"),
            "identifier"
                if node.parent().is_some_and(|p| {
                    matches!(
                        p.kind(),
                        "formal_parameters" | "import_specifier" | "import_clause" | "namespace_import" | "required_parameter"
                    )
                }) =>
            {
                Some(node)
            }
            _ => None,
        };
        names.extend(name.map(|n| source.of(n)));
    }
    names
}

fn root(node: Node<'_>) -> Node<'_> {
    let mut node = node;
    while let Some(object) = node.child_by_field_name("object") {
        node = object;
    }
    node
}

/// `process.env.PORT` → `PORT`.
fn variable(source: &Source<'_>, node: Node<'_>) -> String {
    let above = node.parent().filter(|p| p.child_by_field_name("object") == Some(node));
    above
        .and_then(|p| p.child_by_field_name("property").or_else(|| p.child_by_field_name("index")))
        .map(|p| source.of(p).trim_matches(['"', '\'']).to_string())
        .unwrap_or_default()
}

fn function_around(source: &Source<'_>, node: Node<'_>) -> String {
    let mut names = Vec::new();
    let mut at = node.parent();
    while let Some(n) = at {
        if matches!(n.kind(), "function_declaration" | "method_definition" | "class_declaration" | "variable_declarator") {
            names.push(n.child_by_field_name("name").map(|m| source.of(m)).unwrap_or_default());
        }
        at = n.parent();
    }
    names.reverse();
    names.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_found_and_ordinary_code_is_free() {
        let found = |new: &str| findings("a.js", Some(""), new).into_iter().map(|f| f.what).collect::<Vec<_>>();
        assert_eq!(found("function f() { return process.env.NODE_ENV; }\n"), ["reads the environment"]);
        assert_eq!(found("const t = require('node:test');\n"), ["names a test runner"]);
        assert_eq!(found("const m = require('node:' + x);\n"), ["loads code by a computed name"]);
        assert_eq!(found("const assert = require('assert');\nassert.equal = () => {};\n"), ["changes what everybody shares"]);
        assert!(found("// process.exit\nconst s = 'jest';\nmodule.exports = { s };\nfunction g(global) { return global.x; }\n").is_empty());
    }
}
