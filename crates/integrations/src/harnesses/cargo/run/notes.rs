//! What a run of a test program came to: results, failures and what led to them.

use super::{Chosen, LOG_MAX, Yard};
use crate::harnesses::cargo::output::{self, Panic};
use crate::harnesses::cargo::{inline, witness};
use crate::syntax::{Language, Source};
use domain::Result;
use domain::evidence::Outcome;
use domain::harness::{Link, Place, TestResult, VariantReport};
use domain::sandbox::ExecOutput;
use std::collections::BTreeMap;

/// Panics of one test that are looked at beside its failure.
const PANICS_MAX: usize = 20;

impl Yard<'_> {
    pub(super) async fn note(
        &mut self,
        tests: &[Chosen],
        output: &ExecOutput,
        results: &BTreeMap<String, Outcome>,
        report: &mut VariantReport,
    ) -> Result<()> {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = self.watched.as_ref().map(|w| witness::told(&text, &w.nonce));
        let names: Vec<&str> = tests.iter().map(|t| t.name.as_str()).collect();
        let sections = output::sections(&text, &names);
        for test in tests {
            let Some(outcome) = results.get(&test.name).copied() else { continue };
            let mut said = sections.get(test.name.as_str()).cloned().unwrap_or_default();
            let folder = self
                .packages
                .iter()
                .filter(|p| format!("{}/{}", self.batch.root, test.file).starts_with(p.folder()))
                .map(|p| p.folder().to_string())
                .max_by_key(String::len)
                .unwrap_or_default();
            let (mut steps, mut panics) = (Vec::new(), Vec::new());
            match &told {
                Some(told) => {
                    let is_own =
                        |name: &str| name.split_once("::").is_some_and(|(_, n)| n == test.name || test.name.starts_with(&format!("{n}::")));
                    for (_, line) in told.steps.iter().filter(|(name, _)| is_own(name)) {
                        steps.push(format!("{}:{line}", test.file));
                        steps.extend(self.step(&test.file, *line));
                    }
                    panics.extend(told.panics.iter().filter(|(name, _)| is_own(name)).map(|(_, panic)| panic.clone()));
                    said = witness::without(&said, self.watched.as_ref().map_or("", |w| &w.nonce));
                }
                // Anybody can print; good enough to say how a test failed, never to say why it counts.
                None => panics.extend(output::panics(&said)),
            }
            let (chain, mut seen) = self.links(test, outcome, panics, &said, &folder).await?;
            seen.truncate(if told.is_some() { usize::MAX } else { 0 });
            report.tests.push(TestResult {
                id: test.id.clone(),
                declared: test.declared.clone(),
                file: test.file.clone(),
                outcome,
                duration_ms: 0,
                chain,
                seen,
                steps,
                body: String::new(),
                log: output::cut(&said, LOG_MAX),
            });
        }
        Ok(())
    }

    /// The failure itself, and the other panics of the test and its threads.
    async fn links(
        &mut self,
        test: &Chosen,
        outcome: Outcome,
        mut panics: Vec<Panic>,
        said: &str,
        folder: &str,
    ) -> Result<(Vec<Link>, Vec<Link>)> {
        let mut chain = Vec::new();
        if outcome == Outcome::Failed {
            let own = panics.iter().rposition(|p| p.thread == test.name || p.thread == "main");
            let check = |kind: &str, message: &str| Link {
                kind: kind.to_string(),
                message: output::cut(message, 600),
                is_check: true,
                frames: vec![in_test(test)],
                ..Link::default()
            };
            if let Some(error) = said.lines().rev().find_map(|l| l.strip_prefix("Error: ")) {
                chain.push(check(&output::kind_of(error).unwrap_or_else(|| "error".to_string()), error));
            } else if said.contains("test did not panic as expected") || said.contains("panic did not contain expected string") {
                chain.push(check("assertion", "the test did not panic as expected"));
            } else if let Some(at) = own {
                let failure = panics.remove(at);
                chain = self.link(&failure, folder).await?;
            }
        }
        let mut seen = Vec::new();
        for panic in panics.iter().take(PANICS_MAX) {
            seen.extend(self.link(panic, folder).await?);
        }
        Ok((chain, seen))
    }

    /// A panic, and the error that it shows when something was unwrapped. One that a test raises is a check of the test,
    /// whatever it says and through whomever it passes.
    async fn link(&mut self, panic: &Panic, folder: &str) -> Result<Vec<Link>> {
        let mut frames: Vec<Place> = panic.frames.iter().map(|f| Place { file: self.relative(&f.file, folder), ..f.clone() }).collect();
        if let Some(first) = frames.iter().position(|f| is_own(&f.file)) {
            frames.drain(..first);
        } else {
            frames = vec![Place { file: self.relative(&panic.at.file, ""), function: String::new(), line: panic.at.line }];
        }
        while frames.len() > 1 && frames.last().is_some_and(|f| !is_own(&f.file)) {
            frames.pop();
        }
        let mut step = String::new();
        let mut caught_in = None;
        let mut is_check = false;
        for place in &frames {
            is_check = self.is_in_test(place).await?;
            if is_check {
                // Of a helper nothing is known; what called it is the step.
                step = self.step(&place.file, place.line).unwrap_or(step);
                caught_in = None;
            } else if is_own(&place.file) && self.catches(place).await? {
                caught_in = Some(place.clone());
            }
        }
        let kind = if is_check { "assertion" } else { "panic" };
        let link = Link { kind: kind.to_string(), message: panic.message.clone(), is_check, frames, step, caught_in };
        let shown = output::error_kind(&panic.message).filter(|_| !is_check).map(|kind| Link { kind, ..link.clone() });
        Ok(std::iter::once(link).chain(shown).collect())
    }

    /// A statement as both sides know it: with a product that is longer or shorter, an inline test stands elsewhere.
    fn step(&self, file: &str, line: u32) -> Option<String> {
        let statement = witness::statement_at(self.watched.as_ref()?.statements.get(file)?, line)?;
        let declared = self.known.get(file)?.tests.get(&statement.test)?;
        Some(format!("{declared}+{}", statement.first - statement.test))
    }

    async fn is_in_test(&mut self, place: &Place) -> Result<bool> {
        if !is_own(&place.file) {
            return Ok(false);
        }
        let known = self.known(&place.file).await?;
        Ok(known.is_test || inline::is_test_line(&known.test_lines, place.line))
    }

    /// Whether the function around a place catches panics.
    async fn catches(&mut self, place: &Place) -> Result<bool> {
        if self.watched.is_none() {
            return Ok(false);
        }
        let text = self.read(&place.file).await.unwrap_or_default();
        let source = Source::parse(Language::Rust, &text);
        Ok(source.is_some_and(|s| inline::function_at(&s, place.line).is_some_and(|f| s.of(f).contains("catch_unwind"))))
    }
}

fn is_own(path: &str) -> bool {
    !path.is_empty() && !path.starts_with(['/', '<'])
}

fn in_test(test: &Chosen) -> Place {
    Place { file: test.file.clone(), function: test.name.clone(), line: 0 }
}

pub(super) fn crashed(test: &Chosen, output: &ExecOutput) -> TestResult {
    let text = output.text();
    let overflowed = text.contains("has overflowed its stack");
    let kind = if overflowed { "stack overflow" } else { "crash" };
    let message = format!("the process ended with signal {}", output.exit.code - 128);
    TestResult {
        id: test.id.clone(),
        declared: test.declared.clone(),
        file: test.file.clone(),
        outcome: Outcome::Failed,
        duration_ms: 0,
        chain: vec![Link { kind: kind.to_string(), message, is_check: overflowed, frames: vec![in_test(test)], ..Link::default() }],
        seen: Vec::new(),
        steps: Vec::new(),
        body: String::new(),
        log: output::cut(&text, LOG_MAX),
    }
}
