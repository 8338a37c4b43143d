//! The `astraforge` binary: command line, configuration, and the only place that names every adapter.

// The binary owns the clock and the environment; every other crate is given them.
#![allow(clippy::disallowed_methods)]
// `println!` panics when nobody reads on; `output::say` does not.
#![deny(clippy::print_stdout)]

mod cli;
mod clock;
mod commands;
mod compose;
mod config;
mod demo;
mod output;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandbox's first process is this binary again; it must not find any thread when it builds its namespaces.
    sandbox::init_if_asked();
    // What is written is for this user alone, also in a data dir that others may enter.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("astraforge: the async runtime could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(error) if error.chain().filter_map(|cause| cause.downcast_ref()).any(output::Unheard::is_closed) => {
            ExitCode::from(output::CLOSED_STATUS)
        }
        Err(error) => {
            eprintln!("astraforge: {error:#}");
            let fields = error.downcast_ref::<domain::Error>().map(|error| &error.fields);
            for (field, what) in fields.into_iter().flatten() {
                eprintln!("  {field}: {}", what.join("; "));
            }
            ExitCode::FAILURE
        }
    }
}
