//! The web app, embedded: hashed assets for ever, the index for every path of its own.

use crate::Problem;
use crate::problem::no_such_path;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[exclude = ".vite/*"]
#[allow_missing = true]
struct Dist;

/// What a text file of the build stands there as once more (`web/build/compress.ts`), the smallest first.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// Paths of the server's own that are never the web app's.
const NOT_WEB: [&str; 5] = ["/api/", "/git/", "/llm/", "/v1/", "/metrics"];

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>AstraForge</title>\
<h1>AstraForge is running</h1><p>This build carries no web app. Build it with <code>npm --prefix web ci</code> and \
<code>npm --prefix web run build</code>, then build the server again. The API is at <a href=\"/api/schema/\">/api/</a>.</p></html>";

/// Everything that no route took.
pub fn router() -> axum::Router {
    axum::Router::new().fallback(serve)
}

async fn serve(request: Request) -> Response {
    let (path, method) = (request.uri().path(), request.method());
    if NOT_WEB.iter().any(|own| path.starts_with(own)) {
        return no_such_path(request.uri()).into_response();
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "pages are read with GET").into_response();
    }
    let name = path.trim_start_matches('/');
    match Dist::get(name).filter(|_| !name.is_empty()) {
        Some(file) => asset(name, file, request.headers()),
        None if name.starts_with("assets/") => no_such_path(request.uri()).into_response(),
        None => index(request.headers()),
    }
}

fn index(headers: &HeaderMap) -> Response {
    match Dist::get("index.html") {
        Some(file) => asset("index.html", file, headers),
        None => {
            let mut page = (StatusCode::OK, NOT_BUILT).into_response();
            page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            page
        }
    }
}

fn asset(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = format!("W/\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    // Names below assets/ carry a hash of their content; any other name may change its content with the next release.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known =
        headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|v| v.split(',').any(|tag| tag.trim() == etag));
    let smaller = ENCODINGS.iter().find_map(|(coding, ending)| {
        let file = accepts(headers, coding).then(|| Dist::get(&format!("{name}.{ending}")))??;
        Some((HeaderValue::from_static(coding), file.data))
    });
    let (coding, data) = smaller.map_or((None, file.data), |(coding, data)| (Some(coding), data));
    let (status, body) = if known { (StatusCode::NOT_MODIFIED, Body::empty()) } else { (StatusCode::OK, Body::from(data)) };
    let mut response = (status, body).into_response();
    let out = response.headers_mut();
    out.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding.filter(|_| !known) {
        out.insert(header::CONTENT_ENCODING, coding);
    }
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let kind = if kind.type_() == "text" || kind.subtype() == "javascript" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    for (key, value) in [(header::CONTENT_TYPE, kind.as_str()), (header::CACHE_CONTROL, cache), (header::ETAG, etag.as_str())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(key, value);
        }
    }
    response
}

/// Whether `Accept-Encoding` names this coding without refusing it by a weight of zero.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let named = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    named.map(|each| each.split_once(';').unwrap_or((each, "q=1"))).any(|(name, weight)| {
        let weight = weight.trim().strip_prefix(['q', 'Q']).and_then(|weight| weight.strip_prefix('=')?.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && weight.is_none_or(|weight| weight > 0.0)
    })
}
