//! A request for work and its life.

use crate::{Error, IncidentId, RepositoryId, RequestId, Result, Timestamp, UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub id: RequestId,
    pub workspace: WorkspaceId,
    /// `None` when an alert asked.
    pub user: Option<UserId>,
    pub repository: Option<RepositoryId>,
    pub incident: Option<IncidentId>,
    pub source: String,
    pub sender: String,
    pub kind: RequestKind,
    pub state: RequestState,
    pub title: String,
    pub prompt: String,
    pub executor: Option<String>,
    pub llm: LlmChoice,
    pub attachments: Vec<Attachment>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    Fix,
    Feature,
}

impl RequestKind {
    pub fn word(self) -> &'static str {
        match self {
            RequestKind::Fix => "fix",
            RequestKind::Feature => "feature",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        [RequestKind::Fix, RequestKind::Feature].into_iter().find(|k| k.word() == word)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LlmChoice {
    pub provider: Option<String>,
    pub model: Option<String>,
    pub reasoning_effort: Option<String>,
    pub reasoning_check: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    pub uri: String,
    pub name: String,
    pub content_type: String,
}

/// The contract's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestState {
    Received,
    SpecReady,
    ChatReview,
    PlanReady,
    Executing,
    PatchReady,
    MrOpened,
    Reviewed,
    Done,
    Failed,
    Cancelled,
}

impl RequestState {
    pub const ALL: [RequestState; 11] = [
        RequestState::Received,
        RequestState::SpecReady,
        RequestState::ChatReview,
        RequestState::PlanReady,
        RequestState::Executing,
        RequestState::PatchReady,
        RequestState::MrOpened,
        RequestState::Reviewed,
        RequestState::Done,
        RequestState::Failed,
        RequestState::Cancelled,
    ];
    pub fn word(self) -> &'static str {
        match self {
            RequestState::Received => "RECEIVED",
            RequestState::SpecReady => "SPEC_READY",
            RequestState::ChatReview => "CHAT_REVIEWED",
            RequestState::PlanReady => "PLAN_READY",
            RequestState::Executing => "EXECUTING",
            RequestState::PatchReady => "PATCH_READY",
            RequestState::MrOpened => "MR_OPENED",
            RequestState::Reviewed => "REVIEWED",
            RequestState::Done => "DONE",
            RequestState::Failed => "FAILED",
            RequestState::Cancelled => "CANCELLED",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
    /// Follow-up work may start from any state but `DONE`, whose merge request is merged.
    pub fn may_become(self, next: RequestState) -> bool {
        use RequestState::*;
        if self == next {
            return true;
        }
        match (self, next) {
            (Done, _) => false,
            // What is proposed or merged is so, whatever became of other work on it.
            (_, Failed | Cancelled | Executing | MrOpened | Done) => true,
            (Received, SpecReady) | (SpecReady, ChatReview) | (ChatReview, PlanReady) => true,
            (Executing, PatchReady) => true,
            (MrOpened, Reviewed) => true,
            (Failed | Cancelled, SpecReady) => true,
            _ => false,
        }
    }
}

impl Request {
    pub fn become_state(&mut self, next: RequestState) -> Result<()> {
        if self.state.may_become(next) {
            self.state = next;
            return Ok(());
        }
        Err(Error::conflict(format!("request `{}` is {}; it can't become {}", self.id, self.state.word(), next.word())))
    }
    /// The one branch of this request.
    pub fn branch(&self) -> String {
        format!("astraforge/{}", self.id)
    }
}

/// The first line if it says enough, else the whole prompt; never more than 72 characters.
pub fn title_of(prompt: &str) -> String {
    let trimmed = prompt.trim();
    let first = trimmed.lines().next().unwrap_or_default().trim();
    let chosen = if first.chars().count() >= 12 { first.to_string() } else { trimmed.split_whitespace().collect::<Vec<_>>().join(" ") };
    match chosen.chars().count() {
        0 => "Untitled request".to_string(),
        1..=72 => chosen,
        _ => chosen.chars().take(69).collect::<String>() + "...",
    }
}

/// One message of the conversation about a request.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatMessage {
    pub role: String,
    pub message: String,
    pub attachments: Vec<Attachment>,
    pub run: Option<crate::RunId>,
    pub created_at: Timestamp,
}
