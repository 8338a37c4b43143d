//! The dialects: request bodies as clients send them, answers as clients expect them. Pure, no sockets.
//!
//! Reading is tolerant: fields, items and tools that are unknown here are skipped, never refused, because clients
//! grow new ones every month. Only a body that is not a JSON object of the protocol's outline is an error.

pub mod chat_completions;
mod gate;
pub mod responses;

pub use gate::{Peek, peek, without_hosted_tools};

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

    #[test]
    fn paths_name_dialects() {
        assert_eq!(Dialect::of_path("/v1/responses"), Some(Dialect::Responses));
        assert_eq!(Dialect::of_path("/chat/completions"), Some(Dialect::ChatCompletions));
        assert_eq!(Dialect::of_path("/v1/responses/../x"), None);
    }
}
