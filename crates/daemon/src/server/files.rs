//! Files inside, resolved beneath the root by the kernel. Only ordinary files are read, so nothing here can hang.
//!
//! Work is done in small pieces between which other tasks get their turn; there is but one thread.

use crate::mux::Channel;
use crate::protocol::{Failure, FailureCode, FileKind, Message, Request, Stat};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// More entries than this are never listed at once.
const ENTRIES_MAX: usize = 8192;
const PATH_BYTES_MAX: usize = 4095;
/// Relative paths begin here.
const HOME_OF_RELATIVE_PATHS: &str = "/workspace";
const CHUNK_BYTES: usize = 64 << 10;
const PROC_SUPER_MAGIC: i64 = 0x9fa0;
const SYSFS_MAGIC: i64 = 0x6265_6572;

pub struct Root {
    fd: OwnedFd,
    /// Numbers the temporary files.
    counter: Cell<u64>,
}

pub async fn answer(mut channel: Channel, request: Request, root: Rc<Root>) {
    let result = match request {
        Request::Stat { path } => root.stat(&path).map(Message::Stat),
        Request::List { path, entries_max } => root.list(&path, entries_max).await.map(|entries| Message::Entries { entries }),
        Request::Read { path, offset, length_max } => root.read(&mut channel, &path, offset, length_max).await,
        Request::Write { path, mode, size_bytes } => root.write(&mut channel, &path, mode, size_bytes).await,
        Request::Mkdir { path, mode } => root.make_folders(&path, mode).map(|_| Message::Done),
        Request::Rename { from, to } => root.rename(&from, &to),
        Request::Remove { path } => root.remove(&path),
        Request::Exec(_) => Err(Failure::new(FailureCode::Internal, "a process is not a file")),
    };
    channel.send(&result.unwrap_or_else(Message::Failed));
}

impl Root {
    pub fn open(path: &str) -> std::io::Result<Root> {
        let fd = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Root { fd, counter: Cell::new(0) })
    }

    /// A handle on a folder, to stand in.
    pub fn folder(&self, path: &str) -> Result<OwnedFd, Failure> {
        let clean = clean(path)?;
        self.resolve(&clean, OFlags::PATH | OFlags::DIRECTORY).map_err(|e| explain(e, path))
    }

    fn resolve(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel asks for another try when a folder on the way was renamed meanwhile.
        for _ in 0..8 {
            match rustix::fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                Err(Errno::AGAIN) => continue,
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    fn stat(&self, path: &str) -> Result<Stat, Failure> {
        let fd = self.resolve(&clean(path)?, OFlags::PATH | OFlags::NOFOLLOW).map_err(|e| explain(e, path))?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| explain(e, path))?;
        Ok(describe(path.to_string(), &stat))
    }

    async fn list(&self, path: &str, entries_max: usize) -> Result<Vec<Stat>, Failure> {
        let fd = self.resolve(&clean(path)?, OFlags::RDONLY | OFlags::DIRECTORY).map_err(|e| explain(e, path))?;
        let folder = rustix::fs::Dir::read_from(&fd).map_err(|e| explain(e, path))?;
        let mut entries = Vec::new();
        for entry in folder {
            let entry = entry.map_err(|e| explain(e, path))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if entries.len() >= entries_max.min(ENTRIES_MAX) {
                break;
            }
            // What vanished meanwhile is not there.
            let Ok(stat) = rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let full = format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy());
            entries.push(describe(full, &stat));
            if entries.len() % 256 == 0 {
                tokio::task::yield_now().await;
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    async fn read(&self, channel: &mut Channel, path: &str, offset: u64, length_max: u64) -> Result<Message, Failure> {
        let mut writer = channel.writer(0);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self.resolve(&clean(path)?, flags).map_err(|e| explain(e, path))?;
        require_ordinary(&fd, path)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut done = 0;
        while done < length_max {
            let want = (length_max - done).min(CHUNK_BYTES as u64) as usize;
            let length = rustix::io::pread(&fd, &mut chunk[..want], offset + done).map_err(|e| explain(e, path))?;
            if length == 0 || writer.write_all(&chunk[..length]).await.is_err() {
                break;
            }
            done += length as u64;
        }
        Ok(Message::Done)
    }

    async fn write(&self, channel: &mut Channel, path: &str, mode: u32, size: u64) -> Result<Message, Failure> {
        let (parent, name) = self.parent(path, true)?;
        let temporary = format!(".astrad-{}", self.counter.replace(self.counter.get() + 1));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let _ = rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty());
        let file = rustix::fs::openat(&parent, &temporary, flags, Mode::from_raw_mode(0o600)).map_err(|e| explain(e, path))?;
        let result = self
            .fill(channel, &file, mode, size, path)
            .await
            .and_then(|()| rustix::fs::renameat(&parent, &temporary, &parent, &name).map_err(|e| explain(e, path)));
        if result.is_err() {
            let _ = rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty());
        }
        result.map(|()| Message::Done)
    }

    async fn fill(&self, channel: &mut Channel, file: &OwnedFd, mode: u32, size: u64, path: &str) -> Result<(), Failure> {
        let mut reader = channel.reader(0);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut done = 0u64;
        loop {
            let length = reader.read(&mut chunk).await.map_err(|e| Failure::new(FailureCode::Internal, e.to_string()))?;
            if length == 0 {
                break;
            }
            let mut rest = &chunk[..length];
            while !rest.is_empty() {
                let written = rustix::io::write(file, rest).map_err(|e| explain(e, path))?;
                rest = &rest[written..];
            }
            done += length as u64;
        }
        // A connection that broke in the middle also looks like an end.
        if done != size {
            let text = format!("`{path}` was to have {size} bytes and {done} came; the old content is untouched");
            return Err(Failure::new(FailureCode::Internal, text));
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode & 0o777)).map_err(|e| explain(e, path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<Message, Failure> {
        let (old_parent, old_name) = self.parent(from, false)?;
        let (new_parent, new_name) = self.parent(to, true)?;
        rustix::fs::renameat(&old_parent, &old_name, &new_parent, &new_name).map_err(|e| explain(e, from))?;
        Ok(Message::Done)
    }

    fn remove(&self, path: &str) -> Result<Message, Failure> {
        let (parent, name) = match self.parent(path, false) {
            Err(failure) if failure.code == FailureCode::NotFound => return Ok(Message::Done),
            other => other?,
        };
        match rustix::fs::unlinkat(&parent, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(Message::Done),
            Err(Errno::ISDIR) => {
                // The handle pins the parent; from there on the standard library follows no links.
                let full = format!("/proc/self/fd/{}/{name}", parent.as_raw_fd());
                std::fs::remove_dir_all(full)
                    .map(|()| Message::Done)
                    .map_err(|error| explain(Errno::from_io_error(&error).unwrap_or(Errno::IO), path))
            }
            Err(errno) => Err(explain(errno, path)),
        }
    }

    /// The folder that holds the last part of the path, and that part.
    fn parent(&self, path: &str, make: bool) -> Result<(OwnedFd, String), Failure> {
        let clean = clean(path)?;
        let trimmed = clean.trim_end_matches('/');
        let (folder, name) = trimmed.rsplit_once('/').ok_or_else(|| invalid(path))?;
        if matches!(name, "" | "." | "..") {
            return Err(invalid(path));
        }
        let folder = if folder.is_empty() { "/" } else { folder };
        let fd = if make {
            self.make_folders(folder, 0o755)?
        } else {
            self.resolve(folder, OFlags::PATH | OFlags::DIRECTORY).map_err(|e| explain(e, path))?
        };
        Ok((fd, name.to_string()))
    }

    /// Opens the folder, making it and what is missing above it.
    fn make_folders(&self, path: &str, mode: u32) -> Result<OwnedFd, Failure> {
        let clean = clean(path)?;
        match self.resolve(&clean, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {}
            other => return other.map_err(|e| explain(e, path)),
        }
        let mut made = String::new();
        let mut parent = self.resolve("/", OFlags::PATH | OFlags::DIRECTORY).map_err(|e| explain(e, path))?;
        for part in clean.split('/').filter(|part| !matches!(*part, "" | ".")) {
            made.push('/');
            made.push_str(part);
            if part != ".." {
                match rustix::fs::mkdirat(&parent, part, Mode::from_raw_mode(mode & 0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    // A read-only folder on the way does no harm as long as the part is there.
                    Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {}
                    Err(errno) => return Err(explain(errno, path)),
                }
            }
            parent = self.resolve(&made, OFlags::PATH | OFlags::DIRECTORY).map_err(|e| explain(e, path))?;
        }
        Ok(parent)
    }
}

/// What could never name anything is refused before the kernel is asked; everything else is its decision.
fn clean(path: &str) -> Result<String, Failure> {
    if path.is_empty() || path.len() > PATH_BYTES_MAX || path.contains('\0') {
        return Err(invalid(path));
    }
    if path.starts_with('/') { Ok(path.to_string()) } else { Ok(format!("{HOME_OF_RELATIVE_PATHS}/{path}")) }
}

fn invalid(path: &str) -> Failure {
    let shown: String = path.chars().take(80).collect();
    Failure::new(FailureCode::InvalidPath, format!("`{}` is not a path that can be used", shown.escape_default()))
}

/// Pipes, sockets and devices would hang or never end, and the kernel's own files are not files.
fn require_ordinary(fd: &OwnedFd, path: &str) -> Result<(), Failure> {
    let stat = rustix::fs::fstat(fd).map_err(|e| explain(e, path))?;
    let system = rustix::fs::fstatfs(fd.as_fd()).map_err(|e| explain(e, path))?;
    let is_kernels = matches!(system.f_type as i64, PROC_SUPER_MAGIC | SYSFS_MAGIC);
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || is_kernels {
        return Err(Failure::new(FailureCode::NotRegularFile, format!("`{path}` is not an ordinary file")));
    }
    Ok(())
}

fn describe(path: String, stat: &rustix::fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    };
    Stat { path, kind, size_bytes: stat.st_size as u64, mode: stat.st_mode & 0o7777, modified: stat.st_mtime }
}

fn explain(errno: Errno, path: &str) -> Failure {
    let (code, why) = match errno {
        Errno::NOENT => (FailureCode::NotFound, "does not exist".to_string()),
        Errno::NOTDIR => (FailureCode::NotFound, "is not a folder, or a part of its path is not".to_string()),
        Errno::NXIO | Errno::ISDIR => (FailureCode::NotRegularFile, "is not an ordinary file".to_string()),
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY => (FailureCode::Denied, format!("may not be touched ({errno})")),
        Errno::NOSPC | Errno::DQUOT | Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
            (FailureCode::Exhausted, format!("has no room ({errno})"))
        }
        Errno::NAMETOOLONG | Errno::INVAL | Errno::LOOP | Errno::XDEV => (FailureCode::InvalidPath, format!("cannot be used ({errno})")),
        other => (FailureCode::Internal, format!("failed ({other})")),
    };
    Failure::new(code, format!("`{path}` {why}"))
}
