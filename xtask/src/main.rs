//! The repository's own chores, in Rust instead of shell: `cargo xtask <chore>`, or the `Makefile`'s shorter names.

mod bench;
mod codegen;
mod packages;
mod steps;
mod tidy;

use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "cargo xtask <chore>

  demo [ARGS]   build everything and run `astraforge demo ARGS`
  run [ARGS]    build everything and run `astraforge serve ARGS`
  ci            every test, installing what it needs where it may; says what was skipped and why
  soak          the long counts
  bench         the figures, measured side by side
  tidy          the house rules: arrows, invariants, licences
  codegen       write the generated files again (OpenAPI, TypeScript types)
  codegen --check
  lint          clippy, rustfmt and the web app's linter
  setup         install the system packages that the tests and the demo need";

fn main() -> ExitCode {
    match chore() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore() -> Result<bool> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match name.as_str() {
        "demo" => steps::launch("demo", &rest),
        "run" => steps::launch("serve", &rest),
        "ci" => steps::ci(),
        "soak" => steps::soak(),
        "bench" => bench::run(&rest),
        "tidy" => tidy::run(),
        "codegen" => codegen::run(rest.iter().any(|a| a == "--check")),
        "lint" => steps::lint(),
        "setup" => packages::ensure(packages::ALL).map(|_| true),
        "" | "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(true)
        }
        other => bail!("there is no chore `{other}`\n\n{HELP}"),
    }
}

/// The top of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies one folder deep").to_path_buf()
}
