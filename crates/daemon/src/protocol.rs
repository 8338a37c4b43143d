//! What the two ends say to each other: frames on the wire, and the messages inside them.
//!
//! A frame is `length: u32, channel: u32, kind: u8, lane: u8, payload`, little-endian, where `length` counts the payload.
//! Messages are JSON; file and process bytes travel raw in `Data` frames.

use serde::{Deserialize, Serialize};

/// Both ends must name the same one. Raised whenever an older end would misread a newer one.
pub const GENERATION: u32 = 1;
pub const HEADER_BYTES: usize = 10;
/// The largest payload of a `Data` frame.
pub const DATA_BYTES_MAX: usize = 64 << 10;
/// The largest payload of any frame; a message with arguments and an environment has to fit.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Unread bytes that one lane may hold before its sender has to wait.
pub const WINDOW_BYTES: usize = 256 << 10;
/// Channels that the far end may have open at once.
pub const CHANNELS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The first frame of each end, on channel 0.
    Hello = 1,
    /// Opens a channel; the payload is a [`Request`] or, from inside, an [`Accepted`].
    Open = 2,
    /// A [`Message`] on an open channel.
    Message = 3,
    Data = 4,
    /// No more bytes on this lane.
    Eof = 5,
    /// The payload is a `u32`: as many bytes more may be sent on this lane.
    Window = 6,
    /// The channel is over for both ends.
    Close = 7,
    /// The place could not be built; the payload is a sentence. Only ever sent instead of `Hello`.
    Failed = 8,
    /// The payload is a `u32`: the process id of the first process, as the host sees it. Sent before `Hello`.
    Started = 9,
}

impl Kind {
    pub fn from_byte(byte: u8) -> Option<Kind> {
        use Kind::*;
        [Hello, Open, Message, Data, Eof, Window, Close, Failed, Started].into_iter().find(|k| *k as u8 == byte)
    }
}

/// Lanes of a channel that carries a process. Every other channel uses lane 0 alone.
pub const STDIN: u8 = 0;
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
pub const LANES: usize = 3;

/// What the host says first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub generation: u32,
    /// Loopback ports to listen on inside; each accepted connection becomes a channel to the host.
    #[serde(default)]
    pub listen: Vec<u16>,
    /// The folder that absolute paths are resolved beneath.
    pub root: String,
}

/// What `astrad` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Welcome {
    pub generation: u32,
    /// Ports that could not be listened on, each with the reason.
    #[serde(default)]
    pub failed_ports: Vec<(u16, String)>,
}

/// From inside: somebody connected to a port that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accepted {
    pub port: u16,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    Exec(Exec),
    Stat {
        path: String,
    },
    List {
        path: String,
        entries_max: usize,
    },
    /// The bytes come on lane 0, then the reply.
    Read {
        path: String,
        offset: u64,
        length_max: u64,
    },
    /// The bytes go on lane 0, ended by `Eof`; then the reply.
    Write {
        path: String,
        mode: u32,
        size_bytes: u64,
    },
    Mkdir {
        path: String,
        mode: u32,
    },
    Rename {
        from: String,
        to: String,
    },
    /// Removes a file, or a folder with all below it. What is not there is gone already.
    Remove {
        path: String,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Exec {
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    pub cwd: String,
    /// Zero means no deadline.
    pub timeout_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Message {
    /// To the whole process group.
    Signal {
        signal: i32,
    },
    /// The leader ended.
    Exit(Exit),
    Done,
    Stat(Stat),
    Entries {
        entries: Vec<Stat>,
    },
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub reason: ExitReason,
    /// The exit status, or 128 plus the signal.
    pub code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    Exited,
    Signal,
    Timeout,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    pub path: String,
    pub kind: FileKind,
    pub size_bytes: u64,
    pub mode: u32,
    /// Seconds since 1970.
    pub modified: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Other,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    pub message: String,
}

impl Failure {
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    NotFound,
    /// The path is not one that can mean anything inside.
    InvalidPath,
    /// A pipe, socket, device, folder or kernel file where an ordinary file was expected.
    NotRegularFile,
    Denied,
    /// No room: disk, files, or processes.
    Exhausted,
    Internal,
}

/// One frame, as bytes ready for the wire.
pub fn encode(channel: u32, kind: Kind, lane: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&channel.to_le_bytes());
    frame.push(kind as u8);
    frame.push(lane);
    frame.extend_from_slice(payload);
    frame
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub length: usize,
    pub channel: u32,
    pub kind: Kind,
    pub lane: u8,
}

/// Refuses what no honest end would send.
pub fn decode_header(bytes: &[u8; HEADER_BYTES]) -> Result<Header, String> {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let kind = Kind::from_byte(bytes[8]).ok_or_else(|| format!("a frame of unknown kind {}", bytes[8]))?;
    let header = Header { length: word(0) as usize, channel: word(4), kind, lane: bytes[9] };
    let length_max = if kind == Kind::Data { DATA_BYTES_MAX } else { FRAME_BYTES_MAX };
    if header.length > length_max {
        return Err(format!("a {kind:?} frame of {} bytes; {length_max} are allowed", header.length));
    }
    if header.lane as usize >= LANES {
        return Err(format!("a frame on lane {}", header.lane));
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire_and_nonsense_does_not() {
        let frame = encode(7, Kind::Data, STDERR, b"abc");
        let header: [u8; HEADER_BYTES] = frame[..HEADER_BYTES].try_into().expect("ten bytes");
        assert_eq!(decode_header(&header), Ok(Header { length: 3, channel: 7, kind: Kind::Data, lane: STDERR }));

        let mut unknown = header;
        unknown[8] = 200;
        assert!(decode_header(&unknown).is_err());
        let mut lane = header;
        lane[9] = 9;
        assert!(decode_header(&lane).is_err());
        let mut huge = header;
        huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(decode_header(&huge).is_err());
    }
}
