//! What holds for every path: forms of addresses, bodies, refusals, headers, the description.

use crate::house::{House, call};
use axum::body::Body;
use serde_json::{Value, json};

#[tokio::test]
async fn both_forms_of_a_path_work_without_a_redirect() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    house.get(&ada, "/api/workspaces/").await.is(200);
    house.get(&ada, "/api/workspaces").await.is(200);
    house.post(&ada, "/api/workspaces", json!({"name": "Second"})).await.is(201);
    assert_eq!(house.get(&ada, "/api/workspaces").await.is(200).as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn bodies_are_refused_with_a_reason_and_a_place() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let send = async |kind: &str, body: Vec<u8>| {
        let request = call("POST", "/api/workspaces/").header("x-api-key", &ada.key).header("content-type", kind);
        house.send(request.body(Body::from(body)).expect("a request")).await
    };
    let broken = send("application/json", b"{\"name\": ".to_vec()).await;
    let list = send("application/json", b" [\"x\"]".to_vec()).await;
    assert!(list.is_problem(400)["detail"].as_str().is_some_and(|d| d.contains("not a list")), "{}", list.json);
    assert!(broken.is_problem(400)["detail"].as_str().is_some_and(|d| d.contains("line 1")), "{}", broken.json);
    send("text/plain", b"{\"name\":\"x\"}".to_vec()).await.is_problem(415);
    let missing = send("application/json", b"{}".to_vec()).await;
    assert_eq!(missing.is_problem(400)["name"], json!(["this field is required"]));
    assert_eq!(missing.json["errors"][0]["field"], "name");
    send("application/json", b"{\"name\": 3}".to_vec()).await.is_problem(400);
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(domain::limits::JSON_BODY_BYTES_MAX));
    send("application/json", huge.into_bytes()).await.is_problem(413);
    send("application/json; charset=utf-8", b"{\"name\":\"fine\"}".to_vec()).await.is(201);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    house.get(&ada, "/api/nonsense/").await.is_problem(404);
    let wrong = house.delete(&ada, "/api/workspaces/").await;
    wrong.is_problem(405);
    assert!(wrong.headers.get("allow").and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("POST")), "{:?}", wrong.headers);
}

#[tokio::test]
async fn every_answer_carries_its_guards() {
    let house = House::new().await;
    for path in ["/api/healthz", "/api/nonsense", "/", "/some/page"] {
        let answer = house.send(call("GET", path).header("x-request-id", "mine-1").body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(answer.headers["content-security-policy"].to_str().is_ok_and(|v| v.contains("script-src 'self';")), "{path}");
        assert_eq!(answer.headers["x-request-id"], "mine-1", "{path}");
    }
    let odd = house.send(call("GET", "/api/healthz/").header("x-request-id", "a b\tc").body(Body::empty()).expect("a request")).await;
    assert_ne!(odd.headers["x-request-id"], "a b\tc");
}

#[tokio::test]
async fn pages_of_the_web_app_are_not_the_api() {
    let house = House::new().await;
    let page = house.send(call("GET", "/runs/some-id").body(Body::empty()).expect("a request")).await;
    page.is(200);
    assert!(page.headers["content-type"].to_str().is_ok_and(|v| v.starts_with("text/html")));
    // Without a built web app a page that needs no compression stands in its place.
    let is_built = page.headers.contains_key("etag");
    for (wanted, given) in [("gzip, br", Some("br")), ("gzip, br;q=0", Some("gzip")), ("gzip, br; Q=0", Some("gzip")), ("zstd", None)]
        .into_iter()
        .filter(|_| is_built)
    {
        let request = call("GET", "/runs/some-id").header("accept-encoding", wanted).body(Body::empty()).expect("a request");
        let encoded = house.send(request).await;
        assert_eq!(encoded.headers.get("content-encoding").and_then(|v| v.to_str().ok()), given, "{wanted}");
        assert!(encoded.headers.get_all("vary").iter().any(|v| v == "accept-encoding"), "{wanted}");
        assert_eq!(encoded.bytes == page.bytes, given.is_none(), "{wanted}");
    }
    house.send(call("GET", "/assets/gone.js").body(Body::empty()).expect("a request")).await.is_problem(404);
}

#[tokio::test]
async fn the_origins_of_the_list_may_call_with_credentials() {
    let house = House::new().await;
    let preflight =
        |origin: &str| call("OPTIONS", "/api/workspaces/").header("origin", origin).header("access-control-request-method", "POST");
    let known = house.send(preflight("http://localhost:5174").body(Body::empty()).expect("a request")).await;
    assert_eq!(known.headers["access-control-allow-origin"], "http://localhost:5174");
    assert_eq!(known.headers["access-control-allow-credentials"], "true");
    let unknown = house.send(preflight("https://evil.example").body(Body::empty()).expect("a request")).await;
    assert!(!unknown.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn the_server_tells_what_it_is() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let system = house.get(&ada, "/api/system/").await;
    assert_eq!(system.is(200)["provisioner"], "local");
    assert_eq!(system.json["model"]["scripted"], true);
    assert!(system.json["guarantees"].as_array().is_some_and(|g| !g.is_empty()));
    house.get(&ada, "/api/executors/").await.is(200);
    assert!(house.get(&ada, "/api/").await.is(200)["workspaces"].as_str().is_some_and(|url| url.ends_with("/api/workspaces/")));
    house.anonymous("GET", "/api/readyz/", Value::Null).await.is(200);
    let metrics = house.anonymous("GET", "/metrics", Value::Null).await;
    assert!(
        String::from_utf8_lossy(&metrics.bytes)
            .contains("astraforge_http_requests_total{route=\"/api/system/\",method=\"GET\",status=\"200\"} 1")
    );
    let activity = house.get(&ada, "/api/activity/?page_size=oops").await;
    assert_eq!((activity.is(200)["count"].as_i64(), activity.json["page_size"].as_i64()), (Some(0), Some(25)));
}

#[tokio::test]
async fn the_description_is_openapi_3_1_in_both_notations() {
    let house = House::new().await;
    let json = house.anonymous("GET", "/api/schema/", Value::Null).await;
    assert!(json.is(200)["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
    let yaml = house.send(call("GET", "/api/schema/").header("accept", "application/yaml").body(Body::empty()).expect("a request")).await;
    assert!(String::from_utf8_lossy(&yaml.bytes).starts_with("openapi: 3.1"));
}

#[test]
fn the_description_in_the_repository_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == server::openapi::Document::new().json,
        "docs/reference/openapi.json is not what the routes say; run `cargo xtask codegen`"
    );
}

#[test]
fn the_description_is_whole() {
    let text = server::openapi::Document::new().json;
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut seen = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().unwrap_or_default().to_string();
            assert!(!id.is_empty() && seen.insert(id.clone()), "{method} {path} shares the name `{id}`");
        }
    }
    for reference in text.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()) {
        assert!(document.pointer(reference).is_some(), "nothing is at {reference}");
    }
}
