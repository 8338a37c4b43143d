//! The dialects: request bodies as clients send them, answers as clients expect them. Pure, no sockets.
//!
//! Reading is tolerant: fields, items and tools that are unknown here are skipped, never refused, because clients
//! grow new ones every month. Only a body that is not a JSON object of the protocol's outline is an error.

pub mod chat_completions;
pub mod responses;

use crate::chat::{ChatEvent, ChatRequest, Reply};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    ChatCompletions,
    Responses,
}

impl Dialect {
    pub const ALL: [Dialect; 2] = [Dialect::ChatCompletions, Dialect::Responses];

    /// The path below a base URL such as `https://api.openai.com/v1`.
    pub fn path(self) -> &'static str {
        match self {
            Dialect::ChatCompletions => "/chat/completions",
            Dialect::Responses => "/responses",
        }
    }

    /// The dialect of a request path, with or without the `/v1` that some clients add themselves.
    pub fn of_path(path: &str) -> Option<Dialect> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        Dialect::ALL.into_iter().find(|d| d.path() == path)
    }
}

/// What a gateway must know of a request before it forwards it, read without building the whole conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peek {
    pub model: String,
    pub stream: bool,
    pub max_output_tokens: Option<u64>,
    /// Chat completions: the client asked for the usage chunk itself.
    pub include_usage: bool,
    /// Types of the tools that the provider would carry out itself, such as `web_search`: a way out of a sandbox
    /// that has no network.
    pub hosted_tools: Vec<String>,
}

/// Tool types that the client carries out, so that nothing leaves through them.
const CLIENT_TOOLS: &[&str] = &["function", "custom", "namespace", "local_shell", "shell", "apply_patch", "tool_search"];

pub fn peek(body: &[u8]) -> Result<Peek> {
    #[derive(Deserialize)]
    struct Body {
        model: String,
        #[serde(default)]
        stream: Option<bool>,
        #[serde(default)]
        max_tokens: Option<u64>,
        #[serde(default)]
        max_completion_tokens: Option<u64>,
        #[serde(default)]
        max_output_tokens: Option<u64>,
        #[serde(default)]
        stream_options: Option<StreamOptions>,
        #[serde(default)]
        tools: Option<Vec<ToolType>>,
    }
    #[derive(Deserialize)]
    struct StreamOptions {
        #[serde(default)]
        include_usage: Option<bool>,
    }
    #[derive(Deserialize)]
    struct ToolType {
        #[serde(default)]
        r#type: Option<String>,
    }
    let body: Body = serde_json::from_slice(body).map_err(|e| Error::invalid(format!("the request body is not a model request: {e}")))?;
    Ok(Peek {
        model: body.model,
        stream: body.stream.unwrap_or(false),
        max_output_tokens: body.max_output_tokens.or(body.max_completion_tokens).or(body.max_tokens),
        include_usage: body.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
        hosted_tools: body
            .tools
            .unwrap_or_default()
            .into_iter()
            .filter_map(|t| t.r#type)
            .filter(|t| !CLIENT_TOOLS.contains(&t.as_str()))
            .collect(),
    })
}

/// The body without the tools that the provider would carry out itself, or `None` when there are none: then the
/// client's own bytes can pass unchanged.
pub fn without_hosted_tools(body: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let tools = value.get_mut("tools")?.as_array_mut()?;
    let before = tools.len();
    tools.retain(|tool| match tool.get("type").and_then(Value::as_str) {
        Some(kind) => CLIENT_TOOLS.contains(&kind),
        None => true,
    });
    (tools.len() < before).then(|| value.to_string().into_bytes())
}

/// Reads a whole request into neutral words.
pub fn parse_request(dialect: Dialect, body: &[u8]) -> Result<ChatRequest> {
    let value: Value = serde_json::from_slice(body).map_err(|e| Error::invalid(format!("the request body is not JSON: {e}")))?;
    if !value.is_object() {
        return Err(Error::invalid("the request body is not a JSON object"));
    }
    match dialect {
        Dialect::ChatCompletions => chat_completions::parse_request(&value),
        Dialect::Responses => responses::parse_request(&value),
    }
}

/// What an answer says of itself beside its content.
#[derive(Clone, Debug, Default)]
pub struct Stamp {
    /// Made unique by the caller, without a prefix.
    pub id: String,
    pub model: String,
    /// Seconds since 1970.
    pub created: i64,
}

/// A whole answer as one JSON body.
pub fn render_reply(dialect: Dialect, reply: &Reply, stamp: &Stamp) -> Value {
    match dialect {
        Dialect::ChatCompletions => chat_completions::render_reply(reply, stamp),
        Dialect::Responses => responses::render_reply(reply, stamp),
    }
}

/// Turns an answer's events into the dialect's stream, one at a time.
pub enum StreamWriter {
    ChatCompletions(chat_completions::StreamWriter),
    Responses(responses::StreamWriter),
}

impl StreamWriter {
    pub fn new(dialect: Dialect, stamp: Stamp, include_usage: bool) -> Self {
        match dialect {
            Dialect::ChatCompletions => StreamWriter::ChatCompletions(chat_completions::StreamWriter::new(stamp, include_usage)),
            Dialect::Responses => StreamWriter::Responses(responses::StreamWriter::new(stamp)),
        }
    }
    pub fn start(&mut self) -> String {
        match self {
            StreamWriter::ChatCompletions(w) => w.start(),
            StreamWriter::Responses(w) => w.start(),
        }
    }
    pub fn event(&mut self, event: ChatEvent) -> String {
        match self {
            StreamWriter::ChatCompletions(w) => w.event(event),
            StreamWriter::Responses(w) => w.event(event),
        }
    }
    /// Closes what is open and says that the answer is whole.
    pub fn end(&mut self) -> String {
        match self {
            StreamWriter::ChatCompletions(w) => w.end(),
            StreamWriter::Responses(w) => w.end(),
        }
    }
}

fn text_of(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_string()
}

/// Content as a plain string or as a list of parts, of which only text counts.
fn content_text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|part| part.as_str().or_else(|| part.get("text").and_then(Value::as_str))).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_peek_sees_the_limit_and_the_tools_of_the_provider() {
        let body = json!({"model": "m", "stream": true, "max_tokens": 7, "stream_options": {"include_usage": true},
            "tools": [{"type": "function", "function": {"name": "a"}}, {"type": "web_search"}], "unknown": [1, {}]})
        .to_string();
        let peek = peek(body.as_bytes()).unwrap();
        assert_eq!((peek.model.as_str(), peek.stream, peek.max_output_tokens), ("m", true, Some(7)));
        assert!(peek.include_usage);
        assert_eq!(peek.hosted_tools, ["web_search"]);
        let cleaned: Value = serde_json::from_slice(&without_hosted_tools(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(cleaned["tools"].as_array().unwrap().len(), 1);
        assert_eq!(without_hosted_tools(br#"{"model":"m","tools":[{"type":"function"}]}"#), None);
    }

    #[test]
    fn paths_name_dialects() {
        assert_eq!(Dialect::of_path("/v1/responses"), Some(Dialect::Responses));
        assert_eq!(Dialect::of_path("/chat/completions"), Some(Dialect::ChatCompletions));
        assert_eq!(Dialect::of_path("/v1/responses/../x"), None);
    }
}
