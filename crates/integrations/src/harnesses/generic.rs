//! Any language: the project's configuration names a command and where it writes JUnit XML.
//!
//! Tests are known by the ids of that report alone, so the ones that count are those which base's report lacks. There
//! are no canaries and no disguise; wrong versions are the patch's hunks taken back, and turned operators where the
//! language is one whose syntax we read.

use super::files::{forbidden, is_below, name};
use super::node::Node;
use crate::syntax::{Language, reverted};
use async_trait::async_trait;
use domain::alert::Exception;
use domain::evidence::Outcome;
use domain::harness::*;
use domain::sandbox::{Command, ExitReason, Sandbox};
use domain::{Error, Result};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::BTreeMap;

pub struct Generic;

const REPORT_BYTES_MAX: u64 = 32 << 20;
const TEST_FOLDERS: &[&str] = &["tests", "test", "spec", "specs", "__tests__", "testdata", "src/test"];

#[async_trait]
impl TestHarness for Generic {
    fn id(&self) -> &'static str {
        "generic"
    }
    fn label(&self) -> &'static str {
        "a command with a JUnit report"
    }
    /// Never guessed: it is chosen by naming a command.
    fn detect(&self, _files: &[String], _read: &dyn Fn(&str) -> Option<String>) -> Option<SetUp> {
        None
    }
    fn classify(&self, path: &str, _old: Option<&str>, _new: Option<&str>) -> FileClass {
        if let Some(reason) = forbidden(path) {
            return FileClass::Forbidden(reason);
        }
        let name = name(path);
        if matches!(
            name,
            "Makefile"
                | "Rakefile"
                | "build.gradle"
                | "build.gradle.kts"
                | "pom.xml"
                | "CMakeLists.txt"
                | "phpunit.xml"
                | "conftest.py"
                | "build.rs"
        ) {
            return FileClass::Harness;
        }
        let stem = name.split('.').next().unwrap_or(name);
        let lower = stem.to_ascii_lowercase();
        let is_test = lower.starts_with("test_")
            || lower.ends_with("_test")
            || lower.ends_with("_spec")
            || stem.ends_with("Test")
            || stem.ends_with("Tests")
            || name.contains(".test.")
            || name.contains(".spec.");
        if is_test || is_below(path, TEST_FOLDERS) { FileClass::Test } else { FileClass::Product }
    }
    fn declared(&self, _path: &str, _text: &str) -> Vec<Declared> {
        Vec::new()
    }
    fn assets(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    fn canary(&self, _path: &str, _text: &str, _nonce: &str) -> Option<Canary> {
        None
    }
    async fn run(&self, place: &dyn Sandbox, batch: &Batch) -> Result<Vec<VariantReport>> {
        let (Some(line), Some(report)) = (&batch.command, &batch.report_path) else {
            return Err(Error::invalid("`.astraforge.yml` names a test command without a `report`, or the other way round; it needs both"));
        };
        let mut reports: Vec<VariantReport> = Vec::new();
        for variant in &batch.variants {
            reports.push(one(place, batch, variant, line, &format!("{}/{report}", batch.root)).await?);
        }
        Ok(reports)
    }
    fn traceback(&self, prose: &str) -> Option<Exception> {
        super::pytest::Pytest.traceback(prose).or_else(|| Node.traceback(prose))
    }
    fn hush(&self, path: &str, text: &str, frame: &Place) -> Vec<Mutant> {
        Node.hush(path, text, frame)
    }
    fn handlers(&self, path: &str, old: Option<&str>, new: &str) -> (Vec<Finding>, Vec<Mutant>) {
        match Language::of(path) {
            Some(Language::Python) => super::pytest::Pytest.handlers(path, old, new),
            _ => Node.handlers(path, old, new),
        }
    }
    fn wrong_versions(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Mutant> {
        match Language::of(path) {
            Some(Language::JavaScript | Language::TypeScript | Language::Tsx) => Node.wrong_versions(path, old, new),
            language => old.map(|old| reverted(path, language, old, new)).unwrap_or_default(),
        }
    }
    fn sleeve(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Finding> {
        match Language::of(path) {
            Some(Language::Python) => super::pytest::Pytest.sleeve(path, old, new),
            _ => Node.sleeve(path, old, new),
        }
    }
    fn reads_dice(&self, old: Option<&str>, new: &str) -> bool {
        Node.reads_dice(old, new)
    }
}

async fn one(place: &dyn Sandbox, batch: &Batch, variant: &Variant, line: &str, report: &str) -> Result<VariantReport> {
    let mut kept = Vec::new();
    for (path, text) in &variant.edits {
        let full = format!("{}/{path}", batch.root);
        kept.push((full.clone(), place.read_file(&full, 0, 16 << 20).await.ok()));
        lay(place, &full, text.clone().map(Into::into)).await?;
    }
    if place.stat(report).await.is_ok() {
        place.remove(report).await?;
    }
    let command = Command::shell(line).cwd(&batch.root).timeout(batch.timeout).output_bytes_max(64 << 10);
    let output = place.exec(command).await?;
    let mut done = VariantReport {
        key: variant.key.clone(),
        duration_ms: output.duration.as_millis() as u64,
        log: output.text(),
        ..VariantReport::default()
    };
    done.ended = if output.exit.reason == ExitReason::Timeout { Ended::Timeout } else { Ended::Died };
    if let Some(xml) = read(place, report).await? {
        done.tests = parse(&xml)?;
        if done.ended == Ended::Died {
            done.ended = Ended::Finished;
        }
    }
    if let Some(ids) = &variant.ids {
        done.tests.retain(|t| ids.contains(&t.id));
    }
    for (full, bytes) in kept {
        lay(place, &full, bytes).await?;
    }
    Ok(done)
}

async fn lay(place: &dyn Sandbox, path: &str, content: Option<bytes::Bytes>) -> Result<()> {
    match content {
        Some(content) => place.write_file(path, content, 0o644).await,
        None => place.remove(path).await,
    }
}

async fn read(place: &dyn Sandbox, path: &str) -> Result<Option<Vec<u8>>> {
    let Ok(stat) = place.stat(path).await else { return Ok(None) };
    if stat.size_bytes > REPORT_BYTES_MAX {
        return Err(Error::limit(format!("the JUnit report has {} bytes; {REPORT_BYTES_MAX} are allowed", stat.size_bytes)));
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < stat.size_bytes {
        let part = place.read_file(path, bytes.len() as u64, 1 << 20).await?;
        if part.is_empty() {
            break;
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Some(bytes))
}

/// The `testcase` elements of a JUnit report, whichever tool wrote it.
fn parse(xml: &[u8]) -> Result<Vec<TestResult>> {
    let bad = |e: &dyn std::fmt::Display| Error::unavailable(format!("the JUnit report is no XML: {e}"));
    let text = std::str::from_utf8(xml).map_err(|e| bad(&e))?;
    let mut reader = Reader::from_str(text);
    let (mut tests, mut open): (Vec<TestResult>, Option<TestResult>) = (Vec::new(), None);
    let mut in_failure = false;
    loop {
        match reader.read_event().map_err(|e| bad(&e))? {
            Event::Eof => break,
            Event::Start(tag) if tag.name().as_ref() == "testcase" => open = Some(case(&tag)),
            Event::Empty(tag) if tag.name().as_ref() == "testcase" => tests.push(case(&tag)),
            Event::End(tag) if tag.name().as_ref() == "testcase" => tests.extend(open.take()),
            Event::Start(tag) => in_failure = mark(&tag, open.as_mut()),
            Event::Empty(tag) => {
                mark(&tag, open.as_mut());
            }
            Event::End(_) => in_failure = false,
            Event::Text(text) if in_failure => {
                if let Some(test) = open.as_mut() {
                    test.log.push_str(&text);
                }
            }
            Event::CData(text) if in_failure => {
                if let Some(test) = open.as_mut() {
                    test.log.push_str(&text);
                }
            }
            _ => {}
        }
    }
    tests.iter_mut().for_each(finish);
    Ok(tests)
}

fn attributes(tag: &BytesStart<'_>) -> BTreeMap<String, String> {
    tag.attributes()
        .flatten()
        .map(|a| {
            let raw = a.value.to_string();
            let value = quick_xml::escape::unescape(&raw).map(|v| v.into_owned()).unwrap_or(raw.clone());
            (a.key.as_ref().to_string(), value)
        })
        .collect()
}

fn case(tag: &BytesStart<'_>) -> TestResult {
    let mut attributes = attributes(tag);
    let mut take = |key: &str| attributes.remove(key).unwrap_or_default();
    let (file, class, name) = (take("file"), take("classname"), take("name"));
    let place = if class.is_empty() { file.clone() } else { class };
    let id = format!("{place}::{name}");
    let seconds: f64 = take("time").parse().unwrap_or(0.0);
    let duration_ms = (seconds * 1000.0) as u64;
    TestResult {
        declared: id.clone(),
        id,
        file,
        outcome: Outcome::Passed,
        duration_ms,
        chain: Vec::new(),
        seen: Vec::new(),
        steps: Vec::new(),
        body: String::new(),
        log: String::new(),
    }
}

/// Notes a failure, error or skip on the open test; true when its text follows.
fn mark(tag: &BytesStart<'_>, test: Option<&mut TestResult>) -> bool {
    let Some(test) = test else { return false };
    let outcome = match tag.name().as_ref() {
        "failure" => Outcome::Failed,
        "error" => Outcome::Error,
        "skipped" => Outcome::Skipped,
        _ => return false,
    };
    test.outcome = outcome;
    let attributes = attributes(tag);
    let kind = attributes.get("type").cloned().unwrap_or_default();
    let message = attributes.get("message").cloned().unwrap_or_default();
    if outcome != Outcome::Skipped {
        test.chain.push(Link { kind, message, is_check: outcome == Outcome::Failed, ..Link::default() });
    }
    outcome != Outcome::Skipped
}

/// Frames as far as the failure's text shows any.
fn finish(test: &mut TestResult) {
    let Some(link) = test.chain.first_mut() else { return };
    let prose = format!("{}: {}\n{}", link.kind, link.message, test.log);
    if let Some(exception) = super::pytest::Pytest.traceback(&prose).or_else(|| Node.traceback(&prose)) {
        link.frames = exception
            .frames
            .into_iter()
            .map(|f| Place { file: f.filename.trim_start_matches("/workspace/").to_string(), function: f.function, line: f.lineno })
            .collect();
        if link.kind.is_empty() {
            link.kind = exception.kind;
        }
    }
    // A failed check of a test carries its own place when nothing tells another.
    if link.frames.is_empty() && !test.file.is_empty() {
        link.frames.push(Place { file: test.file.clone(), ..Place::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_case_by_case() {
        let xml = br#"<?xml version="1.0"?><testsuites><testsuite name="s">
            <testcase classname="shop.CartTest" name="adds" time="0.5"/>
            <testcase classname="shop.CartTest" name="fails"><failure type="AssertionError" message="1 &lt; 2">at all</failure></testcase>
            <testcase classname="shop.CartTest" name="later"><skipped/></testcase></testsuite></testsuites>"#;
        let found = parse(xml).expect("XML");
        let rows: Vec<_> = found.iter().map(|t| (t.id.as_str(), t.outcome)).collect();
        assert_eq!(
            rows,
            [
                ("shop.CartTest::adds", Outcome::Passed),
                ("shop.CartTest::fails", Outcome::Failed),
                ("shop.CartTest::later", Outcome::Skipped)
            ]
        );
        assert_eq!((found[1].chain[0].message.as_str(), found[1].log.as_str(), found[0].duration_ms), ("1 < 2", "at all", 500));
    }
}
