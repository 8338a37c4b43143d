//! Our own coding agent: a loop that asks a model what to do, does it in a sandbox, and tells what it did.
//!
//! It works beside the server and reaches the sandbox only through the `Sandbox` port, and the model only through
//! the client it is given. Who it works for, what it may spend and what becomes of its work is decided elsewhere.

pub mod context;
pub mod door;
pub mod guard;
pub mod history;
pub mod prompt;
pub mod retry;
pub mod text;
pub mod tools;
pub mod turn;

pub use turn::{Limits, Outcome, TurnContext, run};
