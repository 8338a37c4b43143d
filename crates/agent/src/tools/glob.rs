//! `glob`: files by the shape of their path.

use super::{Ground, Tool, parsed};
use async_trait::async_trait;
use domain::sandbox::Command;
use domain::turn::AgentEvent;
use domain::{Error, Result};
use globset::GlobBuilder;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const FILES_MAX: usize = 200;

pub struct Glob;

#[derive(Deserialize)]
struct Arguments {
    pattern: String,
    #[serde(default)]
    path: String,
}

#[async_trait]
impl Tool for Glob {
    fn name(&self) -> &'static str {
        "glob"
    }
    fn description(&self) -> &'static str {
        "Finds files by a pattern such as **/test_*.py."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "pattern": {"type": "string"},
                "path": {"type": "string", "description": "Where to look; the project folder unless told."},
            },
            "required": ["pattern"],
        })
    }
    async fn run(&self, ground: &Ground, _id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        ground.tell(AgentEvent::Tool { name: "glob".into(), summary: arguments.pattern.clone() }).await;
        let folder = ground.absolute(&arguments.path);
        let find = ["find", ".", "(", "-name", ".git", "-o", "-name", "node_modules", ")", "-prune", "-o", "-type", "f", "-print"];
        let find = Command::new(find).cwd(folder).timeout(Duration::from_secs(30)).output_bytes_max(4 << 20);
        let found = ground.sandbox.exec(find).await?.checked("find")?;
        matching(&found.stdout_text(), &arguments.pattern)
    }
}

fn matching(listing: &str, pattern: &str) -> Result<String> {
    // A bare name is meant anywhere below.
    let pattern = pattern.trim_start_matches("./").trim_start_matches('/');
    let pattern = if pattern.contains('/') { pattern.to_string() } else { format!("**/{pattern}") };
    let glob = GlobBuilder::new(&pattern)
        .literal_separator(true)
        .build()
        .map_err(|e| Error::invalid(format!("not a pattern: {e}")))?
        .compile_matcher();
    let mut files: Vec<&str> =
        listing.lines().map(|line| line.strip_prefix("./").unwrap_or(line)).filter(|path| glob.is_match(path)).collect();
    files.sort_unstable();
    Ok(match files.len() {
        0 => "No file fits.".to_string(),
        count if count > FILES_MAX => format!("{}\n[{} more]", files[..FILES_MAX].join("\n"), count - FILES_MAX),
        _ => files.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_meant_as_people_mean_them() {
        let listing = "./a.py\n./src/b.py\n./src/deep/c.py\n./d.txt\n";
        assert_eq!(matching(listing, "*.py").unwrap(), "a.py\nsrc/b.py\nsrc/deep/c.py");
        assert_eq!(matching(listing, "src/*.py").unwrap(), "src/b.py");
        assert_eq!(matching(listing, "/src/**/*.py").unwrap(), "src/b.py\nsrc/deep/c.py");
        assert_eq!(matching(listing, "*.rs").unwrap(), "No file fits.");
        assert!(matching(listing, "[").is_err());
    }
}
