//! A plain folder with plain processes behind the `Sandbox` port: real files and commands, no isolation. Tests only.

use async_trait::async_trait;
use bytes::Bytes;
use domain::sandbox::{
    Command, ExecOutput, Exit, ExitReason, FileKind, FileStat, Guarantee, Process, ProcessControl, Sandbox, SandboxUsage,
};
use domain::{Error, Result, SandboxId};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub struct Folder {
    pub id: SandboxId,
}

impl Folder {
    pub fn new() -> Self {
        Folder { id: SandboxId(uuid::Uuid::from_u128(7)) }
    }
}

struct Child {
    child: tokio::process::Child,
    timeout: Duration,
}

#[async_trait]
impl ProcessControl for Child {
    async fn wait(&mut self) -> Result<Exit> {
        match tokio::time::timeout(self.timeout, self.child.wait()).await {
            Ok(status) => {
                let status = status.map_err(|e| Error::internal(e.to_string()))?;
                Ok(Exit { reason: ExitReason::Exited, code: status.code().unwrap_or(137) })
            }
            Err(_) => {
                let _ = self.child.kill().await;
                Ok(Exit { reason: ExitReason::Timeout, code: 137 })
            }
        }
    }
    async fn signal(&self, _signal: i32) -> Result<()> {
        Ok(())
    }
}

fn io(path: &str, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(format!("`{path}` does not exist")),
        _ => Error::unavailable(format!("`{path}`: {error}")),
    }
}

#[async_trait]
impl Sandbox for Folder {
    fn id(&self) -> SandboxId {
        self.id
    }
    fn epoch(&self) -> u64 {
        1
    }
    fn reference(&self) -> String {
        "folder".into()
    }
    fn guarantees(&self) -> Vec<Guarantee> {
        Vec::new()
    }
    async fn spawn(&self, command: Command) -> Result<Process> {
        let mut spawned = tokio::process::Command::new(&command.argv[0]);
        spawned.args(&command.argv[1..]).current_dir(&command.cwd).envs(&command.env).kill_on_drop(true);
        spawned.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawned.spawn().map_err(|e| io(&command.argv[0], e))?;
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(&command.stdin).await.map_err(|e| io("stdin", e))?;
        let timeout = if command.timeout.is_zero() { Duration::from_secs(300) } else { command.timeout };
        Ok(Process {
            stdin: Box::new(stdin),
            stdout: Box::new(child.stdout.take().expect("piped")),
            stderr: Box::new(child.stderr.take().expect("piped")),
            control: Box::new(Child { child, timeout }),
        })
    }
    async fn exec(&self, command: Command) -> Result<ExecOutput> {
        let started = Instant::now();
        let mut process = self.spawn(command).await?;
        drop(process.stdin);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (_, _, exit) =
            tokio::join!(process.stdout.read_to_end(&mut stdout), process.stderr.read_to_end(&mut stderr), process.control.wait());
        let (stdout, stderr) = (stdout.into(), stderr.into());
        Ok(ExecOutput { exit: exit?, stdout, stderr, stdout_dropped: 0, stderr_dropped: 0, duration: started.elapsed() })
    }
    async fn read_file(&self, path: &str, offset: u64, length_max: u64) -> Result<Bytes> {
        let bytes = tokio::fs::read(path).await.map_err(|e| io(path, e))?;
        let from = (offset as usize).min(bytes.len());
        let to = from.saturating_add(length_max as usize).min(bytes.len());
        Ok(Bytes::from(bytes).slice(from..to))
    }
    async fn write_file(&self, path: &str, content: Bytes, mode: u32) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if let Some(folder) = PathBuf::from(path).parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|e| io(path, e))?;
        }
        tokio::fs::write(path, content).await.map_err(|e| io(path, e))?;
        tokio::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).await.map_err(|e| io(path, e))
    }
    async fn stat(&self, path: &str) -> Result<FileStat> {
        use std::os::unix::fs::PermissionsExt;
        let stat = tokio::fs::metadata(path).await.map_err(|e| io(path, e))?;
        let kind = if stat.is_dir() { FileKind::Directory } else { FileKind::File };
        Ok(FileStat { path: path.into(), kind, size_bytes: stat.len(), mode: stat.permissions().mode(), modified: 0 })
    }
    async fn list(&self, path: &str, entries_max: usize) -> Result<Vec<FileStat>> {
        let mut entries = tokio::fs::read_dir(path).await.map_err(|e| io(path, e))?;
        let mut stats = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(|e| io(path, e))? {
            if stats.len() < entries_max {
                stats.push(self.stat(&entry.path().to_string_lossy()).await?);
            }
        }
        Ok(stats)
    }
    async fn remove(&self, path: &str) -> Result<()> {
        tokio::fs::remove_file(path).await.map_err(|e| io(path, e))
    }
    async fn usage(&self) -> Result<SandboxUsage> {
        Ok(SandboxUsage::default())
    }
    async fn terminate(&self) -> Result<()> {
        Ok(())
    }
    fn is_alive(&self) -> bool {
        true
    }
}
