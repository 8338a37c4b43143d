//! Wrong input of every kind: answered with a problem document that says what is wrong, and nothing is lost by it.

use super::house::{EXAMPLE_PROMPT, House, script};
use super::http::Answer;
use serde_json::{Value, json};

const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

/// A problem document with this status, and words for people.
#[track_caller]
fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 10, "too few words: {problem}");
    assert!(!detail.contains("sqlx") && !detail.contains("panicked"), "{detail}");
    detail.to_string()
}

#[test]
fn what_the_server_writes_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::cold(&script(json!([]), "Nothing."));
    let entries: Vec<_> = std::fs::read_dir(&house.data).expect("the data dir").flatten().collect();
    assert!(entries.len() > 4, "the control: it has written something");
    for entry in entries {
        let mode = entry.metadata().expect("a stat").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", entry.path().display());
    }
}

#[test]
fn a_key_is_found_and_revoked_from_the_command_line() {
    let house = House::cold(&script(json!([]), "Nothing."));
    let leaked = house.admin(&["create-key", "--user", "admin", "--name", "nightly job"]);
    let me = || house.send("GET", "/api/auth/me/", &[("X-Api-Key", &leaked)], None);
    assert_eq!(me().status, 200);
    let listed = || house.admin(&["list-keys", "--user", "admin"]);
    let line = listed().lines().find(|line| line.ends_with("nightly job")).expect("the key is listed").to_string();
    assert!(line.contains(" active ") && line.contains(" used 2"), "{line}");
    assert!(!listed().contains(&leaked), "no key is ever shown again");

    let id = line.split_whitespace().next().expect("an id");
    stranger(&house);
    let others = house.try_admin(&["revoke-key", "--user", "stranger", "--id", id]);
    assert!(!others.status.success(), "the key is not the stranger's");
    assert!(!house.try_admin(&["revoke-key", "--user", "admin", "--id", &leaked]).status.success(), "a key is no id");
    assert_eq!(me().status, 200);

    house.admin(&["revoke-key", "--user", "admin", "--id", id]);
    problem(&me(), 401);
    assert_eq!(house.get("/api/auth/me/").status, 200, "the other key goes on");
    assert!(listed().lines().any(|line| line.starts_with(id) && line.contains(" revoked ")), "{}", listed());
}

/// A second person with a workspace and a key of their own.
struct Stranger {
    cookies: String,
    csrf: String,
    key: String,
    key_id: String,
}

fn stranger(house: &House) -> Stranger {
    let body = json!({"username": "stranger", "password": "correct horse battery"}).to_string();
    let answer = house.send("POST", "/api/auth/register/", &[("Content-Type", "application/json")], Some(body.as_bytes()));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let pairs: Vec<&str> = answer.headers.iter().filter(|(n, _)| n == "set-cookie").filter_map(|(_, v)| v.split(';').next()).collect();
    let cookies = pairs.join("; ");
    let csrf = pairs.iter().find_map(|p| p.strip_prefix("csrftoken=")).expect("a CSRF cookie").to_string();
    let headers = [("Cookie", cookies.as_str()), ("X-CSRFToken", csrf.as_str()), ("Content-Type", "application/json")];
    let minted = house.send("POST", "/api/api-keys/", &headers, Some(br#"{"name": "mine"}"#));
    assert_eq!(minted.status, 201, "{}", minted.text());
    let minted = minted.json();
    let text = |name: &str| minted[name].as_str().expect("text").to_string();
    Stranger { key: text("key"), key_id: text("id"), cookies, csrf }
}

#[test]
fn wrong_input_is_answered_in_words_and_loses_nothing() {
    let house = House::cold(&script(json!([]), "Nothing."));
    bodies(&house);
    places(&house);
    let stranger = stranger(&house);
    others_things(&house, &stranger);
    credentials(&house, &stranger);
    // Nothing was lost or made by any of it.
    assert_eq!(house.get("/api/healthz/").status, 200);
    assert_eq!(house.get("/api/readyz/").status, 200);
    assert_eq!(house.get("/api/requests/").json(), json!([]));
    assert_eq!(house.get("/api/repository-links/").json()[0]["id"], house.link.as_str());
    let log = house.log.lock().expect("log").clone();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

fn bodies(house: &House) {
    let key = ("X-Api-Key", house.key.as_str());
    let json_type = ("Content-Type", "application/json");
    let post = |headers: &[(&str, &str)], body: &[u8]| house.send("POST", "/api/requests/", headers, Some(body));
    for broken in [&b"{"[..], b"", b"[1, 2", b"\xff\xfe{}", b"null", b"[]", b"\"text\""] {
        problem(&post(&[key, json_type], broken), 400);
    }
    let wrong: [Value; 6] = [
        json!({}),
        json!({"project_id": 5, "prompt": []}),
        json!({"project_id": "no id", "prompt": EXAMPLE_PROMPT}),
        json!({"project_id": NOBODY, "prompt": EXAMPLE_PROMPT}),
        json!({"project_id": house.link, "prompt": "   "}),
        json!({"project_id": house.link, "prompt": EXAMPLE_PROMPT, "kind": "miracle"}),
    ];
    for body in wrong {
        problem(&post(&[key, json_type], body.to_string().as_bytes()), 400);
    }
    problem(&post(&[key, ("Content-Type", "text/plain")], b"{}"), 415);
    let huge = json!({"project_id": house.link, "prompt": "x".repeat(domain::limits::JSON_BODY_BYTES_MAX)}).to_string();
    problem(&post(&[key, json_type], huge.as_bytes()), 413);
    let long = json!({"project_id": house.link, "prompt": "x".repeat(domain::limits::PROMPT_BYTES_MAX + 1)}).to_string();
    problem(&post(&[key, json_type], long.as_bytes()), 400);
    let deep = "[".repeat(100_000);
    problem(&post(&[key, json_type], deep.as_bytes()), 400);
}

fn places(house: &House) {
    for path in ["requests", "runs", "merge-requests", "incidents"] {
        for id in ["not-an-id", NOBODY, "..%2f..%2fetc%2fpasswd", "%00", "1%27%20or%201=1"] {
            problem(&house.get(&format!("/api/{path}/{id}/")), 404);
        }
    }
    problem(&house.get("/api/no-such-thing/"), 404);
    problem(&house.send("PUT", "/api/requests/", &[("X-Api-Key", &house.key)], None), 405);
    problem(&house.get(&format!("/api/runs/{NOBODY}/logs/stream?after=minus")), 400);
    problem(&house.post(&format!("/api/runs/{NOBODY}/retry/"), &json!({"from_step": "dance"})), 400);
}

fn others_things(house: &House, stranger: &Stranger) {
    let key = [("X-Api-Key", stranger.key.as_str()), ("Content-Type", "application/json")];
    let uid = &house.workspace;
    problem(&house.send("GET", &format!("/api/workspaces/{uid}/usage/"), &key, None), 404);
    problem(&house.send("GET", &format!("/api/repository-links/?workspace_uid={uid}"), &key, None), 404);
    problem(&house.send("DELETE", &format!("/api/repository-links/{}/", house.link), &key, None), 404);
    let body = json!({"project_id": house.link, "prompt": EXAMPLE_PROMPT}).to_string();
    problem(&house.send("POST", "/api/requests/", &key, Some(body.as_bytes())), 400);
    let link = json!({"provider": "local", "repository": "mine", "workspace_uid": uid}).to_string();
    problem(&house.send("POST", "/api/repository-links/", &key, Some(link.as_bytes())), 400);
}

fn credentials(house: &House, stranger: &Stranger) {
    let list = |headers: &[(&str, &str)]| house.send("GET", "/api/requests/", headers, None);
    problem(&list(&[]), 401);
    problem(&list(&[("X-Api-Key", "not-a-key")]), 401);
    problem(&list(&[("X-Api-Key", &"k".repeat(5_000))]), 401);
    let cookies = ("Cookie", stranger.cookies.as_str());
    assert_eq!(list(&[cookies]).status, 200, "reading needs no CSRF token");
    problem(&list(&[cookies, ("X-Api-Key", "not-a-key")]), 401);

    let post = |headers: &[(&str, &str)]| house.send("POST", "/api/api-keys/", headers, Some(br#"{"name": "another"}"#));
    let json_type = ("Content-Type", "application/json");
    assert!(problem(&post(&[cookies, json_type]), 403).contains("CSRF"));
    problem(&post(&[cookies, json_type, ("X-CSRFToken", "guessed")]), 403);
    let csrf = ("X-CSRFToken", stranger.csrf.as_str());
    problem(&post(&[cookies, json_type, csrf, ("Origin", "https://elsewhere.example")]), 403);
    assert_eq!(post(&[cookies, json_type, csrf]).status, 201, "the same with the right token");

    let key = ("X-Api-Key", stranger.key.as_str());
    assert_eq!(list(&[key]).status, 200);
    let revoked = house.send("DELETE", &format!("/api/api-keys/{}/", stranger.key_id), &[cookies, csrf], None);
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    problem(&list(&[key]), 401);

    let fresh = post(&[cookies, json_type, csrf]).json()["key"].as_str().expect("a key").to_string();
    let fresh = ("X-Api-Key", fresh.as_str());
    assert_eq!(list(&[fresh]).status, 200);
    house.admin(&["block", "--user", "stranger"]);
    let refused = list(&[fresh]);
    assert!(matches!(refused.status, 401 | 403));
    problem(&refused, refused.status);
    let refused = list(&[cookies]);
    assert!(matches!(refused.status, 401 | 403), "a blocked user's session ends too");
}
