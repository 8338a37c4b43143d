//! One turn of an agent in a sandbox: what it is given, what it says while it works, what it leaves.

use crate::Result;
use crate::egress::{Doors, Peer};
use crate::sandbox::{Mount, Sandbox};
use crate::secret::Secret;
use crate::usage::Usage;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Everything that thinks: a coding CLI or our own agent.
#[async_trait]
pub trait Executor: Send + Sync {
    fn id(&self) -> &'static str;
    fn label(&self) -> &'static str;
    /// The model protocol it speaks to the LLM door.
    fn dialect(&self) -> Dialect;
    /// Why it can't be used here, with the way out; `None` when it can.
    async fn unavailable(&self) -> Option<String>;
    /// Host folders that its sandbox needs, such as an installed CLI.
    fn mounts(&self) -> Vec<Mount>;
    /// Works until the agent is done, the deadline passes or somebody cancels.
    async fn turn(&self, turn: Turn) -> Result<TurnOutcome>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    ChatCompletions,
    Responses,
}

/// How the agent reaches a model: only through our door, as the sandbox it works in.
#[derive(Clone)]
pub struct ModelAccess {
    pub doors: Arc<dyn Doors>,
    pub peer: Peer,
    /// Good for this run alone.
    pub token: Secret,
    pub model: String,
    pub reasoning_effort: Option<String>,
}

pub struct Turn {
    pub sandbox: Arc<dyn Sandbox>,
    pub model: ModelAccess,
    pub workspace: String,
    pub prompt: String,
    /// What `TurnOutcome::session` said last time, to go on in the same conversation.
    pub session: Option<String>,
    pub deadline: Duration,
    pub events: mpsc::Sender<AgentEvent>,
    /// Turns true when somebody cancels.
    pub cancel: watch::Receiver<bool>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnOutcome {
    pub final_message: String,
    /// Whatever the executor needs to resume; opaque to us, small, no secrets.
    pub session: Option<String>,
    pub ended: TurnEnd,
    /// As the agent's own stream says; the door's meter is what counts.
    pub reported: Usage,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TurnEnd {
    #[default]
    Finished,
    Deadline,
    Cancelled,
    /// The agent or its model failed; the text is for a person.
    Failed(String),
}

/// What an agent does, in the order it does it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AgentEvent {
    Message {
        text: String,
    },
    Thinking {
        text: String,
    },
    CommandStarted {
        id: String,
        command: String,
        cwd: String,
    },
    /// A piece of output, at most 16 KiB.
    CommandOutput {
        id: String,
        text: String,
    },
    CommandFinished {
        id: String,
        command: String,
        exit_code: i32,
        duration_ms: u64,
        output: String,
    },
    FileChanged {
        path: String,
        diff: String,
    },
    /// Any other tool, such as a search.
    Tool {
        name: String,
        summary: String,
    },
    Plan {
        items: Vec<PlanItem>,
    },
    Retry {
        message: String,
    },
    Note {
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanItem {
    pub content: String,
    pub status: String,
}
