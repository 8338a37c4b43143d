//! `astraforge migrate`: connecting brings the tables up to date.

use crate::cli::Common;
use crate::config::Base;
use crate::output::say;
use anyhow::Result;
use std::process::ExitCode;
use store::{Store, StoreConfig};

pub async fn run(common: Common) -> Result<ExitCode> {
    let base = Base::open(&common)?;
    let store = Store::connect(StoreConfig::new(base.database_url)).await?;
    store.close().await;
    say!("the database is up to date")?;
    Ok(ExitCode::SUCCESS)
}
