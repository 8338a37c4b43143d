//! The append-only log that streams, replays and audits read.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Everything about one request, across its runs, goes to one topic.
pub fn request_topic(request: crate::RequestId) -> String {
    format!("request:{request}")
}

/// The stage word of an agent at work, whichever it is: clients know the first executor's name.
pub const STAGE_AGENT: &str = "codex";

/// A row of the log. `seq` counts from 1 without gaps within its topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub topic: String,
    pub seq: i64,
    /// The word on the wire: `status`, `command`, `log`, `step`, `rule`, …
    pub kind: String,
    pub payload: Value,
    pub at: Timestamp,
    /// Lower-case hex; 64 zeros before the first event.
    pub prev_hash: String,
    pub hash: String,
}

pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// SHA-256 over the previous hash and the event's own fields, each with its length before it.
/// `payload` is the text that is stored, so that a check needs no canonical JSON.
pub fn chain(prev_hash: &str, topic: &str, seq: i64, kind: &str, payload: &str, at: Timestamp) -> String {
    let mut hash = Sha256::new();
    for part in [prev_hash, topic, &seq.to_string(), kind, payload, &at.as_microsecond().to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
