//! One file per command.

mod admin;
mod doctor;
mod migrate;
mod openapi;
pub mod serve;
mod verify;

use crate::cli::{Cli, Command};
use anyhow::Result;
use std::process::ExitCode;

pub async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Demo(args) => crate::demo::run(args).await,
        Command::Doctor(common) => doctor::run(common).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Openapi => openapi::run(),
        Command::Migrate(common) => migrate::run(common).await,
        Command::Admin(admin) => admin::run(admin).await,
    }
}
