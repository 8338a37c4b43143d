//! Every endpoint refuses strangers, whichever endpoints there are.

use crate::house::{House, call};
use axum::body::Body;
use serde_json::Value;

/// What needs no credentials, on purpose. A new public path has to be added here by hand.
const PUBLIC: [&str; 8] = [
    "GET /api/auth/csrf/",
    "GET /api/auth/settings/",
    "POST /api/auth/register/",
    "POST /api/auth/login/",
    "GET /api/healthz/",
    "GET /api/readyz/",
    "GET /metrics",
    "GET /api/schema/",
];

fn operations() -> Vec<(String, String, bool)> {
    let document: Value = serde_json::from_str(&server::openapi::Document::new().json).expect("JSON");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                let is_public =
                    operation["security"].as_array().is_some_and(|s| s.iter().any(|one| one.as_object().is_some_and(|o| o.is_empty())));
                all.push((method.to_uppercase(), path.clone(), is_public));
            }
        }
    }
    all
}

fn filled(path: &str) -> String {
    let mut filled = path.to_string();
    while let (Some(open), Some(close)) = (filled.find('{'), filled.find('}')) {
        filled.replace_range(open..=close, "0193a5a0-0000-7000-8000-000000000000");
    }
    filled
}

#[tokio::test]
async fn every_endpoint_refuses_strangers() {
    let house = House::new().await;
    let someone = house.person("someone").await;
    let all = operations();
    assert!(all.len() > 30, "the loop must not be empty: {}", all.len());
    for (method, path, is_public) in all {
        let name = format!("{method} {path}");
        assert_eq!(is_public, PUBLIC.iter().any(|p| *p == name) || name.contains("/api/{"), "is {name} public on purpose?");
        if is_public {
            continue;
        }
        let without = house.send(call(&method, &filled(&path)).body(Body::empty()).expect("a request")).await;
        assert_eq!(without.status.as_u16(), 401, "{name} without credentials: {}", String::from_utf8_lossy(&without.bytes));
        without.is_problem(401);
        let bad = house.send(call(&method, &filled(&path)).header("x-api-key", "nobody").body(Body::empty()).expect("a request")).await;
        assert_eq!(bad.json["code"], "bad_api_key", "{name} with a bad key: {}", String::from_utf8_lossy(&bad.bytes));
        // The positive control: a key that is good gets past the door, to whatever is behind it.
        let good =
            house.send(call(&method, &filled(&path)).header("x-api-key", &someone.key).body(Body::empty()).expect("a request")).await;
        assert_ne!(good.status.as_u16(), 401, "{name} with a good key");
        assert!(good.status.as_u16() < 500, "{name}: {} {}", good.status, String::from_utf8_lossy(&good.bytes));
    }
}

#[tokio::test]
async fn a_malformed_id_names_nothing() {
    let house = House::new().await;
    let someone = house.person("someone").await;
    for (method, path, is_public) in operations() {
        if is_public || !path.contains('{') || method != "GET" {
            continue;
        }
        let mut odd = path.clone();
        while let (Some(open), Some(close)) = (odd.find('{'), odd.find('}')) {
            odd.replace_range(open..=close, "not-an-id%00%F0");
        }
        let answer = house.get(&someone, &odd).await;
        assert_eq!(answer.status.as_u16(), 404, "{method} {path}: {}", String::from_utf8_lossy(&answer.bytes));
    }
}
