//! `make bench`: every figure that we promise, measured in one run on this machine and printed beside its goal.

use crate::{root, steps};
use anyhow::{Result, bail};
use std::process::Command;

pub fn run(args: &[String]) -> Result<bool> {
    steps::build_web()?;
    if !steps::cargo(&["build", "--release", "-p", "astraforge"])? {
        bail!("the build failed");
    }
    let binary = steps::target_dir().join("release/astraforge");
    let status = Command::new("python3").arg("bench/bench.py").arg(binary).args(args).current_dir(root()).status()?;
    Ok(status.success())
}
