//! What this server is: its version, promises, executors, and the description of its API.

use crate::problem::ProblemView;
use crate::{AppState, Json, Reply};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::sandbox::{Guarantee, GuaranteeState};
use engine::accounts::Caller;
use http::{HeaderMap, header};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(system)).routes(routes!(executors)).routes(routes!(schema)).routes(routes!(map))
}

#[derive(Serialize, ToSchema)]
pub struct System {
    pub version: &'static str,
    /// The kind of sandbox that runs work in.
    pub provisioner: String,
    pub provisioners: Vec<&'static str>,
    pub guarantees: Vec<GuaranteeView>,
    pub model: ModelView,
    pub default_executor: String,
    pub public_url: String,
    /// The key that signs evidence here, for `astraforge verify --key`.
    pub signing_key: String,
    pub demo_available: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Guarantee)]
pub struct GuaranteeView {
    pub promise: String,
    /// `holds`, `missing` or `unverified`.
    #[schema(value_type = String)]
    pub state: GuaranteeState,
    pub detail: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Model)]
pub struct ModelView {
    pub provider: String,
    pub model: String,
    /// The model's words are recorded, not thought.
    pub scripted: bool,
    /// What a run is told whose work is in no recording, because no model is configured; else null.
    pub refusal: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Executor)]
pub struct ExecutorView {
    pub id: &'static str,
    pub label: &'static str,
    pub available: bool,
    /// Why it can't be used here, with the way out.
    pub reason: Option<String>,
    pub default: bool,
}

impl From<Guarantee> for GuaranteeView {
    fn from(guarantee: Guarantee) -> Self {
        let Guarantee { promise, state, detail } = guarantee;
        GuaranteeView { promise, state, detail }
    }
}

/// What this server is and what it promises
#[utoipa::path(get, path = "/api/system/", tag = "system", responses((status = 200, body = System), (status = 401, body = ProblemView)))]
async fn system(State(state): State<AppState>, _: Caller) -> Reply<Json<System>> {
    let engine = &state.engine;
    let provisioner = engine.provisioner(&engine.settings.default_provisioner)?;
    Ok(Json(System {
        version: state.config.version,
        provisioner: provisioner.id().to_string(),
        provisioners: engine.provisioners.iter().map(|p| p.id()).collect(),
        guarantees: provisioner.guarantees().await.into_iter().map(GuaranteeView::from).collect(),
        model: ModelView {
            provider: engine.model.provider_id.clone(),
            model: engine.model.model.clone(),
            scripted: engine.model.scripted,
            refusal: engine.model.provider.refuses(""),
        },
        default_executor: engine.settings.default_executor.clone(),
        public_url: engine.settings.public_url.clone(),
        signing_key: engine.signer.key_id(),
        demo_available: state.example.is_some(),
    }))
}

/// Who can do the work here
#[utoipa::path(get, path = "/api/executors/", tag = "system", responses((status = 200, body = Vec<ExecutorView>), (status = 401, body = ProblemView)))]
async fn executors(State(state): State<AppState>, _: Caller) -> Json<Vec<ExecutorView>> {
    let mut all = Vec::new();
    for executor in &state.engine.executors {
        let reason = executor.unavailable().await;
        let default = executor.id() == state.engine.settings.default_executor;
        all.push(ExecutorView { id: executor.id(), label: executor.label(), available: reason.is_none(), reason, default });
    }
    Json(all)
}

/// This description, as JSON or YAML
#[utoipa::path(get, path = "/api/schema/", tag = "system", security(()), responses(
    (status = 200, content((Object = "application/json"), (String = "application/yaml"))),
))]
async fn schema(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (kind, text) = if accept.contains("yaml") {
        ("application/yaml", state.openapi.yaml.clone())
    } else {
        ("application/json", state.openapi.json.clone())
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Every collection by its name
#[utoipa::path(get, path = "/api/", tag = "system", responses((status = 200, body = BTreeMap<String, String>), (status = 401, body = ProblemView)))]
async fn map(State(state): State<AppState>, _: Caller) -> Json<BTreeMap<String, String>> {
    let base = &state.engine.settings.public_url;
    let entry = |path: &String| (path.trim_start_matches("/api/").trim_end_matches('/').to_string(), format!("{base}{path}"));
    Json(state.openapi.collections.iter().map(entry).collect())
}
