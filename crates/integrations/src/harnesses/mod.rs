//! Test frameworks, one folder or file each, and the list of them.
//!
//! A new framework is one file here and one entry in `all`. What the results mean is decided elsewhere.

pub mod cargo;
mod files;
pub mod generic;
pub mod node;
pub mod pytest;

use domain::harness::{Batch, TestHarness, VariantReport};
use domain::sandbox::{Command, Sandbox};
use domain::{Error, Result};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// In the order in which they are asked whether a repository is theirs.
pub fn all() -> Vec<Arc<dyn TestHarness>> {
    vec![Arc::new(pytest::Pytest), Arc::new(node::Node), Arc::new(cargo::Cargo), Arc::new(generic::Generic)]
}

/// A report may hold logs of thousands of tests.
const REPORT_BYTES_MAX: u64 = 64 << 20;

#[derive(Deserialize)]
struct Report {
    variants: Vec<VariantReport>,
}

/// Runs a launcher of ours that takes its orders on standard input and leaves one report.
async fn launch(place: &dyn Sandbox, batch: &Batch, argv: &[&str]) -> Result<Vec<VariantReport>> {
    let report = format!("/tmp/{}.json", batch.nonce);
    let orders = serde_json::json!({
        "root": batch.root,
        "fresh": batch.fresh,
        "timeout_s": batch.timeout.as_secs_f64(),
        "report": report,
        "variants": batch.variants,
    });
    let timeout = batch.timeout * (batch.variants.len() as u32 + 1) + Duration::from_secs(10);
    let command = Command::new(argv.iter().copied()).cwd(&batch.root).stdin(orders.to_string()).timeout(timeout);
    let output = place.exec(command).await?;
    let stat = place.stat(&report).await;
    let Ok(stat) = stat else {
        let said: String = output.text().chars().rev().take(500).collect::<Vec<_>>().into_iter().rev().collect();
        return Err(Error::unavailable(format!("the test launcher `{}` left no report: {}", argv.join(" "), said.trim())).code("no_report"));
    };
    if stat.size_bytes > REPORT_BYTES_MAX {
        return Err(Error::limit(format!("the test report has {} bytes; {REPORT_BYTES_MAX} are allowed", stat.size_bytes)));
    }
    let mut bytes = Vec::with_capacity(stat.size_bytes as usize);
    while (bytes.len() as u64) < stat.size_bytes {
        let part = place.read_file(&report, bytes.len() as u64, 1 << 20).await?;
        if part.is_empty() {
            break;
        }
        bytes.extend_from_slice(&part);
    }
    let report: Report = serde_json::from_slice(&bytes)
        .map_err(|e| Error::unavailable("the test report is not of the expected form".to_string()).because(e))?;
    Ok(report.variants)
}
