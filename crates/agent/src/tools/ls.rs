//! `ls`: the entries of a folder.

use super::{Ground, Tool, parsed};
use async_trait::async_trait;
use domain::Result;
use domain::sandbox::FileKind;
use domain::turn::AgentEvent;
use serde::Deserialize;
use serde_json::{Value, json};

const ENTRIES_MAX: usize = 500;

pub struct Ls;

#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    path: String,
}

#[async_trait]
impl Tool for Ls {
    fn name(&self) -> &'static str {
        "ls"
    }
    fn description(&self) -> &'static str {
        "Lists the files and folders in a folder."
    }
    fn schema(&self) -> Value {
        json!({"type": "object", "properties": {"path": {"type": "string", "description": "The project folder unless told."}}})
    }
    async fn run(&self, ground: &Ground, _id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        let folder = ground.absolute(&arguments.path);
        ground.tell(AgentEvent::Tool { name: "ls".into(), summary: ground.shown(&arguments.path) }).await;
        let entries = ground.sandbox.list(&folder, ENTRIES_MAX).await?;
        let mut lines: Vec<String> = entries
            .iter()
            .map(|entry| {
                let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
                match entry.kind {
                    FileKind::Directory => format!("{name}/"),
                    FileKind::Symlink => format!("{name}@"),
                    FileKind::File | FileKind::Other => format!("{name}  {} bytes", entry.size_bytes),
                }
            })
            .collect();
        lines.sort();
        if entries.len() == ENTRIES_MAX {
            lines.push(format!("[only the first {ENTRIES_MAX}]"));
        }
        Ok(if lines.is_empty() { "The folder is empty.".to_string() } else { lines.join("\n") })
    }
}
