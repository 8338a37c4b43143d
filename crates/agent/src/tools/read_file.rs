//! `read_file`: lines of a text file, numbered.

use super::{Ground, Tool, parsed};
use crate::text;
use async_trait::async_trait;
use domain::turn::AgentEvent;
use domain::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;

const LINES_DEFAULT: usize = 500;
const LINE_BYTES_MAX: usize = 2_000;

pub struct ReadFile;

#[derive(Deserialize)]
struct Arguments {
    #[serde(alias = "path")]
    file_path: String,
    #[serde(default)]
    offset: usize,
    #[serde(default)]
    limit: Option<usize>,
}

#[async_trait]
impl Tool for ReadFile {
    fn name(&self) -> &'static str {
        "read_file"
    }
    fn description(&self) -> &'static str {
        "Reads lines of a text file, each with its number before it."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "file_path": {"type": "string"},
                "offset": {"type": "integer", "minimum": 0, "description": "Lines to skip."},
                "limit": {"type": "integer", "minimum": 1, "description": "Lines to read; 500 unless told."},
            },
            "required": ["file_path"],
        })
    }
    async fn run(&self, ground: &Ground, _id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        let content = ground.read_text(&arguments.file_path).await?;
        let shown = ground.shown(&arguments.file_path);
        ground.tell(AgentEvent::Tool { name: "read_file".into(), summary: shown.clone() }).await;
        numbered(&content, arguments.offset, arguments.limit.unwrap_or(LINES_DEFAULT))
            .ok_or_else(|| Error::invalid(format!("`{shown}` has only {} lines", content.lines().count())))
    }
}

fn numbered(content: &str, offset: usize, limit: usize) -> Option<String> {
    if content.is_empty() {
        return Some("The file is empty.".to_string());
    }
    let mut out = String::new();
    let mut lines = content.lines().enumerate().skip(offset);
    for (at, line) in lines.by_ref().take(limit) {
        let _ = writeln!(out, "{:>5}\t{}", at + 1, text::head(line, LINE_BYTES_MAX));
    }
    let more = lines.count();
    if more > 0 {
        let _ = writeln!(out, "[{more} more lines]");
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one_and_the_rest_is_named() {
        assert_eq!(numbered("a\nb\nc\n", 1, 1).unwrap(), "    2\tb\n[1 more lines]\n");
        assert_eq!(numbered("a\n", 1, 1), None);
    }
}
