//! Python: pytest, and unittest's classes through it.

mod checks;
mod files;
mod mutants;
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

pub struct Pytest;

const ASSETS: &[(&str, &str)] = &[
    ("launch.py", include_str!("launch/launch.py")),
    ("witness.py", include_str!("launch/witness.py")),
    ("framework.py", include_str!("launch/framework.py")),
    ("bare.py", include_str!("launch/bare.py")),
    ("wrong.py", include_str!("launch/wrong.py")),
];

#[async_trait]
impl TestHarness for Pytest {
    fn id(&self) -> &'static str {
        "pytest"
    }
    fn label(&self) -> &'static str {
        "pytest"
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
    fn canary(&self, path: &str, text: &str, nonce: &str) -> Option<Canary> {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(f, n)| (f, n));
        let stem = name.strip_suffix(".py")?;
        let slash = if folder.is_empty() { "" } else { "/" };
        let copy = format!("{folder}{slash}{stem}_{nonce}.py");
        let added = format!(
            "\n\ndef test_{nonce}_holds():\n    assert \"{nonce}\" == \"{nonce}\"\n\n\ndef test_{nonce}_breaks():\n    assert \"{nonce}\" == \"{nonce}.\"\n"
        );
        Some(Canary {
            passes: format!("{copy}::test_{nonce}_holds"),
            fails: format!("{copy}::test_{nonce}_breaks"),
            text: format!("{}{added}", text.trim_end()),
            path: copy,
        })
    }
    async fn run(&self, place: &dyn Sandbox, batch: &Batch) -> Result<Vec<VariantReport>> {
        launch(place, batch, &["/usr/bin/env", "python3", "-B", &format!("{}/launch.py", batch.assets_dir)]).await
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
    fn functions(&self, _path: &str, text: &str) -> Vec<(u32, u32)> {
        mutants::functions(text)
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
    fn hollow(&self, _path: &str, old: &str, new: &str) -> Vec<Finding> {
        mutants::hollow_functions(old, new)
    }
    fn loads_any(&self, path: &str, text: &str) -> Option<bool> {
        files::loads_any(path, text)
    }
    fn replaces(&self, _path: &str, text: &str) -> Vec<(String, u32)> {
        replaced::replaces(text)
    }
    fn defines(&self, _path: &str, text: &str) -> BTreeSet<String> {
        replaced::defines(text)
    }
    fn dependencies(&self, path: &str, text: &str) -> BTreeSet<String> {
        files::dependencies(path, text)
    }
    fn reads_dice(&self, old: Option<&str>, new: &str) -> bool {
        sleeve::reads_dice(old, new)
    }
}

/// `Traceback (most recent call last):` with its `File "…", line n, in f` lines and the exception below.
fn traceback(prose: &str) -> Option<Exception> {
    let begin = prose.rfind("Traceback (most recent call last)")?;
    let mut exception = Exception::default();
    for line in prose[begin..].lines().skip(1).take(400) {
        let trimmed = line.trim().trim_start_matches(['>', '|']).trim();
        if let Some(rest) = trimmed.strip_prefix("File \"") {
            let (file, rest) = rest.split_once('"')?;
            let lineno = rest.trim_start_matches(", line ").split(|c: char| !c.is_ascii_digit()).next()?.parse().unwrap_or(0);
            let function = rest.rsplit_once(" in ").map(|(_, f)| f.trim().to_string()).unwrap_or_default();
            let in_app = !file.contains("site-packages") && !file.contains("/lib/python") && !file.starts_with('<');
            exception.frames.push(Frame { filename: file.to_string(), function, lineno, in_app, ..Frame::default() });
        } else if !exception.frames.is_empty() && !line.starts_with(char::is_whitespace) && !trimmed.is_empty() {
            let (kind, value) = trimmed.split_once(": ").unwrap_or((trimmed, ""));
            let is_name = kind.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_');
            if is_name && kind.chars().next().is_some_and(char::is_alphabetic) {
                exception.kind = kind.rsplit('.').next().unwrap_or(kind).to_string();
                exception.value = value.to_string();
                return Some(exception);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_traceback_names_type_and_frames() {
        let prose = "It breaks:\n```\nTraceback (most recent call last):\n  File \"/srv/shop/pricing.py\", line 4, in rate\n    return RATES[c]\nshop.errors.KeyError: 'GBP'\n```\n";
        let found = traceback(prose).expect("there is one");
        assert_eq!((found.kind.as_str(), found.value.as_str()), ("KeyError", "'GBP'"));
        assert_eq!((found.frames[0].function.as_str(), found.frames[0].lineno), ("rate", 4));
    }
}
