//! A data dir with git in real sandboxes, and a loopback server to point a git client at.

use bytes::Bytes;
use domain::git::GitHttp;
use domain::sandbox::Provisioner;
use domain::{Clock, RepositoryId, Timestamp};
use integrations::git::{Git, repository_dir};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

pub const DATA: &str = "data";

pub struct House {
    dir: tempfile::TempDir,
    pub git: Arc<dyn domain::git::GitHost>,
    pub clock: Arc<dyn Clock>,
    pub provisioner: Arc<dyn Provisioner>,
}

impl House {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let provisioner: Arc<dyn Provisioner> =
            Arc::new(sandbox::testkit::local(&dir.path().join(DATA), None).expect("sandboxes work here"));
        let git = Arc::new(Git::new(&dir.path().join(DATA), provisioner.clone(), clock.clone()).expect("a data dir"));
        House { dir, git, clock, provisioner }
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn repository(&self, id: RepositoryId) -> PathBuf {
        repository_dir(&self.dir.path().join(DATA), id)
    }
    pub fn fresh<T: From<Uuid>>(&self) -> T {
        self.clock.fresh()
    }
    /// Serves one repository over HTTP on loopback; answers its URL.
    pub async fn serve(&self, repository: RepositoryId, may_write: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/x.git", listener.local_addr().expect("an address"));
        let git = self.git.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let git = git.clone();
                tokio::spawn(async move { serve_one(stream, git, repository, may_write).await });
            }
        });
        address
    }
}

struct WallClock;

#[allow(clippy::disallowed_methods)]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn random(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = Uuid::now_v7().into_bytes();
            chunk.copy_from_slice(&bytes[8..8 + chunk.len()]);
        }
    }
}

/// Runs git as a person would, and answers what it printed.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "safe.directory=*"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The same beside our server, which needs the runtime meanwhile.
pub async fn client(dir: &Path, args: &[&str]) -> Result<(), String> {
    let output = tokio::process::Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("no_proxy", "*")
        .output()
        .await
        .expect("git runs");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

async fn serve_one(stream: TcpStream, git: Arc<dyn domain::git::GitHost>, repository: RepositoryId, may_write: bool) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_string(), words.next()?.strip_prefix("/x.git")?.to_string());
    let (path, query) = target.split_once('?').map_or((target.clone(), String::new()), |(p, q)| (p.into(), q.into()));
    let mut request = GitHttp {
        method,
        path,
        query,
        content_type: String::new(),
        content_encoding: String::new(),
        protocol: String::new(),
        body: Bytes::new(),
        may_write,
    };
    let (mut length, mut chunked) = (0usize, false);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-type" => request.content_type = value.into(),
            "content-encoding" => request.content_encoding = value.into(),
            "git-protocol" => request.protocol = value.into(),
            "content-length" => length = value.parse().ok()?,
            "transfer-encoding" => chunked = value == "chunked",
            "expect" => stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?,
            _ => {}
        }
    }
    let mut body = Vec::new();
    loop {
        if chunked {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            length = usize::from_str_radix(line.trim(), 16).ok()?;
        }
        let start = body.len();
        body.resize(start + length, 0);
        stream.read_exact(&mut body[start..]).await.ok()?;
        if !chunked || length == 0 {
            break;
        }
        stream.read_line(&mut String::new()).await.ok()?;
    }
    request.body = body.into();
    let answer = git.http(repository, request).await.expect("an answer");
    let mut head = format!("HTTP/1.1 {} x\r\ncontent-length: {}\r\nconnection: close\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.get_mut().write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
    stream.get_mut().write_all(&answer.body).await.ok()?;
    stream.get_mut().shutdown().await.ok()
}
