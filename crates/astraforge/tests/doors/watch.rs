//! After the merge: the same fault is seen again, in releases with and without the fix.

use super::house::{House, recording, skipped};
use super::source::{FIRST_RELEASE, Source};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

fn incident(house: &House) -> Value {
    let all = house.get("/api/incidents/").json();
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all:#}");
    all[0].clone()
}

/// The first that was made: a new run on a fault that came back makes another.
fn merge_request(house: &House) -> Value {
    house.get("/api/merge-requests/").json().as_array().and_then(|all| all.last()).expect("a merge request").clone()
}

/// Until no job is left: then whatever a crash meant has been decided.
fn settled(house: &House) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = house.get("/metrics").text();
        let busy = |line: &&str| {
            ["astraforge_jobs_due ", "astraforge_jobs_running "].iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0")
        };
        if !metrics.lines().any(|line| busy(&line)) {
            return;
        }
        assert!(Instant::now() < deadline, "jobs are still at work:\n{metrics}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The recording; whoever is told that an earlier fix did not hold does nothing and says so.
fn knowing_the_past() -> String {
    let mut book: Value = serde_json::from_str(&recording(&[])).expect("JSON");
    let told = "merge request !1 merged, and the fault came back after it";
    let script = json!({"name": "the second time", "match": told, "steps": [], "final": "I was told of the first time."});
    book["scripts"].as_array_mut().expect("scripts").insert(0, script);
    book.to_string()
}

#[test]
fn a_recurrence_counts_only_in_a_release_that_holds_the_fix() {
    let Some(house) = House::warm(&knowing_the_past()) else { return skipped("watch after the merge") };
    let mut source = Source::new(&house);
    source.crash(&house, FIRST_RELEASE);
    let request = incident(&house)["run"]["request_id"].as_str().expect("a run started by itself").to_string();
    let run = house.expect_proven(&request);
    assert_eq!((&run["suspect"]["path"], &run["suspect"]["commit"]), (&json!("checkout/pricing.py"), &run["base_commit"]));
    let id = merge_request(&house)["id"].as_str().expect("an id").to_string();
    for act in ["approve", "merge"] {
        let answer = house.post(&format!("/api/merge-requests/{id}/{act}/"), &json!({}));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(incident(&house)["state"], "resolved");

    // The old release is still deployed somewhere, and so is another whose commit lacks the merge.
    let merged = merge_request(&house);
    let old_commit = merged["base_commit"].as_str().expect("a commit").to_string();
    for release in [FIRST_RELEASE, &old_commit, &old_commit] {
        source.crash(&house, release);
        settled(&house);
    }
    let one = incident(&house);
    assert_eq!((&one["state"], &one["times_seen"]), (&json!("resolved"), &json!(4)), "{one:#}");
    assert_eq!(merge_request(&house)["recurred_at"], Value::Null);

    let fixed = merged["merge_commit"].as_str().expect("a commit");
    source.set(&house, &json!({"automatic_runs": false}));
    source.crash(&house, fixed);
    settled(&house);
    let one = incident(&house);
    assert_eq!((&one["state"], &one["no_run_reason"]), (&json!("regressed"), &json!("automatic runs are off for this source")), "{one:#}");
    let inbox = house.get("/api/inbox/").json();
    let waiting = inbox["needs_you"].as_array().expect("a list");
    assert!(waiting.iter().any(|item| item["id"] == one["id"] && item["action"]["label"] == "Run anyway"), "{inbox:#}");
    source.set(&house, &json!({"automatic_runs": true}));
    source.crash(&house, fixed);
    settled(&house);
    let recurred = merge_request(&house);
    assert_eq!(recurred["recurred_in"], json!(fixed), "{recurred:#}");
    assert!(recurred["recurred_at"].is_string());
    let one = incident(&house);
    assert_ne!(one["state"], "resolved");
    let again = one["run"]["request_id"].as_str().expect("the source starts runs by itself, so a new one works on it").to_string();
    assert_ne!(again, request);
    let run = house.ended(&again);
    assert!(run["error"].as_str().is_some_and(|e| e.contains("I was told of the first time.")), "{run:#}");
    let events = house.expect_whole_log(&request);
    assert!(events.iter().any(|e| e["action"] == "recurred"), "{events:#?}");
}
