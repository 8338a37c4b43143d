//! Where alerts come from: a configured source, and the port that turns its bytes into alerts.

use crate::alert::Alert;
use crate::secret::Secret;
use crate::{AlertSourceId, RepositoryId, Result, Timestamp, WorkspaceId};
use bytes::Bytes;

/// A source somebody set up.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub id: AlertSourceId,
    pub workspace: WorkspaceId,
    pub name: String,
    /// The adapter's id, such as `sentry_sdk`.
    pub kind: String,
    /// The number in a DSN; SDKs refuse anything else.
    pub project_number: i64,
    /// Public by design: it may only create incidents.
    pub public_key: String,
    /// SHA-256 of the token in a webhook's URL; empty for sources without one.
    pub token_hash: String,
    pub repository: Option<RepositoryId>,
    pub automatic_runs: bool,
    pub executor: Option<String>,
    pub runs_per_hour_max: i32,
    pub events_total: i64,
    pub last_event_at: Option<Timestamp>,
    pub last_event_title: Option<String>,
    pub created_at: Timestamp,
}

/// One delivery as it arrived.
pub struct Delivery<'a> {
    /// Lower-case names.
    pub headers: &'a [(String, String)],
    /// Raw bytes: signatures are checked on these.
    pub body: &'a Bytes,
    /// The shared secret of this source, if its adapter uses one.
    pub secret: Option<&'a Secret>,
    pub now: Timestamp,
}

/// Parses one brand's webhook. Pure: no network, no store.
pub trait AlertSource: Send + Sync {
    fn id(&self) -> &'static str;
    fn label(&self) -> &'static str;
    /// Whether senders use a DSN, a numbered project and a public key, instead of a webhook's address.
    fn takes_dsn(&self) -> bool {
        false
    }
    /// Whether deliveries must carry a signature under the source's secret.
    fn is_signed(&self) -> bool;
    /// `Unauthenticated` when the signature is wrong, `Invalid` when the body is not of the kind.
    /// An empty list means "received, nothing to do" (a test ping, an uptime note).
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Vec<Alert>>;
}
