//! Work in a session's place: commands, and files in and out.

use super::places::{Busy, enter, touch};
use super::{Artifact, require};
use crate::Engine;
use bytes::Bytes;
use domain::sandbox::{Command, ExitReason, FileKind, FileStat, Sandbox, WORKSPACE};
use domain::workspace::Permission;
use domain::{Error, Kind, Result, SandboxId, UserId, limits};
use futures::Stream;
use std::sync::Arc;
use std::time::Duration;

const READ_CHUNK_BYTES: u64 = 1 << 20;
pub const LIST_ENTRIES_MAX: usize = 5_000;
/// What a shell's `timeout` answers with.
const TIMED_OUT: i32 = 124;

#[derive(Clone, Debug)]
pub struct Exec {
    /// A line for `sh -c`, or a program with its arguments.
    pub command: ExecCommand,
    pub cwd: String,
    pub timeout_sec: Option<u64>,
}

#[derive(Clone, Debug)]
pub enum ExecCommand {
    Line(String),
    Argv(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub exit_code: i32,
    pub reason: ExitReason,
    pub stdout: Bytes,
    pub stderr: Bytes,
    pub stdout_dropped: u64,
    pub stderr_dropped: u64,
    pub duration: Duration,
}

/// Runs a command; a session without a place gets one first. What the command did is an outcome, not an error.
pub async fn exec(engine: &Engine, user: UserId, id: SandboxId, exec: Exec) -> Result<Outcome> {
    let seconds = exec.timeout_sec.unwrap_or(limits::EXEC_TIMEOUT_SECONDS_DEFAULT);
    if seconds == 0 || seconds > limits::EXEC_TIMEOUT_SECONDS_MAX {
        return Err(Error::field("timeout_sec", format!("1 to {} seconds", limits::EXEC_TIMEOUT_SECONDS_MAX)));
    }
    let command = match exec.command {
        ExecCommand::Line(line) => Command::shell(line),
        ExecCommand::Argv(argv) if argv.is_empty() => {
            return Err(Error::field("command", "a command needs at least the name of a program"));
        }
        ExecCommand::Argv(argv) => Command::new(argv),
    };
    let cwd = if exec.cwd.is_empty() { WORKSPACE.to_string() } else { absolute(&exec.cwd) };
    let command = command.cwd(cwd).timeout(Duration::from_secs(seconds)).output_bytes_max(limits::EXEC_OUTPUT_BYTES_MAX);
    let (place, _busy) = enter(engine, user, id).await?;
    let outcome = match place.exec(command).await {
        Ok(output) => Outcome {
            exit_code: if output.exit.reason == ExitReason::Timeout { TIMED_OUT } else { output.exit.code },
            reason: output.exit.reason,
            stdout: output.stdout,
            stderr: output.stderr,
            stdout_dropped: output.stdout_dropped,
            stderr_dropped: output.stderr_dropped,
            duration: output.duration,
        },
        Err(error) => could_not_start(error)?,
    };
    touch(engine, id).await?;
    Ok(outcome)
}

/// A missing folder or program is what a shell would have said, with its exit codes.
fn could_not_start(error: Error) -> Result<Outcome> {
    let exit_code = match error.kind {
        Kind::NotFound => 127,
        Kind::Forbidden => 126,
        Kind::Invalid => 2,
        _ => return Err(error),
    };
    let stderr = Bytes::from(format!("{error}\n"));
    Ok(Outcome {
        exit_code,
        reason: ExitReason::Exited,
        stdout: Bytes::new(),
        stderr,
        stdout_dropped: 0,
        stderr_dropped: 0,
        duration: Duration::ZERO,
    })
}

/// Writes exactly these bytes. The inner error is what a shell would have printed.
pub async fn write_file(engine: &Engine, user: UserId, id: SandboxId, path: &str, content: Bytes) -> Result<Result<(), Error>> {
    let path = file_path(path)?;
    let (place, _busy) = enter(engine, user, id).await?;
    let written = match place.write_file(&path, content, 0o644).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Timeout | Kind::Internal) => return Err(error),
        Err(error) => Err(error),
    };
    touch(engine, id).await?;
    Ok(written)
}

/// A regular file's bytes as they are read, and its size when reading began.
pub async fn read_file(
    engine: &Engine,
    user: UserId,
    id: SandboxId,
    path: &str,
) -> Result<(FileStat, impl Stream<Item = Result<Bytes>> + Send + use<>)> {
    let path = file_path(path)?;
    let (place, busy) = enter(engine, user, id).await?;
    let stat = place.stat(&path).await?;
    if stat.kind == FileKind::Directory {
        return Err(Error::invalid(format!("`{path}` is a folder; read one of its files")));
    }
    if stat.size_bytes > limits::UPLOAD_BYTES_MAX as u64 {
        return Err(Error::limit(format!(
            "`{path}` has {} bytes; at most {} can be read at once",
            stat.size_bytes,
            limits::UPLOAD_BYTES_MAX
        ))
        .code("too_large"));
    }
    // The first piece is read here, so that what can't be read is an error and not a broken stream.
    let first = place.read_file(&path, 0, READ_CHUNK_BYTES).await?;
    touch(engine, id).await?;
    let reader = Reader { place, _busy: busy, path, offset: first.len() as u64, next: Some(first) };
    Ok((stat, futures::stream::try_unfold(reader, Reader::step)))
}

struct Reader {
    place: Arc<dyn Sandbox>,
    _busy: Busy,
    path: String,
    offset: u64,
    next: Option<Bytes>,
}

impl Reader {
    async fn step(mut self) -> Result<Option<(Bytes, Reader)>> {
        let piece = match self.next.take() {
            Some(first) => first,
            None => {
                let piece = self.place.read_file(&self.path, self.offset, READ_CHUNK_BYTES).await?;
                self.offset += piece.len() as u64;
                piece
            }
        };
        // A file that grows while it is read ends at the limit.
        let is_over = piece.is_empty() || self.offset > limits::UPLOAD_BYTES_MAX as u64;
        Ok((!is_over).then_some((piece, self)))
    }
}

/// Notes a file as something to hand out. The bytes stay in the sandbox; `url` says where they are read.
pub async fn export(
    engine: &Engine,
    user: UserId,
    id: SandboxId,
    path: &str,
    filename: &str,
    content_type: &str,
    url: impl FnOnce(&str, &str) -> String,
) -> Result<Artifact> {
    let path = file_path(path)?;
    let (place, _busy) = enter(engine, user, id).await?;
    let stat = place.stat(&path).await?;
    if stat.kind != FileKind::File {
        return Err(Error::invalid(format!("`{path}` is no regular file")));
    }
    let filename = if filename.is_empty() { path.rsplit('/').next().unwrap_or("file") } else { filename };
    let artifact = Artifact {
        id: engine.clock.uuid(),
        sandbox: id,
        filename: filename.chars().take(255).collect(),
        content_type: content_type.chars().take(100).collect(),
        size_bytes: i64::try_from(stat.size_bytes).unwrap_or(i64::MAX),
        download_url: url(&path, filename),
        storage_path: path,
        created_at: engine.now(),
    };
    let mut tx = engine.store.write().await?;
    store::sandboxes::create_artifact(&mut tx, &artifact).await?;
    store::sandboxes::touch(&mut tx, id, engine.now(), false).await?;
    tx.commit().await?;
    Ok(artifact)
}

/// Newest first, also of a session that has ended.
pub async fn artifacts(engine: &Engine, user: UserId, id: SandboxId) -> Result<Vec<Artifact>> {
    let mut tx = engine.store.read().await?;
    require(&mut tx, user, id, Permission::View).await?;
    store::sandboxes::artifacts(&mut tx, id).await
}

pub async fn list_files(engine: &Engine, user: UserId, id: SandboxId, path: &str) -> Result<Vec<FileStat>> {
    let (place, _busy) = enter(engine, user, id).await?;
    let entries = place.list(&absolute(path), LIST_ENTRIES_MAX).await?;
    touch(engine, id).await?;
    Ok(entries)
}

pub async fn remove_file(engine: &Engine, user: UserId, id: SandboxId, path: &str) -> Result<()> {
    let path = file_path(path)?;
    if path == WORKSPACE {
        return Err(Error::field("path", "the workspace itself stays; remove what is in it"));
    }
    let (place, _busy) = enter(engine, user, id).await?;
    place.remove(&path).await?;
    touch(engine, id).await
}

fn absolute(path: &str) -> String {
    match path {
        "" | "." => WORKSPACE.to_string(),
        path if path.starts_with('/') => path.to_string(),
        path => format!("{WORKSPACE}/{}", path.trim_start_matches("./")),
    }
}

fn file_path(path: &str) -> Result<String> {
    if path.trim().is_empty() {
        return Err(Error::field("path", "this field is required"));
    }
    if path.contains('\0') || path.len() > 4096 {
        return Err(Error::field("path", "a path has no NUL and at most 4096 bytes"));
    }
    Ok(absolute(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_workspace() {
        assert_eq!(absolute("a/b"), "/workspace/a/b");
        assert_eq!(absolute("./a"), "/workspace/a");
        assert_eq!(absolute("/etc/hosts"), "/etc/hosts");
        assert_eq!(absolute(""), "/workspace");
        assert!(file_path(" ").is_err());
    }
}
