//! The one error type that crosses crate borders: a kind for control flow, a message for people.

use std::collections::BTreeMap;
use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller can act on it. Status codes, retries and exit codes are tables over this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The input breaks a rule; see `fields` for which.
    Invalid,
    /// Nobody, or somebody whose credentials are not good.
    Unauthenticated,
    /// Known caller, act not allowed.
    Forbidden,
    NotFound,
    /// The thing is in a state that does not allow the act, or exists already.
    Conflict,
    /// A quota, budget, rate or size is used up.
    Limit,
    /// Something we depend on cannot serve now; trying again may help.
    Unavailable,
    Timeout,
    /// Our own fault.
    Internal,
}

impl Kind {
    /// Whether the same act may go well a little later without anybody changing anything.
    pub fn is_passing(self) -> bool {
        matches!(self, Kind::Unavailable | Kind::Timeout)
    }
}

pub struct Error {
    pub kind: Kind,
    /// A stable word for programs, such as `quota_exceeded`; empty when the kind says it all.
    pub code: &'static str,
    pub message: String,
    /// Field name to messages, for `Invalid`.
    pub fields: BTreeMap<String, Vec<String>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, code: "", message: message.into(), fields: BTreeMap::new(), source: None }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }
    /// One field that breaks a rule.
    pub fn field(name: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut error = Self::new(Kind::Invalid, message.clone());
        error.fields.insert(name.into(), vec![message]);
        error
    }
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, message)
    }
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, message)
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Kind::Timeout, message)
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }
    /// Adds a field message to an `Invalid` error.
    pub fn and_field(mut self, name: impl Into<String>, message: impl Into<String>) -> Self {
        self.fields.entry(name.into()).or_default().push(message.into());
        self
    }
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        if !self.fields.is_empty() {
            write!(f, " {:?}", self.fields)?;
        }
        if let Some(source) = &self.source {
            write!(f, " (because: {source})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}
