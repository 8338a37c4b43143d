//! Model wire formats, providers, streaming and metering.
//!
//! This crate knows two public protocols (OpenAI chat completions and OpenAI Responses) and nothing about who uses
//! them: no runs, no budgets, no sandboxes. Translating is done by pure functions over bytes and values; sockets
//! live in [`client`] and [`providers`] alone.

pub mod catalog;
pub mod chat;
pub mod client;
pub mod error;
pub mod meter;
pub mod providers;
pub mod refusal;
pub mod sse;
pub mod wire;

pub use chat::{ChatEvent, ChatRequest, Finish, Message, Reply, Tool, ToolCall, ToolKind, Usage};
pub use error::{Error, ErrorKind, Result};
pub use providers::{Provider, RawRequest, RawResponse};
pub use wire::Dialect;
