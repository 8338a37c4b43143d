//! The rules of proof: pure functions from results to a sentence, a code and what would mend it.
//!
//! Nothing here runs anything; `proof` gathers the results that are judged here.

pub mod absence;
pub mod bundle;
pub mod green;
pub mod guardrails;
pub mod incident;
pub mod kept;
pub mod red;
pub mod regression;
pub mod set_up;
pub mod strength;

use domain::diff::FileChange;
use domain::evidence::{Rule, RuleResult, RuleState};
use domain::harness::FileClass;

/// One file of a patch; a rename is a removal and an addition.
#[derive(Clone, Debug)]
pub struct PatchFile {
    pub path: String,
    pub class: FileClass,
    pub old: Option<String>,
    pub new: Option<String>,
    pub change: FileChange,
}

impl PatchFile {
    pub fn is_product(&self) -> bool {
        self.class == FileClass::Product
    }
    pub fn is_test(&self) -> bool {
        self.class == FileClass::Test
    }
    /// The lines that the patch adds, with their numbers.
    pub fn added(&self) -> Vec<(u32, &str)> {
        let Some(new) = &self.new else { return Vec::new() };
        let old: std::collections::HashSet<&str> = self.old.as_deref().unwrap_or_default().lines().collect();
        new.lines().enumerate().filter(|(_, l)| !old.contains(l)).map(|(i, l)| (i as u32 + 1, l)).collect()
    }
}

pub fn holds(rule: Rule, detail: impl Into<String>) -> RuleResult {
    RuleResult { rule, state: RuleState::Holds, detail: detail.into(), code: String::new(), file: None, line: None, mend: None }
}

pub fn not_judged(rule: Rule, why: &str) -> RuleResult {
    RuleResult { state: RuleState::NotApplicable, ..holds(rule, why) }
}

pub fn broken(rule: Rule, code: &str, detail: impl Into<String>) -> RuleResult {
    RuleResult { state: RuleState::Broken, code: code.to_string(), ..holds(rule, detail) }
}

/// Small additions to a rule's result, read from left to right where it is made.
pub trait Saying {
    fn at(self, file: &str, line: u32) -> Self;
    fn mend(self, words: impl Into<String>) -> Self;
}

impl Saying for RuleResult {
    fn at(mut self, file: &str, line: u32) -> Self {
        self.file = Some(file.to_string());
        self.line = (line > 0).then_some(line);
        self
    }
    fn mend(mut self, words: impl Into<String>) -> Self {
        self.mend = Some(words.into());
        self
    }
}

/// `one`, `one and another`, `one, another and 3 more`.
pub fn list(words: &[String], shown_max: usize) -> String {
    let shown = &words[..words.len().min(shown_max)];
    let more = words.len() - shown.len();
    match (shown, more) {
        ([], _) => String::new(),
        ([one], 0) => one.clone(),
        (_, 0) => format!("{} and {}", shown[..shown.len() - 1].join(", "), shown[shown.len() - 1]),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

pub fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// A test's id without its path, for sentences.
pub fn short(id: &str) -> String {
    format!("`{}`", id.split_once("::").map_or(id, |(_, name)| name))
}
