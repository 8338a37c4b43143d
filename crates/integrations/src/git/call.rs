//! One call of git: what it may see, what it is given, what it answers. `sandboxed` runs it.
//!
//! Scripts find their folders in `$GIT_DIR` (the bare repository), `$CHECKOUTS` and, for an import from a folder, `$SOURCE`.

use bytes::Bytes;
use domain::egress::HostPort;
use domain::limits::GIT_SECONDS_MAX;
use domain::{Error, RepositoryId, Result};
use std::path::PathBuf;
use std::time::Duration;

/// Answers of ordinary plumbing stay far below this.
pub const OUTPUT_BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Debug)]
pub struct Place {
    pub repository: RepositoryId,
    pub reach: Reach,
}

#[derive(Clone, Debug)]
pub enum Reach {
    Nothing,
    /// One more folder, read-only.
    Folder(PathBuf),
    Host(HostPort),
}

impl Place {
    pub fn of(repository: RepositoryId) -> Self {
        Place { repository, reach: Reach::Nothing }
    }
}

#[derive(Clone, Debug)]
pub struct Call {
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Settings for this call alone, after the ones that always hold.
    pub config: Vec<(&'static str, &'static str)>,
    pub stdin: Bytes,
    pub output_bytes_max: usize,
    pub timeout: Duration,
}

impl Call {
    pub fn git<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::argv(std::iter::once("git".to_string()).chain(args.into_iter().map(Into::into)).collect())
    }
    /// Several git processes in one go; `$1…` are the arguments, never pasted into the text.
    pub fn script<S: Into<String>>(text: &str, args: impl IntoIterator<Item = S>) -> Self {
        let head = ["/bin/sh", "-euc", text, "git"].map(String::from);
        Self::argv(head.into_iter().chain(args.into_iter().map(Into::into)).collect())
    }
    pub fn stdin(mut self, bytes: impl Into<Bytes>) -> Self {
        self.stdin = bytes.into();
        self
    }
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_string(), value.into()));
        self
    }
    pub fn config(mut self, key: &'static str, value: &'static str) -> Self {
        self.config.push((key, value));
        self
    }
    pub fn output_bytes_max(mut self, bytes: usize) -> Self {
        self.output_bytes_max = bytes;
        self
    }
    fn argv(argv: Vec<String>) -> Self {
        Call {
            argv,
            env: Vec::new(),
            config: Vec::new(),
            stdin: Bytes::new(),
            output_bytes_max: OUTPUT_BYTES_MAX,
            timeout: Duration::from_secs(GIT_SECONDS_MAX),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: Bytes,
    pub stderr: Bytes,
    /// Some output did not fit.
    pub cut: bool,
}

impl Output {
    /// The output, if git was content and all of it is here.
    pub fn checked(self, what: &str) -> Result<Bytes> {
        if self.code != 0 {
            return Err(Error::unavailable(format!("git could not {what}: {}", self.words())));
        }
        if self.cut {
            return Err(Error::limit(format!("git's answer was too large to {what}")).code("too_large"));
        }
        Ok(self.stdout)
    }
    /// The last of what git said, for a person.
    pub fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let text = text.trim();
        let start = text.char_indices().rev().nth(599).map_or(0, |(at, _)| at);
        match &text[start..] {
            "" => format!("it ended with {}", self.code),
            words => words.to_string(),
        }
    }
}
