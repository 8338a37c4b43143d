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
        runs::JOB => runs::drive::carry_out(engine, run_of(job)?, lease, cancel, last_attempt).await,
        recurrence::JOB => recurrence::carry_out(engine, job, lease).await,
        other => Err(Error::internal(format!("no handler for jobs of kind `{other}`"))),
    }
}

/// The job will not be tried again: whoever waits for it hears why.
pub async fn give_up(engine: &Engine, job: &Job, lease: &Lease, error: &str) -> Result<()> {
    match job.kind.as_str() {
        runs::JOB => match run_of(job) {
            Ok(run) => runs::drive::give_up(engine, run, lease, error).await,
            // Nobody can be told of it but by the job's own record.
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

fn run_of(job: &Job) -> Result<RunId> {
    job.payload["run_id"].as_str().unwrap_or_default().parse()
}
