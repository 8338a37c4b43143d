//! One alert, however it arrived: every source parses to this.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// The sender's own id, if it gave one; used to drop repeats of the same delivery.
    pub event_id: String,
    pub title: String,
    pub culprit: String,
    pub level: String,
    pub platform: String,
    pub release: String,
    pub environment: String,
    pub server_name: String,
    pub transaction: String,
    /// When it happened, by the sender's clock.
    pub at: Option<Timestamp>,
    pub message: String,
    /// Oldest cause first; the last was thrown.
    pub exceptions: Vec<Exception>,
    pub breadcrumbs: Vec<Breadcrumb>,
    pub request: Option<HttpRequest>,
    pub tags: Vec<(String, String)>,
    pub user: Option<serde_json::Value>,
    pub contexts: serde_json::Map<String, serde_json::Value>,
    pub url: Option<String>,
    /// Grouping keys chosen by the sender; empty when it left grouping to us.
    pub fingerprint: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exception {
    /// The type's name, such as `KeyError`.
    pub kind: String,
    pub value: String,
    pub module: String,
    pub handled: Option<bool>,
    /// Oldest first; the last is where it was raised.
    pub frames: Vec<Frame>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    pub filename: String,
    pub abs_path: String,
    pub module: String,
    pub function: String,
    pub lineno: u32,
    pub colno: u32,
    pub in_app: bool,
    pub pre_context: Vec<String>,
    pub context_line: String,
    pub post_context: Vec<String>,
    pub vars: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breadcrumb {
    pub at: Option<Timestamp>,
    pub category: String,
    pub level: String,
    pub message: String,
    pub data: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub data: Option<serde_json::Value>,
}

impl Alert {
    /// The exception that was thrown.
    pub fn thrown(&self) -> Option<&Exception> {
        self.exceptions.last()
    }
    /// `Type: value`, else the title, else the message.
    pub fn headline(&self) -> String {
        match self.thrown() {
            Some(e) if !e.kind.is_empty() && !e.value.is_empty() => format!("{}: {}", e.kind, e.value),
            Some(e) if !e.kind.is_empty() => e.kind.clone(),
            _ if !self.title.is_empty() => self.title.clone(),
            _ if !self.message.is_empty() => self.message.lines().next().unwrap_or_default().to_string(),
            _ => "Alert without a title".to_string(),
        }
    }
    /// The innermost frame of our own code, which is where a reader looks first.
    pub fn suspect(&self) -> Option<&Frame> {
        self.thrown().and_then(|e| e.frames.iter().rev().find(|f| f.in_app).or_else(|| e.frames.last()))
    }
}
