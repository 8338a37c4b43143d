//! One file per noun. Each offers `router()`, whose handlers say their paths and shapes to OpenAPI as well.
//!
//! Paths are declared with their trailing slash. A new file is a `mod` and a `.merge` here, in alphabetical order.

use crate::{AppState, openapi};
use utoipa_axum::router::OpenApiRouter;

pub mod activity;
pub mod alert_sources;
pub mod api_keys;
pub mod auth;
pub mod git_http;
pub mod health;
pub mod inbox;
pub mod incidents;
pub mod ingest;
pub mod merge_requests;
pub mod repository_links;
pub mod requests;
pub mod runs;
pub mod sandboxes;
pub mod system;
pub mod workspaces;

pub fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(activity::router())
        .merge(alert_sources::router())
        .merge(api_keys::router())
        .merge(auth::router())
        .merge(git_http::router())
        .merge(health::router())
        .merge(inbox::router())
        .merge(incidents::router())
        .merge(ingest::router())
        .merge(merge_requests::router())
        .merge(repository_links::router())
        .merge(requests::router())
        .merge(runs::router())
        .merge(sandboxes::router())
        .merge(system::router())
        .merge(workspaces::router())
}
