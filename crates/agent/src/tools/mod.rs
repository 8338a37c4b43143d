//! What the model can do in the sandbox. A new tool is one file and one entry in [`ALL`].
//!
//! A tool's error is told to the model, who may do better; it never ends the turn.

mod edit_file;
mod glob;
mod grep;
mod ls;
mod read_file;
mod shell;
mod write_file;
mod write_todos;

use crate::text;
use async_trait::async_trait;
use domain::sandbox::Sandbox;
use domain::turn::AgentEvent;
use domain::{Error, Result};
use llm::{ToolCall, ToolKind};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

pub const ALL: &[&dyn Tool] = &[
    &shell::Shell,
    &read_file::ReadFile,
    &write_file::WriteFile,
    &edit_file::EditFile,
    &ls::Ls,
    &glob::Glob,
    &grep::Grep,
    &write_todos::WriteTodos,
];

/// The longest file that the file tools read or change.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 20;

#[async_trait]
pub trait Tool: Send + Sync {
    fn name(&self) -> &'static str;
    fn description(&self) -> &'static str;
    /// JSON schema of the arguments.
    fn schema(&self) -> Value;
    async fn run(&self, ground: &Ground, id: &str, arguments: Value) -> Result<String>;
}

/// Where the tools work.
pub struct Ground {
    pub sandbox: Arc<dyn Sandbox>,
    pub workspace: String,
    pub env: Vec<(String, String)>,
    pub events: mpsc::Sender<AgentEvent>,
    pub output_bytes_max: usize,
    pub command_timeout: Duration,
}

impl Ground {
    /// Nobody listening is no reason to stop.
    pub async fn tell(&self, event: AgentEvent) {
        let _ = self.events.send(event).await;
    }

    /// Absolute, as the sandbox wants it. What lies outside the workspace is the sandbox's to guard.
    fn absolute(&self, path: &str) -> String {
        let path = path.trim();
        match path {
            "" | "." | "./" => self.workspace.clone(),
            _ if path.starts_with('/') => path.to_string(),
            _ => format!("{}/{}", self.workspace.trim_end_matches('/'), path.trim_start_matches("./")),
        }
    }

    /// As a person would name it.
    fn shown(&self, path: &str) -> String {
        let below = self.absolute(path);
        match below.strip_prefix(self.workspace.trim_end_matches('/')) {
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/').to_string(),
            _ => below,
        }
    }

    /// A text file as a whole.
    async fn read_text(&self, path: &str) -> Result<String> {
        let path = self.absolute(path);
        let bytes = self.sandbox.read_file(&path, 0, FILE_BYTES_MAX + 1).await?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(Error::limit(format!("`{path}` is longer than {FILE_BYTES_MAX} bytes; use the shell")));
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid(format!("`{path}` is not a text file")))
    }

    /// Writes the file, keeping its mode, and tells the change.
    async fn change(&self, path: &str, old: &str, new: String) -> Result<()> {
        let absolute = self.absolute(path);
        let mode = self.sandbox.stat(&absolute).await.map_or(0o644, |stat| stat.mode & 0o777);
        let shown = self.shown(path);
        let diff = text::unified_diff(&shown, old, &new);
        self.sandbox.write_file(&absolute, new.into(), mode).await?;
        self.tell(AgentEvent::FileChanged { path: shown, diff }).await;
        Ok(())
    }
}

/// The tools as the model is told of them.
pub fn for_model() -> Vec<llm::Tool> {
    ALL.iter()
        .map(|tool| llm::Tool {
            name: tool.name().to_string(),
            description: tool.description().to_string(),
            kind: ToolKind::Function,
            namespace: None,
            schema: tool.schema(),
        })
        .collect()
}

/// The result as the model will read it, bounded; errors included.
pub async fn carry_out(ground: &Ground, call: &ToolCall) -> String {
    let Some(tool) = ALL.iter().find(|tool| tool.name() == call.name) else {
        let names: Vec<&str> = ALL.iter().map(|tool| tool.name()).collect();
        return format!("There is no tool `{}`; there are {}.", call.name, names.join(", "));
    };
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let arguments = match serde_json::from_str(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return format!("The arguments are not JSON: {error}"),
    };
    match tool.run(ground, &call.id, arguments).await {
        Ok(result) if result.is_empty() => "Done, without output.".to_string(),
        Ok(result) => text::head_and_tail(&result, ground.output_bytes_max),
        Err(error) => format!("Error: {}", text::head_and_tail(&error.message, 2_000)),
    }
}

fn parsed<T: DeserializeOwned>(arguments: Value) -> Result<T> {
    serde_json::from_value(arguments).map_err(|e| Error::invalid(format!("the arguments do not fit: {e}")))
}
