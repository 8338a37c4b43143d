//! A request's event stream: taken up again where it broke off, alive while nothing happens, and one for all runs.

use super::house::{EXAMPLE_PROMPT, House, is_end, recording, skipped};
use super::http::{Frame, Frames};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn a_stream_that_breaks_off_goes_on_without_gap_or_repeat() {
    let Some(house) = House::warm(&recording(&[])) else { return skipped("resume a stream") };
    let request = house.request(EXAMPLE_PROMPT);
    let mut all: Vec<Value> = Vec::new();
    // A reader whose connection never holds longer than seven events, while the run writes on.
    while !all.last().is_some_and(is_end) {
        let mut log = house.follow(&request, all.len() as i64);
        let enough = log.last_seq().max(all.len() as i64) + 7;
        log.until(|e| e["seq"].as_i64() == Some(enough) || is_end(e)).expect("more comes");
        all.append(&mut log.seen);
    }
    let seqs: Vec<i64> = all.iter().map(|e| e["seq"].as_i64().expect("a seq")).collect();
    assert_eq!(seqs, (1..=all.len() as i64).collect::<Vec<_>>());
    assert_eq!(all, house.expect_whole_log(&request), "live and replayed events are the same");

    // One stream sees the follow-up run too, and does not end with the first.
    let mut log = house.follow(&request, all.len() as i64);
    house.post("/api/chat/", &json!({"request_id": request, "message": "Once more about AUTUMN15."}));
    let end = log.until(is_end).cloned().expect("the second run ends on the same stream");
    assert_eq!(end["type"], "completed", "{end}");
    let runs: std::collections::BTreeSet<_> = log.seen.iter().filter_map(|e| e["run_id"].as_str().map(String::from)).collect();
    assert_eq!(runs.len(), 1, "only the second run's events come after the first's");
    assert_eq!(log.seen[0]["seq"].as_i64(), Some(all.len() as i64 + 1));
    house.expect_whole_log(&request);
}

#[test]
fn a_quiet_stream_shows_that_it_lives() {
    let house = House::cold(&recording(&[]));
    let request = house.request(EXAMPLE_PROMPT);
    let run = house.get(&format!("/api/requests/{request}/")).json()["metadata"]["runs"][0]["id"].as_str().map(String::from);
    house.post(&format!("/api/runs/{}/cancel/", run.expect("a run")), &json!({}));
    house.ended(&request);
    let frames = Frames::open(&house.address, &format!("/api/runs/{request}/logs/stream"), &[("X-Api-Key", &house.key)]).expect("opens");
    let deadline = Instant::now() + Duration::from_secs(domain::limits::STREAM_HEARTBEAT_SECONDS + 10);
    let Some(Frame { id: None, data }) = frames.next(deadline) else { panic!("no greeting") };
    assert_eq!(data, json!({"request_id": request, "type": "heartbeat", "message": "stream_ready"}));
    loop {
        let Frame { id, data } = frames.next(deadline).expect("a heartbeat in time");
        if data["message"] == "quiet" {
            return assert_eq!((id, &data["type"]), (None, &json!("heartbeat")));
        }
    }
}
