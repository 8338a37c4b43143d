//! One attempt at a request: its status, its steps and what came of it.

use crate::evidence::{RuleResult, TestRow, Verdict, WrongVersion};
use crate::git::{Commit, LineChange};
use crate::sandbox::Guarantee;
use crate::usage::Usage;
use crate::{IncidentId, RequestId, RunId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub request: RequestId,
    pub workspace: WorkspaceId,
    pub incident: Option<IncidentId>,
    /// Counts within the workspace.
    pub number: i64,
    pub status: RunStatus,
    pub step: Option<Step>,
    pub live_line: String,
    pub live_since: Option<Timestamp>,
    pub executor: String,
    pub model: String,
    pub verdict: Option<Verdict>,
    pub error: String,
    /// Everything the steps recorded; where a new worker goes on from.
    pub record: RunRecord,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl RunStatus {
    pub const ALL: [RunStatus; 5] = [RunStatus::Queued, RunStatus::Running, RunStatus::Completed, RunStatus::Failed, RunStatus::Cancelled];
    pub fn word(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Completed => "completed",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
    pub fn is_final(self) -> bool {
        matches!(self, RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled)
    }
    /// A final state is never left.
    pub fn may_become(self, next: RunStatus) -> bool {
        match self {
            RunStatus::Queued => next != RunStatus::Completed || next == self,
            RunStatus::Running => next != RunStatus::Queued,
            _ => next == self,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Alert,
    Prepare,
    Reproduce,
    Patch,
    Prove,
    Propose,
    Watch,
}

impl Step {
    pub const ALL: [Step; 7] = [Step::Alert, Step::Prepare, Step::Reproduce, Step::Patch, Step::Prove, Step::Propose, Step::Watch];
    pub fn word(self) -> &'static str {
        match self {
            Step::Alert => "alert",
            Step::Prepare => "prepare",
            Step::Reproduce => "reproduce",
            Step::Patch => "patch",
            Step::Prove => "prove",
            Step::Propose => "propose",
            Step::Watch => "watch",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Waiting,
    Working,
    Done,
    Failed,
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub name: Step,
    pub state: StepState,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// A few words, such as `2 failing tests`.
    pub summary: String,
    pub usage: Usage,
}

/// What the steps leave behind for the next one, for a new worker and for the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRecord {
    pub steps: Vec<StepRecord>,
    /// Begins where the request's newest patch stands when it starts: it was asked for by a message about that patch.
    pub is_follow_up: bool,
    pub base_branch: String,
    pub base_commit: Option<Commit>,
    /// Who last changed the line that crashed, as of the base.
    pub suspect: Option<LineChange>,
    /// How the repository's tools are set up, once prepared; its digest names the layer.
    pub set_up: Option<crate::harness::SetUp>,
    /// The agent's patch as `git diff --binary`, as it left the sandbox.
    pub patch: String,
    pub patch_commit: Option<Commit>,
    pub branch: String,
    /// The executor's own session, to resume it.
    pub session: Option<String>,
    pub agent_turns: u32,
    /// What was sent back to the agent after an unproven verdict.
    pub mend: Option<String>,
    pub final_message: String,
    pub rules: Vec<RuleResult>,
    pub tests: Vec<TestRow>,
    pub wrong_versions: Vec<WrongVersion>,
    pub other_tests: Option<OtherTests>,
    pub bundle_digest: Option<String>,
    pub guarantees: Vec<Guarantee>,
    /// The provisioner that made the agent's sandbox; empty before.
    pub sandbox_mode: String,
    pub egress: Vec<crate::egress::EgressDecision>,
    pub usage: Usage,
    pub reports: serde_json::Map<String, serde_json::Value>,
    pub what_broke: String,
    pub why: String,
    pub what_changed: String,
}

impl RunRecord {
    pub fn step_mut(&mut self, step: Step) -> &mut StepRecord {
        let index = self.steps.iter().position(|s| s.name == step).expect("every run has every step");
        &mut self.steps[index]
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OtherTests {
    pub passed_on_base: usize,
    pub still_pass: usize,
    pub flaky: usize,
}
