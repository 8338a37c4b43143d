//! Sandbox sessions at the door, with real places behind it.

use crate::house::{House, call};
use axum::body::Body;
use serde_json::json;

const SESSIONS: &str = "/api/sandbox/sessions/";
/// In the order clients were promised.
const FIELDS: [&str; 27] = [
    "id",
    "mode",
    "image",
    "cpu",
    "memory",
    "ephemeral_storage",
    "restore_snapshot_id",
    "status",
    "ref",
    "control_endpoint",
    "workspace_path",
    "artifact_base_url",
    "workspace_uid",
    "workspace_name",
    "idle_timeout_sec",
    "max_lifetime_sec",
    "last_activity_at",
    "last_heartbeat_at",
    "expires_at",
    "error_message",
    "metadata",
    "cpu_seconds",
    "storage_bytes",
    "snapshot_ids",
    "artifacts_count",
    "created_at",
    "updated_at",
];

#[tokio::test]
async fn a_session_runs_commands_and_keeps_files() {
    let house = House::new().await;
    let (ada, eve) = (house.person("ada").await, house.person("eve").await);
    let made = house.post(&ada, SESSIONS, json!({"mode": "docker", "image": "anything"})).await;
    let session = made.is(201);
    assert_eq!(session.as_object().expect("an object").keys().map(String::as_str).collect::<Vec<_>>(), FIELDS);
    assert_eq!((session["status"].as_str(), session["mode"].as_str()), (Some("ready"), Some("local")), "what really runs");
    assert_eq!(session["workspace_path"], "/workspace");
    let id = session["id"].as_str().expect("an id").to_string();
    assert_eq!(made.headers["location"], id);
    let at = |tail: &str| format!("{SESSIONS}{id}/{tail}");

    let ran = house.post(&ada, &at("shell/"), json!({"command": "echo out; echo err >&2; exit 3"})).await;
    assert_eq!(
        (ran.is(200)["exit_code"].as_i64(), ran.json["stdout"].as_str(), ran.json["stderr"].as_str()),
        (Some(3), Some("out\n"), Some("err\n"))
    );
    let argv = house.post(&ada, &at("exec/"), json!({"command": ["printf", "%s", "a b"], "cwd": "/workspace"})).await;
    assert_eq!(argv.is(200)["stdout"], "a b");
    assert_eq!(house.post(&ada, &at("exec/"), json!({"command": ["no-such-program"]})).await.is(200)["exit_code"], 127);
    // The deadline takes the whole line and its children, not only the first command.
    let late = house.post(&ada, &at("shell/"), json!({"command": "true; (sleep 60 & sleep 60)", "timeout_sec": 1})).await;
    assert_eq!((late.is(200)["exit_code"].as_i64(), late.json["reason"].as_str()), (Some(124), Some("timeout")));
    house.post(&ada, &at("shell/"), json!({"command": "true", "timeout_sec": 0})).await.is_problem(400);

    // Bytes arrive as they were sent, blanks and emptiness included.
    assert_eq!(house.post(&ada, &at("upload/"), json!({"path": "/workspace/a.txt", "content": " x \n"})).await.is(200)["exit_code"], 0);
    assert_eq!(&house.get(&ada, &at("files/content/?path=a.txt")).await.bytes[..], b" x \n");
    assert_eq!(house.post(&ada, &at("upload/"), json!({"path": "empty", "content": ""})).await.is(200)["exit_code"], 0);
    house.post(&ada, &at("upload/"), json!({"path": "b", "content": "%%", "encoding": "base64"})).await.is_problem(400);
    let raw = call("POST", &at("files/upload/?path=deep/er/b.bin"))
        .header("x-api-key", &ada.key)
        .header("content-type", "application/octet-stream");
    assert_eq!(house.send(raw.body(Body::from(vec![0u8, 255, 10])).expect("a request")).await.is(200)["exit_code"], 0);
    let content = house.get(&ada, &at("files/content/?path=/workspace/deep/er/b.bin&filename=c.bin")).await;
    assert_eq!(&content.bytes[..], &[0, 255, 10]);
    assert!(content.headers["content-disposition"].to_str().is_ok_and(|v| v.starts_with("attachment; filename=\"c.bin\"")));
    house.get(&ada, &at("files/content/?path=gone")).await.is_problem(400);
    house.get(&ada, &at("files/content/")).await.is_problem(400);
    let big = call("POST", &at("files/upload/?path=big")).header("x-api-key", &ada.key);
    assert_eq!(house.send(big.body(Body::from(vec![7u8; 5 << 20])).expect("a request")).await.is(200)["exit_code"], 0);
    assert_eq!(house.get(&ada, &at("files/content/?path=big")).await.bytes.len(), 5 << 20);
    assert!(house.get(&ada, &at("files/")).await.is(200).as_array().is_some_and(|all| all.len() == 4));
    let exported = house.post(&ada, &at("files/export/"), json!({"path": "a.txt", "content_type": "text/plain"})).await;
    let url = exported.is(201)["download_url"].as_str().expect("a URL").to_string();
    assert_eq!(&house.get(&ada, &url).await.bytes[..], b" x \n");
    assert_eq!(house.get(&ada, &at("artifacts/")).await.is(200)["artifacts"][0]["filename"], "a.txt");

    // Nobody outside the workspace learns that the session exists; its id can't be taken either.
    for tail in ["", "artifacts/", "files/content/?path=a.txt"] {
        house.get(&eve, &at(tail)).await.is_problem(404);
    }
    house.post(&eve, &at("shell/"), json!({"command": "id"})).await.is_problem(404);
    house.delete(&eve, &at("")).await.is_problem(404);
    house.post(&eve, SESSIONS, json!({"id": id})).await.is_problem(409);
    assert_eq!(house.get(&eve, SESSIONS).await.is(200), &json!([]));
    assert_eq!(house.get(&ada, SESSIONS).await.is(200).as_array().map(Vec::len), Some(1));

    // Stopping keeps the files; the next command brings a new place under the same id.
    house.post(&ada, &at("stop/"), json!(null)).await.is(204);
    house.delete(&ada, &at("")).await.is(204);
    assert_eq!(house.get(&ada, &at("")).await.is(200)["status"], "terminated");
    assert_eq!(house.post(&ada, &at("shell/"), json!({"command": "cat a.txt"})).await.is(200)["stdout"], " x \n");
    house.delete(&ada, &at("")).await.is(204);
    let again = house.post(&ada, SESSIONS, json!({"id": id})).await;
    assert_eq!(again.is(200)["status"], "ready");
    engine::sandboxes::end_all(&house.engine).await;
}

#[tokio::test]
async fn one_id_asked_for_by_many_at_once_is_one_session() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let id = "0193a5a0-0000-7000-8000-000000000001";
    let asking = (0..50).map(|_| house.post(&ada, SESSIONS, json!({"id": id})));
    let answers = futures::future::join_all(asking).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.is(200)["id"], id);
    }
    assert_eq!(house.get(&ada, SESSIONS).await.is(200).as_array().map(Vec::len), Some(1));
    engine::sandboxes::end_all(&house.engine).await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_field() {
    let house = House::new().await;
    let (ada, eve) = (house.person("ada").await, house.person("eve").await);
    for (body, field) in [
        (json!({"idle_timeout_sec": 10}), "idle_timeout_sec"),
        (json!({"max_lifetime_sec": 10}), "max_lifetime_sec"),
        (json!({"idle_timeout_sec": 900, "max_lifetime_sec": 300}), "non_field_errors"),
        (json!({"mode": "vm"}), "mode"),
        (json!({"memory": "plenty"}), "memory"),
        (json!({"id": "x"}), "id"),
        (json!({"workspace_uid": eve.workspace}), "workspace_uid"),
    ] {
        let refused = house.post(&ada, SESSIONS, body.clone()).await;
        assert!(refused.is_problem(400)[field].is_array(), "{body}: {}", refused.json);
    }
    house.post(&ada, SESSIONS, json!({"restore_snapshot_id": "0193a5a0-0000-7000-8000-000000000000"})).await.is_problem(404);
    assert_eq!(house.get(&ada, SESSIONS).await.is(200), &json!([]), "nothing was left behind");
}

#[tokio::test]
async fn idle_sessions_end_and_heartbeats_keep_them() {
    let house = House::with(|settings| {
        settings.quotas_enabled = true;
        settings.default_plan = "trial".into();
    })
    .await;
    let ada = house.person("ada").await;
    let made = house.post(&ada, SESSIONS, json!({"idle_timeout_sec": 60, "max_lifetime_sec": 300})).await;
    let id = made.is(201)["id"].as_str().expect("an id").to_string();
    let at = |tail: &str| format!("{SESSIONS}{id}/{tail}");
    // The plan has one seat.
    assert_eq!(house.post(&ada, SESSIONS, json!({})).await.is_problem(400)["code"], "quota_exceeded");

    house.clock.forward(50);
    house.post(&ada, &at("heartbeat/"), json!(null)).await.is(200);
    house.clock.forward(50);
    engine::sandboxes::reap(&house.engine).await.expect("reaped");
    assert_eq!(house.get(&ada, &at("")).await.is(200)["status"], "ready", "the heartbeat counts");
    house.clock.forward(61);
    engine::sandboxes::reap(&house.engine).await.expect("reaped");
    let ended = house.get(&ada, &at("")).await;
    assert_eq!(
        (ended.is(200)["status"].as_str(), ended.json["metadata"]["terminated_reason"].as_str()),
        (Some("terminated"), Some("idle_timeout"))
    );

    // A session that comes back gets its whole life again.
    house.post(&ada, &at("shell/"), json!({"command": "true"})).await.is(200);
    let back = house.get(&ada, &at("")).await;
    assert_eq!(back.is(200)["status"], "ready");
    assert!(back.json["expires_at"].as_str() > ended.json["expires_at"].as_str());
    house.clock.forward(301);
    house.post(&ada, &at("heartbeat/"), json!(null)).await.is(200);
    engine::sandboxes::reap(&house.engine).await.expect("reaped");
    assert_eq!(house.get(&ada, &at("")).await.is(200)["metadata"]["terminated_reason"], "max_lifetime");

    // Files wait a week for their owner, and no longer.
    let see = json!({"command": "cat kept"});
    assert_eq!(house.post(&ada, &at("upload/"), json!({"path": "kept", "content": "x"})).await.is(200)["exit_code"], 0);
    for (days, exit_code) in [(6, 0), (8, 1)] {
        house.delete(&ada, &at("")).await.is(204);
        house.clock.forward(days * 24 * 3600);
        engine::sandboxes::reap(&house.engine).await.expect("reaped");
        assert_eq!(house.post(&ada, &at("shell/"), see.clone()).await.is(200)["exit_code"], exit_code, "after {days} days");
    }
    engine::sandboxes::end_all(&house.engine).await;
}
