//! Reads what cargo and a test binary say: artifacts and compile errors, the result log, and the panics in what each
//! test printed. Pure functions over text.

use domain::evidence::Outcome;
use domain::harness::{Link, LoadError, Place};
use serde::Deserialize;
use std::collections::BTreeMap;

const FRAMES_MAX: usize = 60;
const MESSAGE_MAX: usize = 600;

/// What a build left behind.
#[derive(Default)]
pub struct Build {
    pub success: bool,
    pub binaries: Vec<Binary>,
    pub errors: Vec<CompileError>,
}

#[derive(Clone, Debug)]
pub struct Binary {
    pub path: String,
    /// The root file of its crate, absolute.
    pub source: String,
    pub is_proc_macro: bool,
}

#[derive(Clone, Debug)]
pub struct CompileError {
    /// Root file of the crate that does not build, absolute.
    pub source: String,
    pub is_test_target: bool,
    pub file: String,
    pub line: u32,
    pub code: String,
    pub message: String,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    profile: Option<Profile>,
    #[serde(default)]
    executable: Option<String>,
    #[serde(default)]
    message: Option<Diagnostic>,
    #[serde(default)]
    success: bool,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    #[serde(default)]
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    is_primary: bool,
}

pub fn build(messages: &str) -> Build {
    let mut build = Build::default();
    for line in messages.lines().filter(|l| l.starts_with('{')) {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        match (message.reason.as_str(), message.target) {
            ("compiler-artifact", Some(target)) if message.profile.is_some_and(|p| p.test) => {
                let is_proc_macro = target.kind.iter().any(|k| k == "proc-macro");
                build.binaries.extend(message.executable.map(|path| Binary { path, source: target.src_path, is_proc_macro }));
            }
            ("compiler-message", Some(target)) => build.errors.extend(message.message.and_then(|m| compile_error(m, target))),
            ("build-finished", _) => build.success = message.success,
            _ => {}
        }
    }
    build
}

fn compile_error(found: Diagnostic, target: Target) -> Option<CompileError> {
    if found.level != "error" || found.message.starts_with("aborting due to") {
        return None;
    }
    let span = found.spans.iter().find(|s| s.is_primary).or(found.spans.first());
    Some(CompileError {
        is_test_target: target.kind.iter().any(|k| k == "test"),
        file: span.map(|s| s.file_name.clone()).unwrap_or_default(),
        line: span.map_or(0, |s| s.line_start),
        code: found.code.map(|c| c.code).unwrap_or_default(),
        message: cut(&found.message, MESSAGE_MAX),
        source: target.src_path,
    })
}

/// Errors that say that a name is not known; the others say that something is wrong with known ones.
const UNKNOWN_NAMES: &[&str] =
    &["E0425", "E0432", "E0433", "E0412", "E0422", "E0405", "E0407", "E0437", "E0531", "E0559", "E0560", "E0574", "E0599", "E0609"];

/// Of the compiler's words: `error[E0425]: cannot find …`.
pub fn kind_of_error(words: &str) -> &'static str {
    if UNKNOWN_NAMES.iter().any(|code| words.starts_with(&format!("error[{code}]"))) { "Error" } else { "CompileError" }
}

pub fn load_error(error: &CompileError, file: String) -> LoadError {
    let message = format!("error[{}]: {}", error.code, error.message);
    let kind = kind_of_error(&message);
    let place = Place { file: error.file.clone(), function: String::new(), line: error.line };
    let log = format!("{message}\n --> {}:{}", error.file, error.line);
    LoadError { file, chain: vec![Link { kind: kind.to_string(), message, is_check: false, frames: vec![place], ..Link::default() }], log }
}

/// Name → outcome, from the log that the test binary keeps beside what it prints. A message in it may have several lines,
/// with anything in them: a name that comes twice has failed.
pub fn results(log: &str, names: &[&str]) -> BTreeMap<String, Outcome> {
    let mut found = BTreeMap::new();
    let mut open = None;
    for line in log.lines() {
        let outcome = open.or(match line.split([' ', ':', ',']).next() {
            Some("ok") => Some(Outcome::Passed),
            Some("failed") => Some(Outcome::Failed),
            Some("ignored") => Some(Outcome::Skipped),
            _ => None,
        });
        let Some(outcome) = outcome else { continue };
        let name = line.rsplit(' ').next().unwrap_or_default();
        if names.contains(&name) {
            let is_again = found.insert(name.to_string(), outcome).is_some();
            if is_again {
                found.insert(name.to_string(), Outcome::Failed);
            }
            open = None;
        } else {
            open = Some(outcome).filter(|_| line.starts_with("failed:") || open.is_some());
        }
    }
    found
}

/// What each test printed, from the sections at the end of the output.
pub fn sections<'a>(output: &'a str, names: &[&str]) -> BTreeMap<&'a str, String> {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    let mut current: Option<&str> = None;
    for line in output.lines() {
        let head = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----")).filter(|n| names.contains(n));
        if let Some(name) = head {
            current = Some(name);
            found.entry(name).or_default();
        } else if matches!(line, "failures:" | "successes:") {
            current = None;
        } else if let Some(name) = current {
            let text = found.entry(name).or_default();
            text.push_str(line);
            text.push('\n');
        }
    }
    found
}

#[derive(Clone, Debug, PartialEq)]
pub struct Panic {
    pub thread: String,
    pub message: String,
    pub at: Place,
    /// Oldest call first.
    pub frames: Vec<Place>,
}

/// Every panic in a piece of output, in the order in which they happened.
pub fn panics(text: &str) -> Vec<Panic> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some((thread, place)) = panic_head(lines[at]) else {
            at += 1;
            continue;
        };
        let message_end = (at + 1..lines.len())
            .find(|i| lines[*i] == "stack backtrace:" || lines[*i].starts_with("note: ") || panic_head(lines[*i]).is_some())
            .unwrap_or(lines.len());
        let message = cut(lines[at + 1..message_end].join("\n").trim_end(), MESSAGE_MAX);
        let frames_end = (message_end..lines.len()).skip(1).find(|i| !lines[*i].starts_with("  ")).unwrap_or(lines.len());
        let has_frames = lines.get(message_end) == Some(&"stack backtrace:");
        let frames = if has_frames { frames(&lines[message_end + 1..frames_end]) } else { Vec::new() };
        found.push(Panic { thread, message, at: place, frames });
        at = if has_frames { frames_end } else { message_end };
    }
    found
}

/// `thread 'tests::a' (17) panicked at src/lib.rs:3:5:`
fn panic_head(line: &str) -> Option<(String, Place)> {
    let rest = line.trim_start().strip_prefix("thread '")?;
    let (thread, rest) = rest.split_once("' ")?;
    let (_, place) = rest.split_once("panicked at ")?;
    Some((thread.to_string(), position(place.trim_end_matches(':'), "")?))
}

/// `src/lib.rs:3:5`
pub fn position(text: &str, function: &str) -> Option<Place> {
    let mut parts = text.rsplitn(3, ':');
    let (_, line, file) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Place { file: file.to_string(), function: function.to_string(), line: line.parse().ok()? })
}

/// Pairs of `  3: shop::rate` and `             at ./src/lib.rs:3:5`, turned to oldest first.
pub fn frames(lines: &[&str]) -> Vec<Place> {
    let mut found = Vec::new();
    let mut function = String::new();
    for line in lines {
        let line = line.trim();
        if let Some(place) = line.strip_prefix("at ") {
            found.extend(position(place, &function));
        } else if let Some((_, name)) = line.split_once(": ") {
            function = without_closures(name.trim());
        }
    }
    found.truncate(FRAMES_MAX);
    found.reverse();
    found
}

fn without_closures(name: &str) -> String {
    let name = name.split("::{{closure}}").next().unwrap_or(name);
    name.split("::{closure#").next().unwrap_or(name).to_string()
}

/// The type of an error that `unwrap` or `expect` shows: `a weight: ParseIntError { kind: InvalidDigit }`.
pub fn error_kind(message: &str) -> Option<String> {
    if message.starts_with("assertion") {
        return None;
    }
    message.match_indices(": ").find_map(|(at, _)| {
        let shown = &message[at + 2..];
        let kind = kind_of(shown)?;
        let rest = &shown[kind.len()..];
        (rest.is_empty() || rest.starts_with(" {") || rest.starts_with('(')).then_some(kind)
    })
}

pub fn kind_of(shown: &str) -> Option<String> {
    let end = shown.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(shown.len());
    let word = &shown[..end];
    (word.len() > 2 && word.starts_with(|c: char| c.is_ascii_uppercase())).then(|| word.to_string())
}

pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_string();
    }
    let head: String = text.chars().take(max / 2).collect();
    let tail: Vec<char> = text.chars().rev().take(max / 2).collect();
    format!("{head}\n[...]\n{}", tail.into_iter().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\nthread 'tests::b' (31225) panicked at src/lib.rs:1:92:\ncalled `Option::unwrap()` on a `None` value\nstack backtrace:\n   0: core::option::unwrap_failed\n             at /rustc/5980/library/core/src/option.rs:2236:5\n   1: shop::rate\n             at ./src/lib.rs:1:92\n   2: shop::tests::b::{{closure}}\n             at ./src/lib.rs:8:14\nnote: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n";

    #[test]
    fn a_panic_is_read_with_its_frames() {
        let found = panics(SAID);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].thread.as_str(), found[0].at.line), ("tests::b", 1));
        assert_eq!(found[0].message, "called `Option::unwrap()` on a `None` value");
        let names: Vec<_> = found[0].frames.iter().map(|f| f.function.as_str()).collect();
        assert_eq!(names, ["shop::tests::b", "shop::rate", "core::option::unwrap_failed"]);
    }

    #[test]
    fn results_come_from_the_log_and_words_from_the_sections() {
        let log = results("ok tests::a\nfailed tests::b\nignored, slow tests::c\n", &["tests::a", "tests::b", "tests::c"]);
        assert_eq!(log.values().copied().collect::<Vec<_>>(), [Outcome::Passed, Outcome::Failed, Outcome::Skipped]);
        let played = "failed: panic did not contain expected string\n      panic message: `x\nok tests::b\n`,\n expected substring: `y` tests::b\nfailed: test did not panic as expected at src/lib.rs:3:5 tests::c\n";
        let log = results(played, &["tests::b", "tests::c"]);
        assert_eq!(log.values().copied().collect::<Vec<_>>(), [Outcome::Failed, Outcome::Failed]);
        let output = format!("\nrunning 2 tests\n\nfailures:\n\n---- tests::b stdout ----\n{SAID}\nfailures:\n    tests::b\n");
        assert!(sections(&output, &["tests::b"])["tests::b"].contains("panicked at"));
        assert_eq!(
            error_kind("called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }").as_deref(),
            Some("ParseIntError")
        );
        assert_eq!(error_kind("a weight: ParseIntError { kind: InvalidDigit }").as_deref(), Some("ParseIntError"));
        assert_eq!(error_kind("attempt to divide by zero: See the manual"), None);
    }
}
