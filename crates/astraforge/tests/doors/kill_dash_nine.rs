//! The server is killed in the middle of every step; the next one goes on, and nothing is lost, doubled or left behind.

use super::house::{EXAMPLE_PROMPT, House, busy, is_step, recording, skipped};
use serde_json::Value;
use std::time::Duration;

/// When to strike, as seen in the event stream.
type Moment = fn(&Value) -> bool;

fn is_command(event: &Value, stage: &str, part: &str) -> bool {
    event["type"] == "command"
        && event["command"].as_str().is_some_and(|c| c.contains(part))
        && (stage.is_empty() || event["stage"] == stage)
}

/// Two busy commands: one while the fault is reproduced, one after the product was changed.
fn slow_recording() -> String {
    recording(&[(1, busy(1.5)), (4, busy(1.5))])
}

fn strike(house: &mut House, request: &str, moments: &[Moment], end: impl Fn(&mut House)) {
    let mut seq = 0;
    for (at, moment) in moments.iter().enumerate() {
        let mut log = house.follow(request, seq);
        let found = log.until(|event| moment(event) || super::house::is_end(event)).cloned();
        let found = found.unwrap_or_else(|| panic!("moment {at} never came"));
        assert!(moment(&found), "the run ended before moment {at}: {found}");
        seq = log.last_seq();
        drop(log);
        end(house);
        house.start();
    }
}

/// Kills at the given moments, one after the other, and looks at what came of it; a server of its own for each round.
fn survives(script: &str, what: &str, moments: &[Moment]) {
    let rounds = if std::env::var_os("ASTRAFORGE_SOAK").is_some() { 5 } else { 1 };
    for _ in 0..rounds {
        let Some(mut house) = House::warm(script) else { return skipped(what) };
        let request = house.request(EXAMPLE_PROMPT);
        strike(&mut house, &request, moments, House::kill);
        at_rest(&mut house, &request);
    }
}

fn at_rest(house: &mut House, request: &str) {
    house.expect_proven(request);
    house.expect_nothing_left(false);
    let events = house.expect_whole_log(request);
    assert_eq!(events.iter().filter(|e| e["type"] == "completed").count(), 1);
    assert_eq!(events.iter().filter(|e| e["type"] == "verdict").count(), 1, "a verdict is given once");
    house.terminate();
    house.expect_nothing_left(true);
}

#[test]
fn a_queued_run_and_its_first_step() {
    let Some(mut house) = House::warm(&recording(&[])) else { return skipped("kill while queued") };
    let request = house.request(EXAMPLE_PROMPT);
    house.kill();
    house.start();
    strike(&mut house, &request, &[|e| is_step(e, "prepare", "working")], House::kill);
    at_rest(&mut house, &request);
}

#[test]
fn set_up_from_the_registries() {
    if House::warm(&recording(&[])).is_none() {
        return skipped("kill during set-up");
    }
    let mut house = House::cold(&recording(&[]));
    let request = house.request(EXAMPLE_PROMPT);
    strike(&mut house, &request, &[|e| is_command(e, "setup", "venv"), |e| is_command(e, "setup", "pip install")], House::kill);
    at_rest(&mut house, &request);
}

#[test]
fn an_agent_in_the_middle_of_a_command() {
    survives(
        &slow_recording(),
        "kill the agent",
        &[
            |e| is_step(e, "reproduce", "working"),
            |e| is_command(e, "", "monotonic"),
            |e| is_step(e, "patch", "working"),
            |e| is_step(e, "patch", "done"),
        ],
    );
}

#[test]
fn early_moments_of_proof() {
    survives(
        &recording(&[]),
        "kill early in proof",
        &[
            |e| is_step(e, "prove", "working"),
            |e| is_command(e, "prove", "base's own tests on base"),
            |e| is_command(e, "prove", "on base, 3 of 3"),
            |e| is_command(e, "prove", "in disguise"),
        ],
    );
}

#[test]
fn late_moments_of_proof() {
    survives(
        &recording(&[]),
        "kill late in proof",
        &[
            |e| is_command(e, "prove", "on the patched source"),
            |e| is_command(e, "prove", "exception swallowed"),
            |e| is_command(e, "prove", "made wrong"),
            |e| e["type"] == "verdict",
        ],
    );
}

#[test]
fn the_merge_request_is_opened_once() {
    survives(
        &recording(&[]),
        "kill while proposing",
        &[
            |e| is_step(e, "prove", "done"),
            |e| is_step(e, "propose", "working"),
            |e| e["type"] == "status" && e["stage"] == "git",
            |e| e["type"] == "merge_request",
        ],
    );
}

/// What git leaves when it is killed between taking a lock and letting go of it: too short a moment to strike by chance.
#[test]
fn locks_of_killed_git_processes_do_not_stop_the_next() {
    let Some(mut house) = House::warm(&recording(&[])) else { return skipped("stale locks") };
    house.kill();
    let repository = house.data.join("git").join(format!("{}.git", house.link));
    let half = house.data.join("checkouts").join(&house.link).join(".new-abcdef");
    for name in ["HEAD.lock", "packed-refs.lock", "config.lock", "refs/heads/main.lock"] {
        std::fs::write(repository.join(name), "").expect("a lock");
    }
    std::fs::create_dir_all(half.join("tree")).expect("half a tree");
    house.start();
    let request = house.request(EXAMPLE_PROMPT);
    at_rest(&mut house, &request);
}

#[test]
fn sigterm_hands_the_work_to_the_next_server() {
    let Some(mut house) = House::warm(&slow_recording()) else { return skipped("SIGTERM") };
    let request = house.request(EXAMPLE_PROMPT);
    let stop = |house: &mut House| {
        let took = house.terminate();
        assert!(took < Duration::from_secs(20), "a stop took {took:?}");
        house.expect_nothing_left(true);
    };
    strike(&mut house, &request, &[|e| is_command(e, "", "monotonic"), |e| is_command(e, "prove", "with the patch")], stop);
    at_rest(&mut house, &request);
}
