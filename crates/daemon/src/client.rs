//! The host's end: an async face over one connection to one `astrad`.
//!
//! Every call is one channel. Nothing here waits without end, except for the end of a process that has no deadline.

use crate::mux::{Channel, Handle, LaneReader, LaneWriter, Mux, Opened, Side, read_frame};
use crate::protocol::{
    self, Accepted, Exit, Failure, FailureCode, GENERATION, Hello, Kind, Message, Request, STDERR, STDIN, STDOUT, Stat, Welcome,
};
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// How long a file call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long after its deadline a process may still be unreported.
const LATE: Duration = Duration::from_secs(3);
/// The most that one read call returns.
pub const READ_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `astrad` could do it not; the code says why.
    #[error("{}", .0.message)]
    Refused(Failure),
    #[error("the sandbox could not be built: {0}")]
    NotBuilt(String),
    /// Nobody answers any more.
    #[error("the sandbox is gone: {0}")]
    Lost(String),
    #[error("the sandbox did not answer within {0:?}")]
    Late(Duration),
    #[error("the daemon speaks generation {theirs} of the protocol, and this program {GENERATION}")]
    Generation { theirs: u32 },
    #[error("the daemon answered out of turn")]
    OutOfTurn,
}

impl ClientError {
    pub fn code(&self) -> Option<FailureCode> {
        match self {
            ClientError::Refused(failure) => Some(failure.code),
            _ => None,
        }
    }
}

type Result<T> = std::result::Result<T, ClientError>;

/// A connection to one `astrad`. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    mux: Mux,
}

/// Somebody inside connected to one of the ports that `astrad` listens on.
pub struct Incoming {
    pub port: u16,
    pub stream: ChannelStream,
}

/// The connections from inside, in the order they came.
pub struct Doorbell {
    opened: mpsc::Receiver<Opened>,
}

impl Doorbell {
    /// None once the sandbox is gone.
    pub async fn next(&mut self) -> Option<Incoming> {
        loop {
            let Opened { channel, payload } = self.opened.recv().await?;
            // Anything else from inside is dropped, which closes it there.
            if let Ok(Accepted { port }) = serde_json::from_slice(&payload) {
                return Some(Incoming { port, stream: ChannelStream::new(channel) });
            }
        }
    }
}

/// What [`Client::connect`] learned on the way.
pub struct Connected {
    pub client: Client,
    pub doorbell: Doorbell,
    pub failed_ports: Vec<(u16, String)>,
}

impl Client {
    /// Says hello and waits for the answer. A far end that built a process namespace on the way tells the number of its
    /// first process, as the host counts, and `started` hears of it even if nothing comes of the rest.
    pub async fn connect<S, F>(stream: S, listen: Vec<u16>, root: &str, timeout: Duration, started: F) -> Result<Connected>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: FnMut(u32) + Send,
    {
        let greeting = Self::greet(stream, listen, root, started);
        tokio::time::timeout(timeout, greeting).await.map_err(|_| ClientError::Late(timeout))?
    }

    async fn greet<S, F>(mut stream: S, listen: Vec<u16>, root: &str, mut started: F) -> Result<Connected>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: FnMut(u32) + Send,
    {
        let lost = |e: std::io::Error| ClientError::Lost(e.to_string());
        let hello = Hello { generation: GENERATION, listen, root: root.to_string() };
        let payload = serde_json::to_vec(&hello).expect("a hello is JSON");
        // A builder that failed has hung up by now; what it said first is still there to be read.
        let _ = stream.write_all(&protocol::encode(0, Kind::Hello, 0, &payload)).await;
        let welcome: Welcome = loop {
            let (header, payload) = read_frame(&mut stream).await.map_err(lost)?;
            match header.kind {
                Kind::Started if payload.len() == 4 => {
                    started(u32::from_le_bytes([payload[0], payload[1], payload[2], payload[3]]));
                }
                Kind::Failed => return Err(ClientError::NotBuilt(String::from_utf8_lossy(&payload).into_owned())),
                Kind::Hello => break serde_json::from_slice(&payload).map_err(|_| ClientError::OutOfTurn)?,
                _ => return Err(ClientError::OutOfTurn),
            }
        };
        if welcome.generation != GENERATION {
            return Err(ClientError::Generation { theirs: welcome.generation });
        }
        let (reader, writer) = tokio::io::split(stream);
        let (mux, opened) = Mux::start(reader, writer, Side::Host);
        let doorbell = Doorbell { opened };
        Ok(Connected { client: Client { mux }, doorbell, failed_ports: welcome.failed_ports })
    }

    /// Resolves when the connection is over, with the reason.
    pub async fn closed(&self) -> String {
        self.mux.closed().await
    }
    pub fn is_closed(&self) -> bool {
        self.mux.is_closed()
    }
    /// Hangs up; `astrad` ends when it notices, and everything inside with it.
    pub fn shut(&self, reason: &str) {
        self.mux.shut(reason);
    }

    /// Starts a process. What cannot be executed exits with 127 or 126 and says why on its standard error, as in a shell.
    pub fn spawn(&self, exec: protocol::Exec) -> Result<Spawned> {
        let channel = self.open(&Request::Exec(exec))?;
        let stdin = channel.writer(STDIN);
        let stdout = channel.reader(STDOUT);
        let stderr = channel.reader(STDERR);
        let (handle, inbox) = channel.split();
        Ok(Spawned { stdin, stdout, stderr, control: Control { handle, inbox } })
    }

    /// Runs to the end, keeping head and tail of each stream.
    pub async fn exec(&self, exec: protocol::Exec, stdin: Bytes, output_bytes_max: usize) -> Result<Output> {
        let deadline = (exec.timeout_ms > 0).then(|| Duration::from_millis(exec.timeout_ms) + LATE);
        let Spawned { stdin: mut to, mut stdout, mut stderr, mut control } = self.spawn(exec)?;
        let feed = async move {
            // A process may end without reading what it was given.
            let _ = to.write_all(&stdin).await;
            let _ = to.shutdown().await;
        };
        let run = async {
            let (_, out, err, exit) =
                tokio::join!(feed, collect(&mut stdout, output_bytes_max), collect(&mut stderr, output_bytes_max), control.wait());
            exit.map(|exit| Output { exit, stdout: out, stderr: err })
        };
        match deadline {
            Some(limit) => tokio::time::timeout(limit, run).await.map_err(|_| ClientError::Late(limit))?,
            None => run.await,
        }
    }

    pub async fn stat(&self, path: &str) -> Result<Stat> {
        match self.call(&Request::Stat { path: path.into() }).await? {
            Message::Stat(stat) => Ok(stat),
            _ => Err(ClientError::OutOfTurn),
        }
    }

    pub async fn list(&self, path: &str, entries_max: usize) -> Result<Vec<Stat>> {
        match self.call(&Request::List { path: path.into(), entries_max }).await? {
            Message::Entries { entries } => Ok(entries),
            _ => Err(ClientError::OutOfTurn),
        }
    }

    /// At most [`READ_BYTES_MAX`] bytes of a regular file from `offset`.
    pub async fn read(&self, path: &str, offset: u64, length_max: u64) -> Result<Bytes> {
        let length_max = length_max.min(READ_BYTES_MAX);
        let mut channel = self.open(&Request::Read { path: path.into(), offset, length_max })?;
        within(async {
            let mut bytes = BytesMut::new();
            let mut reader = channel.reader(0).take(length_max);
            while reader.read_buf(&mut bytes).await.map_err(|e| ClientError::Lost(e.to_string()))? > 0 {}
            self.answer(&mut channel).await?;
            Ok(bytes.freeze())
        })
        .await
    }

    /// Replaces the file atomically, making its parent folders.
    pub async fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let mut channel = self.open(&Request::Write { path: path.into(), mode, size_bytes: content.len() as u64 })?;
        let mut writer = channel.writer(0);
        within(async {
            // If this fails then the answer says why.
            let _ = writer.write_all(content).await;
            let _ = writer.shutdown().await;
            self.answer(&mut channel).await.map(drop)
        })
        .await
    }

    pub async fn mkdir(&self, path: &str, mode: u32) -> Result<()> {
        self.call(&Request::Mkdir { path: path.into(), mode }).await.map(drop)
    }
    pub async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.call(&Request::Rename { from: from.into(), to: to.into() }).await.map(drop)
    }
    pub async fn remove(&self, path: &str) -> Result<()> {
        self.call(&Request::Remove { path: path.into() }).await.map(drop)
    }

    fn open(&self, request: &Request) -> Result<Channel> {
        let payload = serde_json::to_vec(request).expect("a request is JSON");
        if payload.len() > protocol::FRAME_BYTES_MAX {
            let message = format!("a request of {} bytes; {} fit", payload.len(), protocol::FRAME_BYTES_MAX);
            return Err(ClientError::Refused(Failure::new(FailureCode::Exhausted, message)));
        }
        self.mux.open(&payload).map_err(|e| ClientError::Lost(e.to_string()))
    }

    async fn call(&self, request: &Request) -> Result<Message> {
        let mut channel = self.open(request)?;
        within(self.answer(&mut channel)).await
    }

    async fn answer(&self, channel: &mut Channel) -> Result<Message> {
        match channel.message().await {
            Some(Message::Failed(failure)) => Err(ClientError::Refused(failure)),
            Some(message) => Ok(message),
            None => Err(ClientError::Lost("it closed the channel without an answer".into())),
        }
    }
}

async fn within<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(CALL_TIMEOUT, call).await.map_err(|_| ClientError::Late(CALL_TIMEOUT))?
}

/// A process inside. Dropping `control` kills its tree.
pub struct Spawned {
    pub stdin: LaneWriter,
    pub stdout: LaneReader,
    pub stderr: LaneReader,
    pub control: Control,
}

pub struct Control {
    handle: Handle,
    inbox: mpsc::Receiver<Message>,
}

impl Control {
    /// Waits for the leader to end. May be called once.
    pub async fn wait(&mut self) -> Result<Exit> {
        match self.inbox.recv().await {
            Some(Message::Exit(exit)) => Ok(exit),
            Some(Message::Failed(failure)) => Err(ClientError::Refused(failure)),
            Some(_) => Err(ClientError::OutOfTurn),
            None => Err(ClientError::Lost("the connection ended before the process did".into())),
        }
    }
    /// Sends the signal to the process group of the leader.
    pub fn signal(&self, signal: i32) {
        self.handle.send(&Message::Signal { signal });
    }
}

pub struct Output {
    pub exit: Exit,
    pub stdout: Kept,
    pub stderr: Kept,
}

/// The head and the tail of a stream, and how much went missing between them.
#[derive(Debug, Default)]
pub struct Kept {
    pub bytes: Bytes,
    pub dropped_bytes: u64,
}

/// Reads to the end in constant memory: half of the limit from the beginning, half from the end.
pub async fn collect<R: AsyncRead + Unpin>(reader: &mut R, bytes_max: usize) -> Kept {
    let head_max = bytes_max / 2;
    let tail_max = bytes_max - head_max;
    let mut head = BytesMut::new();
    let mut tail = BytesMut::new();
    let mut dropped_bytes = 0;
    let mut chunk = vec![0; 32 << 10];
    // A lane that breaks ends; the exit message tells what happened.
    while let Ok(length @ 1..) = reader.read(&mut chunk).await {
        let mut rest = &chunk[..length];
        let to_head = rest.len().min(head_max - head.len());
        head.extend_from_slice(&rest[..to_head]);
        rest = &rest[to_head..];
        tail.extend_from_slice(rest);
        // Cut only now and then, so that each byte moves but a few times.
        if tail.len() > 2 * tail_max + chunk.len() {
            dropped_bytes += cut_front(&mut tail, tail_max);
        }
    }
    dropped_bytes += cut_front(&mut tail, tail_max);
    head.extend_from_slice(&tail);
    Kept { bytes: head.freeze(), dropped_bytes }
}

fn cut_front(tail: &mut BytesMut, keep: usize) -> u64 {
    let excess = tail.len().saturating_sub(keep);
    *tail = BytesMut::from(&tail[excess..]);
    excess as u64
}

/// A channel as one byte stream, both ways.
pub struct ChannelStream {
    reader: LaneReader,
    writer: LaneWriter,
    _channel: Handle,
}

impl ChannelStream {
    pub fn new(channel: Channel) -> Self {
        let (handle, _) = channel.split();
        ChannelStream { reader: handle.reader(0), writer: handle.writer(0), _channel: handle }
    }
}

impl AsyncRead for ChannelStream {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for ChannelStream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.writer).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.writer).poll_flush(cx)
    }
    fn poll_shutdown(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn head_and_tail_are_kept_and_the_middle_counted() {
        let text: Vec<u8> = (0..1_000_000u32).flat_map(|n| [(n % 251) as u8]).collect();
        let kept = collect(&mut text.as_slice(), 1000).await;
        assert_eq!(kept.bytes.len(), 1000);
        assert_eq!(kept.dropped_bytes, 999_000);
        assert_eq!(kept.bytes[..500], text[..500]);
        assert_eq!(kept.bytes[500..], text[999_500..]);

        let kept = collect(&mut &text[..1000], 1000).await;
        assert_eq!((kept.bytes.as_ref(), kept.dropped_bytes), (&text[..1000], 0));
    }
}
