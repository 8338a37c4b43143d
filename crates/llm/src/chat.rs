//! A conversation with a model in neutral words: what is asked, what comes back piece by piece, what it cost.
//!
//! The dialects in [`crate::wire`] translate to and from these. Only what a coding agent needs is here: text, tools
//! and usage; no images, audio or logprobs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub max_output_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub reasoning_effort: Option<String>,
    pub stream: bool,
    /// Chat completions only: whether the client asked for the usage chunk at the end of a stream.
    pub include_usage: bool,
    /// The answer must be JSON of this schema; `null` for any JSON object.
    pub answer_schema: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    System {
        text: String,
    },
    User {
        text: String,
    },
    Assistant {
        text: String,
        #[serde(default)]
        tool_calls: Vec<ToolCall>,
    },
    Tool {
        call_id: String,
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: String,
    pub kind: ToolKind,
    /// Responses only: the group the tool was listed in.
    pub namespace: Option<String>,
    /// JSON schema of the arguments; `null` for free text.
    pub schema: Value,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    #[default]
    Function,
    /// Takes free text in place of JSON arguments.
    Custom,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON text as the model wrote it (it may be broken), or free text for a custom tool.
    pub arguments: String,
    #[serde(default)]
    pub kind: ToolKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A piece of a streamed answer, in the order it arrives.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    Text(String),
    /// What some models show of their reasoning.
    Thinking(String),
    /// Opens the call; its `arguments` are still empty.
    ToolCall {
        index: usize,
        call: ToolCall,
    },
    ToolArguments {
        index: usize,
        text: String,
    },
    Finish(Finish),
    Usage(Usage),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    #[default]
    Stop,
    ToolCalls,
    /// The output limit was reached.
    Length,
    /// The provider refused to go on.
    Filtered,
}

/// `input_tokens` includes the cached ones and `output_tokens` includes reasoning, as in both OpenAI protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
}

impl Usage {
    pub fn total(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
    pub fn add(&mut self, other: &Usage) {
        self.input_tokens += other.input_tokens;
        self.cached_input_tokens += other.cached_input_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
    }
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    pub text: String,
    pub thinking: String,
    pub tool_calls: Vec<ToolCall>,
    pub finish: Finish,
    /// `None` when the server did not say.
    pub usage: Option<Usage>,
}

impl Reply {
    /// Adds one event of the stream. Pieces for a tool call that was never opened are dropped.
    pub fn push(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Text(text) => self.text.push_str(&text),
            ChatEvent::Thinking(text) => self.thinking.push_str(&text),
            ChatEvent::ToolCall { index, call } => {
                if index == self.tool_calls.len() {
                    self.tool_calls.push(call);
                }
            }
            ChatEvent::ToolArguments { index, text } => {
                if let Some(call) = self.tool_calls.get_mut(index) {
                    call.arguments.push_str(&text);
                }
            }
            ChatEvent::Finish(finish) => self.finish = finish,
            ChatEvent::Usage(usage) => self.usage = Some(usage),
        }
    }

    /// The same answer as a stream would bring it, in pieces of at most `piece_chars` characters.
    pub fn events(&self, piece_chars: usize) -> Vec<ChatEvent> {
        let mut events = Vec::new();
        events.extend(pieces(&self.thinking, piece_chars).map(ChatEvent::Thinking));
        events.extend(pieces(&self.text, piece_chars).map(ChatEvent::Text));
        for (index, call) in self.tool_calls.iter().enumerate() {
            let opened = ToolCall { arguments: String::new(), ..call.clone() };
            events.push(ChatEvent::ToolCall { index, call: opened });
            events.extend(pieces(&call.arguments, piece_chars).map(|text| ChatEvent::ToolArguments { index, text }));
        }
        events.push(ChatEvent::Finish(self.finish));
        events.extend(self.usage.map(ChatEvent::Usage));
        events
    }
}

fn pieces(text: &str, chars: usize) -> impl Iterator<Item = String> {
    let all: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = all.chunks(chars.max(1)).map(|c| c.iter().collect()).collect();
    pieces.into_iter()
}
