//! `astraforge doctor`: what this host can do for sandboxes, and how to mend what it can't.

use crate::cli::Common;
use crate::compose;
use crate::config::Base;
use anyhow::Result;
use domain::sandbox::{Guarantee, GuaranteeState};
use std::process::ExitCode;

pub async fn run(common: Common) -> Result<ExitCode> {
    let base = Base::open(&common)?;
    println!("data dir   {}", base.data_dir.display());
    let (host, promises) = compose::doctor(&base).await;
    println!("\nwhat this host has");
    host.iter().for_each(print);
    println!("\nwhat a sandbox made just now kept");
    promises.iter().for_each(print);
    println!();
    for line in compose::executors_in_words(&base).await {
        println!("{line}");
    }
    let missing = promises.iter().any(|p| p.state == GuaranteeState::Missing);
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(finding: &Guarantee) {
    let mark = match finding.state {
        GuaranteeState::Holds => "holds",
        GuaranteeState::Missing => "missing",
        GuaranteeState::Unverified => "unverified",
    };
    println!("{mark:<10} {:<48} {}", finding.promise, finding.detail);
}
