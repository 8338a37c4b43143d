//! Reads what an answer cost from its passing bytes, for both dialects, streamed or whole, cut at any byte.
//!
//! The bytes themselves are never held back or changed here.

use crate::chat::Usage;
use crate::sse;
use crate::wire::{Dialect, chat_completions, responses};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard};

/// A whole JSON answer longer than this passes, but is not read.
pub const JSON_BYTES_MAX: usize = 32 << 20;

/// What is known of an answer so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The provider's own figures; the last ones win, since some repeat them in every chunk.
    pub usage: Option<Usage>,
    /// The model that answered, as the provider names it.
    pub model: Option<String>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Bytes of text, reasoning and tool arguments seen: an upper bound of the visible output tokens.
    pub output_bytes: u64,
    /// The protocol's own end was seen.
    pub finished: bool,
    /// The stream carried an error after its 200.
    pub failed: bool,
}

impl Reading {
    /// What to book: the provider's figures, or an upper bound when the stream was cut before it gave any.
    pub fn usage_or_bound(&self, request_bytes: u64) -> Usage {
        self.usage.unwrap_or(Usage { input_tokens: request_bytes, output_tokens: self.output_bytes, ..Usage::default() })
    }
}

/// A reading that is filled while the body passes; any clone may look at any time.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<Mutex<Reading>>);

impl Gauge {
    pub fn read(&self) -> Reading {
        self.lock().clone()
    }
    /// For answers whose figures are known beforehand, such as a refusal that costs nothing.
    pub(crate) fn preset(&self, usage: Option<Usage>) {
        self.lock().usage = usage;
    }
    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[derive(Debug)]
pub struct Meter {
    dialect: Dialect,
    mode: Mode,
    gauge: Gauge,
}

#[derive(Debug)]
enum Mode {
    Stream(sse::Reader),
    Whole(Vec<u8>),
    /// Too long to be read.
    Blind,
}

impl Meter {
    /// `content_type` is the answer's own: it says whether a stream follows or one JSON document.
    pub fn new(dialect: Dialect, content_type: &str) -> Self {
        let mode = if content_type.trim_start().starts_with("text/event-stream") {
            Mode::Stream(sse::Reader::new())
        } else {
            Mode::Whole(Vec::new())
        };
        Meter { dialect, mode, gauge: Gauge::default() }
    }

    pub fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let mut reading = self.gauge.lock();
        reading.bytes += bytes.len() as u64;
        match &mut self.mode {
            Mode::Stream(reader) => {
                for event in reader.push(bytes) {
                    read_event(self.dialect, &event.data, &mut reading);
                }
            }
            Mode::Whole(body) => {
                body.extend_from_slice(bytes);
                if body.len() > JSON_BYTES_MAX {
                    self.mode = Mode::Blind;
                }
            }
            Mode::Blind => {}
        }
    }

    /// The body ended by itself.
    pub fn end(&mut self) {
        let mut reading = self.gauge.lock();
        match &mut self.mode {
            Mode::Stream(reader) => {
                if let Some(event) = reader.finish() {
                    read_event(self.dialect, &event.data, &mut reading);
                }
            }
            Mode::Whole(body) => {
                let body = std::mem::take(body);
                read_whole(self.dialect, &body, &mut reading);
            }
            Mode::Blind => {}
        }
    }
}

fn read_whole(dialect: Dialect, body: &[u8], reading: &mut Reading) {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    reading.usage = parse_usage(dialect, &value["usage"]).or(reading.usage);
    reading.model = value["model"].as_str().map(str::to_string);
    reading.finished = value.get("choices").is_some() || value.get("output").is_some();
    reading.failed = value.get("error").is_some_and(|e| !e.is_null());
    reading.output_bytes = reading.bytes;
}

fn parse_usage(dialect: Dialect, usage: &Value) -> Option<Usage> {
    match dialect {
        Dialect::ChatCompletions => chat_completions::parse_usage(usage),
        Dialect::Responses => responses::parse_usage(usage),
    }
}

fn read_event(dialect: Dialect, data: &str, reading: &mut Reading) {
    match dialect {
        Dialect::ChatCompletions => read_chunk(data, reading),
        Dialect::Responses => read_response_event(data, reading),
    }
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default, borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default, borrow)]
    delta: Option<&'a serde_json::value::RawValue>,
    #[serde(default, borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

fn read_chunk(data: &str, reading: &mut Reading) {
    if data.trim() == "[DONE]" {
        reading.finished = true;
        return;
    }
    let Ok(chunk) = serde_json::from_str::<Chunk>(data) else { return };
    for choice in chunk.choices.iter().flatten() {
        reading.output_bytes += choice.delta.map_or(0, |d| d.get().len() as u64);
        reading.finished |= choice.finish_reason.is_some();
    }
    if let Some(usage) = chunk.usage.as_ref().and_then(chat_completions::parse_usage) {
        reading.usage = Some(usage);
    }
    if let Some(model) = chunk.model {
        reading.model.get_or_insert_with(|| model.into_owned());
    }
    reading.failed |= chunk.error.is_some();
}

#[derive(Deserialize)]
struct ResponseEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    delta: Option<&'a serde_json::value::RawValue>,
    #[serde(default)]
    response: Option<ResponseOutline>,
}

#[derive(Deserialize)]
struct ResponseOutline {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Value>,
}

fn read_response_event(data: &str, reading: &mut Reading) {
    let Ok(event) = serde_json::from_str::<ResponseEvent>(data) else { return };
    reading.output_bytes += event.delta.map_or(0, |d| d.get().len() as u64);
    match event.kind.as_ref() {
        "response.completed" | "response.incomplete" => reading.finished = true,
        "response.failed" | "error" => reading.failed = true,
        _ => {}
    }
    if let Some(response) = event.response {
        if let Some(usage) = response.usage.as_ref().and_then(responses::parse_usage) {
            reading.usage = Some(usage);
        }
        reading.model = response.model.or(reading.model.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = concat!(
        "data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":\"h\\u00e4\"}}],\"usage\":null}\n\n",
        ": keep-alive\n\n",
        "data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\r\n\r\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"prompt_tokens_details\":",
        "{\"cached_tokens\":6},\"completion_tokens_details\":{\"reasoning_tokens\":3}}}\n\ndata: [DONE]\n\n",
    );
    const RESPONSES: &str = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"m-1\",\"usage\":null}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hello\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"m-1\",\"usage\":",
        "{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":6},\"output_tokens\":4,",
        "\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":14}}}\n\n",
    );
    const USAGE: Usage = Usage { input_tokens: 10, cached_input_tokens: 6, output_tokens: 4, reasoning_tokens: 3 };

    #[test]
    fn a_cut_at_any_byte_changes_nothing() {
        for (dialect, stream) in [(Dialect::ChatCompletions, CHAT), (Dialect::Responses, RESPONSES)] {
            for cut in 0..stream.len() {
                let mut meter = Meter::new(dialect, "text/event-stream; charset=utf-8");
                meter.push(&stream.as_bytes()[..cut]);
                meter.push(&stream.as_bytes()[cut..]);
                meter.end();
                let reading = meter.gauge().read();
                assert_eq!(reading.usage, Some(USAGE), "{dialect:?} cut at {cut}");
                assert_eq!(reading.model.as_deref(), Some("m-1"));
                assert!(reading.finished && !reading.failed && reading.output_bytes >= 4);
                assert_eq!(reading.bytes, stream.len() as u64);
            }
        }
    }

    #[test]
    fn whole_answers_are_read_too() {
        let body = br#"{"model":"m","output":[],"usage":{"input_tokens":2,"output_tokens":1}}"#;
        let mut meter = Meter::new(Dialect::Responses, "application/json");
        body.chunks(7).for_each(|c| meter.push(c));
        meter.end();
        let reading = meter.gauge().read();
        assert_eq!(reading.usage.map(|u| u.total()), Some(3));
        assert!(reading.finished);
    }

    #[test]
    fn a_stream_that_was_cut_is_booked_at_its_upper_bound() {
        let mut meter = Meter::new(Dialect::Responses, "text/event-stream");
        meter.push(&RESPONSES.as_bytes()[..RESPONSES.len() - 200]);
        let reading = meter.gauge().read();
        assert!(!reading.finished);
        let usage = reading.usage_or_bound(1000);
        assert_eq!(usage.input_tokens, 1000);
        assert!(usage.output_tokens >= 5);
    }
}
