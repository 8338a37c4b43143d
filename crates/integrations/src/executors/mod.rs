//! Coding agents behind the `Executor` port. A new one is one file and one entry in [`ALL`].
//!
//! An executor drives one turn and tells what happens; it decides nothing about the run, and what it says about its
//! own success proves nothing.

pub mod codex;
pub mod native;
mod tree;

use domain::turn::Executor;
use std::path::PathBuf;
use std::sync::Arc;

pub const ALL: &[Entry] = &[native::ENTRY, codex::ENTRY];

pub struct Entry {
    /// The word on the wire and in the configuration.
    pub id: &'static str,
    pub build: fn(&Settings) -> Arc<dyn Executor>,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The npm prefix that `@openai/codex` is installed below.
    pub codex_prefix: Option<PathBuf>,
}

/// Every executor, usable here or not; `unavailable` tells.
pub fn build(settings: &Settings) -> Vec<Arc<dyn Executor>> {
    ALL.iter().map(|entry| (entry.build)(settings)).collect()
}

#[cfg(test)]
#[path = "../../../agent/tests/support/mod.rs"]
mod support;
