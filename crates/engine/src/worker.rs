//! The worker: takes jobs from the queue one after the other, keeps their leases alive, and says how each ended.
//!
//! What a job does is in `jobs`. A worker that loses a lease drops the work at once: somebody else has it.

use crate::{Engine, jobs};
use domain::job::{Job, back_off_seconds};
use domain::{Result, WorkerId, limits};
use std::time::Duration;
use store::queue::{Beat, Claimed, LEASE_LOST, Lease};
use tokio::sync::watch;
use tokio::task::JoinSet;

const POLL: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Works until the engine shuts down; then lets go of its jobs so that the next process takes them at once.
pub async fn run(engine: Engine) {
    let mut loops = JoinSet::new();
    for _ in 0..engine.settings.workers.max(1) {
        loops.spawn(work(engine.clone()));
    }
    while loops.join_next().await.is_some() {}
}

async fn work(engine: Engine) {
    let worker: WorkerId = engine.clock.fresh();
    let mut wakes = engine.store.wakes();
    while !engine.shutdown.is_cancelled() {
        match claim(&engine, worker).await {
            Ok(Some(claimed)) => carry(&engine, claimed).await,
            Ok(None) => idle(&engine, &mut wakes).await,
            Err(error) => {
                tracing::warn!(%error, "the queue could not be read");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

async fn claim(engine: &Engine, worker: WorkerId) -> Result<Option<Claimed>> {
    store::queue::claim(&engine.store, worker, jobs::KINDS, engine.now(), limits::JOB_LEASE_SECONDS, limits::JOBS_PER_WORKSPACE_MAX).await
}

async fn idle(engine: &Engine, wakes: &mut tokio::sync::broadcast::Receiver<store::Wake>) {
    let jobs_came = async {
        loop {
            match wakes.recv().await {
                Ok(store::Wake::Jobs | store::Wake::Missed) => return,
                Ok(_) => {}
                Err(_) => return tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::select! {
        _ = engine.shutdown.cancelled() => {}
        _ = tokio::time::timeout(POLL, jobs_came) => {}
    }
}

async fn carry(engine: &Engine, claimed: Claimed) {
    let (cancel, cancelled) = watch::channel(claimed.job.cancel_requested);
    let (job, lease) = (claimed.job.clone(), claimed.lease.clone());
    let last_attempt = job.attempts >= limits::JOB_ATTEMPTS_MAX;
    if job.attempts > limits::JOB_CLAIMS_MAX {
        let words = format!("the server was killed in the middle of it {} times: it may be what kills the server", limits::JOB_CLAIMS_MAX);
        return settle(engine, &claimed, Err(domain::Error::internal(words)), true).await;
    }
    let mut task = tokio::spawn({
        let engine = engine.clone();
        async move { jobs::carry_out(&engine, &job, &lease, cancelled, last_attempt).await }
    });
    let mut beat = tokio::time::interval(HEARTBEAT);
    let outcome = loop {
        tokio::select! {
            done = &mut task => break done,
            _ = engine.shutdown.cancelled() => {
                task.abort();
                let _ = (&mut task).await;
                release(engine, &claimed).await;
                return;
            }
            _ = beat.tick() => match heartbeat(engine, &claimed).await {
                Ok(Beat::Mine { cancel_requested }) => { cancel.send_if_modified(|was| std::mem::replace(was, cancel_requested) != cancel_requested); }
                Ok(Beat::Lost) => {
                    tracing::warn!(job = %claimed.job.id, "the lease was lost; dropping the work");
                    task.abort();
                    return;
                }
                Err(error) => tracing::warn!(%error, "heartbeat failed"),
            }
        }
    };
    let outcome = outcome.unwrap_or_else(|panic| Err(domain::Error::internal("the job's code panicked").because(panic)));
    settle(engine, &claimed, outcome, last_attempt).await;
}

async fn heartbeat(engine: &Engine, claimed: &Claimed) -> Result<Beat> {
    let mut tx = engine.store.write().await?;
    let beat = store::queue::heartbeat(&mut tx, &claimed.lease, engine.now(), limits::JOB_LEASE_SECONDS).await?;
    tx.commit().await?;
    Ok(beat)
}

/// On a clean stop the job is due again at once, for whichever process comes next.
async fn release(engine: &Engine, claimed: &Claimed) {
    let handed_back = async {
        let mut tx = engine.store.write().await?;
        store::queue::hand_back(&mut tx, &claimed.lease).await?;
        tx.commit().await
    };
    if let Err(error) = handed_back.await {
        tracing::warn!(%error, "a job could not be handed back; its lease will run out");
    }
}

/// A transaction of whoever holds the lease; `Conflict` with code `lease_lost` once another worker has the job.
pub async fn fenced(engine: &Engine, lease: &Lease) -> Result<store::Tx> {
    let mut tx = engine.store.write().await?;
    store::queue::fence(&mut tx, lease).await?;
    Ok(tx)
}

enum Next {
    Done,
    Again(domain::Timestamp),
    Park,
}

async fn settle(engine: &Engine, claimed: &Claimed, outcome: Result<()>, last_attempt: bool) {
    let Job { id, kind, attempts, .. } = &claimed.job;
    if outcome.as_ref().is_err_and(|error| error.code == LEASE_LOST) {
        tracing::warn!(job = %id, "the lease was lost; dropping the work");
        return;
    }
    let next = match &outcome {
        Ok(()) => Next::Done,
        Err(error) if error.kind.is_passing() && !last_attempt => {
            Next::Again(engine.now() + jiff::SignedDuration::from_secs(back_off_seconds(*attempts)))
        }
        Err(error) => {
            tracing::error!(job = %id, kind, ?error, "job parked");
            Next::Park
        }
    };
    if let Err(error) = store_outcome(engine, claimed, &outcome, next).await {
        tracing::warn!(job = %id, %error, "a job's end could not be stored; its lease will run out");
    }
}

async fn store_outcome(engine: &Engine, claimed: &Claimed, outcome: &Result<()>, next: Next) -> Result<()> {
    let message = outcome.as_ref().err().map(|e| e.message.clone()).unwrap_or_default();
    if matches!(next, Next::Park) {
        jobs::give_up(engine, &claimed.job, &claimed.lease, &message).await?;
    }
    let mut tx = engine.store.write().await?;
    match next {
        Next::Done => store::queue::finish(&mut tx, &claimed.lease, engine.now()).await?,
        Next::Again(at) => store::queue::retry_later(&mut tx, &claimed.lease, at, &message).await?,
        Next::Park => store::queue::park(&mut tx, &claimed.lease, &message, engine.now()).await?,
    }
    tx.commit().await
}
