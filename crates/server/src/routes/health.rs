//! Whether the server lives, whether it can work, and what it counts.

use crate::problem::ProblemView;
use crate::{AppState, Json, Problem};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use engine::health;
use http::{StatusCode, header};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const PATIENCE: Duration = Duration::from_secs(5);

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

#[derive(Serialize, ToSchema)]
pub struct Health {
    pub status: &'static str,
}

/// The process answers
#[utoipa::path(get, path = "/api/healthz/", tag = "health", security(()), responses((status = 200, body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The process can work: it has its database and is not stopping
#[utoipa::path(get, path = "/api/readyz/", tag = "health", security(()), responses((status = 200, body = Health), (status = 503, body = ProblemView)))]
async fn readyz(State(state): State<AppState>) -> Response {
    let checked = tokio::time::timeout(PATIENCE, health::ready(&state.engine)).await;
    let detail = match checked {
        Ok(Ok(())) => return Json(Health { status: "ready" }).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(?error, "not ready");
            error.message
        }
        Err(_) => format!("the database takes longer than {} s to answer", PATIENCE.as_secs()),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
}

/// Counters and gauges in Prometheus' text format
#[utoipa::path(get, path = "/metrics", tag = "health", security(()), responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics(State(state): State<AppState>) -> Response {
    let depth = health::depth(&state.engine).await.ok();
    let jobs = |of: fn(&health::Depth) -> i64| depth.as_ref().map_or(f64::NAN, |depth| of(depth) as f64);
    let gauges = [
        ("astraforge_jobs_due", "Jobs that could run now.", jobs(|d| d.due)),
        ("astraforge_jobs_waiting", "Jobs that wait for their time.", jobs(|d| d.waiting)),
        ("astraforge_jobs_running", "Jobs at work.", jobs(|d| d.running)),
        ("astraforge_jobs_parked", "Jobs that failed too often and wait for a person.", jobs(|d| d.parked)),
        ("astraforge_http_in_flight", "Requests being handled now.", state.limits.in_flight() as f64),
        ("astraforge_streams_open", "Event streams open now.", state.limits.streams_open() as f64),
    ];
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render(&gauges)).into_response()
}
