//! Keys that people give their programs.

use crate::problem::ProblemView;
use crate::{AppState, Id, Json, Problem, Reply, Stamp};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::ApiKeyId;
use domain::account::ApiKey;
use engine::accounts::{self, Caller};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    pub id: Uuid,
    pub name: String,
    pub created_at: Stamp,
    pub last_used_at: Option<Stamp>,
    pub is_active: bool,
}

#[derive(Serialize, ToSchema)]
pub struct NewApiKey {
    #[serde(flatten)]
    pub shown: ApiKeyView,
    /// The key itself, shown this once.
    pub key: String,
}

#[derive(Deserialize, ToSchema)]
pub struct ApiKeyBody {
    pub name: String,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, user: _, name, created_at, last_used_at, is_active } = key;
        ApiKeyView { id: id.0, name, created_at: Stamp(created_at), last_used_at: last_used_at.map(Stamp), is_active }
    }
}

/// My keys, newest first, revoked ones too
#[utoipa::path(get, path = "/api/api-keys/", tag = "api-keys", responses((status = 200, body = Vec<ApiKeyView>), (status = 401, body = ProblemView)))]
async fn list(State(state): State<AppState>, caller: Caller) -> Reply<Json<Vec<ApiKeyView>>> {
    let mut keys = accounts::keys(&state.engine, caller.user.id).await?;
    keys.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.id.cmp(&a.id)));
    Ok(Json(keys.into_iter().map(ApiKeyView::from).collect()))
}

/// Make a key
#[utoipa::path(post, path = "/api/api-keys/", tag = "api-keys", request_body = ApiKeyBody, responses(
    (status = 201, body = NewApiKey), (status = 400, body = ProblemView), (status = 401, body = ProblemView),
))]
async fn create(State(state): State<AppState>, caller: Caller, headers: HeaderMap, body: Bytes) -> Reply<Response> {
    let body = read_body(&headers, &body)?;
    let (key, raw) = accounts::create_key(&state.engine, caller.user.id, &body.name).await?;
    let location = key.id.to_string();
    let view = NewApiKey { shown: key.into(), key: raw.expose().to_string() };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}

/// Revoke a key
#[utoipa::path(delete, path = "/api/api-keys/{id}/", tag = "api-keys", params(("id" = Uuid, Path)), responses(
    (status = 204), (status = 401, body = ProblemView), (status = 404, body = ProblemView),
))]
async fn revoke(State(state): State<AppState>, caller: Caller, Id(id): Id<ApiKeyId>) -> Reply<StatusCode> {
    accounts::revoke_key(&state.engine, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// JSON, or a form as the oldest clients send it.
fn read_body(headers: &HeaderMap, body: &[u8]) -> Reply<ApiKeyBody> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if kind.starts_with("application/json") {
        return crate::json::parse(body);
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        let text = String::from_utf8_lossy(body);
        let uri = http::Uri::builder().path_and_query(format!("/?{text}")).build();
        let read = uri.ok().and_then(|uri| axum::extract::Query::<ApiKeyBody>::try_from_uri(&uri).ok());
        return read.map(|q| q.0).ok_or_else(|| domain::Error::field("name", "this field is required").into());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this path takes application/json or a form"))
}
