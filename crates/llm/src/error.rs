//! What can go wrong on the way to a model.

use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A request or a setting that can't work as it stands.
    Invalid,
    /// The model's server could not be reached.
    Unreachable,
    /// Nothing was heard for too long.
    Timeout,
    /// The server answered with an error status, see `status`.
    Status,
    /// The server's answer breaks the protocol, or ended before its end.
    Protocol,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub kind: ErrorKind,
    pub status: Option<u16>,
    /// How long the server asks us to wait before the next try.
    pub retry_after: Option<Duration>,
    pub message: String,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, status: None, retry_after: None, message: message.into() }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }
    /// Whether the same request may go well a little later without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self.kind {
            ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Protocol => true,
            ErrorKind::Status => matches!(self.status, Some(408 | 409 | 429 | 500..)),
            ErrorKind::Invalid => false,
        }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() {
            ErrorKind::Timeout
        } else if error.is_connect() || error.is_request() {
            ErrorKind::Unreachable
        } else {
            ErrorKind::Protocol
        };
        // The address stays out: it may belong to somebody's private network.
        let error = error.without_url();
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Error::new(kind, message)
    }
}
