//! What handlers take apart: JSON bodies, queries and ids, each refusing with a problem that says where.

use crate::Problem;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use domain::Error;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::str::FromStr;

const WORDS_CHARS_MAX: usize = 300;

/// A JSON body in, a JSON body out.
pub struct Json<T>(pub T);

/// Like [`Json`], but no body at all means `T::default()`.
pub struct MaybeJson<T>(pub T);

/// The query string; what can't be read is a 400.
pub struct Query<T>(pub T);

/// The path's only id. Malformed ids name nothing: 404.
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        let body = read(request, state).await?;
        parse(&body).map(Json)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeJson<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = read(request, state).await?;
        if body.is_empty() {
            return Ok(MaybeJson(T::default()));
        }
        check_content_type(&headers)?;
        parse(&body).map(MaybeJson)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|q| Query(q.0)).map_err(|e| Problem::new(StatusCode::BAD_REQUEST, format!("the query can't be read: {}", e.body_text())))
    }
}

impl<S: Send + Sync, T: FromStr<Err = Error>> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unreadable = |_| Problem::new(StatusCode::NOT_FOUND, "the id in the path can't be read");
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(unreadable)?;
        Ok(Id(text.parse::<T>()?))
    }
}

/// Parses bytes that a handler took in raw, with the same errors as [`Json`].
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // A structure would take a list's items for its members, in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the body is a JSON object, not a list").code("invalid"));
    }
    let mut source = serde_json::Deserializer::from_slice(body);
    let value: T = serde_path_to_error::deserialize(&mut source).map_err(|e| explain(&e))?;
    source.end().map_err(|e| syntax(&e))?;
    Ok(value)
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than this path takes"),
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body ended before its announced length"),
    })
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let shown: String = essence.chars().take(80).collect();
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("this path takes application/json, not `{shown}`")))
}

fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if !inner.is_data() {
        return syntax(inner);
    }
    let message = inner.to_string();
    let mut path = error.path().to_string().replace('[', ".").replace(']', "");
    if path == "." {
        path.clear();
    }
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let path = shortened(&path);
    let field = match (path.is_empty(), missing) {
        (true, Some(name)) => name.to_string(),
        (false, Some(name)) => format!("{path}.{name}"),
        (true, None) => "non_field_errors".to_string(),
        (false, None) => path,
    };
    let text = match missing {
        Some(_) => "this field is required".to_string(),
        None => shortened(message.split(" at line ").next().unwrap_or(&message)),
    };
    let mut problem = Problem::from(Error::field(field.clone(), text.clone()));
    problem.detail = format!("`{field}`: {text} (line {}, column {})", inner.line(), inner.column());
    problem
}

/// Such a message quotes what was sent, however long that is.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

fn syntax(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("the body is no valid JSON: {error}")).code("bad_json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, Debug)]
    struct Inner {
        #[allow(dead_code)]
        role: String,
    }
    #[derive(Deserialize, Debug)]
    struct Outer {
        #[allow(dead_code)]
        messages: Vec<Inner>,
    }

    #[test]
    fn errors_name_the_field_or_the_position() {
        let missing = parse::<Outer>(b"{}").expect_err("no messages").body();
        assert_eq!(missing["messages"], json!(["this field is required"]));
        let deep = parse::<Outer>(br#"{"messages":[{}]}"#).expect_err("no role").body();
        assert_eq!(deep["messages"]["0"]["role"], json!(["this field is required"]));
        let broken = parse::<Outer>(b"{\"messages\": [}").expect_err("syntax").body();
        assert!(broken["detail"].as_str().is_some_and(|d| d.contains("line 1 column 15")), "{broken}");
        let long = format!("{{\"messages\":\"{}\"}}", "ü".repeat(1_000_000));
        assert!(parse::<Outer>(long.as_bytes()).expect_err("no list").body().to_string().len() < 5_000);
        assert!(parse::<Outer>(br#"{"messages":[]} x"#).is_err());
        assert!(parse::<Outer>(br#"{"messages":[{"role":"user"}]}"#).is_ok());
    }
}
