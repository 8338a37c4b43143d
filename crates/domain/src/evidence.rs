//! What proof is: verdicts, rules, and the results they are judged by.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Proven,
    Unproven,
    NotApplicable,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Proven => "proven",
            Verdict::Unproven => "unproven",
            Verdict::NotApplicable => "not_applicable",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        [Verdict::Proven, Verdict::Unproven, Verdict::NotApplicable].into_iter().find(|v| v.word() == word)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The patch's own files are of kinds that a patch may carry.
    Guardrails,
    Red,
    Green,
    NoRegression,
    Strength,
    NothingUpItsSleeve,
}

impl Rule {
    pub const ALL: [Rule; 6] = [Rule::Guardrails, Rule::Red, Rule::Green, Rule::NoRegression, Rule::Strength, Rule::NothingUpItsSleeve];
    pub fn word(self) -> &'static str {
        match self {
            Rule::Guardrails => "guardrails",
            Rule::Red => "red",
            Rule::Green => "green",
            Rule::NoRegression => "no_regression",
            Rule::Strength => "strength",
            Rule::NothingUpItsSleeve => "nothing_up_its_sleeve",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    Waiting,
    Working,
    Holds,
    Broken,
    NotApplicable,
}

/// One rule's sentence, and for a broken one where and what would mend it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    pub rule: Rule,
    pub state: RuleState,
    pub detail: String,
    /// A stable word such as `weak_test`, `unsteady`, `harness_needed`; empty when the rule holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed,
    Error,
    Skipped,
}

/// One counting test with its repeats on both sides: a row of the proof strip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestRow {
    pub id: String,
    pub file: String,
    pub name: String,
    pub base: Vec<Dot>,
    pub patch: Vec<Dot>,
}

impl TestRow {
    pub fn without_logs(mut self) -> TestRow {
        self.base.iter_mut().chain(&mut self.patch).for_each(|dot| dot.log.clear());
        self
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dot {
    pub outcome: Outcome,
    /// What the test printed and raised, cut to a few kilobytes.
    #[serde(default)]
    pub log: String,
}

/// The patch made wrong on purpose, and the tests that noticed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WrongVersion {
    pub description: String,
    pub file: String,
    pub line: u32,
    pub caught_by: Vec<String>,
}

/// Everything our runner found out about one patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    pub verdict: Verdict,
    /// Why there is nothing to judge, or that what was shown is new behaviour rather than a fix.
    #[serde(default)]
    pub reason: String,
    /// A request for a feature whose tests can't load on base: true evidence, but never of a fix.
    #[serde(default)]
    pub is_new_behaviour: bool,
    pub rules: Vec<RuleResult>,
    pub tests: Vec<TestRow>,
    pub wrong_versions: Vec<WrongVersion>,
    pub other_tests: crate::run::OtherTests,
    /// Every run in words, in order, with the digest of what it reported.
    pub commands: Vec<RunNote>,
    /// The harness's id; empty when none was recognised.
    pub harness: String,
    /// What to tell the agent so that it can mend the patch; `None` when it can't or need not.
    pub mend: Option<String>,
    pub junit_xml: String,
    pub duration_ms: u64,
}

/// One run of the runner, as the bundle names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNote {
    pub line: String,
    pub log_sha256: String,
}

impl Proof {
    pub fn rule(&self, rule: Rule) -> Option<&RuleResult> {
        self.rules.iter().find(|r| r.rule == rule)
    }
    /// The codes of every broken rule.
    pub fn codes(&self) -> Vec<&str> {
        self.rules.iter().filter(|r| r.state == RuleState::Broken).map(|r| r.code.as_str()).collect()
    }
}

/// Looks for credentials in what a patch adds.
pub trait SecretScanner: Send + Sync {
    fn scan(&self, path: &str, added: &[(u32, &str)]) -> Vec<SecretFinding>;
}

/// Never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFinding {
    pub path: String,
    pub line: u32,
    /// What it looks like, such as `a private key`.
    pub what: String,
}
