//! `astraforge openapi`: the document that `docs/reference/openapi.json` and the web app's types are made from.

use crate::output;
use anyhow::Result;
use std::process::ExitCode;

pub fn run() -> Result<ExitCode> {
    output::print(&server::openapi::Document::new().json)?;
    Ok(ExitCode::SUCCESS)
}
