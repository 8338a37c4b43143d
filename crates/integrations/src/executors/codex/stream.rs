//! The lines of `codex exec --json`, read into events. Pure: time comes in as an argument.
//!
//! Unknown lines and items are skipped; the program grows new ones with each version.

use agent::text::head_and_tail;
use domain::limits;
use domain::turn::{AgentEvent, PlanItem, TurnEnd};
use domain::usage::Usage;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

const OUTPUT_BYTES_MAX: usize = 16 << 10;
const MESSAGE_BYTES_MAX: usize = 32 << 10;
/// It tries for ever when nobody answers; we do not.
const RECONNECTS_MAX: u32 = 12;
const RECONNECTING_MAX: Duration = Duration::from_secs(90);

pub struct Stream {
    workspace: String,
    thread: String,
    final_message: String,
    usage: Usage,
    verdict: Option<TurnEnd>,
    /// Commands under way: what was told of their output, and when they began.
    commands: HashMap<String, Running>,
    reconnects: u32,
    reconnecting_since: Option<Duration>,
    last_error: String,
}

struct Running {
    since: Duration,
    told_bytes: usize,
}

impl Stream {
    pub fn new(workspace: &str) -> Self {
        Stream {
            workspace: workspace.to_string(),
            thread: String::new(),
            final_message: String::new(),
            usage: Usage::default(),
            verdict: None,
            commands: HashMap::new(),
            reconnects: 0,
            reconnecting_since: None,
            last_error: String::new(),
        }
    }

    pub fn thread(&self) -> &str {
        &self.thread
    }
    /// Of the whole thread, earlier turns included.
    pub fn usage(&self) -> Usage {
        self.usage
    }
    pub fn final_message(&self) -> &str {
        &self.final_message
    }
    pub fn verdict(&self) -> Option<TurnEnd> {
        self.verdict.clone()
    }
    pub fn is_running_a_command(&self) -> bool {
        !self.commands.is_empty()
    }

    /// The reason to stop waiting for a model that does not answer.
    pub fn given_up(&self, at: Duration) -> Option<String> {
        let since = self.reconnecting_since?;
        let too_long = at.saturating_sub(since) > RECONNECTING_MAX || self.reconnects > RECONNECTS_MAX;
        too_long.then(|| format!("Codex could not reach the model: {}", self.last_error))
    }

    /// One line, `at` after the start of the turn.
    pub fn line(&mut self, line: &str, at: Duration) -> Vec<AgentEvent> {
        let line = line.trim();
        if !line.starts_with('{') {
            return Vec::new();
        }
        let Ok(value) = serde_json::from_str::<Value>(line) else { return Vec::new() };
        let kind = text(&value, "type");
        if kind != "error" {
            self.reconnects = 0;
            self.reconnecting_since = None;
        }
        match kind {
            "thread.started" => self.thread = text(&value, "thread_id").to_string(),
            "turn.completed" => {
                self.count(&value["usage"]);
                self.verdict = Some(TurnEnd::Finished);
            }
            "turn.failed" => self.verdict = Some(TurnEnd::Failed(plain(text(&value["error"], "message")))),
            "error" => return self.error(text(&value, "message"), at),
            "item.started" | "item.updated" => return self.progress(&value["item"], at),
            "item.completed" => return self.completed(&value["item"], at),
            _ => {}
        }
        Vec::new()
    }

    fn count(&mut self, usage: &Value) {
        let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        self.usage = Usage {
            input_tokens: count("input_tokens"),
            cached_input_tokens: count("cached_input_tokens"),
            output_tokens: count("output_tokens"),
            ..Usage::default()
        };
    }

    /// Not final by itself: it either tries again or a failed turn follows.
    fn error(&mut self, message: &str, at: Duration) -> Vec<AgentEvent> {
        self.last_error = plain(message);
        if message.starts_with("Reconnecting") {
            self.reconnects += 1;
            self.reconnecting_since.get_or_insert(at);
            return vec![AgentEvent::Retry { message: self.last_error.clone() }];
        }
        Vec::new()
    }

    fn progress(&mut self, item: &Value, at: Duration) -> Vec<AgentEvent> {
        match text(item, "type") {
            "command_execution" => self.command_progress(item, at),
            "todo_list" => vec![plan(item)],
            _ => Vec::new(),
        }
    }

    fn completed(&mut self, item: &Value, at: Duration) -> Vec<AgentEvent> {
        match text(item, "type") {
            "agent_message" => {
                self.final_message = text(item, "text").to_string();
                vec![AgentEvent::Message { text: head_and_tail(text(item, "text"), MESSAGE_BYTES_MAX) }]
            }
            "reasoning" => vec![AgentEvent::Thinking { text: head_and_tail(text(item, "text"), MESSAGE_BYTES_MAX) }],
            "command_execution" => self.command_completed(item, at),
            "file_change" => changed_files(item, &self.workspace),
            "mcp_tool_call" => vec![tool(text(item, "tool"), text(item, "server"))],
            "collab_tool_call" => vec![tool(text(item, "tool"), "another agent")],
            "web_search" => vec![tool("web_search", text(item, "query"))],
            "todo_list" => vec![plan(item)],
            // A warning, such as about a model that it does not know.
            "error" => vec![AgentEvent::Note { text: head_and_tail(text(item, "message"), 2_000) }],
            _ => Vec::new(),
        }
    }

    fn command_progress(&mut self, item: &Value, at: Duration) -> Vec<AgentEvent> {
        let id = text(item, "id").to_string();
        let mut events = Vec::new();
        if !self.commands.contains_key(&id) {
            events.push(self.command_started(item));
        }
        let running = self.commands.entry(id.clone()).or_insert(Running { since: at, told_bytes: 0 });
        let output = text(item, "aggregated_output");
        // When a long output is cut in the middle it can shrink; then there is nothing new to tell.
        if let Some(news) = output.get(running.told_bytes..).filter(|news| !news.is_empty()) {
            running.told_bytes = output.len();
            events.push(AgentEvent::CommandOutput { id, text: head_and_tail(news, limits::EVENT_CHUNK_BYTES_MAX) });
        }
        events
    }

    fn command_completed(&mut self, item: &Value, at: Duration) -> Vec<AgentEvent> {
        let id = text(item, "id").to_string();
        let mut events = Vec::new();
        let since = match self.commands.remove(&id) {
            Some(running) => running.since,
            None => {
                events.push(self.command_started(item));
                at
            }
        };
        let failed = text(item, "status") == "failed";
        events.push(AgentEvent::CommandFinished {
            id,
            command: command_line(text(item, "command")),
            exit_code: item["exit_code"].as_i64().unwrap_or(if failed { -1 } else { 0 }) as i32,
            duration_ms: at.saturating_sub(since).as_millis() as u64,
            output: head_and_tail(text(item, "aggregated_output"), OUTPUT_BYTES_MAX),
        });
        events
    }

    fn command_started(&self, item: &Value) -> AgentEvent {
        AgentEvent::CommandStarted {
            id: text(item, "id").to_string(),
            command: command_line(text(item, "command")),
            cwd: self.workspace.clone(),
        }
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn tool(name: &str, about: &str) -> AgentEvent {
    AgentEvent::Tool { name: name.to_string(), summary: head_and_tail(about, 500) }
}

fn plan(item: &Value) -> AgentEvent {
    let items = item["items"].as_array().into_iter().flatten();
    let items = items.map(|entry| PlanItem {
        content: text(entry, "text").to_string(),
        status: if entry["completed"].as_bool().unwrap_or(false) { "completed" } else { "pending" }.to_string(),
    });
    AgentEvent::Plan { items: items.collect() }
}

fn changed_files(item: &Value, workspace: &str) -> Vec<AgentEvent> {
    let changes = item["changes"].as_array().into_iter().flatten();
    let path = |change: &Value| {
        let path = text(change, "path");
        path.strip_prefix(workspace).unwrap_or(path).trim_start_matches('/').to_string()
    };
    changes.map(|change| AgentEvent::FileChanged { path: path(change), diff: String::new() }).collect()
}

/// What the person meant, without the shell around it.
fn command_line(command: &str) -> String {
    let inner = ["/bin/bash -lc ", "bash -lc ", "/bin/sh -c ", "/bin/bash -c "].iter().find_map(|shell| command.strip_prefix(shell));
    let shown = match inner.map(str::trim) {
        Some(inner) if inner.starts_with('\'') => unquoted(inner, '\'').unwrap_or_else(|| inner.to_string()),
        Some(inner) if inner.starts_with('"') => unquoted(inner, '"').unwrap_or_else(|| inner.to_string()),
        Some(inner) => inner.to_string(),
        None => command.to_string(),
    };
    head_and_tail(&shown, 8 << 10)
}

/// One quoted word as a shell reads it; `None` for anything more complicated.
fn unquoted(word: &str, quote: char) -> Option<String> {
    let mut out = String::new();
    let mut chars = word.chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => inside = !inside,
            '\\' if !inside || quote == '"' => out.push(chars.next()?),
            _ if !inside => return None,
            c => out.push(c),
        }
    }
    (!inside).then_some(out)
}

/// An error may carry the server's JSON; a person wants its sentence.
fn plain(message: &str) -> String {
    let json = message.find('{').and_then(|at| {
        let mut values = serde_json::Deserializer::from_str(&message[at..]).into_iter::<Value>();
        values.next()?.ok()
    });
    let sentence = json.as_ref().and_then(|value| value["error"]["message"].as_str().or(value["message"].as_str()));
    head_and_tail(sentence.unwrap_or(message), 2_000)
}
