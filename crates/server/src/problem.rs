//! Errors as clients see them: RFC 9457 problem documents.
//!
//! Field errors appear twice: in `errors[]`, and as `field: [messages]` beside the standard members, because
//! published clients read the latter.

use axum::response::{IntoResponse, Response};
use domain::{Error, Kind};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What handlers return; `?` turns a `domain::Error` into a problem.
pub type Reply<T> = Result<T, Problem>;

#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: String,
    pub detail: String,
    pub fields: BTreeMap<String, Vec<String>>,
    /// Further members, such as `access` on a refused login.
    pub more: Vec<(String, Value)>,
    pub retry_after_seconds: Option<u32>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem { status, code: String::new(), detail: detail.into(), fields: BTreeMap::new(), more: Vec::new(), retry_after_seconds: None }
    }
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }
    pub fn with(mut self, member: &str, value: impl Serialize) -> Self {
        self.more.push((member.to_string(), json!(value)));
        self
    }
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

/// The shape of every error, for the schema.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// For people: names the thing, its state, and the way out.
    pub detail: String,
    /// For programs.
    pub code: String,
    pub errors: Vec<FieldProblem>,
}

#[derive(Serialize, ToSchema)]
pub struct FieldProblem {
    pub field: String,
    pub detail: String,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = status_of(&error);
        if error.kind == Kind::Internal {
            tracing::error!(?error, "a request failed by our own fault");
        }
        // The text of our own faults may quote anything, so it stays in the log.
        let detail = match error.kind {
            Kind::Internal => "something went wrong on this server; its log has the reason under this answer's X-Request-Id".to_string(),
            _ => match error.fields.iter().find(|(_, messages)| messages.contains(&error.message)) {
                Some((field, message)) => format!("`{field}`: {}", message.join(" ")),
                None => error.message.clone(),
            },
        };
        let mut problem = Problem::new(status, detail).code(error.code);
        problem.fields = error.fields;
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            problem.retry_after_seconds = Some(5);
        }
        problem
    }
}

fn status_of(error: &Error) -> StatusCode {
    match (error.kind, error.code) {
        (Kind::Limit, "too_large") => StatusCode::PAYLOAD_TOO_LARGE,
        (Kind::Invalid, _) => StatusCode::BAD_REQUEST,
        (Kind::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Kind::Forbidden, _) => StatusCode::FORBIDDEN,
        (Kind::NotFound, _) => StatusCode::NOT_FOUND,
        (Kind::Conflict, _) => StatusCode::CONFLICT,
        (Kind::Limit, _) => StatusCode::TOO_MANY_REQUESTS,
        (Kind::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Kind::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
        (Kind::Internal, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn word_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "invalid",
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        409 => "conflict",
        413 => "too_large",
        415 => "unsupported_media_type",
        429 => "limit",
        503 => "unavailable",
        408 | 504 => "timeout",
        500 => "internal",
        _ => "error",
    }
}

impl Problem {
    /// The document's members, also used where an error travels inside a stream.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        let code = if self.code.is_empty() { word_of(self.status) } else { &self.code };
        body.insert("type".into(), format!("urn:astraforge:problem:{code}").into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("code".into(), code.into());
        let errors =
            self.fields.iter().flat_map(|(field, messages)| messages.iter().map(move |message| json!({"field": field, "detail": message})));
        body.insert("errors".into(), errors.collect());
        for (name, value) in &self.more {
            body.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (field, messages) in &self.fields {
            nest(&mut body, field, messages);
        }
        Value::Object(body)
    }
}

/// `messages.0.role` becomes `{"messages":{"0":{"role":[…]}}}`; a standard member of the same name wins.
fn nest(body: &mut Map<String, Value>, field: &str, messages: &[String]) {
    match field.split_once('.') {
        None => {
            body.entry(field.to_string()).or_insert_with(|| json!(messages));
        }
        Some((head, rest)) => {
            let inner = body.entry(head.to_string()).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                nest(inner, rest, messages);
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // Not `Basic`: a browser would open its own dialogue.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey header=\"X-Api-Key\""));
        }
        response
    }
}

pub fn no_such_path(uri: &Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(StatusCode::NOT_FOUND, format!("this server has no `{path}`; GET /api/schema/ lists what it has"))
}

pub async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{path}` does not take {method}; see the Allow header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_field_errors_are_readable() {
        let error = Error::field("messages.0.role", "is no role").and_field("name", "is missing").and_field("title", "too long");
        let body = Problem::from(error).body();
        assert_eq!(body["messages"]["0"]["role"], json!(["is no role"]));
        assert_eq!(body["name"], json!(["is missing"]));
        assert_eq!(body["title"], "Bad Request", "standard members are not overwritten");
        assert_eq!(body["errors"].as_array().map(Vec::len), Some(3));
        assert_eq!(body["status"], 400);
    }

    #[test]
    fn our_own_faults_do_not_quote_themselves() {
        let body = Problem::from(Error::internal("password=hunter2")).body().to_string();
        assert!(!body.contains("hunter2"));
    }
}
