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
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        match text("type") {
            "step" if text("state") == "working" => self.say(&self.bold(text("step"))),
            "step" => self.say(&format!("  {} {}", self.mark(text("state")), text("summary"))),
            "command" => self.say(&format!("  $ {}", first_line(text("command")))),
            "file_change" => self.say(&format!("  edited {}", text("path"))),
            "assistant_message" => self.say(&format!("  “{}”", first_line(text("message")))),
            "rule" if matches!(text("state"), "holds" | "broken") => {
                self.say(&format!("  {} {}", self.mark(text("state")), text("detail")))
            }
            "verdict" => self.say(&self.bold(text("message"))),
            "merge_request" | "error" => self.say(&format!("  {}", text("message"))),
            _ => {}
        }
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

fn first_line(text: &str) -> String {
    let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    if line.chars().count() > 110 { line.chars().take(109).collect::<String>() + "…" } else { line.to_string() }
}
