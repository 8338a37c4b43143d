//! What happens by the clock: tidying that no request asks for.

use crate::Engine;
use domain::Result;
use jiff::SignedDuration;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(60);
const ENDED_JOBS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

pub async fn run(engine: Engine) {
    let mut beat = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = engine.shutdown.cancelled() => return,
            _ = beat.tick() => {}
        }
        if let Err(error) = tidy(&engine).await {
            tracing::warn!(%error, "tidying failed; it is tried again in a minute");
        }
    }
}

async fn tidy(engine: &Engine) -> Result<()> {
    let mut tx = engine.store.write().await?;
    store::queue::delete_ended(&mut tx, engine.now() - ENDED_JOBS_KEPT).await?;
    store::accounts::delete_expired_sessions(&mut tx, engine.now()).await?;
    tx.commit().await?;
    crate::sandboxes::reap(engine).await
}
