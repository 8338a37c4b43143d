//! `grep`: lines or files by a regular expression.

use super::{Ground, Tool, parsed};
use async_trait::async_trait;
use domain::sandbox::{Command, ExitReason};
use domain::turn::AgentEvent;
use domain::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const LINES_MAX: usize = 200;
const LINE_BYTES_MAX: usize = 400;

pub struct Grep;

#[derive(Deserialize)]
struct Arguments {
    pattern: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    glob: Option<String>,
    #[serde(default)]
    output_mode: OutputMode,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum OutputMode {
    #[default]
    Content,
    FilesWithMatches,
    Count,
}

#[async_trait]
impl Tool for Grep {
    fn name(&self) -> &'static str {
        "grep"
    }
    fn description(&self) -> &'static str {
        "Searches files for an extended regular expression and returns the lines, the files or the counts."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "pattern": {"type": "string"},
                "path": {"type": "string", "description": "A file or folder; the project folder unless told."},
                "glob": {"type": "string", "description": "Only files whose name fits, such as *.py."},
                "output_mode": {"type": "string", "enum": ["content", "files_with_matches", "count"]},
            },
            "required": ["pattern"],
        })
    }
    async fn run(&self, ground: &Ground, _id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        ground.tell(AgentEvent::Tool { name: "grep".into(), summary: arguments.pattern.clone() }).await;
        let place = ground.shown(&arguments.path);
        let place = if ground.absolute(&arguments.path) == ground.workspace { ".".to_string() } else { place };
        let command = Command::new(argv(&arguments, place)).cwd(&ground.workspace);
        let command = command.timeout(Duration::from_secs(60)).output_bytes_max(1 << 20);
        let output = ground.sandbox.exec(command).await?;
        match (output.exit.reason, output.exit.code) {
            (ExitReason::Exited, 0) => Ok(listed(&output.stdout_text(), arguments.output_mode)),
            (ExitReason::Exited, 1) => Ok("Nothing found.".to_string()),
            _ => Err(Error::invalid(format!("grep failed: {}", output.text().trim()))),
        }
    }
}

fn argv(arguments: &Arguments, place: String) -> Vec<String> {
    let mode = match arguments.output_mode {
        OutputMode::Content => "-n",
        OutputMode::FilesWithMatches => "-l",
        OutputMode::Count => "-c",
    };
    let mut argv: Vec<String> = ["grep", "-rIE", mode, "--exclude-dir=.git", "--exclude-dir=node_modules"].map(String::from).into();
    if let Some(glob) = &arguments.glob {
        argv.push(format!("--include={}", glob.rsplit('/').next().unwrap_or(glob)));
    }
    argv.extend(["-e".to_string(), arguments.pattern.clone(), "--".to_string(), place]);
    argv
}

fn listed(output: &str, mode: OutputMode) -> String {
    // Counting names the files without a match, too.
    let wanted = |line: &&str| mode != OutputMode::Count || !line.ends_with(":0");
    let lines: Vec<&str> = output.lines().filter(wanted).collect();
    let kept: Vec<String> = lines
        .iter()
        .take(LINES_MAX)
        .map(|line| crate::text::head(line.strip_prefix("./").unwrap_or(line), LINE_BYTES_MAX).to_string())
        .collect();
    match lines.len().saturating_sub(LINES_MAX) {
        0 => kept.join("\n"),
        more => format!("{}\n[{more} more]", kept.join("\n")),
    }
}
