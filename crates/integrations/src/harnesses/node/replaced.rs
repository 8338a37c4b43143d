//! What a test puts something else in the place of. A test that replaces what the patch adds shows nothing of the patch.

use super::mutants::{FUNCTIONS, parse};
use crate::syntax::{Source, above, below, line, named};
use std::collections::BTreeSet;
use tree_sitter::Node;

/// Last words of calls that do so, with the name as a string: `jest.spyOn(a, 'b')`, `sinon.stub(a, 'b')`,
/// `t.mock.method(a, 'b')`, `Object.defineProperty(a, 'b', …)`.
const BY_NAME: &[&str] = &["spyOn", "stub", "fake", "replace", "method", "getter", "setter", "defineProperty", "replaceProperty"];
/// Those that take a whole module and what to have instead: `vi.mock('./b', () => ({ c: … }))`.
const WHOLE: &[&str] = &["mock", "doMock", "unstable_mockModule", "module"];
/// Those that say what a function does instead.
const DOING: &[&str] = &["mockImplementation", "mockImplementationOnce", "callsFake"];
const DEFINITIONS: &[&str] = &[
    "function_declaration",
    "generator_function_declaration",
    "class_declaration",
    "method_definition",
    "field_definition",
    "public_field_definition",
    "variable_declarator",
];

/// Names of what is replaced, without their module, and the lines.
pub fn replaces(path: &str, text: &str) -> Vec<(String, u32)> {
    let Some(source) = parse(path, text) else { return Vec::new() };
    source.nodes().into_iter().flat_map(|n| replaced(&source, n).into_iter().map(move |name| (name, line(n)))).collect()
}

fn replaced(source: &Source<'_>, node: Node<'_>) -> Vec<String> {
    match node.kind() {
        "call_expression" => {
            let function = node.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
            let word = function.rsplit('.').next().unwrap_or_default();
            let arguments = node.child_by_field_name("arguments").map(named).unwrap_or_default();
            if BY_NAME.contains(&word) {
                let strings = arguments.iter().filter(|a| a.kind() == "string");
                strings.take(1).map(|name| source.of(*name).trim_matches(['"', '\'']).to_string()).collect()
            } else if WHOLE.contains(&word) && function.contains('.') {
                arguments.iter().skip(1).flat_map(|a| below(*a)).filter_map(|n| key(source, n)).collect()
            } else {
                Vec::new()
            }
        }
        // A value may be given to a field that is meant to be set; a function takes another's place.
        "assignment_expression" => {
            let field = |name: &str| node.child_by_field_name(name);
            let left = field("left").filter(|l| l.kind() == "member_expression").and_then(|l| l.child_by_field_name("property"));
            let right = field("right").filter(|r| FUNCTIONS.contains(&r.kind()) || r.kind() == "call_expression");
            left.zip(right).map(|(l, _)| source.of(l).to_string()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Names of functions that a test puts in the place of others, and the lines: `spyOn(a, 'b').mockImplementation(a.c)`,
/// `a.b = a.c ?? a.b`.
pub fn puts(path: &str, text: &str) -> Vec<(String, u32)> {
    let Some(source) = parse(path, text) else { return Vec::new() };
    let mut found = Vec::new();
    for node in source.nodes() {
        let field = |name: &str| node.child_by_field_name(name);
        let given = match node.kind() {
            "call_expression" => {
                let function = field("function").map(|f| source.of(f)).unwrap_or_default();
                let word = function.rsplit('.').next().unwrap_or_default();
                let arguments = field("arguments").map(named).unwrap_or_default();
                if DOING.contains(&word) && function.contains('.') {
                    arguments
                } else if BY_NAME.contains(&word) && arguments.iter().any(|a| a.kind() == "string") {
                    arguments.into_iter().skip_while(|a| a.kind() != "string").skip(1).collect()
                } else {
                    Vec::new()
                }
            }
            "assignment_expression" if field("left").is_some_and(|l| l.kind() == "member_expression") => {
                field("right").into_iter().collect()
            }
            _ => Vec::new(),
        };
        found.extend(given.into_iter().flat_map(|g| one_of(&source, g)).map(|name| (name, line(node))));
    }
    found
}

/// The functions that an expression may be. A name in capitals is a value's.
fn one_of(source: &Source<'_>, node: Node<'_>) -> Vec<String> {
    let field = |name: &str| node.child_by_field_name(name);
    match node.kind() {
        "identifier" | "property_identifier" => {
            let name = source.of(node);
            if name.chars().any(char::is_lowercase) { vec![name.to_string()] } else { Vec::new() }
        }
        "member_expression" => field("property").map(|p| one_of(source, p)).unwrap_or_default(),
        "subscript_expression" => {
            let name = field("index").filter(|i| i.kind() == "string").map(|i| source.of(i).trim_matches(['"', '\'']).to_string());
            name.into_iter().collect()
        }
        "parenthesized_expression" | "as_expression" | "non_null_expression" => {
            named(node).first().map(|inner| one_of(source, *inner)).unwrap_or_default()
        }
        "binary_expression" => ["left", "right"].iter().filter_map(|f| field(f)).flat_map(|n| one_of(source, n)).collect(),
        "ternary_expression" => ["consequence", "alternative"].iter().filter_map(|f| field(f)).flat_map(|n| one_of(source, n)).collect(),
        "call_expression" => {
            let function = field("function").filter(|f| f.kind() == "member_expression");
            let bound = function.filter(|f| f.child_by_field_name("property").is_some_and(|p| source.of(p) == "bind"));
            bound.and_then(|f| f.child_by_field_name("object")).map(|o| one_of(source, o)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn key(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    let name = match node.kind() {
        "pair" => node.child_by_field_name("key")?,
        "method_definition" => node.child_by_field_name("name")?,
        "shorthand_property_identifier" => node,
        _ => return None,
    };
    Some(source.of(name).trim_matches(['"', '\'']).to_string())
}

/// Functions, classes, methods and the names that a module or a class gives to values.
pub fn defines(path: &str, text: &str) -> BTreeSet<String> {
    let Some(source) = parse(path, text) else { return BTreeSet::new() };
    let is_inner = |node: Node<'_>| node.parent().and_then(|p| above(p, FUNCTIONS)).is_some();
    let definitions = source.nodes().into_iter().filter(|n| DEFINITIONS.contains(&n.kind()) && !is_inner(*n));
    let names = definitions.filter_map(|n| n.child_by_field_name("name").or_else(|| n.child_by_field_name("property")));
    names.filter(|n| !matches!(n.kind(), "object_pattern" | "array_pattern")).map(|n| source.of(n).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_replaces_is_known_by_name() {
        let text = "it('a', () => {\n  jest.spyOn(hub, 'emit');\n  hub.isSafe = () => true;\n  cart.currency = 'GBP';\n});\nvi.mock('./rota', () => ({ onDuty: () => 1 }));\n";
        let names: Vec<(String, u32)> = replaces("a.test.js", text);
        assert_eq!(names, [("emit".to_string(), 2), ("isSafe".to_string(), 3), ("onDuty".to_string(), 6)]);
    }

    #[test]
    fn what_a_test_puts_in_the_place_of_another_is_known_by_name() {
        let names = |text: &str| puts("a.test.js", text).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(
            names("jest.spyOn(rates, 'load').mockImplementation(Rates.prototype.loadOrNull ?? rates.load);\n"),
            ["loadOrNull", "load"]
        );
        assert_eq!(names("t.mock.method(hub, 'emit', (hub.emitSafely || hub.emit).bind(hub));\n"), ["emitSafely", "emit"]);
        assert_eq!(names("hub.emit = hub['tell'];\n"), ["tell"]);
        assert!(
            names("spyOn(a, 'b').mockImplementation(() => c());\nspyOn(a, 'b').mockRejectedValue(new Unknown());\na.b = LIMIT;\n")
                .is_empty()
        );
    }

    #[test]
    fn what_a_file_defines_stands_outside_its_functions() {
        let text = "export const rate = (a) => {\n  const inner = 1;\n  return a;\n};\nclass Hub {\n  topics = new Map();\n  get isSafe() {\n    return true;\n  }\n}\nexport function page() {}\n";
        assert_eq!(defines("a.ts", text), ["Hub", "isSafe", "page", "rate", "topics"].map(str::to_string).into());
    }
}
