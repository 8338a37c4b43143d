//! What a test puts something else in the place of. A test that replaces what the patch adds shows nothing of the patch.

use crate::syntax::{Language, Source, line, named, own};
use std::collections::BTreeSet;
use tree_sitter::Node;

/// Last words of calls that do so, with the name as a string: `monkeypatch.setattr(a, "b", …)`, `mock.patch("a.b")`.
const CALLS: &[&str] = &["setattr", "setitem", "patch", "object", "multiple"];

/// Names of what is replaced, without their module, and the lines.
pub fn replaces(text: &str) -> Vec<(String, u32)> {
    let Some(source) = Source::parse(Language::Python, text) else { return Vec::new() };
    let mut found = Vec::new();
    for node in source.nodes() {
        match node.kind() {
            "call" => {
                let function = node.child_by_field_name("function").map(|f| source.of(f)).unwrap_or_default();
                if CALLS.contains(&function.rsplit('.').next().unwrap_or_default()) {
                    let arguments = node.child_by_field_name("arguments").map(named).unwrap_or_default();
                    let strings = arguments.iter().filter(|a| a.kind() == "string").map(|a| source.of(*a).trim_matches(['"', '\'']));
                    found.extend(strings.take(1).map(|name| (last_word(name), line(node))));
                }
            }
            "assignment" => {
                let left = node.child_by_field_name("left").filter(|l| l.kind() == "attribute");
                found.extend(left.map(|l| (last_word(source.of(l)), line(node))));
            }
            _ => {}
        }
    }
    found
}

/// Functions, classes, methods and the names that a module or a class gives to values.
pub fn defines(text: &str) -> BTreeSet<String> {
    let Some(source) = Source::parse(Language::Python, text) else { return BTreeSet::new() };
    let names = own(source.root(), &["function_definition"]).into_iter().filter_map(defined);
    names.map(|n| source.of(n).to_string()).collect()
}

fn defined(node: Node<'_>) -> Option<Node<'_>> {
    match node.kind() {
        "function_definition" | "class_definition" => node.child_by_field_name("name"),
        "assignment" => node.child_by_field_name("left").filter(|l| l.kind() == "identifier"),
        _ => None,
    }
}

fn last_word(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_replace_something_is_seen() {
        let text = "def test_a(monkeypatch):\n    monkeypatch.setattr(shop, 'rate', f, raising=False)\n    with mock.patch('shop.pricing.fetch'):\n        pass\n    with patch.object(shop, \"look\", f):\n        pass\n    shop.table = {}\n    shop.use('rate')\n";
        assert_eq!(replaces(text), [("rate".into(), 2), ("fetch".into(), 3), ("look".into(), 5), ("table".into(), 7)]);
        let names: Vec<String> = defines("A = 1\nclass B:\n    c = 2\n    def d(self):\n        e = 3\n").into_iter().collect();
        assert_eq!(names, ["A", "B", "c", "d"]);
    }
}
