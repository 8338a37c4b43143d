//! `astraforge doctor`: what this host can do for sandboxes, and how to mend what it can't.

use crate::cli::Common;
use crate::compose;
use crate::config::Base;
use crate::output::say;
use anyhow::Result;
use domain::sandbox::{Guarantee, GuaranteeState};
use std::process::ExitCode;

pub async fn run(common: Common) -> Result<ExitCode> {
    let base = Base::open(&common)?;
    say!("data dir   {}", base.data_dir.display())?;
    let (host, promises) = compose::doctor(&base).await;
    say!("\nwhat this host has")?;
    host.iter().try_for_each(tell)?;
    say!("\nwhat a sandbox made just now kept")?;
    promises.iter().try_for_each(tell)?;
    say!()?;
    for line in compose::executors_in_words(&base).await {
        say!("{line}")?;
    }
    say!("{}", compose::model_in_words(&base))?;
    let missing = promises.iter().any(|p| p.state == GuaranteeState::Missing);
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell(finding: &Guarantee) -> Result<()> {
    let mark = match finding.state {
        GuaranteeState::Holds => "holds",
        GuaranteeState::Missing => "missing",
        GuaranteeState::Unverified => "unverified",
    };
    say!("{mark:<10} {:<48} {}", finding.promise, finding.detail)?;
    Ok(())
}
