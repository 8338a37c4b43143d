//! Tests inside product files: where they stand, and one file with the tests of another.

use super::examples;
use crate::syntax::{Language, Source, last_line, line, named};
use std::ops::RangeInclusive;
use tree_sitter::Node;

/// An item that exists only for tests, with its attributes.
pub struct TestItem {
    pub name: String,
    pub lines: RangeInclusive<u32>,
    bytes: std::ops::Range<usize>,
}

/// The outermost test modules and test functions, in their order.
pub fn test_items(source: &Source<'_>) -> Vec<TestItem> {
    let mut found = Vec::new();
    gather(source, source.root(), &mut found);
    found
}

fn gather(source: &Source<'_>, block: Node<'_>, found: &mut Vec<TestItem>) {
    for (item, attributes) in items(block) {
        let name = item.child_by_field_name("name").map(|n| source.of(n)).unwrap_or_default();
        let is_tests = match item.kind() {
            "mod_item" => attributes.iter().any(|a| is_cfg_test(source.of(*a))),
            "function_item" => attributes.iter().any(|a| is_test_attribute(source.of(*a))),
            _ => false,
        };
        if is_tests {
            let first = attributes.first().copied().unwrap_or(item);
            found.push(TestItem {
                name: name.to_string(),
                lines: line(first)..=last_line(item),
                bytes: first.start_byte()..item.end_byte(),
            });
        } else if item.kind() == "mod_item"
            && let Some(body) = item.child_by_field_name("body")
        {
            gather(source, body, found);
        }
    }
}

/// Each item of a block with the attributes above it.
pub fn items<'t>(block: Node<'t>) -> Vec<(Node<'t>, Vec<Node<'t>>)> {
    let mut found = Vec::new();
    let mut attributes = Vec::new();
    for node in named(block) {
        if node.kind() == "attribute_item" {
            attributes.push(node);
        } else {
            found.push((node, std::mem::take(&mut attributes)));
        }
    }
    found
}

/// Exactly `#[cfg(test)]`, and nothing that says it in other words.
fn is_cfg_test(attribute: &str) -> bool {
    attribute.split_whitespace().collect::<String>() == "#[cfg(test)]"
}

/// `#[test]`, `#[tokio::test]`, `#[rstest]`, `#[test_case(…)]`.
pub fn is_test_attribute(attribute: &str) -> bool {
    let inner = attribute.trim_start_matches(['#', '[', ' ']);
    let path = inner.split(['(', ']', '=']).next().unwrap_or_default().trim();
    matches!(
        path.rsplit("::").next().unwrap_or_default().trim(),
        "test" | "rstest" | "test_case" | "quickcheck" | "proptest" | "test_matrix" | "apply"
    )
}

/// Whether the line stands in one of the items.
pub fn is_test_line(items: &[TestItem], at: u32) -> bool {
    items.iter().any(|item| item.lines.contains(&at))
}

/// `onto` with its tests and examples replaced by those of `tests_of`; `None` when neither has any.
pub fn graft(onto: &str, tests_of: &str) -> Option<String> {
    match examples::graft(onto, tests_of) {
        Some(onto) => Some(items_of(&onto, tests_of).unwrap_or(onto)),
        None => items_of(onto, tests_of),
    }
}

fn items_of(onto: &str, tests_of: &str) -> Option<String> {
    let (onto_source, donor) = (Source::parse(Language::Rust, onto)?, Source::parse(Language::Rust, tests_of)?);
    let (old, new) = (test_items(&onto_source), test_items(&donor));
    if old.is_empty() && new.is_empty() {
        return None;
    }
    let mut left: Vec<&TestItem> = new.iter().collect();
    let mut text = String::with_capacity(onto.len());
    let mut at = 0;
    for item in &old {
        text.push_str(&onto[at..item.bytes.start]);
        if let Some(i) = left.iter().position(|n| n.name == item.name) {
            text.push_str(&tests_of[left.remove(i).bytes.clone()]);
        }
        at = item.bytes.end;
    }
    text.push_str(&onto[at..]);
    for item in left {
        text.push_str(&format!("\n{}\n", &tests_of[item.bytes.clone()]));
    }
    Some(text)
}

/// The old text with the new text's tests: what differs is then the product alone.
pub fn product_side(old: Option<&str>, new: &str) -> Option<String> {
    old.map(|old| graft(old, new).unwrap_or_else(|| old.to_string()))
}

pub fn functions<'t>(source: &'t Source<'_>) -> Vec<Node<'t>> {
    source.nodes().into_iter().filter(|n| n.kind() == "function_item").collect()
}

/// The innermost of these functions around a line.
pub fn innermost<'t>(functions: &[Node<'t>], at: u32) -> Option<Node<'t>> {
    functions.iter().rfind(|n| line(**n) <= at && at <= last_line(**n)).copied()
}

/// The innermost function around a line.
pub fn function_at<'t>(source: &'t Source<'_>, at: u32) -> Option<Node<'t>> {
    innermost(&functions(source), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_move_and_the_rest_stays() {
        let old = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn x() {}\n}\n\nfn c() {}\n";
        let new = "fn b() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn y() {}\n}\n\nfn c() {}\n";
        assert_eq!(graft(old, new).as_deref(), Some(new.replace("fn b()", "fn a()").as_str()));
        assert_eq!(graft("fn a() {}\n", "fn b() {}\n"), None);
        assert!(graft("fn a() {}\n", new).is_some_and(|t| t.starts_with("fn a()") && t.contains("fn y()") && !t.contains("fn c()")));
        assert!(!is_cfg_test("#[cfg(not(test))]"));
    }
}
