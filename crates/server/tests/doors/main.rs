//! The HTTP doors, in process: the real router over a real SQLite database and real sandboxes.

mod accounts;
mod alerts;
mod frame;
mod house;
mod model_door;
mod sandboxes;
mod strangers;
mod workspaces;
