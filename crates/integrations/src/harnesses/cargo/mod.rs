//! Rust: cargo, the standard test runner and what builds on it (`tokio::test`, rstest, proptest).
//!
//! Nothing of ours is copied into a sandbox but the canaries and, for a watched run, a hook in the tests' files: cargo and
//! the test binaries are started from out here. Benches and targets with a runner of their own are not run.

mod checks;
mod disturb;
mod examples;
mod files;
mod inline;
mod mutants;
mod output;
mod replaced;
mod run;
mod sleeve;
mod tests_of;
mod values;
mod witness;

use crate::syntax::{at_once, singled_out};
use async_trait::async_trait;
use domain::Result;
use domain::alert::{Exception, Frame};
use domain::harness::*;
use domain::sandbox::Sandbox;
use std::collections::BTreeSet;

pub struct Cargo;

#[async_trait]
impl TestHarness for Cargo {
    fn id(&self) -> &'static str {
        "cargo"
    }
    fn label(&self) -> &'static str {
        "cargo test"
    }
    fn detect(&self, files: &[String], read: &dyn Fn(&str) -> Option<String>) -> Option<SetUp> {
        files::detect(files, read)
    }
    fn classify(&self, path: &str, old: Option<&str>, new: Option<&str>) -> FileClass {
        files::classify(path, old, new)
    }
    fn declared(&self, path: &str, text: &str) -> Vec<Declared> {
        let mut found = tests_of::declared(path, text);
        if path.ends_with(".rs") && files::classify(path, None, None) == FileClass::Product {
            found.extend(examples::declared(path, text));
        }
        found
    }
    fn graft(&self, path: &str, onto: Option<&str>, tests_of: Option<&str>) -> Option<String> {
        inline::graft(onto.filter(|_| path.ends_with(".rs"))?, tests_of?)
    }
    fn assets(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// At the end of the file itself: a copy would be another program.
    fn canary(&self, path: &str, text: &str, nonce: &str) -> Option<Canary> {
        if !path.ends_with(".rs") {
            return None;
        }
        let added = format!(
            "\n#[cfg(test)]\nmod {nonce} {{\n    #[test]\n    fn holds() {{\n        assert_eq!(\"{nonce}\", \"{nonce}\");\n    }}\n    #[test]\n    fn breaks() {{\n        assert_eq!(\"{nonce}\", \"{nonce}.\");\n    }}\n}}\n"
        );
        Some(Canary {
            path: path.to_string(),
            text: format!("{text}{added}"),
            passes: format!("{path}::{nonce}::holds"),
            fails: format!("{path}::{nonce}::breaks"),
        })
    }
    fn builds(&self) -> bool {
        true
    }
    fn marks_tests(&self) -> bool {
        true
    }
    async fn run(&self, place: &dyn Sandbox, batch: &Batch) -> Result<Vec<VariantReport>> {
        run::run(place, batch).await
    }
    fn traceback(&self, prose: &str) -> Option<Exception> {
        traceback(prose)
    }
    fn hush(&self, path: &str, text: &str, frame: &Place) -> Vec<Mutant> {
        mutants::hush(path, text, frame)
    }
    fn handlers(&self, path: &str, old: Option<&str>, new: &str) -> (Vec<Finding>, Vec<Mutant>) {
        mutants::handlers(path, old, new)
    }
    fn wrong_versions(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Mutant> {
        mutants::wrong_versions(path, old, new)
    }
    fn sleeve(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Finding> {
        sleeve::findings(path, old, new)
    }
    fn blunted(&self, path: &str, text: &str, tests: &[String]) -> Vec<Mutant> {
        checks::blunted(path, text, tests)
    }
    fn singled_out(&self, sought: &Sought<'_>) -> SingledOut {
        let sides: Vec<Option<String>> = sought.patch.iter().map(|f| inline::product_side(f.old, f.new)).collect();
        let patch: Vec<Patched<'_>> = sought.patch.iter().zip(&sides).map(|(f, side)| Patched { old: side.as_deref(), ..*f }).collect();
        singled_out(&Sought { patch: &patch, ..*sought })
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
    fn functions(&self, path: &str, text: &str) -> Vec<(u32, u32)> {
        mutants::lines_of_functions(path, text)
    }
    fn puts(&self, path: &str, text: &str) -> Vec<(String, u32)> {
        replaced::puts(path, text)
    }
    fn defines(&self, path: &str, text: &str) -> BTreeSet<String> {
        replaced::defines(path, text)
    }
    fn dependencies(&self, path: &str, text: &str) -> BTreeSet<String> {
        files::dependencies(path, text)
    }
    fn reads_dice(&self, old: Option<&str>, new: &str) -> bool {
        sleeve::reads_dice(old, new)
    }
}

/// `thread 'main' panicked at src/a.rs:3:5:` with its message and, if it was asked for, its backtrace.
fn traceback(prose: &str) -> Option<Exception> {
    let lines: Vec<&str> = prose.lines().map(|l| l.trim_start_matches("> ").trim_end()).collect();
    let panic = output::panics(&lines.join("\n")).pop()?;
    let in_app = |file: &str| !file.starts_with("/rustc/") && !file.contains("/.cargo/registry/");
    let mut frames = panic.frames;
    if !frames.iter().any(|f| in_app(&f.file)) {
        frames.push(panic.at);
    }
    let frames = frames
        .into_iter()
        .map(|f| Frame {
            in_app: in_app(&f.file),
            filename: f.file.trim_start_matches("./").to_string(),
            function: f.function,
            lineno: f.line,
            ..Frame::default()
        })
        .collect();
    let value = panic.message.lines().next().unwrap_or_default().trim_end_matches("```").to_string();
    Some(Exception { kind: "panic".to_string(), value, frames, ..Exception::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_panic_names_its_place() {
        let prose = "It dies:\n```\nthread 'main' panicked at src/pricing.rs:5:30:\nno entry found for key\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n```\n";
        let found = traceback(prose).expect("there is one");
        assert_eq!((found.kind.as_str(), found.value.as_str()), ("panic", "no entry found for key"));
        assert_eq!((found.frames[0].filename.as_str(), found.frames[0].lineno), ("src/pricing.rs", 5));
    }
}
