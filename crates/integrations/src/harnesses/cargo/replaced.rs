//! Names that a test gives a meaning of its own, which another takes away once the patch defines it: whoever reads the test
//! sees one function called, and the compiler another.

use super::inline::{is_test_line, test_items};
use crate::syntax::{Language, Source, above, line};
use std::collections::BTreeSet;
use tree_sitter::Node;

const DEFINITIONS: &[&str] =
    &["const_item", "enum_item", "function_item", "function_signature_item", "static_item", "struct_item", "trait_item", "type_item"];

fn parse<'a>(path: &str, text: &'a str) -> Option<Source<'a>> {
    Source::parse(Language::Rust, text).filter(|_| path.ends_with(".rs"))
}

/// Methods of a test's own traits, which a method of the type goes before; and where a function takes in everything of a
/// module (`use shop::*`), which goes before the names around it, those names.
pub fn puts(path: &str, text: &str) -> Vec<(String, u32)> {
    let Some(source) = parse(path, text) else { return Vec::new() };
    let nodes = source.nodes();
    let takes_all = nodes.iter().any(|n| n.kind() == "use_wildcard" && above(*n, &["block"]).is_some());
    let named = |node: &Node<'_>| -> Option<(String, u32)> {
        let is_method = || above(*node, &["trait_item"]).is_some();
        let name = match node.kind() {
            "use_as_clause" if takes_all => node.child_by_field_name("alias"),
            "function_item" | "function_signature_item" if takes_all || is_method() => node.child_by_field_name("name"),
            _ => None,
        };
        name.map(|name| (source.of(name).to_string(), line(name)))
    };
    nodes.iter().filter_map(named).collect()
}

/// Items and methods outside of tests.
pub fn defines(path: &str, text: &str) -> BTreeSet<String> {
    let Some(source) = parse(path, text) else { return BTreeSet::new() };
    let tests = test_items(&source);
    let defined = source.nodes().into_iter().filter(|n| DEFINITIONS.contains(&n.kind()) && !is_test_line(&tests, line(*n)));
    defined.filter_map(|n| n.child_by_field_name("name")).map(|name| source.of(name).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_two_meanings_is_seen() {
        let alias = "use shop::rate as measure;\n#[test]\nfn a() {\n    use shop::*;\n    measure();\n}\n";
        assert_eq!(puts("tests/a.rs", alias), [("measure".to_string(), 1), ("a".to_string(), 3)]);
        assert_eq!(puts("tests/a.rs", &alias.replace("    use shop::*;\n", "")), []);
        let method = "trait Gentle {\n    fn rate_or(&self) -> u8;\n}\nfn helper() {}\n";
        assert_eq!(puts("tests/a.rs", method), [("rate_or".to_string(), 2)]);
        let product = "pub struct Cart;\nimpl Cart {\n    fn rate_or(&self) {}\n}\n#[cfg(test)]\nmod tests {\n    fn helper() {}\n}\n";
        assert_eq!(defines("src/lib.rs", product), ["Cart", "rate_or"].map(str::to_string).into());
    }
}
