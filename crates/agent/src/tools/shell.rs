//! `shell`: one command line in the workspace, its output told while it comes.

use super::{Ground, Tool, parsed};
use crate::text::{HeadAndTail, Utf8Pieces};
use async_trait::async_trait;
use domain::sandbox::{Command, Exit, ExitReason, Process};
use domain::turn::AgentEvent;
use domain::{Result, limits};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

/// Output is gathered for so long before it is told.
const GATHER: Duration = Duration::from_millis(50);
/// What the background children of an ended command may still say.
const AFTERWARDS: Duration = Duration::from_millis(200);

pub struct Shell;

#[derive(Deserialize)]
struct Arguments {
    command: String,
    #[serde(default)]
    timeout_sec: Option<u64>,
}

#[async_trait]
impl Tool for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }
    fn description(&self) -> &'static str {
        "Runs a command line with /bin/sh in the project folder and returns its output and exit code. Each call is a new \
         shell. There is no terminal and no input; there is no network."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "command": {"type": "string", "description": "The command line."},
                "timeout_sec": {"type": "integer", "minimum": 1, "description": "Killed after so many seconds."},
            },
            "required": ["command"],
        })
    }
    async fn run(&self, ground: &Ground, id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        let timeout = match arguments.timeout_sec {
            Some(seconds) => Duration::from_secs(seconds.clamp(1, limits::EXEC_TIMEOUT_SECONDS_MAX)),
            None => ground.command_timeout,
        };
        let command = arguments.command;
        let cwd = ground.workspace.clone();
        ground.tell(AgentEvent::CommandStarted { id: id.to_string(), command: command.clone(), cwd: cwd.clone() }).await;
        let started = Instant::now();
        let ended = watch(ground, id, &command, timeout).await;
        let (exit, output) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                finished(ground, id, command, -1, started, error.message.clone()).await;
                return Err(error);
            }
        };
        finished(ground, id, command, exit.code, started, output.clone()).await;
        Ok(verdict(exit, timeout, &output))
    }
}

async fn finished(ground: &Ground, id: &str, command: String, exit_code: i32, started: Instant, output: String) {
    let duration_ms = started.elapsed().as_millis() as u64;
    ground.tell(AgentEvent::CommandFinished { id: id.to_string(), command, exit_code, duration_ms, output }).await;
}

fn verdict(exit: Exit, timeout: Duration, output: &str) -> String {
    let end = match exit.reason {
        ExitReason::Exited => format!("[exit code {}]", exit.code),
        ExitReason::Signal => format!("[killed by signal {}]", exit.code - 128),
        ExitReason::Timeout => format!("[killed after {} s]", timeout.as_secs()),
        ExitReason::Oom => "[killed: out of memory]".to_string(),
        ExitReason::Lost => "[the sandbox lost it]".to_string(),
    };
    let newline = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" };
    format!("{output}{newline}{end}")
}

async fn watch(ground: &Ground, id: &str, command: &str, timeout: Duration) -> Result<(Exit, String)> {
    let mut spawned = Command::shell(command).cwd(&ground.workspace).timeout(timeout);
    for (name, value) in &ground.env {
        spawned = spawned.env(name, value);
    }
    let Process { stdin, stdout, stderr, mut control } = ground.sandbox.spawn(spawned).await?;
    drop(stdin);
    let mut output = Output::new(ground, id);
    let exit = {
        let mut pumps = std::pin::pin!(output.pump(stdout, stderr));
        let mut pumped = false;
        // The sandbox keeps the time; the longer one here is for a sandbox that does not answer any more.
        let mut waiting = std::pin::pin!(tokio::time::timeout(timeout + Duration::from_secs(10), control.wait()));
        loop {
            tokio::select! {
                exit = &mut waiting => {
                    if !pumped {
                        let _ = tokio::time::timeout(AFTERWARDS, &mut pumps).await;
                    }
                    break exit.unwrap_or(Ok(Exit { reason: ExitReason::Timeout, code: 137 }))?;
                }
                _ = &mut pumps, if !pumped => pumped = true,
            }
        }
    };
    output.flush().await;
    Ok((exit, output.kept.finish()))
}

/// Both streams as they come, told in chunks and kept head and tail.
struct Output<'a> {
    ground: &'a Ground,
    id: &'a str,
    kept: HeadAndTail,
    gathered: String,
    since: Instant,
}

impl<'a> Output<'a> {
    fn new(ground: &'a Ground, id: &'a str) -> Self {
        let kept = HeadAndTail::new(ground.output_bytes_max);
        Output { ground, id, kept, gathered: String::new(), since: Instant::now() }
    }

    async fn pump(&mut self, mut stdout: impl AsyncRead + Unpin, mut stderr: impl AsyncRead + Unpin) {
        let (mut out, mut err) = (vec![0u8; 8 << 10], vec![0u8; 8 << 10]);
        let (mut out_text, mut err_text) = (Utf8Pieces::default(), Utf8Pieces::default());
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            let piece = tokio::select! {
                count = stdout.read(&mut out), if out_open => match count {
                    Ok(count) if count > 0 => out_text.push(&out[..count]),
                    _ => { out_open = false; out_text.finish() }
                },
                count = stderr.read(&mut err), if err_open => match count {
                    Ok(count) if count > 0 => err_text.push(&err[..count]),
                    _ => { err_open = false; err_text.finish() }
                },
                _ = tokio::time::sleep_until(self.since + GATHER), if !self.gathered.is_empty() => {
                    self.flush().await;
                    continue;
                }
            };
            self.push(&piece).await;
        }
    }

    async fn push(&mut self, piece: &str) {
        if piece.is_empty() {
            return;
        }
        self.kept.push(piece);
        if self.gathered.is_empty() {
            self.since = Instant::now();
        }
        if self.gathered.len() + piece.len() > limits::EVENT_CHUNK_BYTES_MAX {
            self.flush().await;
        }
        self.gathered.push_str(piece);
    }

    async fn flush(&mut self) {
        if !self.gathered.is_empty() {
            let text = std::mem::take(&mut self.gathered);
            self.ground.tell(AgentEvent::CommandOutput { id: self.id.to_string(), text }).await;
        }
    }
}
