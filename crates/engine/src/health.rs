//! Whether this server can work, and how much work waits.

use crate::Engine;
use domain::{Error, Result};
use jiff::SignedDuration;
pub use store::queue::Depth;

/// A due job that nobody took for so long, while nothing else runs, means that no worker lives.
const PATIENCE: SignedDuration = SignedDuration::from_secs(120);

/// The database answers, the server is not stopping, and work is being taken. The message says what is not so.
pub async fn ready(engine: &Engine) -> Result<()> {
    if engine.shutdown.is_cancelled() {
        return Err(Error::unavailable("the server is stopping"));
    }
    let depth = depth(engine).await.map_err(|error| Error::unavailable("the database does not answer").because(error))?;
    let now = engine.now();
    if depth.running == 0 && depth.oldest_due.is_some_and(|since| now.duration_since(since) > PATIENCE) {
        return Err(Error::unavailable(format!("{} jobs are due and no worker takes them", depth.due)));
    }
    Ok(())
}

pub async fn depth(engine: &Engine) -> Result<Depth> {
    let mut tx = engine.store.read().await?;
    store::queue::depth(&mut tx, engine.now()).await
}
