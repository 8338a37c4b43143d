//! Rows, transactions, the job queue and the event log, on SQLite and PostgreSQL.
//!
//! One file per noun; each function takes a `Tx` and speaks in the domain's nouns. Who may do what is decided
//! elsewhere: nothing here checks permissions. Nothing here reads the clock or makes ids either; callers bring both.

pub mod accounts;
pub mod activity;
pub mod api_keys;
mod db;
pub mod events;
pub mod evidence;
pub mod incidents;
pub mod layers;
pub mod llm;
pub mod merge_requests;
pub mod queue;
pub mod repositories;
pub mod requests;
pub mod runs;
pub mod sandboxes;
pub mod settings;
pub mod sources;
#[cfg(feature = "testkit")]
pub mod testkit;
mod value;
pub mod workspaces;

pub use db::{Store, StoreConfig, Tx, Wake};
pub use value::Page;
