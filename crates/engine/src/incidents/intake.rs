//! The way in for alerts: scrubs, brakes storms, and commits whatever waits as one group.
//!
//! One task owns the writing. While a group commits the next one gathers, so the size of groups follows the load:
//! a single alert is stored at once, a storm costs a few transactions a second. An alert is answered for only after
//! its group is committed, so what was acknowledged survives the process.

use super::grouping::{Arrival, take_in};
use crate::{Engine, Parts, scrub, secrets};
use domain::alert::Alert;
use domain::limits::EVENTS_PER_SOURCE_SECOND_MAX;
use domain::{AlertSourceId, Error, IncidentId, Result, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use tokio::sync::{mpsc, oneshot};

/// Alerts in one transaction.
const GROUP_MAX: usize = 256;
/// Alerts that wait for their group; past it senders are told to come back.
const WAITING_MAX: usize = 4_096;
/// What a sender is told to wait.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// Cheap to clone; the clones share one queue.
#[derive(Clone, Default)]
pub struct Intake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    queue: OnceLock<mpsc::Sender<Waiting>>,
    user_salt: OnceLock<[u8; 32]>,
    /// Alerts of the running second, by source.
    seconds: Mutex<HashMap<AlertSourceId, (i64, u32)>>,
}

struct Waiting {
    source: AlertSourceId,
    alert: Alert,
    done: oneshot::Sender<Result<Option<IncidentId>>>,
}

impl Intake {
    /// Counts one delivery of this source; `Limit` when it sent too many in this second. Asked before any parsing.
    pub fn brake(&self, source: AlertSourceId, now: Timestamp) -> Result<()> {
        let second = now.as_second();
        let mut seconds = self.0.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if seconds.len() > 10_000 {
            seconds.retain(|_, (at, _)| *at == second);
        }
        let (at, count) = seconds.entry(source).or_insert((second, 0));
        if *at != second {
            (*at, *count) = (second, 0);
        }
        *count += 1;
        if *count > EVENTS_PER_SOURCE_SECOND_MAX {
            return Err(Error::limit(format!(
                "this source sent more than {EVENTS_PER_SOURCE_SECOND_MAX} alerts in one second; come back later"
            )));
        }
        Ok(())
    }

    /// Scrubs the alert and waits until it is stored. `None` when this event was delivered before.
    pub async fn submit(&self, engine: &Engine, source: AlertSourceId, mut alert: Alert) -> Result<Option<IncidentId>> {
        let salt = self.0.user_salt.get_or_init(|| secrets::key(engine, "hashes of alert users"));
        scrub::scrub(&mut alert, salt);
        let (done, answer) = oneshot::channel();
        let queue = self.0.queue.get_or_init(|| start(engine));
        queue
            .try_send(Waiting { source, alert, done })
            .map_err(|_| Error::limit("too many alerts are waiting to be stored; come back later"))?;
        answer.await.map_err(|_| Error::unavailable("the server is stopping; send the alert again"))?
    }
}

fn start(engine: &Engine) -> mpsc::Sender<Waiting> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    // Only a hint of the engine: the task must not keep alive what it works for.
    tokio::spawn(work(Arc::downgrade(&engine.0), receiver));
    sender
}

async fn work(engine: Weak<Parts>, mut queue: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        let Some(engine) = engine.upgrade().map(Engine) else { return };
        store_group(&engine, std::mem::take(&mut group)).await;
    }
}

async fn store_group(engine: &Engine, group: Vec<Waiting>) {
    match commit(engine, &group).await {
        Ok(answers) => {
            for (waiting, answer) in group.into_iter().zip(answers) {
                let _ = waiting.done.send(Ok(answer));
            }
        }
        Err(error) if group.len() == 1 => {
            for waiting in group {
                let _ = waiting.done.send(Err(Error::new(error.kind, error.message.clone())));
            }
        }
        // One bad alert must not take its neighbours with it.
        Err(error) => {
            tracing::warn!(?error, size = group.len(), "a group of alerts could not be stored; trying them one by one");
            for waiting in group {
                let answer = commit(engine, std::slice::from_ref(&waiting)).await.map(|answers| answers.into_iter().next().flatten());
                let _ = waiting.done.send(answer);
            }
        }
    }
}

async fn commit(engine: &Engine, group: &[Waiting]) -> Result<Vec<Option<IncidentId>>> {
    let arrivals: Vec<Arrival<'_>> = group.iter().map(|w| Arrival { source: w.source, alert: &w.alert }).collect();
    let mut tx = engine.store.write().await?;
    let answers = take_in(engine, &mut tx, &arrivals).await?;
    tx.commit().await?;
    Ok(answers)
}
