//! OpenAI chat completions: read as a server, write as a server, and both again as a client.

use super::{Stamp, content_text, text_of};
use crate::chat::{ChatEvent, ChatRequest, Finish, Message, Reply, Tool, ToolCall, ToolKind, Usage};
use crate::error::{Error, Result};
use crate::sse;
use serde_json::{Map, Value, json};

// ---- requests -----------------------------------------------------------------------------------------------------

pub(super) fn parse_request(body: &Value) -> Result<ChatRequest> {
    let Some(messages) = body.get("messages").and_then(Value::as_array) else {
        return Err(Error::invalid("`messages` must be a list"));
    };
    let limit = |name: &str| body.get(name).and_then(Value::as_u64);
    Ok(ChatRequest {
        model: text_of(body, "model"),
        messages: messages.iter().filter_map(parse_message).collect(),
        tools: body.get("tools").and_then(Value::as_array).into_iter().flatten().filter_map(parse_tool).collect(),
        max_output_tokens: limit("max_completion_tokens").or_else(|| limit("max_tokens")),
        temperature: body.get("temperature").and_then(Value::as_f64),
        reasoning_effort: body.get("reasoning_effort").and_then(Value::as_str).map(str::to_string),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        include_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
        answer_schema: match body["response_format"]["type"].as_str() {
            Some("json_schema") => Some(body["response_format"]["json_schema"]["schema"].clone()),
            Some("json_object") => Some(Value::Null),
            _ => None,
        },
    })
}

fn parse_message(message: &Value) -> Option<Message> {
    let text = content_text(message.get("content"));
    Some(match message.get("role")?.as_str()? {
        "system" | "developer" => Message::System { text },
        "user" => Message::User { text },
        "assistant" => Message::Assistant {
            text,
            tool_calls: message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().map(parse_call).collect(),
        },
        "tool" | "function" => Message::Tool { call_id: text_of(message, "tool_call_id"), text },
        _ => return None,
    })
}

fn parse_call(call: &Value) -> ToolCall {
    if let Some(custom) = call.get("custom") {
        return ToolCall {
            id: text_of(call, "id"),
            name: text_of(custom, "name"),
            arguments: text_of(custom, "input"),
            kind: ToolKind::Custom,
            namespace: None,
        };
    }
    let function = &call["function"];
    ToolCall {
        id: text_of(call, "id"),
        name: text_of(function, "name"),
        arguments: text_of(function, "arguments"),
        kind: ToolKind::Function,
        namespace: None,
    }
}

fn parse_tool(tool: &Value) -> Option<Tool> {
    let (inner, kind) = match tool.get("type").and_then(Value::as_str) {
        Some("custom") => (tool.get("custom")?, ToolKind::Custom),
        Some("function") | None => (tool.get("function")?, ToolKind::Function),
        Some(_) => return None,
    };
    Some(Tool {
        name: inner.get("name")?.as_str()?.to_string(),
        description: text_of(inner, "description"),
        kind,
        namespace: None,
        schema: inner.get("parameters").cloned().unwrap_or(Value::Null),
    })
}

/// The request body of a client.
pub fn render_request(request: &ChatRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), request.messages.iter().map(render_message).collect());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(render_tool).collect());
    }
    if let Some(limit) = request.max_output_tokens {
        body.insert("max_tokens".into(), json!(limit));
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), json!(temperature));
    }
    if let Some(effort) = &request.reasoning_effort {
        body.insert("reasoning_effort".into(), json!(effort));
    }
    match &request.answer_schema {
        None => {}
        Some(Value::Null) => {
            body.insert("response_format".into(), json!({"type": "json_object"}));
        }
        Some(schema) => {
            let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
            body.insert("response_format".into(), format);
        }
    }
    if request.stream {
        body.insert("stream".into(), json!(true));
        body.insert("stream_options".into(), json!({"include_usage": request.include_usage}));
    }
    Value::Object(body)
}

fn render_message(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text } => json!({"role": "user", "content": text}),
        Message::Tool { call_id, text } => json!({"role": "tool", "tool_call_id": call_id, "content": text}),
        Message::Assistant { text, tool_calls } => assistant(text, "", tool_calls),
    }
}

fn render_tool(tool: &Tool) -> Value {
    json!({"type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": tool.schema,
    }})
}

fn assistant(text: &str, thinking: &str, tool_calls: &[ToolCall]) -> Value {
    let content = if text.is_empty() && !tool_calls.is_empty() { Value::Null } else { json!(text) };
    let mut message = json!({"role": "assistant", "content": content});
    if !thinking.is_empty() {
        message["reasoning_content"] = json!(thinking);
    }
    if !tool_calls.is_empty() {
        message["tool_calls"] = tool_calls.iter().map(render_call).collect();
    }
    message
}

fn render_call(call: &ToolCall) -> Value {
    match call.kind {
        ToolKind::Function => {
            json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
        }
        ToolKind::Custom => json!({"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}),
    }
}

// ---- answers of a server ------------------------------------------------------------------------------------------

pub(super) fn render_reply(reply: &Reply, stamp: &Stamp) -> Value {
    json!({
        "id": format!("chatcmpl-{}", stamp.id),
        "object": "chat.completion",
        "created": stamp.created,
        "model": stamp.model,
        "choices": [{
            "index": 0,
            "message": assistant(&reply.text, &reply.thinking, &reply.tool_calls),
            "logprobs": null,
            "finish_reason": finish_word(reply.finish),
        }],
        "usage": render_usage(&reply.usage.unwrap_or_default()),
    })
}

pub struct StreamWriter {
    stamp: Stamp,
    include_usage: bool,
    finish: Finish,
    usage: Usage,
    kinds: Vec<ToolKind>,
}

impl StreamWriter {
    pub fn new(stamp: Stamp, include_usage: bool) -> Self {
        StreamWriter { stamp, include_usage, finish: Finish::Stop, usage: Usage::default(), kinds: Vec::new() }
    }
    pub fn start(&mut self) -> String {
        self.chunk(json!({"role": "assistant", "content": ""}), None)
    }
    pub fn event(&mut self, event: ChatEvent) -> String {
        match event {
            ChatEvent::Text(text) => self.chunk(json!({"content": text}), None),
            ChatEvent::Thinking(text) => self.chunk(json!({"reasoning_content": text}), None),
            ChatEvent::ToolCall { index, call } => {
                self.kinds.push(call.kind);
                let mut opened = render_call(&call);
                opened["index"] = json!(index);
                self.chunk(json!({"tool_calls": [opened]}), None)
            }
            ChatEvent::ToolArguments { index, text } => {
                let piece = match self.kinds.get(index) {
                    Some(ToolKind::Custom) => json!({"index": index, "custom": {"input": text}}),
                    _ => json!({"index": index, "function": {"arguments": text}}),
                };
                self.chunk(json!({"tool_calls": [piece]}), None)
            }
            ChatEvent::Finish(finish) => {
                self.finish = finish;
                String::new()
            }
            ChatEvent::Usage(usage) => {
                self.usage = usage;
                String::new()
            }
        }
    }
    pub fn end(&mut self) -> String {
        let mut out = self.chunk(json!({}), Some(finish_word(self.finish)));
        if self.include_usage {
            let mut last = self.outline();
            last["choices"] = json!([]);
            last["usage"] = render_usage(&self.usage);
            out.push_str(&sse::write("", &last.to_string()));
        }
        out.push_str(&sse::write("", "[DONE]"));
        out
    }

    fn outline(&self) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.stamp.id),
            "object": "chat.completion.chunk",
            "created": self.stamp.created,
            "model": self.stamp.model,
        })
    }
    fn chunk(&self, delta: Value, finish: Option<&str>) -> String {
        let mut chunk = self.outline();
        chunk["choices"] = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        sse::write("", &chunk.to_string())
    }
}

fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::ToolCalls => "tool_calls",
        Finish::Length => "length",
        Finish::Filtered => "content_filter",
    }
}

fn render_usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total(),
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    })
}

// ---- answers as a client reads them -------------------------------------------------------------------------------

pub fn parse_usage(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    Some(Usage {
        input_tokens: count("prompt_tokens")?,
        cached_input_tokens: usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0),
        output_tokens: count("completion_tokens").unwrap_or(0),
        reasoning_tokens: usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0),
    })
}

fn parse_finish(word: &str) -> Finish {
    match word {
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "length" => Finish::Length,
        "content_filter" => Finish::Filtered,
        _ => Finish::Stop,
    }
}

/// A whole answer that came as one JSON body.
pub fn parse_reply(body: &Value) -> Result<Reply> {
    let choice = body["choices"].get(0).ok_or_else(|| Error::protocol("the model's answer has no choice"))?;
    let message = &choice["message"];
    Ok(Reply {
        text: content_text(message.get("content")),
        thinking: text_of(message, "reasoning_content"),
        tool_calls: message["tool_calls"].as_array().into_iter().flatten().map(parse_call).collect(),
        finish: parse_finish(choice["finish_reason"].as_str().unwrap_or("stop")),
        usage: parse_usage(&body["usage"]),
    })
}

/// Reads the events of a stream into neutral ones.
#[derive(Debug, Default)]
pub struct StreamReader {
    calls: usize,
    finished: bool,
}

impl StreamReader {
    pub fn event(&mut self, event: &sse::Event) -> Result<Vec<ChatEvent>> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.finished = true;
            return Ok(Vec::new());
        }
        let chunk: Value = serde_json::from_str(data).map_err(|e| Error::protocol(format!("the model sent a broken event: {e}")))?;
        if let Some(error) = chunk.get("error").filter(|e| !e.is_null()) {
            return Err(Error::protocol(format!("the model's server failed in mid-answer: {}", error_text(error))));
        }
        let mut events = Vec::new();
        if let Some(choice) = chunk["choices"].get(0) {
            self.choice(choice, &mut events);
        }
        events.extend(parse_usage(&chunk["usage"]).map(ChatEvent::Usage));
        Ok(events)
    }

    /// Whether the stream said that the answer is whole; one that just stops did not.
    pub fn finished(&self) -> bool {
        self.finished
    }

    fn choice(&mut self, choice: &Value, events: &mut Vec<ChatEvent>) {
        let delta = &choice["delta"];
        for field in ["reasoning_content", "reasoning"] {
            if let Some(text) = delta.get(field).and_then(Value::as_str).filter(|t| !t.is_empty()) {
                events.push(ChatEvent::Thinking(text.to_string()));
                break;
            }
        }
        let text = content_text(delta.get("content"));
        if !text.is_empty() {
            events.push(ChatEvent::Text(text));
        }
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            self.tool_call(piece, events);
        }
        if let Some(word) = choice["finish_reason"].as_str() {
            self.finished = true;
            events.push(ChatEvent::Finish(parse_finish(word)));
        }
    }

    fn tool_call(&mut self, piece: &Value, events: &mut Vec<ChatEvent>) {
        let call = parse_call(piece);
        // Some servers leave the index out: a piece with an id then opens a call, one without goes on with the last.
        let index = piece["index"].as_u64().map(|i| i as usize).unwrap_or(if call.id.is_empty() {
            self.calls.saturating_sub(1)
        } else {
            self.calls
        });
        if index == self.calls && !call.name.is_empty() {
            self.calls += 1;
            events.push(ChatEvent::ToolCall { index, call: ToolCall { arguments: String::new(), ..call.clone() } });
        }
        if index < self.calls && !call.arguments.is_empty() {
            events.push(ChatEvent::ToolArguments { index, text: call.arguments });
        }
    }
}

/// The text of an error object, or of whatever else a server put there.
pub fn error_text(error: &Value) -> String {
    match error.get("message").and_then(Value::as_str).or(error.as_str()) {
        Some(text) => text.to_string(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        Reply {
            text: "Looking.".into(),
            tool_calls: vec![ToolCall {
                id: "c1".into(),
                name: "bash".into(),
                arguments: "{\"command\":\"ls\"}".into(),
                ..ToolCall::default()
            }],
            finish: Finish::ToolCalls,
            usage: Some(Usage { input_tokens: 9, cached_input_tokens: 2, output_tokens: 4, reasoning_tokens: 1 }),
            ..Reply::default()
        }
    }

    fn stream(reply: &Reply, include_usage: bool) -> String {
        let mut writer = StreamWriter::new(Stamp { id: "1".into(), model: "m".into(), created: 5 }, include_usage);
        let events: String = reply.events(6).into_iter().map(|event| writer.event(event)).collect();
        writer.start() + &events + &writer.end()
    }

    #[test]
    fn a_clients_request_is_read_and_the_unknown_skipped() {
        let body = json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 100, "novelty": {},
            "messages": [
                {"role": "developer", "content": "be good"},
                {"role": "user", "content": [{"type": "text", "text": "fix"}, {"type": "image_url", "image_url": {}}]},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
                    "function": {"name": "bash", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "done"},
                {"role": "oracle", "content": "?"},
            ],
            "tools": [{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}, {"type": "web_search"}],
        });
        let request = parse_request(&body).unwrap();
        assert_eq!(request.messages.len(), 4);
        assert_eq!(request.messages[1], Message::User { text: "fix".into() });
        assert_eq!(request.tools.len(), 1);
        assert_eq!(request.max_output_tokens, Some(100));
        // What is written by our own client is read the same.
        let rendered = render_request(&request);
        assert_eq!(parse_request(&rendered).unwrap(), request);
        assert!(parse_request(&json!({"model": "m"})).is_err());
    }

    #[test]
    fn a_stream_says_what_the_protocol_wants() {
        let text = stream(&reply(), true);
        let events = sse::Reader::new().push(text.as_bytes());
        let deltas: Vec<Value> = events[..events.len() - 1].iter().map(|e| serde_json::from_str(&e.data).unwrap()).collect();
        assert_eq!(events.last().unwrap().data, "[DONE]");
        assert_eq!(deltas[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
        assert_eq!(deltas[1]["choices"][0]["delta"], json!({"content": "Lookin"}));
        assert_eq!(
            deltas[3]["choices"][0]["delta"]["tool_calls"][0],
            json!({"id": "c1", "type": "function", "function": {"name": "bash", "arguments": ""}, "index": 0})
        );
        let (finish, usage) = (&deltas[deltas.len() - 2], &deltas[deltas.len() - 1]);
        assert_eq!(finish["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(finish["usage"], Value::Null);
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["total_tokens"], 13);
        assert!(!stream(&reply(), false).contains("usage"));
    }

    #[test]
    fn what_is_streamed_is_read_back() {
        let mut reader = StreamReader::default();
        let mut back = Reply::default();
        for event in sse::Reader::new().push(stream(&reply(), true).as_bytes()) {
            reader.event(&event).unwrap().into_iter().for_each(|event| back.push(event));
        }
        assert_eq!(back, reply());
        assert!(reader.finished());
        let stamp = Stamp::default();
        assert_eq!(parse_reply(&render_reply(&reply(), &stamp)).unwrap(), reply());
    }

    #[test]
    fn calls_without_an_index_and_errors_in_the_stream_are_understood() {
        let mut reader = StreamReader::default();
        let mut back = Reply::default();
        for piece in [
            json!({"id": "a", "function": {"name": "x", "arguments": "{"}}),
            json!({"function": {"arguments": "}"}}),
            json!({"id": "b", "function": {"name": "y", "arguments": "{}"}}),
        ] {
            let data = json!({"choices": [{"delta": {"tool_calls": [piece]}}]}).to_string();
            let events = reader.event(&sse::Event { name: String::new(), data }).unwrap();
            events.into_iter().for_each(|event| back.push(event));
        }
        let calls: Vec<_> = back.tool_calls.iter().map(|c| (c.name.as_str(), c.arguments.as_str())).collect();
        assert_eq!(calls, [("x", "{}"), ("y", "{}")]);
        let data = json!({"error": {"message": "overloaded"}}).to_string();
        let error = reader.event(&sse::Event { name: String::new(), data }).unwrap_err();
        assert!(error.message.contains("overloaded"));
    }
}
