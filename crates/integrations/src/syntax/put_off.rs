//! What added code puts off, to a timer, a task that sleeps or a thread that nobody waits for, done at once: an exception
//! that comes when the test is over is still one.

use super::{Language, Source, added_lines, essence, line, named};
use domain::harness::{Mutant, MutantKind};
use std::collections::BTreeSet;
use std::ops::Range;
use tree_sitter::Node;

/// Called with a function that runs later: the last word of what is called, where the function stands among the
/// arguments, and where those begin that it gets.
const JAVASCRIPT: &[(&str, usize, usize)] =
    &[("setTimeout", 0, 2), ("setInterval", 0, 2), ("setImmediate", 0, 1), ("nextTick", 0, 1), ("queueMicrotask", 0, 1)];
const PYTHON: &[(&str, usize, usize)] =
    &[("Timer", 1, NEVER), ("call_later", 1, 2), ("call_at", 1, 2), ("call_soon", 0, 1), ("Thread", NEVER, NEVER)];

/// More than this are not looked at one by one.
const EDITS_MAX: usize = 200;
/// Not given by place.
const NEVER: usize = usize::MAX;
/// In the place of an awaited pause.
const SLEPT: &str = "__import__('asyncio').sleep(0)";
/// Tasks of a loop; what they put off is what they sleep over.
const TASKS: &[&str] = &["create_task", "ensure_future"];

/// The whole file, with all of it done at once and no added line that sleeps; `None` if nothing is put off.
pub fn at_once(path: &str, old: Option<&str>, new: &str) -> Option<Mutant> {
    let language = Language::of(path)?;
    let source = Source::parse(language, new)?;
    let awake = with(new, &edits(&source, old, &sleep));
    let source = Source::parse(language, &awake)?;
    let is_whole = |text: &str| Source::parse(language, text).is_some_and(|s| !s.has_error());
    let mut edits = edits(&source, old, &now);
    if !is_whole(&with(&awake, &edits)) {
        // One that cannot stand there must not save the others.
        edits.truncate(EDITS_MAX);
        edits.retain(|edit| is_whole(&with(&awake, std::slice::from_ref(edit))));
    }
    Some(Mutant {
        description: "what is put off done at once".to_string(),
        file: path.to_string(),
        line: edits.first()?.line,
        text: Some(with(&awake, &edits)).filter(|text| is_whole(text)),
        kind: MutantKind::AtOnce,
    })
    .filter(|mutant| mutant.text.is_some())
}

struct Edit {
    range: Range<usize>,
    line: u32,
    text: String,
}

/// Something else in the place of added nodes, in their order; of two that stand in one another the outer is taken.
fn edits(source: &Source<'_>, old: Option<&str>, other: &dyn Fn(&Source<'_>, Node<'_>) -> Option<String>) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for node in added(source, old) {
        if edits.last().is_none_or(|outer| node.start_byte() >= outer.range.end) {
            edits.extend(other(source, node).map(|text| Edit { range: node.byte_range(), line: line(node), text }));
        }
    }
    edits
}

fn with(text: &str, edits: &[Edit]) -> String {
    let (mut changed, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        changed.push_str(&text[at..edit.range.start]);
        changed.push_str(&edit.text);
        at = edit.range.end;
    }
    changed.push_str(&text[at..]);
    changed
}

/// The nodes of added lines, without calls that base makes too.
fn added<'t>(source: &'t Source<'_>, old: Option<&str>) -> Vec<Node<'t>> {
    let lines = added_lines(old, source.text);
    let old = old.and_then(|old| Source::parse(source.language, old));
    let is_call = |node: &Node<'_>| matches!(node.kind(), "call" | "call_expression");
    let calls: BTreeSet<String> = old.iter().flat_map(|old| old.nodes().into_iter().filter(is_call).map(|n| essence(old, n))).collect();
    let is_added = |node: &Node<'t>| lines.contains(&line(*node)) && !(is_call(node) && calls.contains(&essence(source, *node)));
    source.nodes().into_iter().filter(is_added).collect()
}

/// A moment in the place of a call that only sleeps.
fn sleep(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    let nothing = match source.language {
        Language::Python => "None",
        Language::Rust => "()",
        _ => return None,
    };
    let called = matches!(node.kind(), "call" | "call_expression").then(|| node.child_by_field_name("function"))?.map(|f| source.of(f))?;
    let is_sleep = called.rsplit(['.', ':']).next() == Some("sleep");
    is_sleep.then(|| if called.contains("asyncio") { SLEPT.to_string() } else { nothing.to_string() })
}

/// A call that puts something off, with it done right before.
fn now(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    if !matches!(node.kind(), "call" | "call_expression") {
        return None;
    }
    let called = source.of(node.child_by_field_name("function")?);
    let last = called.rsplit(['.', ':']).next().unwrap_or_default();
    let arguments = named(node.child_by_field_name("arguments")?);
    let whole = source.of(node);
    match source.language {
        Language::Rust => {
            let is_dropped = node.parent().is_some_and(|p| {
                p.kind() == "expression_statement" || p.child_by_field_name("pattern").is_some_and(|name| source.of(name).starts_with('_'))
            });
            let is_thread = last == "spawn" && called.contains("thread") && is_dropped;
            is_thread.then(|| arguments.first().map(|f| format!("({})()", source.of(*f))))?
        }
        Language::Python if TASKS.contains(&last) => {
            let function = std::iter::successors(node.parent(), |n| n.parent()).find(|n| n.kind() == "function_definition")?;
            let can_wait = source.of(function).starts_with("async") && source.text.contains(SLEPT);
            let task = arguments.first().filter(|_| can_wait).map(|a| source.of(*a))?;
            Some(format!("[await ({task}), __import__('asyncio').Future()][1]"))
        }
        Language::Python => {
            let (_, at, rest) = PYTHON.iter().find(|(name, ..)| *name == last)?;
            if *rest < NEVER && arguments.iter().any(|a| a.kind() == "list_splat") {
                let all = inside(source.of(node.child_by_field_name("arguments")?));
                return Some(format!("((lambda *given, **_: given[{at}](*given[{rest}:]))({all}), {whole})[1]"));
            }
            let keyword = |name: &str| {
                let pair = arguments.iter().find(|a| a.child_by_field_name("name").is_some_and(|n| source.of(n) == name));
                pair.and_then(|a| a.child_by_field_name("value")).map(|v| source.of(v))
            };
            let plain: Vec<&str> = arguments.iter().filter(|a| a.kind() != "keyword_argument").map(|a| source.of(*a)).collect();
            let function = keyword("function").or_else(|| keyword("target")).or_else(|| plain.get(*at).copied())?;
            let mut gets: Vec<String> = plain.iter().skip(*rest).map(|a| a.to_string()).collect();
            gets.extend(keyword("args").or_else(|| plain.get(2).copied().filter(|_| last == "Timer")).map(|a| format!("*({a} or ())")));
            gets.extend(keyword("kwargs").map(|a| format!("**({a} or {{}})")));
            Some(format!("(({function})({}), {whole})[1]", gets.join(", ")))
        }
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            let (_, at, rest) = JAVASCRIPT.iter().find(|(name, ..)| *name == last)?;
            if arguments.iter().any(|a| a.kind() == "spread_element") {
                let all = inside(source.of(node.child_by_field_name("arguments")?));
                return Some(format!("(((...given) => given[{at}](...given.slice({rest})))({all}), {whole})"));
            }
            let function = source.of(*arguments.get(*at)?);
            let gets: Vec<&str> = arguments.iter().skip(*rest).map(|a| source.of(*a)).collect();
            Some(format!("(({function})({}), {whole})", gets.join(", ")))
        }
    }
}

/// Arguments without their parentheses.
fn inside(arguments: &str) -> &str {
    arguments.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str, new: &str) -> Option<String> {
        at_once(path, None, new).and_then(|m| m.text)
    }

    #[test]
    fn what_is_put_off_is_done_at_once() {
        for (path, new, expected) in [
            ("a.js", "setTimeout(() => a.b.c, 60_000).unref();\n", "((() => a.b.c)(), setTimeout(() => a.b.c, 60_000)).unref();\n"),
            ("a.ts", "globalThis.setTimeout(f, 9, a, b);\n", "((f)(a, b), globalThis.setTimeout(f, 9, a, b));\n"),
            ("a.py", "t = Timer(60, f, [a])\n", "t = ((f)(*([a] or ())), Timer(60, f, [a]))[1]\n"),
            ("a.py", "Thread(target=f, args=(a,)).start()\n", "((f)(*((a,) or ())), Thread(target=f, args=(a,)))[1].start()\n"),
            (
                "a.py",
                "async def f():\n    create_task(g())\nasync def g():\n    await asyncio.sleep(60)\n",
                "async def f():\n    [await (g()), __import__('asyncio').Future()][1]\nasync def g():\n    await __import__('asyncio').sleep(0)\n",
            ),
            (
                "a.py",
                "loop.call_later(*(60, f), a)\n",
                "((lambda *given, **_: given[1](*given[2:]))(*(60, f), a), loop.call_later(*(60, f), a))[1]\n",
            ),
            ("a.py", "loop.call_later(60, f, a)\n", "((f)(a), loop.call_later(60, f, a))[1]\n"),
        ] {
            assert_eq!(changed(path, new).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_thread_that_nobody_waits_for_does_not_sleep() {
        let new = "fn f(a: u8) {\n    thread::spawn(move || {\n        thread::sleep(LONG);\n        a / 0\n    });\n}\n";
        let text = changed("a.rs", new).expect("it is put off");
        assert_eq!(text, "fn f(a: u8) {\n    (move || {\n        ();\n        a / 0\n    })();\n}\n");
        assert_eq!(changed("a.rs", "fn f() -> u8 {\n    thread::spawn(|| 1).join().unwrap()\n}\n"), None);
        assert_eq!(changed("a.js", "later(() => 1);\n"), None);
        let spread = changed("a.js", "setTimeout(...[f, 0]);\nsetTimeout(g, 9);\n").expect("both are put off");
        let all = "(((...given) => given[0](...given.slice(2)))(...[f, 0]), setTimeout(...[f, 0]));\n((g)(), setTimeout(g, 9));\n";
        assert_eq!(spread, all);
        let old = "setTimeout(f, 9);\n";
        assert_eq!(at_once("a.js", Some(old), "timer = setTimeout(f, 9);\n"), None);
        assert!(at_once("a.js", Some(old), "timer = setTimeout(f, 99);\n").is_some());
    }
}
