//! Runs the examples in doc comments, which cargo builds and starts one by one. They are no disguise's business: their
//! programs are neutral ones anyway, and the product in them is built as its users build it.

use super::{BUILD_TIMEOUT, LOG_MAX, OUTPUT_BYTES_MAX, Package, Yard};
use crate::harnesses::cargo::{examples, files, output};
use domain::Result;
use domain::evidence::Outcome;
use domain::harness::{Disguise, Ended, FileClass, Link, Place, TestResult, Variant, VariantReport};
use domain::sandbox::{Command, ExitReason};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Beside the time that the tests have: each example is a build.
const BUILDS_TIMEOUT: Duration = Duration::from_secs(60);

impl Yard<'_> {
    /// Those that are asked for, with their results added to the report.
    pub(super) async fn run_examples(&mut self, variant: &Variant, report: &mut VariantReport) -> Result<Ended> {
        let asked: Option<BTreeSet<&str>> =
            variant.ids.as_ref().map(|ids| ids.iter().map(String::as_str).filter(|id| examples::is_example(id)).collect());
        let wanted: BTreeSet<String> = match &asked {
            Some(ids) => ids.iter().filter_map(|id| id.split_once("::").map(|(file, _)| file.to_string())).collect(),
            None => self.documented.iter().filter(|f| files::classify(f, None, None) == FileClass::Product).cloned().collect(),
        };
        let libraries: BTreeSet<String> = wanted.iter().filter_map(|file| self.library_of(file)).map(|p| p.name.clone()).collect();
        if libraries.is_empty() {
            return Ok(Ended::Finished);
        }
        let mut arguments: Vec<String> = ["cargo", "test", "--doc", "--offline", "--no-fail-fast"].map(str::to_string).to_vec();
        arguments.extend((variant.disguise == Disguise::Bare).then(|| "--release".to_string()));
        arguments.extend(libraries.into_iter().flat_map(|name| ["--package".to_string(), name]));
        if asked.is_some() {
            // rustdoc takes words as parts of names and can't be given a whole one, which has spaces.
            arguments.push("--".to_string());
            arguments.extend(wanted.iter().cloned());
        }
        let timeout = BUILD_TIMEOUT.min(BUILDS_TIMEOUT + self.batch.timeout);
        let mut command = Command::new(arguments).cwd(&self.batch.root).timeout(timeout).output_bytes_max(OUTPUT_BYTES_MAX);
        command.env.extend(self.env.clone());
        let output = self.place.exec(command).await?;
        self.note_examples(&String::from_utf8_lossy(&output.stdout), asked.as_ref(), report).await?;
        Ok(if output.exit.reason == ExitReason::Timeout { Ended::Timeout } else { Ended::Finished })
    }

    async fn note_examples(&mut self, text: &str, asked: Option<&BTreeSet<&str>>, report: &mut VariantReport) -> Result<()> {
        let results = examples::results(text);
        let names: Vec<&str> = results.iter().map(|(name, _)| name.whole.as_str()).collect();
        let sections = output::sections(text, &names);
        let mut known: BTreeMap<String, BTreeMap<u32, String>> = BTreeMap::new();
        for (name, outcome) in &results {
            let Some(file) = self.file_of(&name.file) else { continue };
            if !known.contains_key(&file) {
                let here = examples::of(&self.read(&file).await?).into_iter().map(|e| (e.line, e.id(&file))).collect();
                known.insert(file.clone(), here);
            }
            let Some(id) = known.get(&file).and_then(|here| here.get(&name.line)) else { continue };
            if asked.is_some_and(|asked| !asked.contains(id.as_str())) {
                continue;
            }
            let said = sections.get(name.whole.as_str()).cloned().unwrap_or_default();
            report.tests.push(TestResult {
                id: id.clone(),
                declared: id.clone(),
                outcome: *outcome,
                duration_ms: 0,
                chain: if *outcome == Outcome::Failed { failure(&said, &file, name.line) } else { Vec::new() },
                seen: Vec::new(),
                steps: Vec::new(),
                body: String::new(),
                log: output::cut(&said, LOG_MAX),
                file: file.clone(),
            });
        }
        Ok(())
    }

    /// The package with a library that a file belongs to.
    fn library_of(&self, file: &str) -> Option<&Package> {
        let full = format!("{}/{file}", self.batch.root);
        let owner = self.packages.iter().filter(|p| full.starts_with(&format!("{}/", p.folder()))).max_by_key(|p| p.folder().len())?;
        let is_library = |kind: &String| matches!(kind.as_str(), "lib" | "rlib" | "proc-macro");
        owner.targets.iter().any(|t| t.kind.iter().any(is_library)).then_some(owner)
    }

    /// rustdoc's name for it begins at the workspace or at the package.
    fn file_of(&self, name: &str) -> Option<String> {
        let name = name.trim_start_matches("./");
        if self.files.contains(name) {
            return Some(name.to_string());
        }
        let below = |p: &Package| self.relative(&format!("{}/{name}", p.folder()), "");
        self.packages.iter().map(below).find(|file| self.files.contains(file))
    }
}

/// A check of the example, whatever it was: what it prints is no witness of a panic elsewhere.
fn failure(said: &str, file: &str, line: u32) -> Vec<Link> {
    let not_built = said.contains("Couldn't compile the test.");
    let error = said.lines().find(|l| l.starts_with("error")).filter(|_| not_built).map(str::to_string);
    let panic = output::panics(said).pop().map(|p| p.message);
    let message = error.clone().or(panic).unwrap_or_else(|| "the example did not hold".to_string());
    let kind = match &error {
        Some(words) => output::kind_of_error(words),
        None => "assertion",
    };
    let place = Place { file: file.to_string(), function: String::new(), line };
    let frames = if error.is_some() { Vec::new() } else { vec![place] };
    vec![Link { kind: kind.to_string(), message: output::cut(&message, 600), is_check: error.is_none(), frames, ..Link::default() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_that_does_not_build_is_no_check() {
        let said = "error[E0425]: cannot find function `half` in crate `shop`\n --> src/a.rs:4:1\n\nerror: aborting due to 1 previous error\nCouldn't compile the test.\n";
        let found = failure(said, "src/a.rs", 3);
        assert_eq!((found[0].kind.as_str(), found[0].is_check), ("Error", false));
        let said = "Test executable failed (exit status: 101).\n\nstderr:\n\nthread 'main' panicked at src/a.rs:5:1:\nassertion failed\n";
        let found = failure(said, "src/a.rs", 3);
        assert_eq!((found[0].kind.as_str(), found[0].message.as_str(), found[0].is_check), ("assertion", "assertion failed", true));
    }
}
