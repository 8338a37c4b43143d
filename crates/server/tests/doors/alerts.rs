//! Alerts from their senders' side: what real SDKs sent, in every encoding, many times over, and by those who may not.

use crate::house::{Answer, House, Person, call};
use axum::body::Body;
use domain::repository::Repository;
use domain::{Clock, RepositoryId, Timestamp};
use engine::incidents::Intake;
use futures::{StreamExt, stream};
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

const PYTHON: &[u8] = include_bytes!("../../../integrations/tests/fixtures/sentry-python-2.75.0.envelope");
const PYTHON_ID: &str = "41056c5387c74667a1d90cfbe5f1bfee";
const GLITCHTIP: &[u8] = include_bytes!("../../../integrations/tests/fixtures/glitchtip-alert.json");
const UPTIME: &[u8] = include_bytes!("../../../integrations/tests/fixtures/glitchtip-uptime.json");

pub async fn source(house: &House, who: &Person, more: Value) -> Value {
    let mut body = json!({"name": "Checkout", "kind": "sentry_sdk", "workspace_uid": who.workspace});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    house.post(who, "/api/alert-sources/", body).await.is(201).clone()
}

fn key_and_number(source: &Value) -> (String, i64) {
    let dsn = source["dsn"].as_str().expect("a DSN");
    let (key, _) = dsn.split_once("://").and_then(|(_, rest)| rest.split_once('@')).expect("a key");
    (key.to_string(), source["project_number"].as_i64().expect("a number"))
}

pub fn envelope(source: &Value, encoding: &str, body: impl Into<Body>) -> Request<Body> {
    let (key, number) = key_and_number(source);
    let auth = format!("Sentry sentry_key={key}, sentry_version=7, sentry_client=test/1");
    let request = call("POST", &format!("/api/{number}/envelope/")).header("x-sentry-auth", auth).header("content-encoding", encoding);
    request.header("content-type", "application/x-sentry-envelope").body(body.into()).expect("a request")
}

async fn packed(encoding: &str, body: &[u8]) -> Vec<u8> {
    use async_compression::tokio::bufread::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
    use tokio::io::AsyncReadExt;
    let mut out = Vec::new();
    match encoding {
        "gzip" => GzipEncoder::new(body).read_to_end(&mut out).await,
        "deflate" => ZlibEncoder::new(body).read_to_end(&mut out).await,
        "br" => BrotliEncoder::new(body).read_to_end(&mut out).await,
        "zstd" => ZstdEncoder::new(body).read_to_end(&mut out).await,
        _ => {
            out.extend(body);
            Ok(out.len())
        }
    }
    .expect("packs");
    out
}

/// The recorded event under another id, with something changed.
pub fn event(id: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(PYTHON.splitn(3, |b| *b == b'\n').nth(2).expect("an event")).expect("JSON");
    event["event_id"] = id.into();
    change(&mut event);
    format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{event}\n").into_bytes()
}

pub async fn incidents(house: &House, who: &Person) -> Vec<Value> {
    house.get(who, &format!("/api/incidents/?workspace_uid={}", who.workspace)).await.is(200).as_array().expect("a list").clone()
}

#[tokio::test]
async fn what_an_sdk_sent_is_an_incident_in_every_encoding() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let source = source(&house, &ann, json!({})).await;
    for encoding in ["identity", "gzip", "deflate", "br", "zstd"] {
        let id = Uuid::now_v7().simple().to_string();
        let answer = house.send(envelope(&source, encoding, packed(encoding, &event(&id, |_| {})).await)).await;
        assert_eq!(answer.is(200)["id"], id, "{encoding}");
    }
    let all = incidents(&house, &ann).await;
    assert_eq!(all.len(), 1);
    let one = &all[0];
    assert_eq!((&one["title"], &one["kind"], &one["times_seen"]), (&json!("KeyError: 'AUTUMN15'"), &json!("KeyError"), &json!(5)));
    assert_eq!((&one["short_id"], &one["state"], &one["source"]["name"]), (&json!("CHECKOUT-1"), &json!("open"), &json!("Checkout")));
    assert_eq!(one["no_run_reason"], "automatic runs are off for this source");
    let detail = house.get(&ann, &format!("/api/incidents/{}/", one["id"].as_str().expect("an id"))).await.is(200).clone();
    assert_eq!(detail["alert"]["exceptions"][0]["frames"][2]["filename"], "checkout/pricing.py");
    assert_eq!(detail["events"].as_array().map(Vec::len), Some(5));
    assert_eq!(house.get(&ann, "/api/alert-sources/").await.is(200)[0]["events_total"], 5);
}

#[tokio::test]
async fn a_delivery_that_comes_again_counts_once_and_a_resolved_incident_regresses() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let source = source(&house, &ann, json!({})).await;
    for _ in 0..3 {
        assert_eq!(house.send(envelope(&source, "identity", PYTHON)).await.is(200)["id"], PYTHON_ID);
    }
    let one = incidents(&house, &ann).await.remove(0);
    assert_eq!(one["times_seen"], 1);
    let path = format!("/api/incidents/{}/", one["id"].as_str().expect("an id"));
    assert_eq!(house.post(&ann, &format!("{path}resolve/"), json!({})).await.is(200)["state"], "resolved");
    house.send(envelope(&source, "identity", event("1", |_| {}))).await.is(200);
    assert_eq!(house.get(&ann, &path).await.is(200)["state"], "regressed");
    assert_eq!(house.post(&ann, &format!("{path}ignore/"), json!({})).await.is(200)["state"], "ignored");
    house.send(envelope(&source, "identity", event("2", |_| {}))).await.is(200);
    let ignored = house.get(&ann, &path).await;
    assert_eq!((&ignored.json["state"], &ignored.json["times_seen"]), (&json!("ignored"), &json!(3)));
}

#[tokio::test]
async fn a_key_opens_one_door_and_nothing_else() {
    let house = House::new().await;
    let (ann, bob) = (house.person("ann").await, house.person("bob").await);
    let made = source(&house, &ann, json!({})).await;
    let (key, number) = key_and_number(&made);
    let wrong = |path: String, auth: &str| {
        call("POST", &path).header("x-sentry-auth", auth.to_string()).body(Body::from(PYTHON)).expect("a request")
    };
    let good = format!("Sentry sentry_key={key}");
    house.send(wrong(format!("/api/{number}/envelope/"), "Sentry sentry_key=0000")).await.is_problem(401);
    house.send(wrong(format!("/api/{number}/envelope/"), "")).await.is_problem(401);
    house.send(wrong(format!("/api/{}/envelope/", number + 1), &good)).await.is_problem(401);
    house.send(wrong("/api/checkout/envelope/".into(), &good)).await.is_problem(404);
    house.send(wrong(format!("/api/{number}/envelope/"), &good)).await.is(200);
    house
        .send(call("POST", &format!("/api/{number}/store/?sentry_key={key}")).body(Body::from("{\"message\":\"m\"}")).expect("a request"))
        .await
        .is(200);
    for header in ["x-api-key", "authorization", "x-sentry-auth"] {
        let answer = house.send(call("GET", "/api/incidents/").header(header, &key).body(Body::empty()).expect("a request")).await;
        answer.is_problem(401);
    }
    let id = incidents(&house, &ann).await[0]["id"].as_str().expect("an id").to_string();
    house.get(&bob, &format!("/api/incidents/{id}/")).await.is_problem(404);
    house.post(&bob, &format!("/api/incidents/{id}/run/"), json!({})).await.is_problem(404);
    house.delete(&bob, &format!("/api/alert-sources/{}/", made["id"].as_str().expect("an id"))).await.is_problem(404);
    assert!(incidents(&house, &bob).await.is_empty());
}

#[tokio::test]
async fn bad_bodies_bombs_and_storms_are_refused_in_time() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let source = source(&house, &ann, json!({})).await;
    house.send(envelope(&source, "identity", "nonsense")).await.is_problem(400);
    house.send(envelope(&source, "gzip", "nonsense")).await.is_problem(400);
    house.send(envelope(&source, "lzma", "nonsense")).await.is_problem(400);
    let bomb = packed("gzip", &vec![b' '; 64 << 20]).await;
    assert!(bomb.len() < 100_000);
    house.send(envelope(&source, "gzip", bomb)).await.is_problem(413);
    let storm: Vec<Answer> = stream::iter(0..2_600)
        .map(|_| house.send(envelope(&source, "identity", "{}\n{\"type\":\"session\"}\n{}")))
        .buffer_unordered(200)
        .collect()
        .await;
    let braked: Vec<&Answer> = storm.iter().filter(|a| a.status.as_u16() == 429).collect();
    assert!(storm.iter().all(|a| matches!(a.status.as_u16(), 200 | 429)));
    // A slow machine spreads them over more than one second, and then none is too many.
    if let Some(answer) = braked.first() {
        answer.is_problem(429);
        assert_eq!(answer.headers["retry-after"], "5");
        assert_eq!(answer.headers["x-sentry-rate-limits"], "5:error;default:key");
    }
    let id: domain::AlertSourceId = source["id"].as_str().expect("an id").parse().expect("an id");
    let intake = Intake::default();
    let now = house.clock.now();
    let passed = (0..2_001).filter(|_| intake.brake(id, now).is_ok()).count();
    assert_eq!(passed, 2_000);
    assert!(intake.brake(id, now + jiff::SignedDuration::from_secs(1)).is_ok());
}

#[tokio::test]
async fn browsers_may_report_from_anywhere() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let source = source(&house, &ann, json!({})).await;
    let (key, number) = key_and_number(&source);
    let path = format!("/api/{number}/envelope/?sentry_key={key}");
    let asked = call("OPTIONS", &path).header("origin", "https://shop.example").header("access-control-request-method", "POST");
    let answer = house.send(asked.body(Body::empty()).expect("a request")).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["access-control-allow-origin"]), (204, &"*".parse().expect("a value")));
    assert!(answer.headers["access-control-allow-headers"].to_str().is_ok_and(|h| h.contains("x-sentry-auth")));
    let sent = call("POST", &path).header("origin", "https://shop.example").body(Body::from(PYTHON)).expect("a request");
    let answer = house.send(sent).await;
    answer.is(200);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let api = call("GET", "/api/incidents/").header("origin", "https://shop.example").body(Body::empty()).expect("a request");
    assert!(!house.send(api).await.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn ten_thousand_duplicates_are_one_incident_counted_exactly_and_one_run() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let repository = linked(&house, &ann).await;
    let made = source(&house, &ann, json!({"repository_id": repository, "automatic_runs": true})).await;
    let id: domain::AlertSourceId = made["id"].as_str().expect("an id").parse().expect("an id");
    let intake = Intake::default();
    let alerts = {
        let mut tx = house.engine.store.read().await.expect("reads");
        let stored = store::sources::get(&mut tx, id).await.expect("the source");
        drop(tx);
        engine::sources::parse(&house.engine, &stored, &[], &bytes::Bytes::from_static(PYTHON)).await.expect("parses")
    };
    let answers: Vec<_> = stream::iter(0..10_000)
        .map(|n| {
            // What is looked through for secrets is not the point here.
            let mut alert = domain::alert::Alert {
                exceptions: alerts[0].exceptions.clone(),
                title: alerts[0].title.clone(),
                level: "error".into(),
                ..Default::default()
            };
            alert.exceptions[0].frames.drain(..2);
            alert.exceptions[0].frames[0].vars.clear();
            alert.event_id = format!("{n:032x}");
            alert.user = Some(json!({"id": n % 37}));
            let (intake, engine) = (&intake, &house.engine);
            async move { intake.submit(engine, id, alert).await.expect("stored") }
        })
        .buffer_unordered(1_000)
        .collect()
        .await;
    let distinct: BTreeSet<_> = answers.iter().map(|a| a.expect("each is new")).collect();
    assert_eq!(distinct.len(), 1);
    let one = incidents(&house, &ann).await.remove(0);
    assert_eq!((&one["times_seen"], &one["users_seen"], &one["state"]), (&json!(10_000), &json!(37), &json!("fixing")));
    assert!(one["run"]["number"] == 1 && one["no_run_reason"].is_null(), "{one}");
    let counts = one["sightings"]["counts"].as_array().expect("a histogram");
    assert_eq!(counts.iter().map(|count| count.as_u64().expect("a count")).sum::<u64>(), 10_000);
    let detail = house.get(&ann, &format!("/api/incidents/{}/", one["id"].as_str().expect("an id"))).await;
    assert_eq!(detail.json["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(detail.json["events"].as_array().map(Vec::len), Some(50));
    house.post(&ann, &format!("/api/incidents/{}/run/", one["id"].as_str().expect("an id")), json!({})).await.is_problem(409);
}

#[tokio::test]
async fn whoever_gets_no_run_reads_why() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let without = source(&house, &ann, json!({"name": "Web shop", "automatic_runs": true})).await;
    house.send(envelope(&without, "identity", PYTHON)).await.is(200);
    let one = incidents(&house, &ann).await.remove(0);
    assert_eq!(one["no_run_reason"], "no repository is connected to this source");
    let path = format!("/api/incidents/{}/run/", one["id"].as_str().expect("an id"));
    house.post(&ann, &path, json!({})).await.is_problem(409);
    assert!(house.get(&ann, "/api/inbox/").await.is(200)["needs_you"][0]["action"].is_null());
    let unknown = json!({"runs_per_hour": 1});
    let at = format!("/api/alert-sources/{}/", without["id"].as_str().expect("an id"));
    assert!(house.send_json("PATCH", &ann, &at, unknown).await.is_problem(400)["detail"].to_string().contains("runs_per_hour_max"));
    // Connected, the same incident gets its run with the next alert.
    let repository = linked(&house, &ann).await;
    let change = json!({"repository_id": repository, "runs_per_hour_max": 1});
    // Also where it was called resolved and came back in between.
    house.post(&ann, &path.replace("/run/", "/resolve/"), json!({})).await.is(200);
    house.send(envelope(&without, "identity", event("0", |_| {}))).await.is(200);
    let again = incidents(&house, &ann).await.remove(0);
    assert_eq!((&again["state"], &again["no_run_reason"]), (&json!("regressed"), &one["no_run_reason"]));
    house.send_json("PATCH", &ann, &at, change).await.is(200);
    house.send(envelope(&without, "identity", event("1", |_| {}))).await.is(200);
    assert_eq!(incidents(&house, &ann).await[0]["state"], "fixing");
    for (n, reason) in [("2", "the budget of 1 runs an hour is used up"), ("3", "level is warning"), ("4", "there is no stack trace")] {
        let body = event(n, |event| match n {
            "2" => event["exception"]["values"][0]["type"] = "TypeError".into(),
            "3" => (event["level"], event["exception"]["values"][0]["type"]) = ("warning".into(), "ValueError".into()),
            _ => (event["exception"], event["message"]) = (Value::Null, "disk is full".into()),
        });
        house.send(envelope(&without, "identity", body)).await.is(200);
        assert_eq!(incidents(&house, &ann).await[0]["no_run_reason"], reason);
    }
    let warning = incidents(&house, &ann).await.into_iter().find(|i| i["kind"] == "ValueError").expect("the warning");
    let path = format!("/api/incidents/{}/run/", warning["id"].as_str().expect("an id"));
    let inbox = house.get(&ann, "/api/inbox/").await.is(200).clone();
    let shown = inbox["needs_you"].as_array().expect("a list").iter().find(|item| item["id"] == warning["id"]).expect("the warning");
    assert_eq!(shown["action"]["url"], path);
    assert!(house.post(&ann, &path, json!({})).await.is(202)["request_id"].is_string());
}

#[tokio::test]
async fn what_no_model_can_work_on_gets_no_run() {
    let script = json!({"scripts": [
        {"name": "known", "match": "TypeError", "steps": [{"say": "I look."}]},
        {"name": "anything else", "steps": [{"fail": {"status": 400, "message": "No model is configured."}}]},
    ]});
    let script = llm::providers::Settings { script: Some(script.to_string()), ..Default::default() };
    let house = House::with_model(llm::providers::build("scripted", script).expect("a script")).await;
    let ann = house.person("ann").await;
    let repository = linked(&house, &ann).await;
    let source = source(&house, &ann, json!({"automatic_runs": true, "repository_id": repository})).await;
    house.send(envelope(&source, "identity", PYTHON)).await.is(200);
    let one = incidents(&house, &ann).await.remove(0);
    let is_waiting = |one: &Value| {
        assert_eq!(one["no_run_reason"], "no model is configured that could work on it");
        assert_eq!((&one["state"], &one["run"]), (&json!("open"), &Value::Null));
    };
    is_waiting(&one);
    let path = format!("/api/incidents/{}/", one["id"].as_str().expect("an id"));
    let obstacle = json!({"code": "no_model", "detail": "No model is configured."});
    assert_eq!(house.get(&ann, &path).await.is(200)["run_obstacle"], obstacle);
    // By hand neither, and the refusal leaves the incident as it is: with a model it gets its run by the next alert.
    house.post(&ann, &format!("{path}run/"), json!({})).await.is_problem(409);
    is_waiting(&incidents(&house, &ann).await.remove(0));
    assert!(house.get(&ann, "/api/inbox/").await.is(200)["needs_you"][0]["action"].is_null());
    let known = event("1", |event| event["exception"]["values"][0]["type"] = "TypeError".into());
    house.send(envelope(&source, "identity", known)).await.is(200);
    assert_eq!(incidents(&house, &ann).await[0]["state"], "fixing", "the control: this one the model knows");
}

#[tokio::test]
async fn what_no_executor_can_work_on_gets_no_run() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let repository = linked(&house, &ann).await;
    // Codex is not installed here.
    let source = source(&house, &ann, json!({"automatic_runs": true, "repository_id": repository, "executor": "codex"})).await;
    house.send(envelope(&source, "identity", PYTHON)).await.is(200);
    let one = incidents(&house, &ann).await.remove(0);
    assert!(one["no_run_reason"].to_string().contains("npm install"), "{one}");
    let path = format!("/api/incidents/{}/", one["id"].as_str().expect("an id"));
    assert_eq!(house.get(&ann, &path).await.is(200)["run_obstacle"]["code"], "executor_unavailable");
    house.post(&ann, &format!("{path}run/"), json!({})).await.is_problem(409);
    let at = format!("/api/alert-sources/{}/", source["id"].as_str().expect("an id"));
    house.send_json("PATCH", &ann, &at, json!({"executor": "native"})).await.is(200);
    house.send(envelope(&source, "identity", event("1", |_| {}))).await.is(200);
    assert_eq!(incidents(&house, &ann).await[0]["state"], "fixing", "the control");
}

#[tokio::test]
async fn all_sources_of_a_workspace_share_one_budget() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let repository = linked(&house, &ann).await;
    let at = format!("/api/workspaces/{}/", ann.workspace);
    assert_eq!(house.get(&ann, &at).await.is(200)["automatic_runs_per_hour_max"], 20);
    house.send_json("PATCH", &ann, &at, json!({"automatic_runs_per_hour_max": -1})).await.is_problem(400);
    house.send_json("PATCH", &ann, &at, json!({"automatic_runs_per_hour_max": 1})).await.is(200);
    let settings = json!({"automatic_runs": true, "repository_id": repository});
    for (source_at, state) in [("one", "fixing"), ("two", "open")] {
        let mut settings = settings.clone();
        settings["name"] = source_at.into();
        let source = source(&house, &ann, settings).await;
        house.send(envelope(&source, "identity", PYTHON)).await.is(200);
        assert_eq!(incidents(&house, &ann).await[0]["state"], state, "the first one is the control");
    }
    let second = incidents(&house, &ann).await.remove(0);
    assert_eq!(second["no_run_reason"], "the budget of 1 runs an hour of this workspace is used up");
}

#[tokio::test]
async fn webhooks_are_known_by_their_address_alone() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let made = source(&house, &ann, json!({"kind": "glitchtip", "name": "GlitchTip"})).await;
    let token = made["secret"].as_str().expect("the token, once").to_string();
    assert_eq!(token.len(), 64);
    assert!(made["webhook_url"].as_str().is_some_and(|url| url.ends_with(&format!("/api/hooks/{token}/"))));
    let listed = house.get(&ann, "/api/alert-sources/").await;
    assert!(!String::from_utf8_lossy(&listed.bytes).contains(&token) && listed.json[0].get("secret").is_none());
    let hook = |token: &str, body: &'static [u8]| call("POST", &format!("/api/hooks/{token}/")).body(Body::from(body)).expect("a request");
    house.send(hook(&token, UPTIME)).await.is(200);
    assert!(incidents(&house, &ann).await.is_empty());
    assert_eq!(house.send(hook(&token, GLITCHTIP)).await.is(200)["status"], "received");
    assert_eq!(incidents(&house, &ann).await.len(), 2);
    house.send(hook(&token[..63], GLITCHTIP)).await.is_problem(404);
    let signed = json!({"kind": "sentry_webhook", "name": "x", "workspace_uid": ann.workspace});
    house.post(&ann, "/api/alert-sources/", signed.clone()).await.is_problem(400);
    house.post(&ann, "/api/alert-sources/", json!({"kind": "carrier pigeon", "name": "x"})).await.is_problem(400);
    let secret = source(&house, &ann, json!({"kind": "sentry_webhook", "client_secret": "abc"})).await;
    house.send(hook(secret["secret"].as_str().expect("a token"), b"{}")).await.is_problem(401);
}

#[tokio::test]
async fn a_test_event_takes_the_same_road_and_starts_nothing() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let repository = linked(&house, &ann).await;
    let made = source(&house, &ann, json!({"repository_id": repository, "automatic_runs": true})).await;
    let answer = house.post(&ann, &format!("/api/alert-sources/{}/test-event/", made["id"].as_str().expect("an id")), json!({})).await;
    let id = answer.is(202)["incident_id"].as_str().expect("an id").to_string();
    let incident = house.get(&ann, &format!("/api/incidents/{id}/")).await;
    assert_eq!((&incident.json["no_run_reason"], &incident.json["run"]), (&json!("level is info"), &Value::Null));
}

/// A repository that the workspace is linked to; no run is carried out here, so it needs no content.
pub async fn linked(house: &House, who: &Person) -> RepositoryId {
    let mut tx = house.engine.store.write().await.expect("writes");
    let workspace = store::workspaces::by_uid(&mut tx, &who.workspace).await.expect("the workspace").id;
    let now: Timestamp = house.clock.now();
    let repository = Repository {
        id: RepositoryId(Uuid::now_v7()),
        workspace,
        provider: "local".into(),
        repository: format!("shop-{}", Uuid::now_v7().simple()),
        base_url: String::new(),
        default_branch: "main".into(),
        created_by: Some(who.user.id),
        created_at: now,
        updated_at: now,
    };
    store::repositories::create(&mut tx, &repository, None).await.expect("a link");
    tx.commit().await.expect("commits");
    repository.id
}
