//! The demo's view in a terminal: one line per thing that happened, in the order it happened.

use crate::output::say;
use serde_json::Value;
use std::io::IsTerminal;
use std::time::Instant;

pub struct View {
    started: Instant,
    colour: bool,
}

impl View {
    pub fn new() -> Self {
        View { started: Instant::now(), colour: std::io::stdout().is_terminal() }
    }

    pub fn say(&self, line: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        // The demo goes on when nobody reads on, like any server.
        let _ = say!("{seconds:>6.1} s  {line}");
    }

    /// One event of a run. Chatter is left to the web app.
    pub fn event(&self, event: &Value) {
        if let Some(line) = self.line(event) {
            self.say(&line);
        }
    }

    /// What is said of an event. The verdict and the merge request are said once, by the ends of their steps.
    fn line(&self, event: &Value) -> Option<String> {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        Some(match text("type") {
            "step" if text("state") == "working" => self.bold(text("step")),
            "step" => format!("  {} {}", self.mark(text("state")), text("summary")),
            "command" => format!("  $ {}", first_line(text("command"))),
            "file_change" => format!("  edited {}", text("path")),
            "assistant_message" => format!("  “{}”", first_line(&unmarked(text("message")))),
            "rule" if matches!(text("state"), "holds" | "broken") => format!("  {} {}", self.mark(text("state")), text("detail")),
            "error" => format!("  {}", text("message")),
            _ => return None,
        })
    }

    pub fn bold(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_string() }
    }

    fn mark(&self, state: &str) -> String {
        let (sign, code) = match state {
            "done" | "holds" => ("✓", "32"),
            "failed" | "broken" => ("✗", "31"),
            _ => ("·", "0"),
        };
        if self.colour { format!("\u{1b}[{code}m{sign}\u{1b}[0m") } else { sign.to_string() }
    }
}

/// Markdown's text without its headings and marks.
fn unmarked(markdown: &str) -> String {
    let lines = markdown.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with("```"));
    let lines = lines.map(|line| line.trim_start_matches(['-', '*', '>', ' ']).replace("**", "").replace('`', ""));
    lines.collect::<Vec<_>>().join("\n")
}

fn first_line(text: &str) -> String {
    let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    if line.chars().count() > 110 { line.chars().take(109).collect::<String>() + "…" } else { line.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_runs_end_is_said_once() {
        let view = View { started: Instant::now(), colour: false };
        let events = [
            json!({"type": "step", "step": "prove", "state": "working", "summary": ""}),
            json!({"type": "verdict", "verdict": "proven", "message": "proven, 6 of 6 rules hold"}),
            json!({"type": "step", "step": "prove", "state": "done", "summary": "proven, 6 of 6 rules hold"}),
            json!({"type": "merge_request", "message": "merge request !1 is open", "number": 1}),
            json!({"type": "step", "step": "propose", "state": "done", "summary": "merge request !1 opened"}),
        ];
        let lines: Vec<String> = events.iter().filter_map(|event| view.line(event)).collect();
        assert_eq!(lines, ["prove", "  ✓ proven, 6 of 6 rules hold", "  ✓ merge request !1 opened"]);
    }

    #[test]
    fn an_agents_words_stand_in_a_terminal_without_markdown() {
        let view = View { started: Instant::now(), colour: false };
        let said = |message: &str| view.line(&json!({"type": "assistant_message", "message": message})).expect("a line");
        assert_eq!(
            said("## What broke\n\n`POST /checkout` raised **KeyError**.\n\n## Why\n\nIt did."),
            "  “POST /checkout raised KeyError.”"
        );
        assert_eq!(said("- `a * b` is gone"), "  “a * b is gone”");
    }
}
