//! What every kind of place has in common once `astrad` answers: the `Sandbox` port over its client.

use async_trait::async_trait;
use bytes::Bytes;
use daemon::protocol::{self, FailureCode};
use daemon::{Client, ClientError};
use domain::sandbox::{
    Command, ExecOutput, Exit, ExitReason, FileKind, FileStat, Guarantee, Process, ProcessControl, Sandbox, SandboxUsage, WORKSPACE,
};
use domain::{Error, Result, SandboxId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EXEC_TIMEOUT: Duration = Duration::from_secs(300);
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// No caller gets more than this per stream, whatever it asks for.
const OUTPUT_BYTES_CEILING: usize = 64 << 20;

/// What differs from one kind of place to another: how it is watched and how it ends.
#[async_trait]
pub trait Ground: Send + Sync {
    fn reference(&self) -> String;
    fn usage(&self) -> SandboxUsage;
    fn oom_kills(&self) -> u64;
    async fn terminate(self: Arc<Self>) -> Result<()>;
}

pub struct Place {
    pub id: SandboxId,
    pub epoch: u64,
    pub client: Client,
    pub env: BTreeMap<String, String>,
    pub guarantees: Vec<Guarantee>,
    pub ground: Arc<dyn Ground>,
}

impl Place {
    fn request(&self, command: &Command) -> Result<protocol::Exec> {
        if command.argv.is_empty() {
            return Err(Error::invalid("a command needs at least the name of a program"));
        }
        let mut env = self.env.clone();
        env.extend(command.env.iter().map(|(k, v)| (k.clone(), v.clone())));
        let cwd = if command.cwd.is_empty() { WORKSPACE.to_string() } else { command.cwd.clone() };
        let timeout = if command.timeout.is_zero() { EXEC_TIMEOUT } else { command.timeout };
        Ok(protocol::Exec {
            argv: command.argv.clone(),
            env: env.into_iter().collect(),
            cwd,
            timeout_ms: timeout.as_millis().max(1) as u64,
        })
    }

    fn explain(&self, error: ClientError) -> Error {
        let text = format!("sandbox `{}`: {error}", self.id);
        match error {
            ClientError::Refused(failure) => match failure.code {
                FailureCode::NotFound => Error::not_found(failure.message),
                FailureCode::InvalidPath => Error::invalid(failure.message).code("invalid_path"),
                FailureCode::NotRegularFile => Error::invalid(failure.message).code("not_regular_file"),
                FailureCode::Denied => Error::forbidden(failure.message),
                FailureCode::Exhausted => Error::limit(failure.message),
                FailureCode::Internal => Error::unavailable(text),
            },
            ClientError::Late(_) => Error::timeout(text),
            ClientError::Lost(_) => Error::unavailable(format!("{text}; create it again")).code("sandbox_lost"),
            _ => Error::unavailable(text),
        }
    }
}

#[async_trait]
impl Sandbox for Place {
    fn id(&self) -> SandboxId {
        self.id
    }
    fn epoch(&self) -> u64 {
        self.epoch
    }
    fn reference(&self) -> String {
        self.ground.reference()
    }
    fn guarantees(&self) -> Vec<Guarantee> {
        self.guarantees.clone()
    }

    async fn spawn(&self, command: Command) -> Result<Process> {
        let mut request = self.request(&command)?;
        // A dialogue lasts as long as it lasts; whoever holds it ends it.
        if command.timeout.is_zero() {
            request.timeout_ms = 0;
        }
        let spawned = self.client.spawn(request).map_err(|e| self.explain(e))?;
        let mut stdin = spawned.stdin;
        if !command.stdin.is_empty() {
            use tokio::io::AsyncWriteExt;
            stdin.write_all(&command.stdin).await.map_err(|e| Error::unavailable(e.to_string()))?;
        }
        let control = Control { control: spawned.control, ground: self.ground.clone(), oom_kills: self.ground.oom_kills() };
        Ok(Process {
            stdin: Box::new(stdin),
            stdout: Box::new(spawned.stdout),
            stderr: Box::new(spawned.stderr),
            control: Box::new(control),
        })
    }

    async fn exec(&self, command: Command) -> Result<ExecOutput> {
        let request = self.request(&command)?;
        if self.client.is_closed() {
            return Err(self.explain(ClientError::Lost("it has ended".into())));
        }
        let output_bytes_max = match command.output_bytes_max {
            0 => OUTPUT_BYTES_MAX,
            some => some.min(OUTPUT_BYTES_CEILING),
        };
        let oom_kills = self.ground.oom_kills();
        let started = Instant::now();
        let result = self.client.exec(request, command.stdin, output_bytes_max).await;
        let duration = started.elapsed();
        let output = match result {
            Ok(output) => output,
            // The place ended under the command: that is an outcome of it, not a failure to ask.
            Err(ClientError::Lost(_)) => return Ok(lost(duration)),
            Err(error) => return Err(self.explain(error)),
        };
        Ok(ExecOutput {
            exit: translate(output.exit, self.ground.oom_kills() > oom_kills),
            stdout: output.stdout.bytes,
            stderr: output.stderr.bytes,
            stdout_dropped: output.stdout.dropped_bytes,
            stderr_dropped: output.stderr.dropped_bytes,
            duration,
        })
    }

    async fn read_file(&self, path: &str, offset: u64, length_max: u64) -> Result<Bytes> {
        self.client.read(path, offset, length_max).await.map_err(|e| self.explain(e))
    }
    async fn write_file(&self, path: &str, content: Bytes, mode: u32) -> Result<()> {
        self.client.write(path, &content, mode).await.map_err(|e| self.explain(e))
    }
    async fn stat(&self, path: &str) -> Result<FileStat> {
        self.client.stat(path).await.map(describe).map_err(|e| self.explain(e))
    }
    async fn list(&self, path: &str, entries_max: usize) -> Result<Vec<FileStat>> {
        let entries = self.client.list(path, entries_max).await.map_err(|e| self.explain(e))?;
        Ok(entries.into_iter().map(describe).collect())
    }
    async fn remove(&self, path: &str) -> Result<()> {
        self.client.remove(path).await.map_err(|e| self.explain(e))
    }
    async fn usage(&self) -> Result<SandboxUsage> {
        Ok(self.ground.usage())
    }
    async fn terminate(&self) -> Result<()> {
        self.client.shut("it was terminated");
        self.ground.clone().terminate().await
    }
    fn is_alive(&self) -> bool {
        !self.client.is_closed()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.client.shut("its last handle was dropped");
    }
}

struct Control {
    control: daemon::client::Control,
    ground: Arc<dyn Ground>,
    oom_kills: u64,
}

#[async_trait]
impl ProcessControl for Control {
    async fn wait(&mut self) -> Result<Exit> {
        match self.control.wait().await {
            Ok(exit) => Ok(translate(exit, self.ground.oom_kills() > self.oom_kills)),
            Err(ClientError::Lost(_)) => Ok(Exit { reason: ExitReason::Lost, code: -1 }),
            Err(ClientError::Refused(failure)) => Err(match failure.code {
                FailureCode::NotFound => Error::not_found(failure.message),
                FailureCode::Exhausted => Error::limit(failure.message),
                _ => Error::invalid(failure.message),
            }),
            Err(error) => Err(Error::unavailable(error.to_string())),
        }
    }
    async fn signal(&self, signal: i32) -> Result<()> {
        self.control.signal(signal);
        Ok(())
    }
}

fn lost(duration: Duration) -> ExecOutput {
    ExecOutput {
        exit: Exit { reason: ExitReason::Lost, code: -1 },
        stdout: Bytes::new(),
        stderr: Bytes::new(),
        stdout_dropped: 0,
        stderr_dropped: 0,
        duration,
    }
}

fn translate(exit: protocol::Exit, was_out_of_memory: bool) -> Exit {
    let is_killed = exit.code == 128 + libc::SIGKILL;
    let reason = match exit.reason {
        protocol::ExitReason::Timeout => ExitReason::Timeout,
        // A shell reports its child's end as its own exit status.
        _ if was_out_of_memory && is_killed => ExitReason::Oom,
        protocol::ExitReason::Exited => ExitReason::Exited,
        protocol::ExitReason::Signal => ExitReason::Signal,
    };
    Exit { reason, code: exit.code }
}

fn describe(stat: protocol::Stat) -> FileStat {
    let kind = match stat.kind {
        protocol::FileKind::File => FileKind::File,
        protocol::FileKind::Directory => FileKind::Directory,
        protocol::FileKind::Symlink => FileKind::Symlink,
        protocol::FileKind::Other => FileKind::Other,
    };
    FileStat { path: stat.path, kind, size_bytes: stat.size_bytes, mode: stat.mode, modified: stat.modified }
}
