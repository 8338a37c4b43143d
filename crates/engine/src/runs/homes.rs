//! A run's home: the folder that its agent sees as its own, kept between the run's turns so that a CLI can go on with its session.

use crate::Engine;
use domain::{Kind, Result, RunId};
use std::path::PathBuf;

pub fn of(engine: &Engine, run: RunId) -> PathBuf {
    folder(engine, run).join("home")
}

fn folder(engine: &Engine, run: RunId) -> PathBuf {
    engine.settings.data_dir.join("runs").join(run.to_string())
}

/// After the run's end nobody goes on with its session.
pub async fn remove(engine: &Engine, run: RunId) {
    let folder = folder(engine, run);
    if let Err(error) = tokio::fs::remove_dir_all(&folder).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "a run's home could not be removed; it is tried again within the hour");
    }
}

/// Removes the homes of runs that ended, or are gone, while nobody was there to do it.
pub async fn forget(engine: &Engine) -> Result<()> {
    let Ok(mut entries) = tokio::fs::read_dir(engine.settings.data_dir.join("runs")).await else { return Ok(()) };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<RunId>() else { continue };
        let mut tx = engine.store.read().await?;
        let has_ended = match store::runs::get(&mut tx, id).await {
            Ok(run) => run.status.is_final(),
            Err(error) if error.kind == Kind::NotFound => true,
            Err(error) => return Err(error),
        };
        drop(tx);
        if has_ended {
            remove(engine, id).await;
        }
    }
    Ok(())
}
