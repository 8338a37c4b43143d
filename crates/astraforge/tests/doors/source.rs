//! An alert source of the house, and the example's recorded crash sent to it.

use super::house::House;
use serde_json::{Value, json};

const CRASH: &[u8] = include_bytes!("../../../integrations/tests/fixtures/sentry-python-2.75.0.envelope");
pub const FIRST_RELEASE: &str = "checkout-service@4.18.2";

/// Starts runs by itself on the house's repository.
pub struct Source {
    path: String,
    envelopes: String,
    key: String,
    sent: u32,
}

impl Source {
    pub fn new(house: &House) -> Source {
        let body = json!({"name": "Checkout", "kind": "sentry_sdk", "workspace_uid": house.workspace, "repository_id": house.link, "automatic_runs": true});
        let answer = house.post("/api/alert-sources/", &body);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let source = answer.json();
        let dsn = source["dsn"].as_str().expect("a DSN");
        let key = dsn.split_once("://").and_then(|(_, rest)| rest.split_once('@')).expect("a key").0.to_string();
        let path = format!("/api/alert-sources/{}/", source["id"].as_str().expect("an id"));
        Source { path, envelopes: format!("/api/{}/envelope/", source["project_number"]), key, sent: 0 }
    }

    pub fn set(&self, house: &House, change: &Value) {
        let headers = [("X-Api-Key", house.key.as_str()), ("Content-Type", "application/json")];
        let answer = house.send("PATCH", &self.path, &headers, Some(change.to_string().as_bytes()));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The recorded crash of the example, as a new event.
    pub fn crash(&mut self, house: &House, release: &str) {
        self.sent += 1;
        let id = format!("{:032x}", self.sent);
        let mut event: Value = serde_json::from_slice(CRASH.splitn(3, |b| *b == b'\n').nth(2).expect("an event")).expect("JSON");
        event["event_id"] = json!(id);
        event["release"] = json!(release);
        let envelope = format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{event}\n");
        let auth = format!("Sentry sentry_key={}", self.key);
        let answer = house.send("POST", &self.envelopes, &[("X-Sentry-Auth", &auth)], Some(envelope.as_bytes()));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
