//! An incident: alerts that tell of the same fault.

use crate::alert::Alert;
use crate::sightings::Sightings;
use crate::{AlertSourceId, IncidentId, RequestId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub id: IncidentId,
    pub workspace: WorkspaceId,
    pub source: AlertSourceId,
    /// Counts within the workspace.
    pub number: i64,
    pub fingerprint: String,
    pub title: String,
    /// The thrown exception's type, or empty.
    pub kind: String,
    pub culprit: String,
    pub level: String,
    pub platform: String,
    pub state: IncidentState,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub times_seen: i64,
    pub users_seen: i64,
    /// When it was seen; absent where nothing was counted since this is kept.
    pub sightings: Option<Sightings>,
    pub release: String,
    pub environment: String,
    /// The request that works on it, if one was made.
    pub request: Option<RequestId>,
    /// Why no run works on it, in words for a person: none was started, or it ended without a fix. Empty where one does.
    pub no_run_reason: String,
    /// The newest alert kept.
    pub alert: Alert,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Incident {
    /// What people call it: `CHECKOUT-41`, from the source's first word and the incident's number.
    pub fn short_id(&self, source_name: &str) -> String {
        let word: String = source_name.split(|c: char| !c.is_alphanumeric()).find(|w| !w.is_empty()).unwrap_or("ALERT").to_uppercase();
        format!("{word}-{}", self.number)
    }
    /// The exception's type where there is one.
    pub fn kind_or_title(&self) -> &str {
        if self.kind.is_empty() { &self.title } else { &self.kind }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    Open,
    Fixing,
    FixProposed,
    Resolved,
    Regressed,
    Ignored,
}

impl IncidentState {
    pub const ALL: [IncidentState; 6] = [
        IncidentState::Open,
        IncidentState::Fixing,
        IncidentState::FixProposed,
        IncidentState::Resolved,
        IncidentState::Regressed,
        IncidentState::Ignored,
    ];
    pub fn word(self) -> &'static str {
        match self {
            IncidentState::Open => "open",
            IncidentState::Fixing => "fixing",
            IncidentState::FixProposed => "fix_proposed",
            IncidentState::Resolved => "resolved",
            IncidentState::Regressed => "regressed",
            IncidentState::Ignored => "ignored",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// Groups alerts: what the sender asked for, else the thrown type with its in-app frames, else the title with its numbers blanked.
pub fn fingerprint(alert: &Alert) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    let own: Vec<&str> = alert.fingerprint.iter().map(String::as_str).filter(|f| *f != "{{ default }}").collect();
    let mixes_default = own.len() != alert.fingerprint.len();
    for key in &own {
        part(key);
    }
    if own.is_empty() || mixes_default {
        match alert.thrown().filter(|e| !e.frames.is_empty() || !e.kind.is_empty()) {
            Some(thrown) => {
                part(&thrown.kind);
                let in_app: Vec<_> = thrown.frames.iter().filter(|f| f.in_app).collect();
                let frames = if in_app.is_empty() { thrown.frames.iter().rev().take(4).collect() } else { in_app };
                if frames.is_empty() {
                    part(&without_numbers(&thrown.value));
                }
                for frame in frames.iter().rev().take(8) {
                    part(if frame.module.is_empty() { &frame.filename } else { &frame.module });
                    part(&frame.function);
                    part(frame.context_line.trim());
                }
            }
            None => part(&without_numbers(&alert.headline())),
        }
    }
    hex::encode(&hash.finalize()[..16])
}

/// `user 4711 not found` and `user 4712 not found` are one fault.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_number = false;
    for c in text.chars() {
        let digit = c.is_ascii_digit();
        if !(digit && in_number) {
            out.push(if digit { '0' } else { c });
        }
        in_number = digit;
    }
    out
}
