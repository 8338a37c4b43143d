//! Every kind of job and who carries it out.

use crate::incidents::recurrence;
use crate::{Engine, runs};
use domain::job::Job;
use domain::{Error, Result, RunId};
use store::queue::Lease;
use tokio::sync::watch;

pub const KINDS: &[&str] = &[runs::JOB, recurrence::JOB];

/// Idempotent: a job may be carried out again after a crash, from wherever its own records say it stopped.
/// What it writes is fenced by the lease, so a worker that lost it writes nothing more.
pub async fn carry_out(engine: &Engine, job: &Job, lease: &Lease, cancel: watch::Receiver<bool>, last_attempt: bool) -> Result<()> {
    match job.kind.as_str() {
        runs::JOB => {
            let run: RunId = job.payload["run_id"].as_str().unwrap_or_default().parse()?;
            runs::drive::carry_out(engine, run, lease, cancel, last_attempt).await
        }
        recurrence::JOB => recurrence::carry_out(engine, job, lease).await,
        other => Err(Error::internal(format!("no handler for jobs of kind `{other}`"))),
    }
}
