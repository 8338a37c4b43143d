//! The nouns of AstraForge, their rules and state machines, and the ports (traits) that the engine needs.
//!
//! Nothing here does IO, knows SQL or HTTP, or reads the clock. Functions that need the time take it; the
//! only things awaited are the ports themselves.

pub mod account;
pub mod alert;
pub mod clock;
pub mod diff;
pub mod egress;
pub mod error;
pub mod event;
pub mod evidence;
pub mod forge;
pub mod git;
pub mod harness;
pub mod id;
pub mod incident;
pub mod job;
pub mod limits;
pub mod merge_request;
pub mod repository;
pub mod request;
pub mod run;
pub mod sandbox;
pub mod secret;
pub mod sightings;
pub mod source;
pub mod turn;
pub mod usage;
pub mod workspace;

pub use clock::Clock;
pub use error::{Error, Kind, Result};
pub use id::*;
pub use jiff::Timestamp;
