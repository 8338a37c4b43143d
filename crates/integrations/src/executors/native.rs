//! Our own agent as an executor: it thinks beside the server and acts in the sandbox.

use super::{Entry, Settings};
use agent::{Limits, TurnContext};
use async_trait::async_trait;
use domain::sandbox::{AGENT_HOME, Mount, Sandbox};
use domain::turn::{AgentEvent, Dialect, Executor, Turn, TurnOutcome};
use domain::usage::Usage;
use domain::{Kind, Result};
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: "native", build };

fn build(_settings: &Settings) -> Arc<dyn Executor> {
    Arc::new(Native { home: AGENT_HOME.into() })
}

struct Native {
    /// The conversation lies in the agent's home, where a command line would keep its own.
    home: String,
}

/// Says that there is a conversation to go on with, and in which form.
const SESSION: &str = "native-1";

impl Native {
    fn session_path(&self) -> String {
        format!("{}/.native/session.json", self.home)
    }
}

#[async_trait]
impl Executor for Native {
    fn id(&self) -> &'static str {
        ENTRY.id
    }
    fn label(&self) -> &'static str {
        "AstraForge agent"
    }
    fn dialect(&self) -> Dialect {
        Dialect::ChatCompletions
    }
    async fn unavailable(&self) -> Option<String> {
        None
    }
    fn mounts(&self) -> Vec<Mount> {
        Vec::new()
    }

    async fn turn(&self, turn: Turn) -> Result<TurnOutcome> {
        let sandbox = turn.sandbox.clone();
        let history = match &turn.session {
            Some(form) if form == SESSION => resumed(&*sandbox, &self.session_path(), &turn).await?,
            _ => Vec::new(),
        };
        let limits = Limits { deadline: turn.deadline, ..Limits::default() };
        let outcome = agent::run(TurnContext {
            model: agent::door::client(&turn.model),
            model_name: turn.model.model,
            reasoning_effort: turn.model.reasoning_effort,
            sandbox: sandbox.clone(),
            workspace: turn.workspace,
            env: Vec::new(),
            instructions: Vec::new(),
            history,
            prompt: turn.prompt,
            limits,
            events: turn.events.clone(),
            cancel: turn.cancel,
        })
        .await;
        let kept = sandbox.write_file(&self.session_path(), agent::history::encode(&outcome.history).into(), 0o600).await;
        if let Err(error) = &kept {
            tracing::warn!(%error, "the agent's conversation could not be kept; its next turn will start afresh");
        }
        Ok(TurnOutcome {
            final_message: outcome.final_message,
            session: kept.is_ok().then(|| SESSION.to_string()),
            ended: outcome.ended,
            reported: Usage {
                calls: outcome.steps as u64,
                input_tokens: outcome.usage.input_tokens,
                cached_input_tokens: outcome.usage.cached_input_tokens,
                output_tokens: outcome.usage.output_tokens,
                cost_usd: None,
            },
        })
    }
}

/// A conversation that is gone or broken is no reason to fail: the prompt says all that is needed.
async fn resumed(sandbox: &dyn Sandbox, path: &str, turn: &Turn) -> Result<Vec<agent::history::Message>> {
    let read = sandbox.read_file(path, 0, agent::history::BYTES_MAX as u64 + 1).await;
    let history = match read {
        Ok(bytes) => agent::history::decode(&bytes),
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid) => None,
        Err(error) => return Err(error),
    };
    if history.is_none() {
        let text = "the earlier conversation is gone; the agent starts afresh".to_string();
        let _ = turn.events.send(AgentEvent::Note { text }).await;
    }
    Ok(history.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executors::support::{ScriptedDoors, TOKEN, folder::Folder};
    use domain::egress::Peer;
    use domain::secret::Secret;
    use domain::turn::{ModelAccess, TurnEnd};
    use serde_json::json;
    use std::time::Duration;
    use tokio::sync::{mpsc, watch};

    fn turn(folder: &str, session: Option<String>) -> (Turn, mpsc::Receiver<AgentEvent>) {
        let doors = ScriptedDoors::new(json!({"scripts": [
            {"turn": 2, "match": "^Your patch", "steps": [{"write": {"path": "test_a.py", "content": "x\n"}}], "final": "Mended."},
            {"steps": [{"write": {"path": "a.py", "content": "x\n"}}], "final": "Written."}
        ]}));
        let sandbox = Arc::new(Folder::new());
        let (events, receiver) = mpsc::channel(100);
        let prompt = if session.is_some() { "Your patch is not proven." } else { "Write it." };
        let peer = Peer { sandbox: sandbox.id, run: None, epoch: 1 };
        let token = Secret::new(TOKEN);
        let model = ModelAccess { doors, peer, token, model: "m".into(), reasoning_effort: None };
        let (workspace, prompt, deadline) = (folder.to_string(), prompt.to_string(), Duration::from_secs(30));
        (Turn { sandbox, model, workspace, prompt, session, deadline, events, cancel: watch::channel(false).1 }, receiver)
    }

    #[tokio::test]
    async fn a_second_turn_goes_on_where_the_first_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_string_lossy().into_owned();
        let native = Native { home: format!("{path}/home") };
        let first = native.turn(turn(&path, None).0).await.unwrap();
        assert_eq!((first.ended, first.final_message.as_str()), (TurnEnd::Finished, "Written."));
        assert_eq!(first.reported.calls, 2);
        let second = native.turn(turn(&path, first.session.clone()).0).await.unwrap();
        assert_eq!(second.final_message, "Mended.");
        // A conversation that is gone is told, and the turn goes on without it.
        std::fs::remove_dir_all(format!("{path}/home")).unwrap();
        let (third, mut events) = turn(&path, first.session);
        assert_eq!(native.turn(third).await.unwrap().final_message, "Written.");
        assert!(matches!(events.try_recv().unwrap(), AgentEvent::Note { text } if text.contains("afresh")));
    }
}
