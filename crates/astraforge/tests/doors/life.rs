//! A request's life beside the straight road: cancelled, deleted, asked again, spoken to; and agents that do badly.

use super::house::{EXAMPLE_PROMPT, House, busy, is_end, is_step, recording, script, skipped};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CANCELLED_WITHIN: Duration = Duration::from_secs(5);

/// Waits for the moment, cancels, and measures until the run says that it has stopped.
fn cancel_at(house: &House, moment: fn(&Value) -> bool) {
    let request = house.request(EXAMPLE_PROMPT);
    let mut log = house.follow(&request, 0);
    let found = log.until(|e| moment(e) || is_end(e)).cloned().expect("the moment comes");
    assert!(moment(&found), "{found}");
    let refused = house.delete(&format!("/api/requests/{request}/"));
    assert_eq!(refused.status, 409, "a request at work can't be deleted: {}", refused.text());
    let run = found["run_id"].as_str().expect("a run").to_string();
    let started = Instant::now();
    let answer = house.post(&format!("/api/runs/{run}/cancel/"), &json!({}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let end = log.until(is_end).cloned().expect("an end");
    let took = started.elapsed();
    assert_eq!(end["type"], "cancelled", "{end}");
    assert!(took < CANCELLED_WITHIN, "it took {took:?}");
    drop(log);
    let run = house.ended(&request);
    assert_eq!((&run["status"], &run["verdict"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(house.get("/api/merge-requests/").json(), json!([]));
    house.expect_nothing_left(false);
    house.expect_whole_log(&request);
    let again = house.post(&format!("/api/runs/{}/cancel/", run["id"].as_str().expect("an id")), &json!({}));
    assert_eq!(again.status, 409, "{}", again.text());
    assert_eq!(house.delete(&format!("/api/requests/{request}/")).status, 204);
    for path in [format!("/api/requests/{request}/"), format!("/api/runs/{request}/logs/stream")] {
        assert_eq!(house.get(&path).status, 404, "{path}");
    }
}

#[test]
fn a_cancelled_run_stops_within_seconds_and_leaves_nothing() {
    let Some(house) = House::warm(&recording(&[(1, busy(60.0))])) else { return skipped("cancel an agent") };
    cancel_at(&house, |e| e["type"] == "command" && e["command"].as_str().is_some_and(|c| c.contains("monotonic")));
}

#[test]
fn a_proof_can_be_cancelled_too() {
    let Some(house) = House::warm(&recording(&[])) else { return skipped("cancel a proof") };
    cancel_at(&house, |e| e["type"] == "command" && e["stage"] == "prove");
}

/// The recording, and one more sentence in the README for whoever asks for it.
fn with_a_follow_up() -> String {
    let mut book: Value = serde_json::from_str(&recording(&[])).expect("JSON");
    let steps = json!([{"shell": {"command": "echo 'An ended promotion leaves a notice.' >> README.md"}}]);
    let script = json!({"name": "a follow-up", "match": "mention it in the README", "steps": steps, "final": "It says so now."});
    book["scripts"].as_array_mut().expect("scripts").insert(0, script);
    book.to_string()
}

#[test]
fn proof_is_repeated_on_the_same_patch_and_a_follow_up_keeps_its_merge_request() {
    let Some(house) = House::warm(&with_a_follow_up()) else { return skipped("retry and follow up") };
    let request = house.request(EXAMPLE_PROMPT);
    let first = house.expect_proven(&request);
    let first_id = first["id"].as_str().expect("an id");
    let merge_request = house.get("/api/merge-requests/").json()[0].clone();

    // A verdict and its evidence belong to one run, so the latest place to begin is the proof.
    let answer = house.post(&format!("/api/runs/{first_id}/retry/"), &json!({"from_step": "propose"}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let second = house.expect_proven(&request);
    assert_eq!(second["id"], answer.json()["run_id"]);
    assert_eq!(second["diff"], first["diff"]);
    let events = house.expect_whole_log(&request);
    let thought =
        events.iter().any(|e| e["run_id"] == second["id"] && (e["type"] == "assistant_message" || is_step(e, "patch", "working")));
    assert!(!thought, "the agent was asked again");

    let answer = house.post("/api/chat/", &json!({"request_id": request, "message": "Good. Please mention it in the README too."}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let third = house.expect_proven(&request);
    assert_eq!(third["id"], answer.json()["run_id"]);
    let diff = third["diff"].as_str().expect("a diff");
    assert!(diff.contains("README.md") && diff.contains("checkout/pricing.py"), "the follow-up goes on from the patch: {diff}");
    let after = house.get("/api/merge-requests/").json()[0].clone();
    assert_eq!(after["diff"], third["diff"]);
    for field in ["id", "number", "source_branch"] {
        assert_eq!(after[field], merge_request[field], "{field}");
    }
    let refused = house.delete(&format!("/api/requests/{request}/"));
    assert_eq!(refused.status, 409, "a merge request keeps its proof: {}", refused.text());
    house.expect_nothing_left(false);
}

#[test]
fn messages_during_a_run_wait_for_it_and_go_on_from_its_patch() {
    let Some(house) = House::warm(&with_a_follow_up()) else { return skipped("speak during a run") };
    let request = house.request(EXAMPLE_PROMPT);
    let mut log = house.follow(&request, 0);
    let first = log.until(|e| is_step(e, "patch", "working")).expect("the agent works")["run_id"].clone();
    let said = |message: &str| {
        let answer = house.post("/api/chat/", &json!({"request_id": request, "message": message}));
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["run_id"].clone()
    };
    let second = said("Once that is done, look at the README.");
    assert_ne!(second, first, "a run at work has its orders already");
    assert_eq!(said("I mean: please mention it in the README too."), second, "a run that waits takes further messages along");

    let ends = |run: &Value, e: &Value| is_end(e) && e["run_id"] == *run;
    let ended = log.until(|e| ends(&first, e)).expect("the first run ends")["seq"].as_i64();
    let begun = log.until(|e| e["stage"] == "worker" && e["run_id"] == second).expect("the second begins")["seq"].as_i64();
    assert!(ended < begun);
    drop(log);
    let run = house.expect_proven(&request);
    assert_eq!(run["id"], second);
    let diff = run["diff"].as_str().expect("a diff");
    assert!(diff.contains("README.md") && diff.contains("checkout/pricing.py"), "the follow-up goes on from the patch: {diff}");
    house.expect_whole_log(&request);
    house.expect_nothing_left(false);
    house.expect_no_homes();
}

/// Runs the script to its end, which must be a failure in words that hold the given ones.
fn fails_with(script: &str, words: &str) {
    let mut house = House::cold(script);
    // No dependencies are needed to fail, so none are set up.
    plain_repository(&mut house);
    let request = house.request("Do something");
    let run = house.ended(&request);
    assert_eq!(run["status"], "failed", "{run:#}");
    let error = run["error"].as_str().unwrap_or_default();
    assert!(error.contains(words), "`{error}` does not say `{words}`");
    assert_eq!(house.get(&format!("/api/requests/{request}/")).json()["state"], "FAILED");
    assert_eq!(house.get("/api/merge-requests/").json(), json!([]));
    house.expect_nothing_left(false);
    house.expect_whole_log(&request);
}

#[test]
fn a_run_without_a_model_ends_before_anything_is_made_for_it() {
    let mut house = House::with(None, &[]);
    plain_repository(&mut house);
    let known = house.request(EXAMPLE_PROMPT);
    house.ended(&known);
    let works = |request: &str| house.expect_whole_log(request).iter().any(|e| e["stage"] == "provisioning");
    assert!(works(&known), "the control: what the recording knows gets a sandbox");

    let request = house.request("Our own service fails with KeyError AUTUMN15");
    let run = house.ended(&request);
    assert_eq!(run["status"], "failed", "{run:#}");
    assert!(run["error"].as_str().is_some_and(|e| e.starts_with("No model is configured") && e.contains("`OPENAI_API_KEY`")), "{run:#}");
    assert_eq!(run["error"], house.get("/api/system/").json()["model"]["refusal"], "it could have been known before");
    assert!(!works(&request), "no sandbox was made");
    house.expect_nothing_left(false);
}

/// Links a repository without any test framework.
fn plain_repository(house: &mut House) {
    let git = |args: &[&str]| {
        let status = std::process::Command::new("git")
            .args(["-c", "user.name=door", "-c", "user.email=door@example.com", "-C"])
            .arg(&house.repository)
            .args(args)
            .status()
            .expect("git runs");
        assert!(status.success(), "git {args:?}");
    };
    git(&["rm", "-rq", "."]);
    std::fs::create_dir_all(&house.repository).expect("a folder");
    std::fs::write(house.repository.join("notes.txt"), "Nothing to test here.\n").expect("a file");
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "Only notes"]);
    house.link("notes");
}

#[test]
fn an_agent_that_does_nothing() {
    fails_with(&script(json!([]), "I see nothing to do."), "the agent changed no file: I see nothing to do.");
}

#[test]
fn an_agent_whose_model_refuses() {
    let steps = json!([{"shell": {"command": "true"}}, {"fail": {"status": 400, "message": "the model has had enough"}}]);
    fails_with(&script(steps, ""), "the model has had enough");
}

#[test]
fn an_agent_that_repeats_itself() {
    let steps: Vec<Value> = (0..20).map(|_| json!({"shell": {"command": "echo the same"}})).collect();
    fails_with(&script(json!(steps), ""), "repeated the same");
}

#[test]
fn an_agent_that_never_comes_to_an_end() {
    let most = domain::limits::AGENT_STEPS_MAX;
    let steps: Vec<Value> = (0..most + 5).map(|n| json!({"shell": {"command": format!("echo step {n}")}})).collect();
    fails_with(&script(json!(steps), ""), &format!("was not done after {most} steps"));
}

#[test]
fn an_agent_that_spends_more_than_its_run_may() {
    // Each command fills the conversation, which is paid for again with every further call.
    let fill = |n: usize| json!({"shell": {"command": format!("python3 -c 'print(\"{n} \" * 9000)'")}});
    let steps: Vec<Value> = (0..domain::limits::AGENT_STEPS_MAX + 5).map(fill).collect();
    fails_with(&script(json!(steps), ""), &format!("The budget of {} tokens of this run is spent", domain::limits::RUN_TOKENS_MAX));
}
