//! `astrad`, which runs inside every sandbox, and both ends of the protocol it speaks.
//!
//! The protocol is framed and multiplexed, and runs over any byte stream. `client` is the host's end, `server` is the
//! end inside. Nothing here knows what a sandbox is made of, nor who may use it: that is the business of the crates above.

pub mod client;
pub mod mux;
pub mod protocol;
pub mod server;

pub use client::{Client, ClientError};
