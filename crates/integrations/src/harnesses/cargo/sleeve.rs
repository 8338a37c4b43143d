//! Signs in added Rust code that it wants to know who is watching, or to leave before the results are read.
//!
//! Names are read token by token and resolved through the file's `use` lines, so that neither an alias nor a macro hides
//! one; strings and comments are not read, but for paths below `/proc`.

use super::inline::{is_test_line, product_side, test_items};
use crate::syntax::{Language, Source, added_lines, below, line, named, unreadable};
use domain::harness::Finding;
use std::collections::{BTreeMap, BTreeSet};
use tree_sitter::Node;

/// Path prefix, category in words.
const SIGNS: &[(&str, &str)] = &[
    ("std::env::var", "reads the environment"),
    ("std::env::var_os", "reads the environment"),
    ("std::env::vars", "reads the environment"),
    ("std::env::vars_os", "reads the environment"),
    ("std::env::args", "reads the command line"),
    ("std::env::args_os", "reads the command line"),
    ("std::env::current_exe", "looks at the executable's path"),
    ("std::env::current_dir", "looks at the working directory"),
    ("std::env::set_var", "changes the environment"),
    ("std::process::exit", "leaves the process"),
    ("std::process::abort", "leaves the process"),
    ("std::process::id", "looks at the process's own number"),
    ("std::os::unix::process::parent_id", "looks at the process's parent"),
    ("std::intrinsics", "reaches below the language"),
    ("core::intrinsics", "reaches below the language"),
    ("std::arch", "reaches below the language"),
    ("core::arch", "reaches below the language"),
    ("std::thread::current", "looks at a thread's name"),
    ("std::thread::panicking", "asks whether a panic is under way"),
    ("std::backtrace", "looks at the call stack"),
    ("backtrace", "looks at the call stack"),
    ("std::panic::Location", "looks at the call stack"),
    ("core::panic::Location", "looks at the call stack"),
    ("std::panic::set_hook", "changes what happens to panics"),
    ("std::panic::take_hook", "changes what happens to panics"),
    ("std::panic::update_hook", "changes what happens to panics"),
    ("std::io::IsTerminal", "asks whether somebody is watching"),
    ("std::alloc::System", "replaces the allocator"),
    ("libc", "reaches below the language"),
    ("nix", "reaches below the language"),
    ("rustix", "reaches below the language"),
    ("ctor", "acts before or after the program"),
    ("dtor", "acts before or after the program"),
    ("inventory", "acts before or after the program"),
    ("linkme", "acts before or after the program"),
    ("hostname", "looks at the host's name"),
    ("gethostname", "looks at the host's name"),
    ("whoami", "looks at who runs it"),
    ("sysinfo", "looks at the process's own number"),
    ("procfs", "looks at its own process through `/proc`"),
    ("test", "names the test runner"),
    ("libtest_mimic", "names the test runner"),
];

const MACROS: &[(&str, &str)] = &[
    ("option_env", "reads the environment of the build"),
    ("env", "reads the environment of the build"),
    ("include", "takes in another file's code"),
    ("asm", "reaches below the language"),
    ("global_asm", "reaches below the language"),
    ("global_allocator", "replaces the allocator"),
];

const METHODS: &[(&str, &str)] = &[("is_terminal", "asks whether somebody is watching")];

/// Words in `cfg` conditions that tell a test build from another.
const CONDITIONS: &[&str] = &["test", "debug_assertions", "doctest", "miri", "overflow_checks", "panic", "coverage"];

const DICE: &[&str] = &[
    "SystemTime",
    "Instant",
    "rand",
    "fastrand",
    "getrandom",
    "Uuid",
    "uuid",
    "Utc",
    "Local",
    "Timestamp",
    "OffsetDateTime",
    "RandomState",
    "HashMap",
    "HashSet",
    "thread_rng",
    "spawn",
];

pub fn findings(path: &str, old: Option<&str>, new: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let Some(source) = Source::parse(Language::Rust, new) else { return vec![unreadable()] };
    let old = product_side(old, new);
    let before: BTreeSet<(String, String, String)> = old
        .as_deref()
        .and_then(|old| Source::parse(Language::Rust, old))
        .map(|old| signs(&old).into_iter().map(|s| (s.function, s.what, s.detail)).collect())
        .unwrap_or_default();
    let added = added_lines(old.as_deref(), new);
    let mut findings: Vec<Finding> = signs(&source)
        .into_iter()
        .filter(|s| added.contains(&s.line) && !before.contains(&(s.function.clone(), s.what.clone(), s.detail.clone())))
        .map(|s| Finding { line: s.line, what: s.what })
        .collect();
    findings.sort_by_key(|f| f.line);
    findings.dedup();
    findings
}

pub fn reads_dice(old: Option<&str>, new: &str) -> bool {
    let Some(source) = Source::parse(Language::Rust, new) else { return false };
    let old = product_side(old, new);
    let added = added_lines(old.as_deref(), new);
    let tests = test_items(&source);
    source.nodes().into_iter().any(|n| {
        matches!(n.kind(), "identifier" | "type_identifier" | "field_identifier")
            && added.contains(&line(n))
            && !is_test_line(&tests, line(n))
            && DICE.contains(&source.of(n))
    })
}

struct Sign {
    function: String,
    line: u32,
    what: String,
    /// What distinguishes two signs of a kind, such as the variable's name.
    detail: String,
}

fn signs(source: &Source<'_>) -> Vec<Sign> {
    let tests = test_items(source);
    let (aliases, globs) = uses(source);
    let mut signs = Vec::new();
    for node in source.nodes() {
        if is_test_line(&tests, line(node)) {
            continue;
        }
        let mut note = |what: &str, detail: &str| {
            signs.push(Sign {
                function: function_around(source, node),
                line: line(node),
                what: what.to_string(),
                detail: detail.to_string(),
            });
        };
        match node.kind() {
            "attribute_item" | "inner_attribute_item" => attribute(source, node, &mut note),
            "macro_invocation" => {
                let name = node.child_by_field_name("macro").map(|m| source.of(m)).unwrap_or_default();
                invocation(source.of(node), name.rsplit("::").next().unwrap_or(name), &mut note);
            }
            "string_literal" if source.of(node).contains("/proc/") || source.of(node).contains("/etc/hostname") => {
                note("looks at its own process through `/proc`", "")
            }
            "foreign_mod_item" => note("reaches below the language", "extern"),
            "function_item" => {
                let name = node.child_by_field_name("name").map(|n| source.of(n)).unwrap_or_default();
                let body = node.child_by_field_name("body").map(|b| source.of(b).trim_matches(['{', '}', ' ', '\n'])).unwrap_or_default();
                let is_constant =
                    matches!(body, "true" | "false" | "Ordering::Equal" | "std::cmp::Ordering::Equal" | "Some(Ordering::Equal)");
                if matches!(name, "eq" | "ne" | "cmp" | "partial_cmp") && is_constant {
                    note("compares equal whatever it is compared with", name);
                }
            }
            "mod_item" => {
                let name = node.child_by_field_name("name").map(|n| source.of(n)).unwrap_or_default();
                if matches!(name, "tests" | "benches") && node.child_by_field_name("body").is_none() {
                    note("builds code of the tests into the product", name);
                }
            }
            "identifier" | "self" | "crate" | "super" | "metavariable" => path_of(source, node, &aliases, &globs, &mut note),
            "field_identifier" => {
                if let Some((_, what)) = METHODS.iter().find(|(m, _)| *m == source.of(node)) {
                    note(what, "");
                }
            }
            _ => {}
        }
    }
    signs
}

/// The tests' own modules are items of theirs and never get here.
fn attribute(source: &Source<'_>, node: Node<'_>, note: &mut dyn FnMut(&str, &str)) {
    let words: Vec<&str> = below(node).into_iter().filter(|n| n.child_count() == 0 && !n.is_extra()).map(|n| source.of(n)).collect();
    let first = words.iter().find(|w| w.starts_with(char::is_alphabetic)).copied().unwrap_or_default();
    if matches!(first, "cfg" | "cfg_attr") && words.iter().any(|w| CONDITIONS.contains(w)) {
        note("is compiled in one way for tests and in another for use", "");
    }
    if matches!(first, "path") {
        note("takes in another file's code", "");
    }
    if words.iter().any(|w| matches!(*w, "no_mangle" | "export_name" | "link_section" | "global_allocator" | "panic_handler" | "ctor")) {
        note("reaches below the language", "");
    }
}

fn invocation(text: &str, name: &str, note: &mut dyn FnMut(&str, &str)) {
    if name == "cfg" && text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| CONDITIONS.contains(&w)) {
        note("is compiled in one way for tests and in another for use", "");
    }
    let about_package = text.contains("\"CARGO_PKG_");
    if let Some((_, what)) = MACROS.iter().find(|(m, _)| *m == name).filter(|_| !about_package) {
        note(what, text);
    }
}

/// A path that begins at this token, in code or inside a macro.
fn path_of(source: &Source<'_>, node: Node<'_>, aliases: &BTreeMap<String, String>, globs: &[String], note: &mut dyn FnMut(&str, &str)) {
    let text = source.text;
    let before = text[..node.start_byte()].trim_end();
    let within_use = std::iter::successors(node.parent(), |n| n.parent()).any(|n| n.kind() == "use_declaration");
    if before.ends_with("::") || before.ends_with('.') && !before.ends_with("..") || within_use {
        return;
    }
    let mut path = vec![source.of(node).to_string()];
    let mut rest = text[node.end_byte()..].trim_start();
    while let Some(after) = rest.strip_prefix("::") {
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
        if end == 0 {
            break;
        }
        path.push(after[..end].to_string());
        rest = after[end..].trim_start();
    }
    if matches!(path.first().map(String::as_str), Some("crate" | "super" | "self")) && path.iter().any(|p| p == "tests") {
        note("builds code of the tests into the product", "");
    }
    let alone = path.len() == 1;
    if let Some(stands) = aliases.get(&path[0]) {
        path[0] = stands.clone();
    } else if alone && globs.is_empty() {
        return;
    }
    let full = path.join("::").replace("core::env", "std::env");
    let candidates: Vec<String> = std::iter::once(full.clone()).chain(globs.iter().map(|g| format!("{g}::{full}"))).collect();
    for candidate in candidates {
        let found = SIGNS.iter().find(|(sign, _)| candidate == *sign || candidate.strip_prefix(sign).is_some_and(|r| r.starts_with("::")));
        let Some((sign, what)) = found else { continue };
        let ends_main = *what == "leaves the process" && function_around(source, node) == "main";
        if !ends_main {
            let detail = if sign.contains("env::var") {
                rest.split(['"']).nth(1).filter(|_| rest.starts_with("(\"")).unwrap_or_default()
            } else {
                ""
            };
            note(what, detail);
        }
        return;
    }
}

/// Local name → full path, and the modules whose every name is taken in.
fn uses(source: &Source<'_>) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut aliases, mut globs) = (BTreeMap::new(), Vec::new());
    for node in source.nodes().into_iter().filter(|n| n.kind() == "use_declaration") {
        if let Some(argument) = node.child_by_field_name("argument") {
            use_tree(source, argument, "", &mut aliases, &mut globs);
        }
    }
    (aliases, globs)
}

fn use_tree(source: &Source<'_>, node: Node<'_>, prefix: &str, aliases: &mut BTreeMap<String, String>, globs: &mut Vec<String>) {
    let join = |path: &str| if prefix.is_empty() { path.trim_start_matches("::").to_string() } else { format!("{prefix}::{path}") };
    match node.kind() {
        "use_list" => named(node).into_iter().for_each(|n| use_tree(source, n, prefix, aliases, globs)),
        "scoped_use_list" => {
            let path = node.child_by_field_name("path").map(|p| join(source.of(p))).unwrap_or_else(|| prefix.to_string());
            if let Some(list) = node.child_by_field_name("list") {
                use_tree(source, list, &path, aliases, globs);
            }
        }
        "use_as_clause" => {
            let part = |field| node.child_by_field_name(field).map(|n| source.of(n)).unwrap_or_default();
            aliases.insert(part("alias").to_string(), join(part("path")));
        }
        "use_wildcard" => globs.extend(named(node).first().map(|n| join(source.of(*n)))),
        "self" => {
            aliases.insert(prefix.rsplit("::").next().unwrap_or(prefix).to_string(), prefix.to_string());
        }
        _ => {
            let path = join(source.of(node));
            aliases.insert(path.rsplit("::").next().unwrap_or(&path).to_string(), path);
        }
    }
}

fn function_around(source: &Source<'_>, node: Node<'_>) -> String {
    let holders = std::iter::successors(node.parent(), |n| n.parent())
        .filter(|n| matches!(n.kind(), "function_item" | "mod_item" | "impl_item" | "trait_item"));
    let mut names: Vec<&str> =
        holders.filter_map(|n| n.child_by_field_name("name").or_else(|| n.child_by_field_name("type")).map(|m| source.of(m))).collect();
    names.reverse();
    names.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(old: &str, new: &str) -> Vec<String> {
        findings("src/a.rs", Some(old), new).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn aliases_macros_and_globs_hide_nothing() {
        assert_eq!(found("", "use std::env as e;\nfn f() -> bool { e::var(\"CI\").is_ok() }\n"), ["reads the environment"]);
        assert_eq!(found("", "use std::process::*;\nfn f() { exit(0) }\n"), ["leaves the process"]);
        assert_eq!(found("", "fn f() { println!(\"{:?}\", std::thread::current().name()); }\n"), ["looks at a thread's name"]);
        assert_eq!(found("", "fn f() -> bool { cfg!(test) }\n"), ["is compiled in one way for tests and in another for use"]);
        assert_eq!(found("", "#[cfg(not(test))]\nfn f() {}\n"), ["is compiled in one way for tests and in another for use"]);
        assert!(
            found(
                "",
                "/// Unlike `std::env::var`, see cfg(test).\nfn exit(test: u8) -> u8 { test }\nfn main() { std::process::exit(1) }\n"
            )
            .is_empty()
        );
        assert!(
            found("", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use std::env;\n    #[test]\n    fn a() { env::var(\"X\").ok(); }\n}\n")
                .is_empty()
        );
    }

    #[test]
    fn what_the_function_did_before_it_may_go_on_doing() {
        let old = "fn f() -> String {\n    std::env::var(\"PORT\").unwrap()\n}\n";
        assert!(found(old, "fn f() -> String {\n    std::env::var(\"PORT\").unwrap_or_default()\n}\n").is_empty());
        assert_eq!(found(old, "fn f() -> String {\n    std::env::var(\"CI\").unwrap()\n}\n"), ["reads the environment"]);
    }
}
