//! Work that a transaction leaves for a worker.

use crate::{JobId, Timestamp, WorkspaceId};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: JobId,
    /// Which handler takes it, such as `run`.
    pub kind: String,
    pub payload: Value,
    pub workspace: Option<WorkspaceId>,
    /// At most one unfinished job has a given key.
    pub key: Option<String>,
    /// Higher goes first.
    pub priority: i32,
    pub attempts: i32,
    pub run_at: Timestamp,
    pub cancel_requested: bool,
}

/// Seconds to wait before attempt `attempts + 1`: 1, 4, 16, 60, 60…
pub fn back_off_seconds(attempts: i32) -> i64 {
    4i64.saturating_pow(attempts.clamp(1, 8) as u32 - 1).min(60)
}
