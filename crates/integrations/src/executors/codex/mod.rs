//! Codex, head-less: its native binary run inside the sandbox, its JSONL read into events.
//!
//! What had to be learned from the program itself: it reads its standard input to the end, so the prompt goes there
//! and never into argv; its usage counts the whole thread; it can wait for a network for ever, so silence and
//! reconnecting are watched from here; its exit code alone means little.

mod stream;

use super::tree::Tree;
use super::{Entry, Settings};
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use domain::sandbox::{AGENT_HOME, Command, Exit, LLM_PORT, Mount, MountMode, Process, ProcessControl, Sandbox};
use domain::turn::{AgentEvent, Dialect, Executor, Turn, TurnEnd, TurnOutcome};
use domain::usage::Usage;
use domain::{Error, Result, limits};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub const ENTRY: Entry = Entry { id: "codex", build };

/// Where the package appears inside the sandbox.
const INSIDE: &str = "/opt/codex";
const TOKEN_VARIABLE: &str = "ASTRAFORGE_MODEL_TOKEN";
const SIGTERM: i32 = 15;
/// What it gets to write its session down after a SIGTERM.
const FAREWELL: Duration = Duration::from_secs(3);
const LINE_BYTES_MAX: usize = 8 << 20;
const STDERR_BYTES_MAX: usize = 4 << 10;
/// While a command runs it may be silent for longer than while it thinks.
const COMMAND_SILENCE: Duration = Duration::from_secs(limits::AGENT_SILENCE_SECONDS_MAX * 3);

fn build(settings: &Settings) -> Arc<dyn Executor> {
    Arc::new(Codex { prefix: settings.codex_prefix.clone(), port: LLM_PORT, home: AGENT_HOME.into() })
}

pub struct Codex {
    prefix: Option<PathBuf>,
    /// The LLM door, on loopback.
    port: u16,
    /// Where its sessions lie, kept between the turns of a run.
    home: String,
}

/// What has to be known to go on in the same thread.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Session {
    thread: String,
    /// What the thread had used when the last turn ended.
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
}

#[async_trait]
impl Executor for Codex {
    fn id(&self) -> &'static str {
        ENTRY.id
    }
    fn label(&self) -> &'static str {
        "Codex"
    }
    fn dialect(&self) -> Dialect {
        Dialect::Responses
    }
    async fn unavailable(&self) -> Option<String> {
        let Some(prefix) = &self.prefix else {
            return Some(
                "no folder with Codex is configured; install it with `npm install --prefix DIR @openai/codex` and name DIR".into(),
            );
        };
        package(prefix).is_none().then(|| {
            let prefix = prefix.display();
            format!("there is no Codex for this machine below {prefix}; install it with `npm install --prefix {prefix} @openai/codex`")
        })
    }
    fn mounts(&self) -> Vec<Mount> {
        let package = self.prefix.as_deref().and_then(package);
        package.map(|source| Mount { source, target: INSIDE.into(), mode: MountMode::ReadOnly }).into_iter().collect()
    }

    async fn turn(&self, turn: Turn) -> Result<TurnOutcome> {
        if let Some(reason) = self.unavailable().await {
            return Err(Error::conflict(reason));
        }
        self.drive(turn, INSIDE).await
    }
}

impl Codex {
    async fn drive(&self, turn: Turn, package: &str) -> Result<TurnOutcome> {
        let before: Session = turn.session.as_deref().and_then(|s| serde_json::from_str(s).ok()).unwrap_or_default();
        let tree = Tree::at_start(&*turn.sandbox, &turn.workspace).await;
        let process = turn.sandbox.spawn(self.command(&turn, &before, package)).await?;
        let mut driving = Driving::new(&turn, tree);
        let ended = driving.run(process, turn.deadline, turn.cancel.clone()).await;
        driving.show_changes().await;
        Ok(outcome(driving.stream, before, ended))
    }

    fn command(&self, turn: &Turn, before: &Session, package: &str) -> Command {
        let mut argv = vec![format!("{package}/bin/codex"), "exec".to_string()];
        argv.extend(
            ["--json", "--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check", "--ignore-user-config"].map(String::from),
        );
        argv.extend(["-C".to_string(), turn.workspace.clone(), "-m".to_string(), turn.model.model.clone()]);
        for setting in self.settings(turn.model.reasoning_effort.as_deref()) {
            argv.extend(["-c".to_string(), setting]);
        }
        if is_thread(&before.thread) {
            argv.extend(["resume".to_string(), before.thread.clone()]);
        }
        argv.push("-".to_string());
        Command::new(argv)
            .cwd(&turn.workspace)
            .env("HOME", &self.home)
            .env("TERM", "dumb")
            .env("LANG", "C.UTF-8")
            .env(TOKEN_VARIABLE, turn.model.token.expose())
            .stdin(turn.prompt.clone())
            .timeout(turn.deadline + FAREWELL)
    }

    /// Nothing is read from a file that an agent could have written; nothing is asked of a host but our door.
    fn settings(&self, effort: Option<&str>) -> Vec<String> {
        let provider = format!(
            "model_providers.astraforge={{name=\"AstraForge\",base_url=\"http://127.0.0.1:{}/v1\",env_key=\"{TOKEN_VARIABLE}\",\
             wire_api=\"responses\",request_max_retries=3,stream_max_retries=3}}",
            self.port
        );
        let mut settings = vec![provider];
        settings.extend([
            "model_provider=\"astraforge\"".to_string(),
            format!("shell_environment_policy.exclude=[\"{TOKEN_VARIABLE}\"]"),
            "check_for_update_on_startup=false".to_string(),
            "analytics.enabled=false".to_string(),
            "features.plugins=false".to_string(),
            "features.apps=false".to_string(),
            "web_search=\"disabled\"".to_string(),
        ]);
        if let Some(effort) = effort.filter(|e| !e.is_empty() && e.chars().all(|c| c.is_ascii_alphanumeric())) {
            settings.push(format!("model_reasoning_effort=\"{effort}\""));
        }
        settings
    }
}

/// The folder with `bin/codex` for this machine, as npm lays it out.
fn package(prefix: &Path) -> Option<PathBuf> {
    let (node, rust) = match std::env::consts::ARCH {
        "x86_64" => ("x64", "x86_64"),
        "aarch64" => ("arm64", "aarch64"),
        _ => return None,
    };
    let below = format!("vendor/{rust}-unknown-linux-musl");
    let scope = prefix.join("node_modules/@openai");
    let places = [
        scope.join(format!("codex-linux-{node}")).join(&below),
        scope.join(format!("codex/node_modules/@openai/codex-linux-{node}")).join(&below),
        scope.join("codex").join(&below),
    ];
    places.into_iter().find(|place| place.join("bin/codex").is_file())
}

/// Only what it once gave us, and nothing that could be read as a flag.
fn is_thread(id: &str) -> bool {
    uuid::Uuid::parse_str(id).is_ok()
}

/// How the process came to its end.
enum Ended {
    Exit(Exit, String),
    Cut(TurnEnd),
}

struct Driving {
    sandbox: Arc<dyn Sandbox>,
    workspace: String,
    events: mpsc::Sender<AgentEvent>,
    stream: Stream,
    tree: Tree,
    started: Instant,
}

impl Driving {
    fn new(turn: &Turn, tree: Tree) -> Self {
        Driving {
            sandbox: turn.sandbox.clone(),
            workspace: turn.workspace.clone(),
            events: turn.events.clone(),
            stream: Stream::new(&turn.workspace),
            tree,
            started: Instant::now(),
        }
    }

    async fn run(&mut self, process: Process, deadline: Duration, mut cancel: watch::Receiver<bool>) -> Ended {
        let Process { stdin, stdout, stderr, mut control } = process;
        // The prompt went in with the command; an input left open would hang it.
        drop(stdin);
        let stderr = tokio::spawn(tail(stderr));
        let cut = tokio::select! {
            biased;
            _ = cancelled(&mut cancel) => Some(TurnEnd::Cancelled),
            _ = tokio::time::sleep_until(self.started + deadline) => Some(TurnEnd::Deadline),
            cut = self.read(stdout) => cut,
        };
        let Some(cut) = cut else {
            let exit = tokio::time::timeout(FAREWELL, control.wait()).await;
            let errors = tokio::time::timeout(Duration::from_secs(1), stderr).await;
            let errors = errors.ok().and_then(|joined| joined.ok()).unwrap_or_default();
            return match exit {
                Ok(Ok(exit)) => Ended::Exit(exit, errors),
                Ok(Err(error)) => Ended::Cut(TurnEnd::Failed(error.message)),
                Err(_) => {
                    let lingering = domain::sandbox::ExitReason::Timeout;
                    Ended::Exit(Exit { reason: lingering, code: 137 }, errors)
                }
            };
        };
        say_goodbye(control).await;
        stderr.abort();
        Ended::Cut(cut)
    }

    /// Reads lines to the end. `Some` when it has to be cut off.
    async fn read(&mut self, mut stdout: Box<dyn AsyncRead + Send + Unpin>) -> Option<TurnEnd> {
        let mut buffer = BytesMut::with_capacity(64 << 10);
        loop {
            let patience =
                if self.stream.is_running_a_command() { COMMAND_SILENCE } else { Duration::from_secs(limits::AGENT_SILENCE_SECONDS_MAX) };
            match tokio::time::timeout(patience, stdout.read_buf(&mut buffer)).await {
                Err(_) => return Some(TurnEnd::Failed(format!("Codex said nothing for {} s", patience.as_secs()))),
                Ok(Err(error)) => return Some(TurnEnd::Failed(format!("Codex's output broke off: {error}"))),
                Ok(Ok(0)) => return None,
                Ok(Ok(_)) => {}
            }
            while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line = buffer.split_to(end);
                buffer.advance(1);
                self.line(&String::from_utf8_lossy(&line)).await;
            }
            if buffer.len() > LINE_BYTES_MAX {
                return Some(TurnEnd::Failed("Codex sent a line without end".into()));
            }
            if let Some(why) = self.stream.given_up(self.started.elapsed()) {
                return Some(TurnEnd::Failed(why));
            }
        }
    }

    async fn line(&mut self, line: &str) {
        let mut look = false;
        for event in self.stream.line(line, self.started.elapsed()) {
            match event {
                // It names the files only; the tree knows what changed in them.
                AgentEvent::FileChanged { .. } => look = true,
                event => {
                    look |= matches!(event, AgentEvent::CommandFinished { .. });
                    let _ = self.events.send(event).await;
                }
            }
        }
        if look {
            self.show_changes().await;
        }
    }

    async fn show_changes(&mut self) {
        if !self.sandbox.is_alive() {
            return;
        }
        for change in self.tree.changes(&*self.sandbox, &self.workspace).await {
            let _ = self.events.send(change).await;
        }
    }
}

async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Dropping the control afterwards kills what is left of the tree.
async fn say_goodbye(mut control: Box<dyn ProcessControl>) {
    if control.signal(SIGTERM).await.is_ok() {
        let _ = tokio::time::timeout(FAREWELL, control.wait()).await;
    }
}

/// The end of what it said on standard error.
async fn tail(mut stderr: Box<dyn AsyncRead + Send + Unpin>) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0u8; 4096];
    while let Ok(count) = stderr.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * STDERR_BYTES_MAX {
            kept.drain(..kept.len() - STDERR_BYTES_MAX);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The stream's own word first, then the exit. Pure.
fn outcome(stream: Stream, before: Session, ended: Ended) -> TurnOutcome {
    let end = match (ended, stream.verdict()) {
        (Ended::Cut(end), _) => end,
        (Ended::Exit(..), Some(end)) => end,
        (Ended::Exit(exit, errors), None) => {
            let words = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("without a word").trim();
            TurnEnd::Failed(format!("Codex ended early with code {} ({:?}): {words}", exit.code, exit.reason))
        }
    };
    let now = stream.usage();
    let thread = if stream.thread().is_empty() { before.thread.clone() } else { stream.thread().to_string() };
    let same_thread = thread == before.thread;
    let since = |now: u64, before: u64| if same_thread { now.saturating_sub(before) } else { now };
    let reported = Usage {
        calls: 0,
        input_tokens: since(now.input_tokens, before.input_tokens),
        cached_input_tokens: since(now.cached_input_tokens, before.cached_input_tokens),
        output_tokens: since(now.output_tokens, before.output_tokens),
        cost_usd: None,
    };
    // A turn that was cut reports nothing; then the old figures stay true.
    let session = Session {
        thread,
        input_tokens: now.input_tokens.max(if same_thread { before.input_tokens } else { 0 }),
        cached_input_tokens: now.cached_input_tokens.max(if same_thread { before.cached_input_tokens } else { 0 }),
        output_tokens: now.output_tokens.max(if same_thread { before.output_tokens } else { 0 }),
    };
    let resumable = is_thread(&session.thread);
    TurnOutcome {
        final_message: stream.final_message().to_string(),
        session: resumable.then(|| serde_json::to_string(&session).unwrap_or_default()),
        ended: end,
        reported,
    }
}

#[cfg(test)]
mod tests;
