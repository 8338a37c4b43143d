//! `write_file`: a whole file, new or replaced.

use super::{Ground, Tool, parsed};
use async_trait::async_trait;
use domain::{Kind, Result};
use serde::Deserialize;
use serde_json::{Value, json};

pub struct WriteFile;

#[derive(Deserialize)]
struct Arguments {
    #[serde(alias = "path")]
    file_path: String,
    content: String,
}

#[async_trait]
impl Tool for WriteFile {
    fn name(&self) -> &'static str {
        "write_file"
    }
    fn description(&self) -> &'static str {
        "Writes a whole text file, making its folders. To change a part of a file use edit_file."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}},
            "required": ["file_path", "content"],
        })
    }
    async fn run(&self, ground: &Ground, _id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        let old = match ground.read_text(&arguments.file_path).await {
            Ok(old) => old,
            // New, or not text: either way there is nothing to compare with.
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid) => String::new(),
            Err(error) => return Err(error),
        };
        let size = arguments.content.len();
        ground.change(&arguments.file_path, &old, arguments.content).await?;
        Ok(format!("Wrote {size} bytes to {}.", ground.shown(&arguments.file_path)))
    }
}
