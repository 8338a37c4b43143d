//! What happens by the clock: tidying that no request asks for.

use crate::runs::homes;
use crate::{Engine, layers};
use domain::{Error, Result, limits};
use jiff::SignedDuration;
use std::time::Duration;

const ROWS_EVERY: Duration = Duration::from_secs(60);
const FOLDERS_EVERY: Duration = Duration::from_secs(3_600);
const ENDED_JOBS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

pub async fn run(engine: Engine) {
    let mut rows = tokio::time::interval(ROWS_EVERY);
    let mut folders = tokio::time::interval(FOLDERS_EVERY);
    loop {
        let done = tokio::select! {
            _ = engine.shutdown.cancelled() => return,
            _ = rows.tick() => tidy_rows(&engine).await,
            _ = folders.tick() => tidy_folders(&engine).await,
        };
        if let Err(error) = done {
            tracing::warn!(?error, "tidying failed; it is tried again");
        }
    }
}

async fn tidy_rows(engine: &Engine) -> Result<()> {
    let mut tx = engine.store.write().await?;
    store::queue::delete_ended(&mut tx, engine.now() - ENDED_JOBS_KEPT).await?;
    store::accounts::delete_expired_sessions(&mut tx, engine.now()).await?;
    tx.commit().await?;
    crate::sandboxes::reap(engine).await
}

/// What is made again when somebody needs it, and what nobody can need any more.
async fn tidy_folders(engine: &Engine) -> Result<()> {
    homes::forget(engine).await?;
    let unused_since = engine.now() - SignedDuration::from_secs(limits::CACHES_KEPT_SECONDS);
    let data_dir = engine.settings.data_dir.clone();
    let forgotten = tokio::task::spawn_blocking(move || layers::forget(&data_dir, unused_since)).await;
    forgotten.map_err(|e| Error::internal("tidying layers panicked").because(e))?;
    let repositories = {
        let mut tx = engine.store.read().await?;
        store::repositories::all_ids(&mut tx).await?
    };
    for repository in repositories {
        if engine.shutdown.is_cancelled() {
            break;
        }
        if let Err(error) = engine.git.tidy(repository, unused_since).await {
            tracing::warn!(%repository, ?error, "a repository could not be tidied; it is tried again within the hour");
        }
    }
    Ok(())
}
