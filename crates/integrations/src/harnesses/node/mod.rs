//! JavaScript and TypeScript: node:test, jest, vitest and mocha, whichever the project's `package.json` names.

mod disturb;
mod files;
mod given;
mod handlers;
mod mutants;
mod packages;
mod replaced;
mod sleeve;
mod tests_of;

use crate::harnesses::launch;
use crate::syntax::{at_once, singled_out};
use async_trait::async_trait;
use domain::Result;
use domain::alert::{Exception, Frame};
use domain::harness::*;
use domain::sandbox::Sandbox;
use std::collections::BTreeSet;

pub struct Node;

/// What runs in the sandbox.
const ASSETS: &[(&str, &str)] = &[
    ("bare-jest.mjs", include_str!("inside/bare-jest.mjs")),
    ("bare-loader.mjs", include_str!("inside/bare-loader.mjs")),
    ("bare-mocha.mjs", include_str!("inside/bare-mocha.mjs")),
    ("bare-node.mjs", include_str!("inside/bare-node.mjs")),
    ("bare-vitest.mjs", include_str!("inside/bare-vitest.mjs")),
    ("bare-words.mjs", include_str!("inside/bare-words.mjs")),
    ("bare.mjs", include_str!("inside/bare.mjs")),
    ("chain.cjs", include_str!("inside/chain.cjs")),
    ("child.mjs", include_str!("inside/child.mjs")),
    ("dress.cjs", include_str!("inside/dress.cjs")),
    ("gather.mjs", include_str!("inside/gather.mjs")),
    ("jest-hooks.cjs", include_str!("inside/jest-hooks.cjs")),
    ("jest-main.mjs", include_str!("inside/jest-main.mjs")),
    ("jest-reporter.cjs", include_str!("inside/jest-reporter.cjs")),
    ("launch.mjs", include_str!("inside/launch.mjs")),
    ("mocha-main.mjs", include_str!("inside/mocha-main.mjs")),
    ("mocha-options.mjs", include_str!("inside/mocha-options.mjs")),
    ("mocha-reporter.cjs", include_str!("inside/mocha-reporter.cjs")),
    ("node-main.mjs", include_str!("inside/node-main.mjs")),
    ("node-reporter.mjs", include_str!("inside/node-reporter.mjs")),
    ("node-watched.mjs", include_str!("inside/node-watched.mjs")),
    ("script.mjs", include_str!("inside/script.mjs")),
    ("vitest-main.mjs", include_str!("inside/vitest-main.mjs")),
    ("vitest-setup.mjs", include_str!("inside/vitest-setup.mjs")),
    ("watch.mjs", include_str!("inside/watch.mjs")),
    ("watcher.cjs", include_str!("inside/watcher.cjs")),
    ("witness.mjs", include_str!("inside/witness.mjs")),
];

#[async_trait]
impl TestHarness for Node {
    fn id(&self) -> &'static str {
        "npm"
    }
    fn label(&self) -> &'static str {
        "npm test"
    }
    fn detect(&self, files: &[String], read: &dyn Fn(&str) -> Option<String>) -> Option<SetUp> {
        files::detect(files, read)
    }
    fn classify(&self, path: &str, old: Option<&str>, new: Option<&str>) -> FileClass {
        files::classify(path, old, new)
    }
    fn declared(&self, path: &str, text: &str) -> Vec<Declared> {
        tests_of::declared(path, text)
    }
    fn assets(&self) -> &'static [(&'static str, &'static str)] {
        ASSETS
    }
    /// At the end of the file itself: every test file is a process or a module registry of its own.
    fn canary(&self, path: &str, text: &str, nonce: &str) -> Option<Canary> {
        let call = tests_of::test_function(path, text)?;
        let (holds, breaks) = (format!("{nonce} holds"), format!("{nonce} breaks"));
        // Nothing here that a type checker or a runner's rules could object to.
        let added = format!(
            "\n;{call}('{holds}', () => {{ if (String('{nonce}') !== '{nonce}') throw new Error('{nonce}'); }});\n{call}('{breaks}', () => {{ if (String('{nonce}') !== '{nonce}.') throw new Error('{nonce}'); }});\n"
        );
        Some(Canary {
            path: path.to_string(),
            text: format!("{}{added}", text.trim_end()),
            passes: format!("{path}::{holds}"),
            fails: format!("{path}::{breaks}"),
        })
    }
    async fn run(&self, place: &dyn Sandbox, batch: &Batch) -> Result<Vec<VariantReport>> {
        launch(place, batch, &["/usr/bin/env", "node", &format!("{}/launch.mjs", batch.assets_dir)]).await
    }
    fn traceback(&self, prose: &str) -> Option<Exception> {
        traceback(prose)
    }
    fn hush(&self, path: &str, text: &str, frame: &Place) -> Vec<Mutant> {
        mutants::hush(path, text, frame)
    }
    fn handlers(&self, path: &str, old: Option<&str>, new: &str) -> (Vec<Finding>, Vec<Mutant>) {
        handlers::handlers(path, old, new)
    }
    /// The debugger says where an exception passes, not where it will be caught.
    fn sees_handlers(&self) -> bool {
        false
    }
    fn adds_handler(&self, path: &str, old: Option<&str>, new: &str) -> bool {
        handlers::adds_handler(path, old, new)
    }
    fn wrong_versions(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Mutant> {
        mutants::wrong_versions(path, old, new)
    }
    fn sleeve(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Finding> {
        sleeve::findings(path, old, new)
    }
    fn ungiven(&self, path: &str, text: &str, tests: &[(u32, u32)], patch: &[Patched<'_>]) -> Vec<Mutant> {
        given::ungiven(path, text, tests, patch)
    }
    fn functions(&self, path: &str, text: &str) -> Vec<(u32, u32)> {
        mutants::functions(path, text)
    }
    fn singled_out(&self, sought: &Sought<'_>) -> SingledOut {
        singled_out(sought)
    }
    fn at_once(&self, path: &str, old: Option<&str>, new: &str) -> Option<Mutant> {
        at_once(path, old, new)
    }
    fn failing(&self, path: &str, text: &str) -> Option<String> {
        mutants::failing_functions(path, text)
    }
    fn hollow(&self, path: &str, old: &str, new: &str) -> Vec<Finding> {
        mutants::hollow_functions(path, old, new)
    }
    fn loads_any(&self, path: &str, text: &str) -> Option<bool> {
        packages::loads_any(path, text)
    }
    fn replaces(&self, path: &str, text: &str) -> Vec<(String, u32)> {
        replaced::replaces(path, text)
    }
    fn puts(&self, path: &str, text: &str) -> Vec<(String, u32)> {
        replaced::puts(path, text)
    }
    fn raises(&self, path: &str, text: &str) -> BTreeSet<u32> {
        handlers::raises(path, text)
    }
    fn defines(&self, path: &str, text: &str) -> BTreeSet<String> {
        replaced::defines(path, text)
    }
    fn dependencies(&self, path: &str, text: &str) -> BTreeSet<String> {
        packages::dependencies(path, text)
    }
    fn reads_dice(&self, old: Option<&str>, new: &str) -> bool {
        sleeve::reads_dice(old, new)
    }
}

/// `TypeError: message` with `    at f (file:line:column)` lines below, innermost first.
fn traceback(prose: &str) -> Option<Exception> {
    let lines: Vec<&str> = prose.lines().collect();
    let is_frame = |l: &str| l.trim_start().starts_with("at ") && l.contains(':');
    let first = lines.iter().position(|l| is_frame(l))?;
    let head = lines[..first].iter().rev().find(|l| !l.trim().is_empty())?.trim();
    let head = head.strip_prefix("Uncaught ").unwrap_or(head);
    let (kind, value) = head.split_once(": ").unwrap_or((head, ""));
    if !kind.ends_with("Error") && !kind.ends_with("Exception") || kind.contains(' ') {
        return None;
    }
    let mut exception = Exception { kind: kind.to_string(), value: value.to_string(), ..Exception::default() };
    for line in lines[first..].iter().take_while(|l| is_frame(l)).take(100) {
        let rest = line.trim().trim_start_matches("at ").trim_start_matches("async ");
        let (function, place) = match rest.rsplit_once(" (") {
            Some((function, place)) => (function, place.trim_end_matches(')')),
            None => ("", rest),
        };
        let mut parts = place.rsplitn(3, ':');
        let (_, lineno, file) = (parts.next(), parts.next()?, parts.next()?);
        let file = file.trim_start_matches("file://");
        let in_app = !file.contains("node_modules") && !file.starts_with("node:");
        exception.frames.push(Frame {
            filename: file.into(),
            function: function.into(),
            lineno: lineno.parse().ok()?,
            in_app,
            ..Frame::default()
        });
    }
    exception.frames.reverse();
    Some(exception)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_stack_is_read_innermost_last() {
        let found =
            traceback("See:\nTypeError: x is not a function\n    at total (/app/src/cart.js:4:10)\n    at async /app/src/app.js:9:3\n")
                .expect("there is one");
        assert_eq!(found.kind, "TypeError");
        assert_eq!(
            found.frames.iter().map(|f| (f.filename.as_str(), f.function.as_str(), f.lineno)).collect::<Vec<_>>(),
            [("/app/src/app.js", "", 9), ("/app/src/cart.js", "total", 4)]
        );
    }
}
