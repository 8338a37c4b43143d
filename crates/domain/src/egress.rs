//! What may leave a sandbox, and the doors through which it leaves.

use crate::{RunId, SandboxId};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream from inside a sandbox.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
pub type BoxStream = Box<dyn Stream>;

/// Who is calling: known from the stream itself, not from anything the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    pub sandbox: SandboxId,
    pub run: Option<RunId>,
    pub epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    Llm,
    Git,
}

/// The server's side of a sandbox's way out. Each stream carries HTTP/1.1.
#[async_trait]
pub trait Doors: Send + Sync {
    async fn serve(&self, stream: BoxStream, peer: Peer, door: Door);
}

/// Deny everything unless listed. Hosts are exact, lower-case names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressPolicy {
    /// `host:port` pairs that CONNECT may name.
    pub allow: Vec<HostPort>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl EgressPolicy {
    pub fn deny_all() -> Self {
        Self::default()
    }
    /// Whether exactly this name and port are listed, after lower-casing and dropping one trailing dot.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.allow.iter().any(|a| a.port == port && a.host.eq_ignore_ascii_case(host))
    }
}

/// One decision of the egress proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressDecision {
    pub host: String,
    pub port: u16,
    pub allowed: bool,
    pub reason: String,
}
