//! What happened lately, as one paged list.

use crate::problem::ProblemView;
use crate::stamp::Stamp00;
use crate::{AppState, Json, Page, Paging, Query, Reply};
use axum::extract::State;
use domain::{Error, Kind};
use engine::accounts::Caller;
use engine::activity::{self, Activity, ActivityKind, Counts, Window};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Workspace uid; all of mine without it.
    tenant_id: Option<String>,
    page: Option<String>,
    page_size: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ActivityPage {
    #[serde(flatten)]
    pub page: Page<ActivityView>,
    pub summary: Summary,
}

#[derive(Serialize, ToSchema)]
pub struct Summary {
    pub total: i64,
    pub requests: i64,
    pub runs: i64,
    pub merges: i64,
    pub sandboxes: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Activity)]
pub struct ActivityView {
    /// `request-`, `run-`, `merge-` or `sandbox-` and the id.
    pub id: String,
    /// `Request`, `Run`, `Merge` or `Sandbox`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: String,
    /// The state, as the noun's own word.
    pub description: String,
    pub timestamp: Stamp00,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    pub consumption: Option<Consumption>,
}

#[derive(Serialize, ToSchema)]
pub struct Consumption {
    pub kind: &'static str,
    /// Rank by creation, from 1.
    pub ordinal: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<i64>,
}

/// What happened lately, newest first
#[utoipa::path(get, path = "/api/activity/", tag = "activity", params(Filter), responses(
    (status = 200, body = ActivityPage), (status = 401, body = ProblemView), (status = 403, body = ProblemView),
))]
async fn list(State(state): State<AppState>, caller: Caller, Query(filter): Query<Filter>) -> Reply<Json<ActivityPage>> {
    let paging = Paging { page: Some(filter.page.unwrap_or_else(|| "1".to_string())), page_size: filter.page_size };
    let (limit, offset) = paging.window();
    let window = Window { offset, limit };
    let found = activity::list(&state.engine, caller.user.id, filter.tenant_id.as_deref(), window).await;
    // The contract answers a foreign workspace with 403 here.
    let (items, counts) = found.map_err(|error| match error.kind {
        Kind::NotFound => Error::forbidden("you are not a member of that workspace"),
        _ => error,
    })?;
    let Counts { requests, runs, merges, sandboxes } = counts;
    let summary = Summary { total: counts.total(), requests, runs, merges, sandboxes };
    let results = items.into_iter().map(ActivityView::from).collect();
    Ok(Json(ActivityPage { page: Page::new(&paging, summary.total, results), summary }))
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        let Activity { kind, id, workspace: _, request: _, title, state, at, ordinal, cpu_seconds, storage_bytes } = activity;
        let plain = |kind| Consumption { kind, ordinal, cpu_seconds: None, storage_bytes: None };
        let (word, prefix, href, consumption) = match kind {
            ActivityKind::Request => ("Request", "request", None, Some(plain("request"))),
            ActivityKind::Run => ("Run", "run", Some(format!("/runs/{id}")), None),
            ActivityKind::Merge => ("Merge", "merge", Some(format!("/merge-requests/{id}")), None),
            ActivityKind::Sandbox => {
                let used = Consumption { cpu_seconds: Some(cpu_seconds), storage_bytes: Some(storage_bytes), ..plain("sandbox") };
                ("Sandbox", "sandbox", None, Some(used))
            }
        };
        ActivityView { id: format!("{prefix}-{id}"), kind: word, title, description: state, timestamp: Stamp00(at), href, consumption }
    }
}
