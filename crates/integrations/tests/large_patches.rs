//! Patches as large as the guardrails let pass, and larger than anybody writes: what a harness makes of them stays small.

use domain::harness::{Mutant, TestHarness};
use integrations::harnesses;
use std::sync::Arc;

const COPIES_BYTES_MAX: usize = 256 << 20;

fn harness(id: &str) -> Arc<dyn TestHarness> {
    harnesses::all().into_iter().find(|h| h.id() == id).expect("a harness")
}

fn repeated(one: &str) -> String {
    (0..800).map(|i| one.replace('N', &i.to_string())).collect()
}

#[test]
fn a_long_file_is_not_copied_for_each_of_its_lines() {
    let python =
        "def fN(a):\n    if a > N and a != 'wN':\n        return 1\n    try:\n        return a.b\n    except KeyError:\n        return 3\n";
    let javascript =
        "export function fN(a) {\n  if (a > N) { return a === 'wN' ? 1 : 2; }\n  try { return a.b; } catch (e) { return 3; }\n}\n";
    let rust = "fn fN(a: u8) -> u8 {\n    if a > N { return 1 }\n    match a { 1 => 2, _ => a.checked_add(1).unwrap_or(3) }\n}\n";
    for (id, path, one) in [("pytest", "shop/a.py", python), ("npm", "src/a.js", javascript), ("cargo", "src/lib.rs", rust)] {
        let (text, harness) = (repeated(one), harness(id));
        let made: Vec<Mutant> =
            harness.handlers(path, None, &text).1.into_iter().chain(harness.wrong_versions(path, None, &text)).collect();
        let bytes: usize = made.iter().filter_map(|m| m.text.as_ref()).map(String::len).sum();
        assert!(made.len() > 100 && bytes < COPIES_BYTES_MAX, "{id}: {} copies, {bytes} bytes", made.len());
    }
}

#[test]
fn what_is_too_deep_to_read_is_refused() {
    let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
    for (id, path, text) in [
        ("pytest", "shop/a.py", format!("def f(a):\n    return {open}a{close}\n")),
        ("npm", "src/a.js", format!("const f = (a) => {open}a{close};\n")),
        ("cargo", "src/lib.rs", format!("fn f(a: u8) {{\n    let _ = {open}a{close};\n}}\n")),
    ] {
        let (harness, plain) = (harness(id), text.replace(['[', ']'], ""));
        assert_eq!(harness.sleeve(path, None, &plain), [], "{id}: the control");
        assert!(harness.sleeve(path, Some(&plain), &text)[0].what.contains("too deeply nested"), "{id}");
        assert!(harness.wrong_versions(path, Some(&plain), &text).len() <= 1, "{id}");
    }
}
