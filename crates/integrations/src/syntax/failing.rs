//! A file of the product in which every function fails as soon as it is called.

use super::{Language, Source};
use tree_sitter::Node;

/// The file with `statement` as the first of every function's body; `None` where it has no function with a body of its
/// own. `is_left_out` tells functions that must stay as they are, such as tests.
pub fn failing(source: &Source<'_>, kinds: &[&str], statement: &str, is_left_out: &dyn Fn(Node<'_>) -> bool) -> Option<String> {
    if source.has_error() {
        return None;
    }
    let functions = source.nodes().into_iter().filter(|n| kinds.contains(&n.kind()) && !is_left_out(*n));
    let mut places: Vec<usize> = functions.filter_map(|f| begin(source, f)).collect();
    places.sort_unstable();
    let mut text = String::with_capacity(source.text.len() + places.len() * (statement.len() + 8));
    let mut done = 0;
    for at in &places {
        text.push_str(&source.text[done..*at]);
        text.push_str(statement);
        text.push_str(&apart(source, *at));
        done = *at;
    }
    text.push_str(&source.text[done..]);
    (!places.is_empty()).then_some(text)
}

/// Where the first statement of a function's body stands or may stand.
fn begin(source: &Source<'_>, function: Node<'_>) -> Option<usize> {
    let body = function.child_by_field_name("body").filter(|b| matches!(b.kind(), "block" | "statement_block"))?;
    match source.language {
        Language::Python => Some(body.start_byte()),
        _ => Some(body.start_byte() + 1),
    }
}

/// What keeps the new statement from the one after it. Python's stand on a line each, indented alike, or on the line of
/// the `def`.
fn apart(source: &Source<'_>, at: usize) -> String {
    if source.language != Language::Python {
        return String::new();
    }
    let line = source.text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before = &source.text[line..at];
    if before.trim().is_empty() { format!("\n{before}") } else { "; ".to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(language: Language, kinds: &[&str], text: &str) -> String {
        failing(&Source::parse(language, text).expect("it parses"), kinds, "fail();", &|_| false).unwrap_or_default()
    }

    #[test]
    fn each_function_begins_with_the_statement() {
        let text = "def a():\n    \"\"\"Words.\"\"\"\n    return 1\n\n\ndef b(): return 2\n\n\nclass C:\n    def d(self):\n        if self:\n            pass\n";
        let kinds = &["function_definition"];
        let expected = "def a():\n    fail();\n    \"\"\"Words.\"\"\"\n    return 1\n\n\ndef b(): fail();; return 2\n\n\nclass C:\n    def d(self):\n        fail();\n        if self:\n            pass\n";
        assert_eq!(of(Language::Python, kinds, text), expected);
        assert_eq!(of(Language::Python, kinds, "A = 1\n"), "");
        let text = "function a() { return () => { b(); }; }\nconst c = () => 1;\n";
        let kinds = &["function_declaration", "arrow_function"];
        assert_eq!(of(Language::JavaScript, kinds, text), "function a() {fail(); return () => {fail(); b(); }; }\nconst c = () => 1;\n");
    }
}
