//! The loop: ask the model, do what it wants, tell what was done, until it has nothing more to do.

use crate::guard::{LoopGuard, Notice};
use crate::tools::{self, Ground};
use crate::{context, prompt, retry};
use domain::sandbox::Sandbox;
use domain::turn::{AgentEvent, TurnEnd};
use llm::client::ChatClient;
use llm::{ChatRequest, Finish, Message, Reply, ToolCall, Usage};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

pub struct TurnContext {
    pub model: ChatClient,
    pub model_name: String,
    pub reasoning_effort: Option<String>,
    pub sandbox: Arc<dyn Sandbox>,
    /// Absolute, inside the sandbox.
    pub workspace: String,
    /// Added to the environment of every command.
    pub env: Vec<(String, String)>,
    /// Pieces for the system prompt.
    pub instructions: Vec<String>,
    /// The conversation so far, without a system message.
    pub history: Vec<Message>,
    pub prompt: String,
    pub limits: Limits,
    pub events: mpsc::Sender<AgentEvent>,
    /// Turns true when somebody cancels.
    pub cancel: watch::Receiver<bool>,
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Model calls in this turn.
    pub steps_max: usize,
    pub output_tokens_max: Option<u64>,
    /// Tool calls that one answer of the model may hold.
    pub calls_per_step_max: usize,
    /// What one tool call may tell the model.
    pub tool_output_bytes_max: usize,
    /// The size of the conversation as it is sent.
    pub context_bytes_max: usize,
    pub command_timeout: Duration,
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps_max: domain::limits::AGENT_STEPS_MAX,
            output_tokens_max: Some(16_000),
            calls_per_step_max: 16,
            tool_output_bytes_max: 16 << 10,
            context_bytes_max: 400 << 10,
            command_timeout: Duration::from_secs(domain::limits::EXEC_TIMEOUT_SECONDS_DEFAULT),
            deadline: Duration::from_secs(domain::limits::AGENT_TURN_SECONDS_MAX),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub final_message: String,
    pub ended: TurnEnd,
    /// Model calls that were answered.
    pub steps: usize,
    pub usage: Usage,
    /// Fit to be given to the next turn, whatever the end was.
    pub history: Vec<Message>,
}

/// Works until the model is done or something ends the turn. Never fails as a whole: the outcome tells.
pub async fn run(turn: TurnContext) -> Outcome {
    let mut cancel = turn.cancel.clone();
    let deadline = turn.limits.deadline;
    let mut worker = Worker::new(turn);
    let ended = tokio::select! {
        biased;
        _ = cancelled(&mut cancel) => TurnEnd::Cancelled,
        _ = tokio::time::sleep(deadline) => TurnEnd::Deadline,
        ended = worker.work() => ended,
    };
    context::close_open_calls(&mut worker.history);
    Outcome { final_message: worker.final_message, ended, steps: worker.steps, usage: worker.usage, history: worker.history }
}

async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        // Nobody is left who could cancel.
        std::future::pending::<()>().await;
    }
}

struct Worker {
    model: ChatClient,
    request: ChatRequest,
    ground: Ground,
    limits: Limits,
    history: Vec<Message>,
    guard: LoopGuard,
    final_message: String,
    steps: usize,
    usage: Usage,
}

impl Worker {
    fn new(turn: TurnContext) -> Self {
        let request = ChatRequest {
            model: turn.model_name,
            messages: vec![Message::System { text: prompt::system(&turn.workspace, &turn.instructions) }],
            tools: tools::for_model(),
            max_output_tokens: turn.limits.output_tokens_max,
            reasoning_effort: turn.reasoning_effort,
            ..ChatRequest::default()
        };
        let ground = Ground {
            sandbox: turn.sandbox,
            workspace: turn.workspace,
            env: turn.env,
            events: turn.events,
            output_bytes_max: turn.limits.tool_output_bytes_max,
            command_timeout: turn.limits.command_timeout,
        };
        let mut history = turn.history;
        context::close_open_calls(&mut history);
        history.push(Message::User { text: turn.prompt });
        Worker {
            model: turn.model,
            request,
            ground,
            limits: turn.limits,
            history,
            guard: LoopGuard::default(),
            final_message: String::new(),
            steps: 0,
            usage: Usage::default(),
        }
    }

    async fn work(&mut self) -> TurnEnd {
        while self.steps < self.limits.steps_max {
            let reply = match self.ask().await {
                Ok(reply) => reply,
                Err(error) => return TurnEnd::Failed(error.message),
            };
            self.steps += 1;
            self.usage.add(&reply.usage.unwrap_or_default());
            self.tell(&reply).await;
            let (text, calls) = (reply.text, reply.tool_calls);
            self.history.push(Message::Assistant { text: text.clone(), tool_calls: calls.clone() });
            if calls.is_empty() {
                if reply.finish == Finish::Length {
                    self.history.push(Message::User { text: "Your answer was cut at its limit. Go on in smaller steps.".into() });
                    continue;
                }
                self.final_message = text;
                return TurnEnd::Finished;
            }
            for (at, call) in calls.iter().enumerate() {
                if !self.act(call, at).await {
                    return TurnEnd::Failed(format!("the model repeated the same `{}` call without end", call.name));
                }
            }
        }
        TurnEnd::Failed(format!("the model was not done after {} steps", self.limits.steps_max))
    }

    /// One answer of the model, with patience for errors that pass.
    async fn ask(&mut self) -> llm::Result<Reply> {
        let mut budget = self.limits.context_bytes_max;
        let mut attempt = 1;
        loop {
            let mut request = self.request.clone();
            request.messages.extend(context::fit(&self.history, budget));
            let error = match self.model.complete(&request, |_| {}).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if retry::is_too_long(&error) && budget > 32 << 10 {
                budget /= 2;
                self.ground
                    .tell(AgentEvent::Note { text: "the conversation was too long for the model; old output is dropped".into() })
                    .await;
                continue;
            }
            let Some(wait) = retry::wait(&error, attempt) else { return Err(error) };
            let message = format!("{}; try {} of {} in {} s", error.message, attempt + 1, retry::ATTEMPTS_MAX, wait.as_secs());
            self.ground.tell(AgentEvent::Retry { message }).await;
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn tell(&self, reply: &Reply) {
        if !reply.thinking.trim().is_empty() {
            self.ground.tell(AgentEvent::Thinking { text: reply.thinking.clone() }).await;
        }
        if !reply.text.trim().is_empty() {
            self.ground.tell(AgentEvent::Message { text: reply.text.clone() }).await;
        }
    }

    /// Carries out one call and keeps its result. False when the model goes in circles.
    async fn act(&mut self, call: &ToolCall, at: usize) -> bool {
        let mut result = if at < self.limits.calls_per_step_max {
            tools::carry_out(&self.ground, call).await
        } else {
            format!("Not done: at most {} calls at a time.", self.limits.calls_per_step_max)
        };
        let notice = self.guard.saw(call, &result);
        if let Notice::Tell(text) = &notice {
            result.push_str(text);
        }
        self.history.push(Message::Tool { call_id: call.id.clone(), text: result });
        notice != Notice::End
    }
}
