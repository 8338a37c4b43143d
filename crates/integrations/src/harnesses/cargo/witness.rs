//! Panics and steps of a watched run, from a hook of ours inside the test program.
//!
//! What a test prints is no evidence of a panic: anybody can print. In a watched run every test of the counting files
//! first sets a panic hook that writes what the runtime itself tells, place and stack, between lines with a name that
//! nobody knew when the patch was written; and each of its statements says that it ran. All of it stands on the lines
//! that were there, so that places stay what they were.

use super::inline::is_test_attribute;
use super::output::{self, Panic};
use crate::syntax::{Language, Source, above, below, last_line, line, named};
use tree_sitter::Node;

/// Steps of one test that are kept.
const STEPS_MAX: usize = 3000;

/// A statement of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub first: u32,
    pub last: u32,
    /// Where its test begins: a patch moves whole tests.
    pub test: u32,
}

pub struct Instrumented {
    pub text: String,
    pub statements: Vec<Span>,
}

/// The file with a hook and steps in its tests; `None` when it has none that can be read.
pub fn instrument(text: &str, nonce: &str) -> Option<Instrumented> {
    let source = Source::parse(Language::Rust, text).filter(|s| !s.has_error())?;
    let mut inserts: Vec<(usize, String)> = Vec::new();
    let mut statements = Vec::new();
    for function in source.nodes().into_iter().filter(|n| n.kind() == "function_item" && is_test(&source, *n)) {
        let Some(body) = function.child_by_field_name("body") else { continue };
        let depth = std::iter::successors(function.parent(), |n| n.parent()).filter(|n| n.kind() == "mod_item").count();
        let path = format!("{}{nonce}", if depth == 0 { "self::".to_string() } else { "super::".repeat(depth) });
        let name = function.child_by_field_name("name").map(|n| source.of(n)).unwrap_or_default();
        let first = named(body).into_iter().find(|n| n.kind() != "inner_attribute_item");
        let at = first.map_or(body.start_byte() + 1, |n| n.start_byte());
        let path_of = |words: &str| format!("{path}::{words}; ");
        inserts.push((at, path_of(&format!("watch(::core::concat!(::core::module_path!(), \"::{name}\"))"))));
        for statement in below(body).into_iter().filter(|n| n.kind() == "block").flat_map(statements_of) {
            statements.push(Span { first: line(statement.1), last: last_line(statement.1), test: line(function) });
            inserts.push((statement.0, path_of(&format!("at({})", line(statement.1)))));
        }
    }
    if inserts.is_empty() {
        return None;
    }
    // The hook comes before the first step.
    inserts.sort_by_key(|(at, words)| (*at, !words.contains("::watch(")));
    let mut changed = String::with_capacity(text.len() * 2);
    let mut from = 0;
    for (at, words) in inserts {
        changed.push_str(&text[from..at]);
        changed.push_str(&words);
        from = at;
    }
    changed.push_str(&text[from..]);
    changed.push_str(&hook(nonce));
    Some(Instrumented { text: changed, statements })
}

fn is_test(source: &Source<'_>, function: Node<'_>) -> bool {
    let before = std::iter::successors(function.prev_named_sibling(), |n| n.prev_named_sibling());
    let attributes: Vec<Node<'_>> =
        before.take_while(|n| n.kind() == "attribute_item" || n.is_extra()).filter(|n| n.kind() == "attribute_item").collect();
    attributes.iter().any(|a| is_test_attribute(source.of(*a)))
}

/// Where to put something before each statement, and the statement.
fn statements_of(block: Node<'_>) -> Vec<(usize, Node<'_>)> {
    if above(block, &["const_block", "const_item", "static_item"]).is_some() || is_in_const_function(block) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut begin = None;
    for node in named(block) {
        match node.kind() {
            "attribute_item" => begin = begin.or(Some(node.start_byte())),
            "inner_attribute_item" | "label" | "empty_statement" => {}
            kind if kind.ends_with("_item") || matches!(kind, "use_declaration" | "macro_definition" | "extern_crate_declaration") => {
                begin = None
            }
            _ => found.push((begin.take().unwrap_or(node.start_byte()), node)),
        }
    }
    found
}

fn is_in_const_function(block: Node<'_>) -> bool {
    let function = above(block, &["function_item"]);
    let modifiers = function.and_then(|f| named(f).into_iter().find(|n| n.kind() == "function_modifiers"));
    modifiers.is_some_and(|m| {
        let mut cursor = m.walk();
        m.children(&mut cursor).any(|c| c.kind() == "const")
    })
}

/// `base` is the standard library by a name that even a crate without one understands.
fn hook(nonce: &str) -> String {
    format!(
        r#"
#[cfg(test)]
mod {nonce} {{
    extern crate std as base;
    use self::base::{{backtrace::Backtrace, boxed::Box, collections::BTreeSet, panic, println, string::String, sync::{{Mutex, Once}}, thread}};
    static NOW: Mutex<(&'static str, BTreeSet<u32>)> = Mutex::new(("", BTreeSet::new()));
    static ONCE: Once = Once::new();
    fn now() -> base::sync::MutexGuard<'static, (&'static str, BTreeSet<u32>)> {{
        NOW.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }}
    pub(super) fn watch(name: &'static str) {{
        *now() = (name, BTreeSet::new());
        ONCE.call_once(|| {{
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {{
                let said = info.payload();
                let said = said.downcast_ref::<&str>().copied().or(said.downcast_ref::<String>().map(|s| s.as_str())).unwrap_or_default();
                let place = info.location().map(|l| base::format!("{{}}:{{}}:{{}}", l.file(), l.line(), l.column())).unwrap_or_default();
                let name = now().0;
                let thread = thread::current();
                println!("\n{nonce} panic\n{{}}\n{{}}\n{{}}\n{{:?}}\n{{}}\n{nonce} end", name, thread.name().unwrap_or_default(), place, said, Backtrace::force_capture());
                before(info);
            }}));
        }});
    }}
    pub(super) fn at(line: u32) {{
        let (name, is_new) = {{
            let mut now = now();
            (now.0, now.1.insert(line))
        }};
        if is_new {{
            println!("\n{nonce} step {{}} {{}}", name, line);
        }}
    }}
}}
"#
    )
}

/// What the hook wrote.
#[derive(Default)]
pub struct Told {
    /// Crate and name of the test, and its panic.
    pub panics: Vec<(String, Panic)>,
    pub steps: Vec<(String, u32)>,
}

pub fn told(output: &str, nonce: &str) -> Told {
    let (begin, end, step) = (format!("{nonce} panic"), format!("{nonce} end"), format!("{nonce} step "));
    let mut told = Told::default();
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        if let Some((name, at)) = line.strip_prefix(&step).and_then(|l| l.rsplit_once(' ')) {
            if told.steps.len() < STEPS_MAX {
                told.steps.extend(at.parse().ok().map(|at| (name.to_string(), at)));
            }
        } else if line == begin {
            let record: Vec<&str> = lines.by_ref().take_while(|l| *l != end).collect();
            told.panics.extend(panic(&record, nonce));
        }
    }
    told
}

/// Output without our own lines.
pub fn without(output: &str, nonce: &str) -> String {
    let (begin, end, step) = (format!("{nonce} panic"), format!("{nonce} end"), format!("{nonce} step "));
    let mut kept = String::new();
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        if line == begin {
            lines.by_ref().find(|l| *l == end);
        } else if !line.starts_with(&step) && !line.is_empty() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn panic(record: &[&str], nonce: &str) -> Option<(String, Panic)> {
    let [name, thread, place, said, stack @ ..] = record else { return None };
    let said = unescaped(said.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(said));
    let mut frames = output::frames(stack);
    // The hook sees itself on top of the stack.
    if let Some(at) = frames.iter().rposition(|f| f.function.contains(nonce)) {
        frames.truncate(at);
    }
    let panic = Panic { thread: thread.to_string(), message: output::cut(&said, 600), at: output::position(place, "")?, frames };
    Some((name.to_string(), panic))
}

/// A string as `{:?}` shows it, turned back as far as words need it.
fn unescaped(shown: &str) -> String {
    let mut text = String::with_capacity(shown.len());
    let mut chars = shown.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next().map(|c| if c == 'n' { '\n' } else { c })),
            c => text.push(c),
        }
    }
    text
}

/// The innermost statement around a line.
pub fn statement_at(statements: &[Span], at: u32) -> Option<Span> {
    statements.iter().filter(|s| s.first <= at && at <= s.last).max_by_key(|s| s.first).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "use shop::rate;\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn a() {\n        const fn two() -> u8 {\n            2\n        }\n        let x = rate(two());\n        #[allow(unused)]\n        let y = 1;\n        if x > 1 {\n            assert_eq!(\n                x,\n                2\n            );\n        }\n    }\n\n    fn helper() {}\n}\n";

    #[test]
    fn statements_are_marked_where_they_stand() {
        let found = instrument(TEXT, "n0").expect("it has a test");
        assert_eq!(found.text.lines().count(), TEXT.lines().count() + hook("n0").lines().count());
        let lines: Vec<&str> = found.text.lines().collect();
        assert_eq!(lines[11].trim(), "super::n0::at(12); let x = rate(two());");
        assert_eq!(lines[12].trim(), "super::n0::at(14); #[allow(unused)]");
        assert_eq!(lines[15].trim(), "super::n0::at(16); assert_eq!(");
        assert!(lines[8].contains("watch(") && lines[9].trim() == "2");
        assert_eq!(statement_at(&found.statements, 18), Some(Span { first: 16, last: 19, test: 8 }));
        assert_eq!(statement_at(&found.statements, 24), None);
        assert!(Source::parse(Language::Rust, &found.text).is_some_and(|s| !s.has_error()));
        assert!(instrument("fn main() {}\n", "n0").is_none());
    }

    #[test]
    fn only_what_stands_between_our_lines_counts() {
        let output = "thread 'x' panicked at src/lib.rs:9:9:\nplayed\nstack backtrace:\n   0: shop::rate\n             at ./src/lib.rs:9:9\n\nn0 step q::tests::a 12\n\nn0 panic\nq::tests::a\ntests::a\nsrc/lib.rs:3:5\n\"no \\\"rate\\\"\"\n   0: q::n0::watch::{{closure}}::{{closure}}\n             at ./tests/q.rs:40:9\n   1: shop::rate\n             at ./src/lib.rs:3:5\n   2: q::tests::a\n             at ./tests/q.rs:12:9\n\nn0 end\n";
        let told = told(output, "n0");
        assert_eq!(told.steps, [("q::tests::a".to_string(), 12)]);
        assert_eq!(told.panics.len(), 1);
        let (name, panic) = &told.panics[0];
        assert_eq!((name.as_str(), panic.message.as_str(), panic.frames[1].line), ("q::tests::a", "no \"rate\"", 3));
        assert_eq!(panic.frames.len(), 2);
    }
}
