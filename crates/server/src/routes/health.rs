//! Whether the server lives, whether it can work, and what it counts.

use crate::problem::ProblemView;
use crate::{AppState, Json, Problem};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
    let not_ready = |detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    if state.engine.shutdown.is_cancelled() {
        return not_ready("the server is stopping");
    }
    match tokio::time::timeout(std::time::Duration::from_secs(5), state.engine.store.ping()).await {
        Ok(Ok(())) => Json(Health { status: "ready" }).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer");
            not_ready("the database does not answer")
        }
        Err(_) => not_ready("the database takes longer than 5 s to answer"),
    }
}

/// Counters and gauges in Prometheus' text format
#[utoipa::path(get, path = "/metrics", tag = "health", security(()), responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics(State(state): State<AppState>) -> Response {
    let gauges = [
        ("astraforge_http_in_flight", "Requests being handled now.", state.limits.in_flight() as f64),
        ("astraforge_streams_open", "Event streams open now.", state.limits.streams_open() as f64),
    ];
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render(&gauges)).into_response()
}
