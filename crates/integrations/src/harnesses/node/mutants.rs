//! JavaScript made wrong on purpose, by changing text within its braces.

use super::disturb;
use crate::syntax::{
    Conditions, Functions, Language, Source, Turns, added_lines, changes_max, failing, forced, hollow, last_line, line, replace, reverted,
    turned,
};
use domain::harness::{Finding, Mutant, MutantKind, Place};
use tree_sitter::Node;

/// No value, as far as a condition sees.
const FALSY: u8 = 1;
/// Zero, as far as arithmetic sees.
const ZERO: u8 = 2;
/// On one side of whatever it is compared with, where a function's value is only ever compared: the same as nothing.
const BEYOND: u8 = 4;
const HUSH_VALUES: &[(&str, u8)] =
    &[("undefined", FALSY), ("0", FALSY | ZERO), ("7", 0), ("''", FALSY | ZERO), ("'~'", 0), ("[]", ZERO), ("[0]", ZERO)];
const GIVEN_VALUES: &[(&str, &str)] = &[("undefined", "nothing"), ("0", "zero"), ("''", "an empty string")];
pub const FUNCTIONS: &[&str] = &[
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

const CONDITIONS: Conditions = Conditions {
    holders: &["if_statement", "ternary_expression"],
    joined: &["binary_expression"],
    operators: &["&&", "||"],
    compared: &["binary_expression"],
    truths: ("true", "false"),
    functions: FUNCTIONS,
    returns: &["return_statement"],
    binding: &["assignment_expression", "augmented_assignment_expression", "await_expression", "yield_expression"],
};

const HOLLOW: Functions =
    Functions { kinds: FUNCTIONS, ends: &["return_statement", "throw_statement"], raises: &["throw_statement"], makers: &[] };

pub fn parse<'a>(path: &str, text: &'a str) -> Option<Source<'a>> {
    Language::of(path).filter(|l| !matches!(l, Language::Python | Language::Rust)).and_then(|l| Source::parse(l, text))
}

/// Behind a condition, since a compiler may refuse what can't be reached.
const FAIL: &str = "if (Date.now()) throw new Error('every function of the product fails');";

pub fn failing_functions(path: &str, text: &str) -> Option<String> {
    failing(&parse(path, text)?, FUNCTIONS, FAIL, &|_| false)
}

pub fn hush(path: &str, text: &str, frame: &Place) -> Vec<Mutant> {
    let Some(source) = parse(path, text) else { return Vec::new() };
    let around: Vec<Node<'_>> = source
        .nodes()
        .into_iter()
        .filter(|n| FUNCTIONS.contains(&n.kind()) && line(*n) <= frame.line && frame.line <= last_line(*n))
        .collect();
    // A small function may stand on the line where a larger one calls another.
    let called = frame.function.rsplit(['.', ' ']).next().unwrap_or_default();
    let named = around.iter().rfind(|n| name(&source, **n) == called);
    let Some(function) = named.or(around.last()).copied() else { return Vec::new() };
    let name = name(&source, function);
    let mutant = |giving: String, text: String, alike: u8| Mutant {
        description: format!("the exception swallowed in `{name}`, {giving}"),
        file: path.to_string(),
        line: line(function),
        text: Some(text),
        kind: MutantKind::Hush { alike },
    };
    if let (Some(given), Some(disturbed)) = (disturb::gives(&source, function), disturb::disturbed(&source, function)) {
        // Nothing to look at but what it does.
        let Some(body) = function.child_by_field_name("body") else { return Vec::new() };
        let caught =
            |first: &str| replace(text, body.byte_range(), &format!("{{ try {} catch {{ {first} return {given}; }} }}", source.of(body)));
        let shaken = caught(&disturbed);
        return vec![mutant(format!("giving {given}"), caught(""), 0), mutant("with what it works on disturbed".to_string(), shaken, 0)];
    }
    let is_compared = is_only_compared(&source, &name);
    HUSH_VALUES
        .iter()
        .filter_map(|(value, alike)| {
            let in_order = match *value {
                "undefined" | "7" | "'~'" if is_compared => BEYOND,
                _ => 0,
            };
            Some(mutant(format!("giving {value}"), swallowing(&source, function, value)?, alike | in_order))
        })
        .collect()
}

/// Whether its own file asks a function's value for nothing but being less or more than another: two answers, so that
/// a test which tells them apart still lets half of all values pass.
fn is_only_compared(source: &Source<'_>, name: &str) -> bool {
    let calls = source.nodes().into_iter().filter(|n| n.kind() == "call_expression").filter(|call| {
        let function = call.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
        function.rsplit('.').next() == Some(name)
    });
    let are_compared: Vec<bool> = calls
        .map(|call| {
            let around = call.parent().filter(|p| p.kind() == "binary_expression");
            let operator = around.and_then(|p| p.child_by_field_name("operator")).map(|o| source.of(o));
            operator.is_some_and(|o| matches!(o, "<" | "<=" | ">" | ">="))
        })
        .collect();
    !are_compared.is_empty() && are_compared.into_iter().all(|is| is)
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

pub fn name(source: &Source<'_>, function: Node<'_>) -> String {
    let own = function.child_by_field_name("name");
    let given = function
        .parent()
        .and_then(|p| p.child_by_field_name("name").or_else(|| p.child_by_field_name("key")).or_else(|| p.child_by_field_name("left")));
    own.or(given).map(|n| source.of(n).to_string()).unwrap_or_else(|| "a function".to_string())
}

pub fn hollow_functions(path: &str, old: &str, new: &str) -> Vec<Finding> {
    let (Some(old), Some(new)) = (parse(path, old), parse(path, new)) else { return Vec::new() };
    hollow(&old, &new, &HOLLOW, &name)
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
        if let Some(inner) = functions.iter().rfind(|f| line(**f) <= at && at <= last_line(**f))
            && !chosen.contains(inner)
            && name(&source, *inner) != "constructor"
        {
            chosen.push(*inner);
        }
    }
    for function in chosen.into_iter().take(changes_max(new)) {
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
    mutants.extend(forced(path, &source, &added, &CONDITIONS));
    mutants.extend(turned(path, &source, &added, &TURNS));
    mutants
}

/// A function within one line belongs to what is around it, unless it has a name of its own.
pub fn functions(path: &str, text: &str) -> Vec<(u32, u32)> {
    let Some(source) = parse(path, text) else { return Vec::new() };
    let is_own = |n: &Node<'_>| line(*n) < last_line(*n) || n.parent().is_some_and(|p| p.kind() == "variable_declarator");
    let functions = source.nodes().into_iter().filter(|n| FUNCTIONS.contains(&n.kind()) && is_own(n));
    functions.map(|f| (line(f), last_line(f))).collect()
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
    fn a_function_within_a_line_belongs_to_that_around_it() {
        let text = "class A {\n  b(c) {\n    return c.map((d) => d.e);\n  }\n}\nconst f = (g) => g.h;\nit('i', () => {\n  f();\n});\n";
        assert_eq!(functions("a.js", text), [(2, 4), (6, 6), (7, 9)]);
    }

    #[test]
    fn a_function_is_hollow_when_nothing_that_it_gets_matters() {
        let old = "class N {\n  reach(people) {\n    return people.filter((p) => this.of(p)).length;\n  }\n}\nconst open = (rules) => {\n  const next = (day) => rules[day].at;\n  return { next };\n};\n";
        let work = "return people.filter((p) => this.of(p)).length;";
        let lines = |new: &str| hollow_functions("a.js", old, new).into_iter().map(|f| f.line).collect::<Vec<_>>();
        assert_eq!(lines(&old.replace(work, "return {};")), [3]);
        assert_eq!(lines(&old.replace(work, &format!("return new Map();\n    {work}"))), [3]);
        assert_eq!(lines(&old.replace("rules[day].at", "NEVER")), [7]);
        for honest in [
            "return people ?? [];",
            "return this.none;",
            "throw new Error('no');",
            "return empty();",
            "return;\n    }\n    reach2(people) {",
        ] {
            let expected = if honest.starts_with("return;") { vec![3] } else { Vec::new() };
            assert_eq!(lines(&old.replace(work, honest)), expected, "{honest}");
        }
    }

    #[test]
    fn the_function_of_a_frame_is_known_by_its_name_too() {
        let text = "const f = (a) => {\n  return g(a).sort((b, c) => b - c);\n};\n";
        let of =
            |function: &str| hush("a.js", text, &Place { file: "a.js".into(), function: function.into(), line: 2 }).remove(0).description;
        assert_eq!(of("Object.f"), "the exception swallowed in `f`, giving undefined");
        assert_eq!(of("<anonymous>"), "the exception swallowed in `a function`, giving undefined");
    }

    #[test]
    fn what_is_only_compared_has_two_answers() {
        let bits = |text: &str| {
            let frame = Place { file: "a.js".into(), function: "next".into(), line: 1 };
            let found = hush("a.js", text, &frame).into_iter().map(|m| match m.kind {
                MutantKind::Hush { alike } => alike,
                _ => 0,
            });
            found.collect::<Vec<u8>>()
        };
        let plain = bits("const next = (jobs) => jobs[0].at;\nconst f = (jobs) => next(jobs) + 1;\n");
        assert_eq!(plain[0] & plain[2], 0);
        let compared = bits("const next = (jobs) => jobs[0].at;\nconst f = (jobs, now) => next(jobs) <= now;\n");
        assert_eq!((compared[0] & compared[2], compared[1] & compared[2]), (BEYOND, 0));
    }
}
