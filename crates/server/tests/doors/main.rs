//! The HTTP doors, in process: the real router over a real SQLite database and real sandboxes.

// A test owns the clock and the dice.
#![allow(clippy::disallowed_methods)]

mod accounts;
mod alerts;
mod crowds;
mod frame;
mod house;
mod incidents;
mod model_door;
mod runs;
mod sandboxes;
mod strangers;
mod workspaces;
