//! What happened lately in the workspaces of a user.

use crate::{Engine, workspaces};
use domain::{Result, UserId};
pub use store::Page as Window;
pub use store::activity::{Activity, ActivityKind, Counts};

/// Newest first, one page, with the counts over all pages.
pub async fn list(engine: &Engine, user: UserId, workspace_uid: Option<&str>, window: Window) -> Result<(Vec<Activity>, Counts)> {
    let mut tx = engine.store.read().await?;
    let asked = workspaces::filter(&mut tx, user, workspace_uid).await?;
    let visible = workspaces::visible(&mut tx, user, asked).await?;
    let counts = store::activity::counts(&mut tx, &visible).await?;
    Ok((store::activity::list(&mut tx, &visible, window).await?, counts))
}
