//! The whole program on PostgreSQL: a server is killed while it works, and the next one goes on.

use super::house::{EXAMPLE_PROMPT, House, busy, is_step, recording, skipped};
use serde_json::{Value, json};
use store::testkit::Postgres;

fn session(house: &House, id: &str) -> Value {
    house.get(&format!("/api/sandbox/sessions/{id}/")).json()
}

#[test]
fn a_run_and_a_session_outlive_their_server_on_postgresql() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let postgres = match Postgres::start() {
        Ok(postgres) => postgres,
        Err(why) => return skipped(&format!("the program on PostgreSQL: {why}")),
    };
    let url = runtime.block_on(postgres.database()).expect("a database");
    let Some(mut house) = House::warm_with(&recording(&[(1, busy(2.0))]), &[("DATABASE_URL", &url)]) else {
        return skipped("the program on PostgreSQL");
    };
    assert!(!house.data.join("astraforge.db").exists(), "nothing is kept in SQLite");

    let created = house.post("/api/sandbox/sessions/", &json!({"workspace_uid": house.workspace}));
    assert_eq!(created.status, 201, "{}", created.text());
    let id = created.json()["id"].as_str().expect("an id").to_string();
    let exec = |house: &House, command: &str| house.post(&format!("/api/sandbox/sessions/{id}/shell/"), &json!({"command": command}));
    assert_eq!(exec(&house, "echo kept > note.txt").json()["exit_code"], 0);
    assert_eq!(session(&house, &id)["status"], "ready");

    let request = house.request(EXAMPLE_PROMPT);
    house.follow(&request, 0).until(|e| is_step(e, "reproduce", "working")).expect("the agent works");
    house.kill();
    house.start();
    let ended = session(&house, &id);
    assert_eq!((&ended["status"], &ended["metadata"]["terminated_reason"]), (&json!("terminated"), &json!("server_restart")), "{ended:#}");
    house.expect_proven(&request);
    assert_eq!(exec(&house, "cat note.txt").json()["stdout"], "kept\n");
    house.expect_whole_log(&request);
    house.terminate();
    house.expect_nothing_left(true);
}
