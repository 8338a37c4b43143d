//! Alert sources read what real senders send: two recorded SDK envelopes, and webhook bodies in their documented forms.

use bytes::Bytes;
use domain::alert::Alert;
use domain::secret::Secret;
use domain::source::{AlertSource, Delivery};
use domain::{Kind, Result};
use hmac::{Hmac, KeyInit, Mac};
use integrations::alerts;
use sha2::Sha256;
use std::sync::Arc;

const PYTHON: &[u8] = include_bytes!("fixtures/sentry-python-2.75.0.envelope");
const NODE: &[u8] = include_bytes!("fixtures/sentry-node-11.12.0.envelope");
const EVENT_ALERT: &[u8] = include_bytes!("fixtures/sentry-event-alert.json");
const ISSUE: &[u8] = include_bytes!("fixtures/sentry-issue.json");
const GLITCHTIP: &[u8] = include_bytes!("fixtures/glitchtip-alert.json");
const UPTIME: &[u8] = include_bytes!("fixtures/glitchtip-uptime.json");

fn source(id: &str) -> Arc<dyn AlertSource> {
    alerts::open_all().into_iter().find(|s| s.id() == id).expect("a listed source")
}

fn parse(id: &str, body: &[u8], headers: &[(&str, &str)], secret: Option<&str>) -> Result<Vec<Alert>> {
    let headers: Vec<_> = headers.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let secret = secret.map(Secret::new);
    let body = Bytes::copy_from_slice(body);
    let now = "2026-11-24T00:00:00Z".parse().expect("a time");
    source(id).parse(&Delivery { headers: &headers, body: &body, secret: secret.as_ref(), now })
}

fn one(id: &str, body: &[u8]) -> Alert {
    let mut all = parse(id, body, &[], None).expect("parses");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[test]
fn a_recorded_python_envelope_tells_everything() {
    let alert = one("sentry_sdk", PYTHON);
    assert_eq!(alert.event_id.len(), 32);
    assert_eq!(alert.title, "KeyError: 'AUTUMN15'");
    assert_eq!(alert.culprit, "checkout.pricing in discount_for");
    assert_eq!((alert.level.as_str(), alert.platform.as_str()), ("error", "python"));
    assert_eq!((alert.release.as_str(), alert.environment.as_str()), ("checkout-service@4.18.2", "production"));
    assert_eq!(alert.transaction, "POST /checkout");
    assert_eq!(alert.tags, vec![("cart".to_string(), "c-1".to_string())]);
    assert!(alert.at.is_some() && alert.breadcrumbs[0].at.is_some());
    let suspect = alert.suspect().expect("a frame");
    assert_eq!((suspect.filename.as_str(), suspect.lineno, suspect.in_app), ("checkout/pricing.py", 18, true));
    assert_eq!(suspect.context_line, "    promotion = promotions[cart.promo_code]");
    assert!(suspect.vars["cart"].contains("AUTUMN15"));
    assert_eq!(alert.thrown().and_then(|e| e.handled), Some(true));
}

#[test]
fn a_recorded_node_envelope_tells_everything() {
    let alert = one("sentry_sdk", NODE);
    assert_eq!(alert.title, "RangeError: Invalid time value");
    assert_eq!((alert.platform.as_str(), alert.server_name.as_str()), ("node", "web-shop-1"));
    let suspect = alert.suspect().expect("a frame");
    assert!(suspect.filename.ends_with("src/delivery.js"), "{suspect:?}");
    assert_eq!(alert.request.as_ref().map(|r| r.method.as_str()), Some("POST"));
    assert_eq!(alert.breadcrumbs.len(), 1);
    assert!(alert.thrown().is_some_and(|e| e.frames.iter().any(|f| !f.in_app)));
}

#[test]
fn a_store_body_is_the_event_alone() {
    let event = PYTHON.splitn(3, |b| *b == b'\n').nth(2).expect("an event");
    assert_eq!(one("sentry_sdk", event), one("sentry_sdk", PYTHON));
    let pretty = br#"{
        "message": {"formatted": "disk is full"},
        "level": "Warning"
    }"#;
    let alert = one("sentry_sdk", pretty);
    assert_eq!((alert.title.as_str(), alert.level.as_str()), ("disk is full", "warning"));
}

#[test]
fn items_that_are_no_events_are_dropped() {
    let body = b"{\"event_id\":\"0123\"}\n{\"type\":\"session\"}\n{}\n{\"type\":\"from the future\",\"length\":3}\na\nb\n{\"type\":\"event\"}\n{\"message\":\"hello\"}\n";
    let alert = one("sentry_sdk", body);
    assert_eq!((alert.event_id.as_str(), alert.title.as_str()), ("0123", "hello"));
    assert!(parse("sentry_sdk", b"{\"event_id\":\"0123\"}", &[], None).expect("an empty envelope").is_empty());
    assert_eq!(parse("sentry_sdk", b"nonsense", &[], None).expect_err("refused").kind, Kind::Invalid);
}

#[test]
fn odd_events_never_fail() {
    for body in [
        r#"{"exception":7}"#,
        r#"{"exception":{"values":[null,{"type":null,"stacktrace":{"frames":[null,{"lineno":-1,"vars":[],"in_app":"yes"}]}}]}}"#,
        r#"{"exception":[{"type":"E","value":{"a":1}}],"tags":7,"breadcrumbs":{"values":null},"request":[],"user":3,"contexts":"x","fingerprint":"x"}"#,
    ] {
        assert!(!one("sentry_sdk", body.as_bytes()).title.is_empty(), "{body}");
    }
}

#[test]
fn a_sentry_webhook_counts_only_under_its_signature() {
    let signature = sign("client-secret", EVENT_ALERT);
    let headers = [("sentry-hook-resource", "event_alert"), ("sentry-hook-signature", signature.as_str())];
    let alert = parse("sentry_webhook", EVENT_ALERT, &headers, Some("client-secret")).expect("parses").remove(0);
    assert_eq!(alert.title, "ReferenceError: heck is not defined");
    assert_eq!(alert.fingerprint, vec!["sentry issue 1117540176"]);
    assert_eq!(alert.request.map(|r| r.query).as_deref(), Some("step=2"));
    assert!(alert.url.is_some_and(|u| u.contains("/organizations/")));
    for (secret, signature) in [(Some("other"), signature.as_str()), (None, signature.as_str()), (Some("client-secret"), "00")] {
        let headers = [("sentry-hook-resource", "event_alert"), ("sentry-hook-signature", signature)];
        let refused = parse("sentry_webhook", EVENT_ALERT, &headers, secret).expect_err("refused");
        assert_eq!(refused.kind, Kind::Unauthenticated);
    }
}

#[test]
fn sentry_issues_join_their_events_and_the_rest_is_received_in_silence() {
    let signature = sign("s", ISSUE);
    let headers = [("sentry-hook-resource", "issue"), ("sentry-hook-signature", signature.as_str())];
    let alert = parse("sentry_webhook", ISSUE, &headers, Some("s")).expect("parses").remove(0);
    assert_eq!(alert.fingerprint, vec!["sentry issue 1117540176"]);
    assert!(alert.thrown().is_some_and(|e| e.kind == "ReferenceError" && e.frames.is_empty()));
    let body = br#"{"action":"created","data":{}}"#;
    let signature = sign("s", body);
    for resource in ["installation", "comment", "metric_alert", "seer"] {
        let headers = [("sentry-hook-resource", resource), ("sentry-hook-signature", signature.as_str())];
        assert!(parse("sentry_webhook", body, &headers, Some("s")).expect("received").is_empty());
    }
}

#[test]
fn glitchtip_gives_one_alert_per_issue_and_none_for_uptime() {
    let all = parse("glitchtip", GLITCHTIP, &[], None).expect("parses");
    let seen: Vec<_> = all.iter().map(|a| (a.title.as_str(), a.level.as_str(), a.fingerprint[0].as_str())).collect();
    assert_eq!(seen, vec![("KeyError: 'AUTUMN15'", "error", "glitchtip issue 41"), ("slow query", "warning", "glitchtip issue 42")]);
    assert_eq!((all[0].environment.as_str(), all[0].release.as_str()), ("production", "4.18.2"));
    assert!(parse("glitchtip", UPTIME, &[], None).expect("parses").is_empty());
    assert!(parse("glitchtip", GLITCHTIP, &[], Some("https://glitchtip.example")).is_ok());
    assert!(parse("glitchtip", GLITCHTIP, &[], Some("https://other.example")).is_err());
    assert!(parse("glitchtip", b"{}", &[], None).is_err());
}

#[test]
fn any_program_can_write_a_generic_alert() {
    let body = br#"{"title":"boom","exception":{"type":"KeyError","value":"'A'","frames":[{"filename":"a.py","function":"f","lineno":7,"context_line":"x"}]},
        "release":"1.2","tags":{"region":"eu"},"fingerprint":["mine"],"url":"https://w.example/1","user":{"id":"7"}}"#;
    let alert = one("generic", body);
    let thrown = alert.thrown().expect("an exception");
    assert_eq!((thrown.kind.as_str(), thrown.frames[0].lineno, thrown.frames[0].in_app), ("KeyError", 7, true));
    assert_eq!((alert.title.as_str(), alert.level.as_str(), alert.culprit.as_str()), ("boom", "error", "a.py in f"));
    let signature = format!("sha256={}", sign("s", body));
    assert!(parse("generic", body, &[("x-signature-256", &signature)], Some("s")).is_ok());
    assert_eq!(parse("generic", body, &[], Some("s")).expect_err("unsigned").kind, Kind::Unauthenticated);
    let frames = br#"{"title":"a","exception":{"type":"b","frames":"c"}}"#;
    let title = br#"{"title":["a"],"message":"b"}"#;
    for bad in [&b"[]"[..], b"{}", br#"{"title":"a","level":"loud"}"#, br#"{"title":"a","exception":[]}"#, frames, title] {
        assert_eq!(parse("generic", bad, &[], None).expect_err("refused").kind, Kind::Invalid);
    }
}
