//! `astraforge openapi`: the document that `docs/reference/openapi.json` and the web app's types are made from.

use anyhow::Result;
use std::process::ExitCode;

pub fn run() -> Result<ExitCode> {
    print!("{}", server::openapi::Document::new().json);
    Ok(ExitCode::SUCCESS)
}
