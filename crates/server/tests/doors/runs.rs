//! What becomes of a run whose job can't go on.

use crate::house::{House, Person, call};
use axum::body::Body;
use domain::{WorkerId, limits};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A queued run, and who asked for it.
async fn asked(house: &House) -> Person {
    let ada = house.person("ada").await;
    let link = json!({"provider": "local", "repository": "shop", "workspace_uid": ada.workspace});
    let link = house.post(&ada, "/api/repository-links/", link).await.is(201)["id"].clone();
    house.post(&ada, "/api/requests/", json!({"project_id": link, "prompt": "mend it"})).await.is(201);
    ada
}

/// A worker takes the job, and nobody hears of it again.
async fn is_taken_and_lost(house: &House, times: i32) {
    for _ in 0..times {
        let worker = WorkerId(domain::Clock::uuid(house.clock.as_ref()));
        let claimed =
            store::queue::claim(&house.engine.store, worker, engine::jobs::KINDS, house.engine.now(), limits::JOB_LEASE_SECONDS, 4);
        claimed.await.expect("a query").expect("the run's job");
        house.clock.forward(limits::JOB_LEASE_SECONDS as u64 + 1);
    }
}

async fn ends(house: &House, who: &Person) -> Value {
    let work = tokio::spawn(engine::worker::run(house.engine.clone()));
    let begun = Instant::now();
    let run = loop {
        let run = house.get(who, "/api/runs/").await.is(200)[0].clone();
        if run["status"] == "failed" {
            break run;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the run goes on: {run}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    house.engine.shutdown.cancel();
    work.await.expect("the worker stops");
    run
}

#[tokio::test]
async fn a_run_that_ends_its_server_again_and_again_ends_as_failed() {
    let house = House::new().await;
    let ada = asked(&house).await;
    is_taken_and_lost(&house, limits::JOB_CLAIMS_MAX).await;
    let run = ends(&house, &ada).await;
    assert!(run["error"].as_str().is_some_and(|e| e.contains("kills the server")), "{run}");
    let request = house.get(&ada, "/api/requests/").await.is(200)[0].clone();
    assert_eq!(request["state"], "FAILED");
    let mut tx = house.engine.store.read().await.expect("a view");
    assert_eq!(store::queue::depth(&mut tx, house.engine.now()).await.expect("a query").parked, 1);
}

#[tokio::test]
async fn one_that_was_lost_less_often_is_tried_again() {
    let house = House::new().await;
    let ada = asked(&house).await;
    is_taken_and_lost(&house, limits::JOB_CLAIMS_MAX - 1).await;
    let run = ends(&house, &ada).await;
    assert!(run["error"].as_str().is_some_and(|e| !e.is_empty() && !e.contains("kills the server")), "{run}");
}

#[tokio::test]
async fn a_run_travels_compressed_but_nothing_that_strangers_can_add_to() {
    let house = House::new().await;
    let ada = asked(&house).await;
    let run = house.get(&ada, "/api/runs/").await.is(200)[0]["id"].as_str().expect("an id").to_string();
    let paths = [(format!("/api/runs/{run}/"), Some("gzip")), ("/api/incidents/".into(), None), ("/api/api-keys/".into(), None)];
    for (path, coding) in paths {
        let request = call("GET", &path).header("x-api-key", &ada.key).header("accept-encoding", "gzip");
        let answer = house.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers.get("content-encoding").and_then(|v| v.to_str().ok()), coding, "{path}");
    }
}
