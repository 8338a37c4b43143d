//! OpenAI Responses: requests as clients such as Codex send them, answers as they expect them.
//!
//! The WebSocket form is not offered; a client that tries it gets 426 from the server and falls back to SSE.

use super::{Stamp, content_text, text_of};
use crate::chat::{ChatEvent, ChatRequest, Finish, Message, Reply, Tool, ToolCall, ToolKind, Usage};
use crate::error::{Error, Result};
use crate::sse;
use serde_json::{Value, json};

// ---- requests -----------------------------------------------------------------------------------------------------

pub(super) fn parse_request(body: &Value) -> Result<ChatRequest> {
    let mut messages = Vec::new();
    if let Some(text) = body.get("instructions").and_then(Value::as_str) {
        messages.push(Message::System { text: text.to_string() });
    }
    match body.get("input") {
        Some(Value::String(text)) => messages.push(Message::User { text: text.clone() }),
        Some(Value::Array(items)) => items.iter().for_each(|item| parse_item(item, &mut messages)),
        _ => return Err(Error::invalid("`input` must be a text or a list")),
    }
    let mut tools = Vec::new();
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        parse_tool(tool, None, &mut tools);
    }
    let format = &body["text"]["format"];
    Ok(ChatRequest {
        model: text_of(body, "model"),
        messages,
        tools,
        max_output_tokens: body.get("max_output_tokens").and_then(Value::as_u64),
        temperature: body.get("temperature").and_then(Value::as_f64),
        reasoning_effort: body["reasoning"]["effort"].as_str().map(str::to_string),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        include_usage: true,
        answer_schema: match format["type"].as_str() {
            Some("json_schema") => Some(format["schema"].clone()),
            Some("json_object") => Some(Value::Null),
            _ => None,
        },
    })
}

/// Neighbouring items of the assistant become one message, as the model once said them in one breath.
fn parse_item(item: &Value, messages: &mut Vec<Message>) {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message");
    match kind {
        "message" => {
            let text = content_text(item.get("content"));
            match item.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => messages.push(Message::System { text }),
                Some("user") => messages.push(Message::User { text }),
                Some("assistant") => assistant_says(messages, &text),
                _ => {}
            }
        }
        "function_call" => assistant_calls(messages, item, ToolKind::Function, "arguments"),
        "custom_tool_call" => assistant_calls(messages, item, ToolKind::Custom, "input"),
        "local_shell_call" | "shell_call" | "apply_patch_call" | "tool_search_call" => {
            assistant_calls(messages, item, ToolKind::Function, "action");
        }
        _ if kind.ends_with("_output") => {
            messages.push(Message::Tool { call_id: text_of(item, "call_id"), text: content_text(item.get("output")) })
        }
        // Reasoning, hosted tools and whatever comes next say nothing that is needed here.
        _ => {}
    }
}

fn assistant_says(messages: &mut Vec<Message>, more: &str) {
    match messages.last_mut() {
        Some(Message::Assistant { text, .. }) => {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(more);
        }
        _ => messages.push(Message::Assistant { text: more.to_string(), tool_calls: Vec::new() }),
    }
}

fn assistant_calls(messages: &mut Vec<Message>, item: &Value, kind: ToolKind, arguments_field: &str) {
    let name = item.get("name").or(item.get("type")).and_then(Value::as_str).unwrap_or_default();
    let arguments = match item.get(arguments_field) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let call = ToolCall {
        id: text_of(item, "call_id"),
        name: name.to_string(),
        arguments,
        kind,
        namespace: item.get("namespace").and_then(Value::as_str).map(str::to_string),
    };
    match messages.last_mut() {
        Some(Message::Assistant { tool_calls, .. }) => tool_calls.push(call),
        _ => messages.push(Message::Assistant { text: String::new(), tool_calls: vec![call] }),
    }
}

fn parse_tool(tool: &Value, namespace: Option<&str>, tools: &mut Vec<Tool>) {
    let (kind, schema) = match tool.get("type").and_then(Value::as_str) {
        Some("function") => (ToolKind::Function, tool.get("parameters").cloned().unwrap_or(Value::Null)),
        Some("custom") => (ToolKind::Custom, Value::Null),
        Some("namespace") if namespace.is_none() => {
            let name = tool.get("name").and_then(Value::as_str);
            for inner in tool.get("tools").and_then(Value::as_array).into_iter().flatten() {
                parse_tool(inner, name, tools);
            }
            return;
        }
        _ => return,
    };
    if let Some(name) = tool.get("name").and_then(Value::as_str) {
        tools.push(Tool {
            name: name.to_string(),
            description: text_of(tool, "description"),
            kind,
            namespace: namespace.map(str::to_string),
            schema,
        });
    }
}

pub fn parse_usage(usage: &Value) -> Option<Usage> {
    Some(Usage {
        input_tokens: usage.get("input_tokens").and_then(Value::as_u64)?,
        cached_input_tokens: usage["input_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0),
        output_tokens: usage["output_tokens"].as_u64().unwrap_or(0),
        reasoning_tokens: usage["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0),
    })
}

// ---- answers ------------------------------------------------------------------------------------------------------

pub(super) fn render_reply(reply: &Reply, stamp: &Stamp) -> Value {
    let mut writer = StreamWriter::new(stamp.clone());
    writer.start();
    for event in reply.events(usize::MAX) {
        writer.event(event);
    }
    writer.close();
    writer.response(true)
}

/// Item by item: each is announced, filled by deltas and closed before the next one opens.
pub struct StreamWriter {
    stamp: Stamp,
    sequence: u64,
    output: Vec<Value>,
    open: Option<Open>,
    finish: Finish,
    usage: Usage,
}

struct Open {
    kind: OpenKind,
    id: String,
    text: String,
    /// For tool calls: what the call is.
    call: ToolCall,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenKind {
    Message,
    Reasoning,
    Function,
    Custom,
}

impl StreamWriter {
    pub fn new(stamp: Stamp) -> Self {
        StreamWriter { stamp, sequence: 0, output: Vec::new(), open: None, finish: Finish::Stop, usage: Usage::default() }
    }

    pub fn start(&mut self) -> String {
        let response = self.response(false);
        self.emit("response.created", json!({"response": response})) + &self.emit("response.in_progress", json!({"response": response}))
    }

    pub fn event(&mut self, event: ChatEvent) -> String {
        match event {
            ChatEvent::Text(text) => self.delta(OpenKind::Message, text),
            ChatEvent::Thinking(text) => self.delta(OpenKind::Reasoning, text),
            ChatEvent::ToolCall { call, .. } => {
                let kind = if call.kind == ToolKind::Custom { OpenKind::Custom } else { OpenKind::Function };
                let closed = self.close();
                closed + &self.open(kind, call)
            }
            // The neutral stream never interleaves calls, so a piece belongs to the one that is open.
            ChatEvent::ToolArguments { text, .. } => match self.open.as_ref().map(|o| o.kind) {
                Some(kind @ (OpenKind::Function | OpenKind::Custom)) => self.delta(kind, text),
                _ => String::new(),
            },
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
        let closed = self.close();
        let response = self.response(true);
        let name = match self.finish {
            Finish::Length | Finish::Filtered => "response.incomplete",
            Finish::Stop | Finish::ToolCalls => "response.completed",
        };
        closed + &self.emit(name, json!({"response": response}))
    }

    fn emit(&mut self, name: &str, mut data: Value) -> String {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        sse::write(name, &data.to_string())
    }

    fn open(&mut self, kind: OpenKind, call: ToolCall) -> String {
        let prefix = match kind {
            OpenKind::Message => "msg",
            OpenKind::Reasoning => "rs",
            OpenKind::Function => "fc",
            OpenKind::Custom => "ctc",
        };
        let id = format!("{prefix}_{}_{}", self.stamp.id, self.output.len());
        let open = Open { kind, id, text: String::new(), call };
        let at = self.output.len();
        let item = item(&open, "in_progress");
        let mut out = self.emit("response.output_item.added", json!({"output_index": at, "item": item}));
        match kind {
            OpenKind::Message => {
                let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
                let data = json!({"item_id": open.id, "output_index": at, "content_index": 0, "part": part});
                out += &self.emit("response.content_part.added", data);
            }
            OpenKind::Reasoning => {
                let part = json!({"type": "summary_text", "text": ""});
                let data = json!({"item_id": open.id, "output_index": at, "summary_index": 0, "part": part});
                out += &self.emit("response.reasoning_summary_part.added", data);
            }
            OpenKind::Function | OpenKind::Custom => {}
        }
        self.open = Some(open);
        out
    }

    fn delta(&mut self, kind: OpenKind, text: String) -> String {
        let mut out = String::new();
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            out += &self.close();
            out += &self.open(kind, ToolCall::default());
        }
        let at = self.output.len();
        let Some(open) = self.open.as_mut() else { return out };
        open.text.push_str(&text);
        let mut data = json!({"item_id": open.id, "output_index": at, "delta": text});
        let name = match kind {
            OpenKind::Message => {
                data["content_index"] = json!(0);
                data["logprobs"] = json!([]);
                "response.output_text.delta"
            }
            OpenKind::Reasoning => {
                data["summary_index"] = json!(0);
                "response.reasoning_summary_text.delta"
            }
            OpenKind::Function => "response.function_call_arguments.delta",
            OpenKind::Custom => "response.custom_tool_call_input.delta",
        };
        out + &self.emit(name, data)
    }

    fn close(&mut self) -> String {
        let Some(open) = self.open.take() else { return String::new() };
        let (at, id, text) = (self.output.len(), &open.id, &open.text);
        let mut out = String::new();
        match open.kind {
            OpenKind::Message => {
                let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
                let base = json!({"item_id": id, "output_index": at, "content_index": 0});
                out += &self.emit("response.output_text.done", with(&base, "text", json!(text)));
                out += &self.emit("response.content_part.done", with(&base, "part", part));
            }
            OpenKind::Reasoning => {
                let part = json!({"type": "summary_text", "text": text});
                let base = json!({"item_id": id, "output_index": at, "summary_index": 0});
                out += &self.emit("response.reasoning_summary_text.done", with(&base, "text", json!(text)));
                out += &self.emit("response.reasoning_summary_part.done", with(&base, "part", part));
            }
            OpenKind::Function => {
                let data = json!({"item_id": id, "output_index": at, "name": open.call.name, "arguments": text});
                out += &self.emit("response.function_call_arguments.done", data);
            }
            OpenKind::Custom => {
                let data = json!({"item_id": id, "output_index": at, "input": text});
                out += &self.emit("response.custom_tool_call_input.done", data);
            }
        }
        let item = item(&open, "completed");
        out += &self.emit("response.output_item.done", json!({"output_index": at, "item": item}));
        self.output.push(item);
        out
    }

    fn response(&self, ended: bool) -> Value {
        let (status, incomplete) = match self.finish {
            _ if !ended => ("in_progress", Value::Null),
            Finish::Length => ("incomplete", json!({"reason": "max_output_tokens"})),
            Finish::Filtered => ("incomplete", json!({"reason": "content_filter"})),
            Finish::Stop | Finish::ToolCalls => ("completed", Value::Null),
        };
        json!({
            "id": format!("resp_{}", self.stamp.id),
            "object": "response",
            "created_at": self.stamp.created,
            "status": status,
            "error": null,
            "incomplete_details": incomplete,
            "model": self.stamp.model,
            "output": self.output,
            "parallel_tool_calls": true,
            "tool_choice": "auto",
            "tools": [],
            "usage": if ended { render_usage(&self.usage) } else { Value::Null },
        })
    }
}

fn with(base: &Value, field: &str, value: Value) -> Value {
    let mut data = base.clone();
    data[field] = value;
    data
}

fn item(open: &Open, status: &str) -> Value {
    let text = &open.text;
    let mut item = match open.kind {
        OpenKind::Message => {
            let content = if status == "completed" {
                json!([{"type": "output_text", "text": text, "annotations": [], "logprobs": []}])
            } else {
                json!([])
            };
            json!({"id": open.id, "type": "message", "status": status, "role": "assistant", "content": content})
        }
        OpenKind::Reasoning => {
            let summary = if status == "completed" { json!([{"type": "summary_text", "text": text}]) } else { json!([]) };
            json!({"id": open.id, "type": "reasoning", "summary": summary})
        }
        OpenKind::Function => json!({"id": open.id, "type": "function_call", "status": status,
            "call_id": open.call.id, "name": open.call.name, "arguments": text}),
        OpenKind::Custom => json!({"id": open.id, "type": "custom_tool_call", "status": status,
            "call_id": open.call.id, "name": open.call.name, "input": text}),
    };
    if let Some(namespace) = &open.call.namespace {
        item["namespace"] = json!(namespace);
    }
    item
}

fn render_usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outline of what Codex 0.169 sends, with its own item and tool types.
    const CODEX: &str = include_str!("../../tests/data/codex_request.json");

    fn reply() -> Reply {
        Reply {
            thinking: "hm".into(),
            text: "Looking.".into(),
            tool_calls: vec![
                ToolCall { id: "c1".into(), name: "exec_command".into(), arguments: "{\"cmd\":\"ls\"}".into(), ..ToolCall::default() },
                ToolCall {
                    id: "c2".into(),
                    name: "apply_patch".into(),
                    arguments: "*** Begin".into(),
                    kind: ToolKind::Custom,
                    namespace: None,
                },
            ],
            finish: Finish::ToolCalls,
            usage: Some(Usage { input_tokens: 9, cached_input_tokens: 2, output_tokens: 4, reasoning_tokens: 1 }),
        }
    }

    #[test]
    fn a_codex_request_is_read() {
        let request = parse_request(&serde_json::from_str(CODEX).unwrap()).unwrap();
        assert_eq!((request.model.as_str(), request.stream), ("mock-model", true));
        let users = request.messages.iter().filter(|m| matches!(m, Message::User { .. })).count();
        assert_eq!(users, 2);
        let Some(Message::Assistant { text, tool_calls }) = request.messages.iter().find(|m| matches!(m, Message::Assistant { .. })) else {
            panic!("no assistant message");
        };
        assert_eq!((text.as_str(), tool_calls.len()), ("I look first.", 2));
        assert_eq!(tool_calls[1].kind, ToolKind::Custom);
        let names: Vec<_> = request.tools.iter().map(|t| (t.namespace.as_deref(), t.name.as_str())).collect();
        assert_eq!(names, [(None, "exec_command"), (None, "apply_patch"), (Some("multi_agent_v1"), "spawn_agent")]);
        let outputs: Vec<_> = request
            .messages
            .iter()
            .filter_map(|m| match m {
                Message::Tool { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(outputs, ["calc.py", "Done"]);
    }

    #[test]
    fn a_stream_opens_fills_and_closes_each_item() {
        let mut writer = StreamWriter::new(Stamp { id: "1".into(), model: "m".into(), created: 5 });
        let mut text = writer.start();
        reply().events(100).into_iter().for_each(|event| text += &writer.event(event));
        text += &writer.end();
        let events = sse::Reader::new().push(text.as_bytes());
        let names: Vec<_> = events.iter().map(|e| e.name.strip_prefix("response.").unwrap()).collect();
        assert_eq!(
            names,
            [
                "created",
                "in_progress",
                "output_item.added",
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
                "output_item.done",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "output_item.added",
                "function_call_arguments.delta",
                "function_call_arguments.done",
                "output_item.done",
                "output_item.added",
                "custom_tool_call_input.delta",
                "custom_tool_call_input.done",
                "output_item.done",
                "completed",
            ]
        );
        for (at, event) in events.iter().enumerate() {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            assert_eq!(data["type"], event.name);
            assert_eq!(data["sequence_number"], at);
        }
        let last: Value = serde_json::from_str(&events.last().unwrap().data).unwrap();
        let output = last["response"]["output"].as_array().unwrap();
        assert_eq!(output.len(), 4);
        assert_eq!(output[2]["call_id"], "c1");
        assert_eq!(output[2]["arguments"], "{\"cmd\":\"ls\"}");
        assert_eq!(output[3]["input"], "*** Begin");
        assert_eq!(
            last["response"]["usage"],
            json!({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 2},
            "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 13})
        );
        assert_eq!(render_reply(&reply(), &Stamp { id: "1".into(), model: "m".into(), created: 5 }), last["response"]);
    }

    #[test]
    fn a_reached_limit_ends_incomplete() {
        let mut writer = StreamWriter::new(Stamp::default());
        writer.event(ChatEvent::Text("x".into()));
        writer.event(ChatEvent::Finish(Finish::Length));
        let end = writer.end();
        assert!(end.contains("event: response.incomplete") && end.contains("max_output_tokens"));
    }
}
