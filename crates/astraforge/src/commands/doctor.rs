//! `astraforge doctor`: what this host can do for sandboxes, and how to mend what it can't.

use crate::cli::Common;
use crate::compose;
use crate::config::Base;
use anyhow::Result;
use domain::sandbox::GuaranteeState;
use std::process::ExitCode;

pub async fn run(common: Common) -> Result<ExitCode> {
    let base = Base::open(&common)?;
    println!("data dir   {}", base.data_dir.display());
    let mut missing = 0;
    for promise in compose::doctor(&base).await {
        let mark = match promise.state {
            GuaranteeState::Holds => "holds     ",
            GuaranteeState::Missing => {
                missing += 1;
                "missing   "
            }
            GuaranteeState::Unverified => "unverified",
        };
        println!("{mark} {:<42} {}", promise.promise, promise.detail);
    }
    println!();
    for line in compose::executors_in_words(&base).await {
        println!("{line}");
    }
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
