//! Everything with a brand name: forges, git, test harnesses, executors, alert sources.

pub mod alerts;
pub mod executors;
pub mod forges;
pub mod git;
pub mod harnesses;
pub mod secret_scan;
pub mod syntax;
