//! The port to a test framework: which file is what, which tests a file declares, how to run some of them on a
//! slightly changed tree, and which changes to a tree a good test would notice.
//!
//! How a verdict follows from all that is not decided here.

use crate::Result;
use crate::egress::HostPort;
use crate::evidence::Outcome;
use crate::sandbox::Sandbox;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Where a harness's own files stand inside a sandbox, read-only.
pub const PROOF_DIR: &str = "/proof";

/// What a file of a patch is, for the purposes of proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileClass {
    Product,
    /// Tests, their helpers and their data.
    Test,
    /// Decides how tests are found and run; always taken from base.
    Harness,
    /// May not be changed by a patch at all, with the reason.
    Forbidden(String),
}

/// How to build the layer of tools and dependencies that every sandbox of a repository stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetUp {
    /// The harness's id.
    pub harness: String,
    /// Files whose contents decide the layer; the digest below is over these and the commands.
    pub lock_files: Vec<String>,
    pub digest: String,
    /// Shell lines, run in the workspace with `/layer` writable.
    pub commands: Vec<String>,
    /// For every sandbox that stands on the layer.
    pub env: BTreeMap<String, String>,
    /// Folders of the layer that must also appear elsewhere: (below the layer, absolute target).
    pub mounts: Vec<(String, String)>,
    /// The package registries that the commands may reach.
    pub registries: Vec<HostPort>,
}

/// A built layer on this host.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub path: PathBuf,
    pub env: BTreeMap<String, String>,
    /// As in `SetUp::mounts`.
    pub mounts: Vec<(String, String)>,
}

/// One test as a file's syntax declares it: a table of rows is one declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// As results name it, without the row.
    pub id: String,
    pub line: u32,
    pub last_line: u32,
    /// Of the body, so that a new table row leaves it as it was.
    pub digest: String,
    /// Of the rows, when the test has a table.
    pub rows_digest: String,
    /// The kinds of checks it makes, sorted; fewer than before means it was weakened.
    pub checks: Vec<String>,
    /// First and last line of each of them; empty where the harness does not say.
    pub checked_at: Vec<(u32, u32)>,
    pub skipped: bool,
}

impl Declared {
    /// Whether a result belongs to this declaration; `…` stands for what only a run knows.
    pub fn names(&self, result: &TestResult) -> bool {
        if !self.id.contains('…') {
            return result.declared == self.id;
        }
        let mut rest = result.declared.as_str();
        for (i, part) in self.id.split('…').enumerate() {
            match rest.find(part) {
                Some(at) if i > 0 || at == 0 => rest = &rest[at + part.len()..],
                _ => return false,
            }
        }
        rest.is_empty() || self.id.ends_with('…')
    }
}

/// One way to run a tree: with some files changed, some tests chosen, under some disguise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Variant {
    pub key: String,
    /// Laid over the tree before and taken back after; `None` removes the file.
    pub edits: Vec<(String, Option<String>)>,
    /// `None` is every test that the framework finds.
    pub ids: Option<Vec<String>>,
    pub shuffle: Option<u64>,
    pub disguise: Disguise,
    pub watch: Option<Watch>,
    /// Types need not fit: for mixtures of two trees, and for trees made wrong on purpose.
    pub lenient: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disguise {
    #[default]
    None,
    /// The framework runs, but its variables, arguments and names are gone.
    Dressed,
    /// A neutral program loads the test and calls it; the framework does not run where it can be helped.
    Bare,
}

/// Exceptions to note wherever they pass through the project's own code, even if something swallows them, and the
/// steps of the tests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Watch {
    pub kinds: Vec<String>,
    /// First and last lines of tests whose steps nobody asks for, by file.
    pub others: Vec<(String, u32, u32)>,
}

/// Variants that one sandbox runs one after the other.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub variants: Vec<Variant>,
    /// Where the tree stands inside the sandbox.
    pub root: String,
    /// Where the harness's own files stand: `PROOF_DIR`, or in disguise somewhere that tells nothing.
    pub assets_dir: String,
    /// A new process image for each variant; otherwise a copy of one that has loaded nothing of the project may do.
    pub fresh: bool,
    /// For each variant.
    pub timeout: Duration,
    /// Nobody in the sandbox could have guessed it before.
    pub nonce: String,
    /// From the project's configuration, for a harness that is told how to run.
    pub command: Option<String>,
    pub report_path: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VariantReport {
    pub key: String,
    pub ended: Ended,
    pub duration_ms: u64,
    pub tests: Vec<TestResult>,
    /// Files whose tests could not even be loaded.
    pub load_errors: Vec<LoadError>,
    /// What the run printed, cut.
    pub log: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Finished,
    /// The process went away before it could report.
    #[default]
    Died,
    Timeout,
    /// The changed tree does not build.
    BuildFailed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// With the row, when the test has a table.
    pub id: String,
    /// Without the row: matches `Declared::id`.
    #[serde(default)]
    pub declared: String,
    #[serde(default)]
    pub file: String,
    pub outcome: Outcome,
    #[serde(default)]
    pub duration_ms: u64,
    /// The failure and what it was raised from, outermost first.
    #[serde(default)]
    pub chain: Vec<Link>,
    /// Exceptions that were logged or seen passing while the test ran.
    #[serde(default)]
    pub seen: Vec<Link>,
    /// Lines of the test that ran (`tests/a.py:7`), and what they called in the project with what
    /// (`tests/a.py:7 rate, 'GBP', 2`); only of watched runs, where the harness can tell.
    #[serde(default)]
    pub steps: Vec<String>,
    /// A digest of the code that stood behind its name, or `elsewhere` if that is in another file; empty where the
    /// harness can't tell.
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub log: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadError {
    pub file: String,
    pub chain: Vec<Link>,
    pub log: String,
}

/// One exception of a chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    pub kind: String,
    pub message: String,
    /// A check of the test itself that did not hold.
    pub is_check: bool,
    /// Oldest call first.
    pub frames: Vec<Place>,
    /// The step of the test that led here, as `TestResult::steps` writes it.
    pub step: String,
    /// Where it was caught, if inside the project and known.
    pub caught_in: Option<Place>,
}

/// A line of code; `file` is relative to the tree, or absolute when it lies outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    pub file: String,
    pub function: String,
    pub line: u32,
}

/// A copy of a test file with two tests of ours at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    pub path: String,
    pub text: String,
    pub passes: String,
    pub fails: String,
}

/// A tree made wrong on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    pub description: String,
    pub file: String,
    pub line: u32,
    /// The whole file, changed; `None` removes it.
    pub text: Option<String>,
    pub kind: MutantKind,
}

impl Mutant {
    /// Whether both force the same condition or choice, to different sides.
    pub fn is_other_side_of(&self, other: &Mutant) -> bool {
        match (self.kind, other.kind) {
            (MutantKind::Forced { at, side }, MutantKind::Forced { at: there, side: its }) => {
                self.file == other.file && at == there && side != its
            }
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutantKind {
    /// The exception swallowed inside a frame, giving some value instead. Values that the language takes for the same
    /// somewhere (JavaScript counts with `''` as with 0, a check of truth knows one empty value from none) share a bit.
    Hush { alike: u8 },
    /// An added condition that always holds or never does, or an added choice that is always the same. `at` is where it
    /// begins and ends, the same for all of its sides.
    Forced { at: (usize, usize), side: usize },
    /// A check of a counting test that expects something else.
    Check,
    /// A counting test without what it alone gives to the patch.
    Given,
    /// What a patch puts off, done at once.
    AtOnce,
    /// A piece of an added handler or default.
    Handler,
    /// A hunk of the patch taken back.
    Hunk,
    /// A changed function that does nothing.
    Emptied,
    /// A changed comparison or number.
    Turned,
}

/// A product file of a patch.
#[derive(Clone, Copy, Debug)]
pub struct Patched<'a> {
    pub path: &'a str,
    pub old: Option<&'a str>,
    pub new: &'a str,
}

/// A value that tests give and the patch's added code names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Singled {
    pub value: String,
    /// As the code writes it.
    pub spelled: String,
    /// The first test file that gives it.
    pub path: String,
    pub line: u32,
    pub named_in: String,
    pub named_at: u32,
    /// The tables of the code that it is an entry of, each by its file and where it begins.
    pub tables: BTreeSet<(String, usize)>,
    /// Of every group one has to behave as on base.
    pub others: Vec<Vec<Other>>,
}

/// Another value, with the test files that give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub value: String,
    pub edits: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SingledOut {
    pub found: Vec<Singled>,
    /// How many more there are than may be tried.
    pub left: usize,
}

/// A test file, and where values are looked for in it.
pub struct Giver<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub lines: BTreeSet<u32>,
}

#[derive(Clone, Copy)]
pub struct Sought<'a> {
    pub tests: &'a [Giver<'a>],
    pub patch: &'a [Patched<'a>],
    /// Of a value, and whether it is a number.
    pub is_known: &'a dyn Fn(&str, bool) -> bool,
}

impl Singled {
    /// Where a text has a value in it, in whatever case.
    pub fn places(text: &str, value: &str) -> Vec<usize> {
        text.to_ascii_lowercase().match_indices(&value.to_ascii_lowercase()).map(|(at, _)| at).collect()
    }
    pub fn replaced(text: &str, value: &str, other: &str) -> String {
        let mut text = text.to_string();
        for at in Singled::places(&text, value).into_iter().rev() {
            text.replace_range(at..at + value.len(), other);
        }
        text
    }
}

/// A line of added product code that a proof can't live with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub line: u32,
    pub what: String,
}

/// One test framework (or family) and the language it belongs to. Everything but `run` is pure.
#[async_trait]
pub trait TestHarness: Send + Sync {
    fn id(&self) -> &'static str;
    fn label(&self) -> &'static str;
    /// How sure it is that the repository's tests are its own (0 means not at all), and how to set it up.
    fn detect(&self, files: &[String], read: &dyn Fn(&str) -> Option<String>) -> Option<SetUp>;
    /// Judged by path and, where a file has parts of two kinds, by both texts.
    fn classify(&self, path: &str, old: Option<&str>, new: Option<&str>) -> FileClass;
    fn declared(&self, path: &str, text: &str) -> Vec<Declared>;
    /// For languages with tests inside product files: `onto` with its tests replaced by those of `tests_of`.
    fn graft(&self, _path: &str, _onto: Option<&str>, _tests_of: Option<&str>) -> Option<String> {
        None
    }
    /// Files of its own that it needs inside a sandbox.
    fn assets(&self) -> &'static [(&'static str, &'static str)];
    fn canary(&self, path: &str, text: &str, nonce: &str) -> Option<Canary>;
    /// Whether a tree has to be built before its tests run: then repeats share a sandbox, and each has a process of its own.
    fn builds(&self) -> bool {
        false
    }
    /// Whether it writes into the files of the tests to watch them.
    fn marks_tests(&self) -> bool {
        false
    }
    /// A module-level copy stands beside the file; an in-file canary replaces it.
    async fn run(&self, place: &dyn Sandbox, batch: &Batch) -> Result<Vec<VariantReport>>;
    /// An exception with frames that somebody pasted into prose.
    fn traceback(&self, prose: &str) -> Option<crate::alert::Exception>;
    /// Base's `text` with exceptions swallowed in the function around `frame`, one variant per value.
    fn hush(&self, path: &str, text: &str, frame: &Place) -> Vec<Mutant>;
    /// Added handlers that swallow everything and do nothing, and the changes that pin the others.
    fn handlers(&self, path: &str, old: Option<&str>, new: &str) -> (Vec<Finding>, Vec<Mutant>);
    fn wrong_versions(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Mutant>;
    fn sleeve(&self, path: &str, old: Option<&str>, new: &str) -> Vec<Finding>;
    /// Checks of these tests (as declared) that compare with a literal, expecting another one each.
    fn blunted(&self, _path: &str, _text: &str, _tests: &[String]) -> Vec<Mutant> {
        Vec::new()
    }
    /// A test file without the arguments that these lines alone give to the patch.
    fn ungiven(&self, _path: &str, _text: &str, _tests: &[(u32, u32)], _patch: &[Patched<'_>]) -> Vec<Mutant> {
        Vec::new()
    }
    /// Values of the tests that the patch's added code names, but for what is known anyway.
    fn singled_out(&self, _sought: &Sought<'_>) -> SingledOut {
        SingledOut::default()
    }
    /// The file with what the patch puts off, to a timer, a task or a thread, done at once.
    fn at_once(&self, _path: &str, _old: Option<&str>, _new: &str) -> Option<Mutant> {
        None
    }
    /// Functions that worked with what they are given and now give one written-down value.
    fn hollow(&self, _path: &str, _old: &str, _new: &str) -> Vec<Finding> {
        Vec::new()
    }
    /// A file of the product with each of its functions failing as soon as a test calls it; its own tests stay.
    fn failing(&self, _path: &str, _text: &str) -> Option<String> {
        None
    }
    /// Whether a file of code may load others by names that it makes up while it runs; `None` for any other file, and
    /// where code is loaded in other ways.
    fn loads_any(&self, _path: &str, _text: &str) -> Option<bool> {
        None
    }
    /// First and last line of each function, outer ones before inner ones.
    fn functions(&self, _path: &str, _text: &str) -> Vec<(u32, u32)> {
        Vec::new()
    }
    /// Of the innermost function around a line.
    fn function_around(&self, path: &str, text: &str, line: u32) -> Option<(u32, u32)> {
        self.functions(path, text).into_iter().rfind(|(first, last)| (first..=last).contains(&&line))
    }
    /// Whether a watched run knows where an exception was caught.
    fn sees_handlers(&self) -> bool {
        true
    }
    /// Whether the patch adds something to a file that keeps an exception from going on.
    fn adds_handler(&self, _path: &str, old: Option<&str>, new: &str) -> bool {
        let old: std::collections::HashSet<&str> = old.unwrap_or_default().lines().collect();
        new.lines().filter(|l| !old.contains(l)).any(|l| l.contains("catch") || l.contains("rescue"))
    }
    /// What a test puts something else in the place of, without its module, and the line.
    fn replaces(&self, _path: &str, _text: &str) -> Vec<(String, u32)> {
        Vec::new()
    }
    /// Names of functions that a test puts in the place of others, and the lines.
    fn puts(&self, _path: &str, _text: &str) -> Vec<(String, u32)> {
        Vec::new()
    }
    /// The lines of statements that make an exception and raise it.
    fn raises(&self, _path: &str, _text: &str) -> BTreeSet<u32> {
        BTreeSet::new()
    }
    /// The names that a file gives to functions, classes and values.
    fn defines(&self, _path: &str, _text: &str) -> BTreeSet<String> {
        BTreeSet::new()
    }
    /// What a file asks set-up to install, one entry each; empty for any other file.
    fn dependencies(&self, _path: &str, _text: &str) -> BTreeSet<String> {
        BTreeSet::new()
    }
    /// Whether added code reads a clock or a random source, or what differs from process to process.
    fn reads_dice(&self, old: Option<&str>, new: &str) -> bool;
}
