//! Signing up, in and out; keys; and what stops working when somebody is blocked.

use crate::house::{Answer, House, PASSWORD, call};
use axum::body::Body;
use domain::limits::LOGIN_TRIES_PER_MINUTE_MAX;
use engine::accounts;
use serde_json::{Value, json};

async fn login(house: &House, username: &str, password: &str) -> Answer {
    house.anonymous("POST", "/api/auth/login/", json!({"username": username, "password": password})).await
}

async fn with_session(house: &House, method: &str, path: &str, session: &str, csrf: Option<&str>, origin: Option<&str>) -> Answer {
    with_session_sending(house, method, path, session, csrf, origin, json!({"name": "n"})).await
}

async fn with_session_sending(
    house: &House,
    method: &str,
    path: &str,
    session: &str,
    csrf: Option<&str>,
    origin: Option<&str>,
    body: Value,
) -> Answer {
    let mut request = call(method, path).header("cookie", format!("sessionid={session}; csrftoken={}", csrf.unwrap_or_default()));
    if let Some(csrf) = csrf {
        request = request.header("x-csrftoken", csrf);
    }
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    house.send(request.header("content-type", "application/json").body(Body::from(body.to_string())).expect("a request")).await
}

#[tokio::test]
async fn a_newcomer_registers_signs_in_and_out() {
    let house = House::new().await;
    let made = house.anonymous("POST", "/api/auth/register/", json!({"username": "ada", "password": PASSWORD, "email": ""})).await;
    let user = made.is(201);
    assert_eq!(user["access"]["status"], "approved");
    assert_eq!(user["access"]["waitlist_email_sent"], false);
    assert_eq!(user["workspaces"][0]["role"], "owner");
    assert_eq!(user["default_workspace"], user["workspaces"][0]["uid"]);
    assert!(made.cookie("sessionid").is_some());

    let twice = house.anonymous("POST", "/api/auth/register/", json!({"username": "Ada", "password": PASSWORD})).await;
    assert!(twice.is_problem(400)["username"].is_array(), "{}", twice.json);
    let short = house.anonymous("POST", "/api/auth/register/", json!({"username": "bob", "password": "short"})).await;
    assert!(short.is_problem(400)["password"].is_array());

    login(&house, "ada", "wrong wrong wrong").await.is_problem(401);
    login(&house, "nobody", PASSWORD).await.is_problem(401);
    let inside = login(&house, "ada", PASSWORD).await;
    inside.is(200);
    let (session, csrf) = (inside.cookie("sessionid").expect("a session"), inside.cookie("csrftoken").expect("a token"));
    assert_eq!(with_session(&house, "GET", "/api/auth/me/", &session, None, None).await.is(200)["username"], "ada");
    with_session(&house, "POST", "/api/auth/logout/", &session, Some(&csrf), None).await.is(204);
    with_session(&house, "GET", "/api/auth/me/", &session, None, None).await.is_problem(401);
}

#[tokio::test]
async fn a_session_changes_nothing_without_its_csrf_token() {
    let house = House::new().await;
    house.person("ada").await;
    let inside = login(&house, "ada", PASSWORD).await;
    let (session, csrf) = (inside.cookie("sessionid").expect("a session"), inside.cookie("csrftoken").expect("a token"));
    let path = "/api/workspaces/";
    let missing = with_session(&house, "POST", path, &session, None, None).await;
    assert_eq!(missing.is_problem(403)["code"], "csrf_failed");
    // A token that an attacker planted in both places is not the session's.
    with_session(&house, "POST", path, &session, Some(&"a".repeat(64)), None).await.is_problem(403);
    with_session(&house, "POST", path, &session, Some(&csrf), Some("https://evil.example")).await.is_problem(403);
    with_session(&house, "POST", path, &session, Some(&csrf), Some("null")).await.is_problem(403);
    with_session(&house, "POST", path, &session, Some(&csrf), Some("http://localhost:8001")).await.is(201);
    with_session(&house, "POST", path, &session, Some(&csrf), None).await.is(201);
    // The token is still to be had by whoever holds the session.
    let again = house
        .send(call("GET", "/api/auth/csrf/").header("cookie", format!("sessionid={session}")).body(Body::empty()).expect("a request"))
        .await;
    assert_eq!(again.is(204), &serde_json::Value::Null);
    assert_eq!(again.cookie("csrftoken"), Some(csrf));
}

#[tokio::test]
async fn a_session_ends_after_two_weeks() {
    let house = House::new().await;
    house.person("ada").await;
    let session = login(&house, "ada", PASSWORD).await.cookie("sessionid").expect("a session");
    house.clock.forward(13 * 24 * 3600);
    with_session(&house, "GET", "/api/auth/me/", &session, None, None).await.is(200);
    house.clock.forward(24 * 3600 + 1);
    with_session(&house, "GET", "/api/auth/me/", &session, None, None).await.is_problem(401);
}

#[tokio::test]
async fn keys_are_shown_once_and_stop_when_revoked() {
    let house = House::new().await;
    let mut ada = house.person("ada").await;
    let made = house.post(&ada, "/api/api-keys/", json!({"name": "ci"})).await;
    let raw = made.is(201)["key"].as_str().expect("the key").to_string();
    assert_eq!(raw.len(), 43);
    let id = made.json["id"].as_str().expect("an id").to_string();
    let listed = house.get(&ada, "/api/api-keys/").await;
    assert!(!listed.is(200).to_string().contains(&raw));
    house.post(&ada, "/api/api-keys/", json!({"name": "  "})).await.is_problem(400);
    let form = call("POST", "/api/api-keys/").header("x-api-key", &ada.key).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(house.send(form.body(Body::from("name=from+a+form")).expect("a request")).await.is(201)["name"], "from a form");

    let eve = house.person("eve").await;
    house.delete(&eve, &format!("/api/api-keys/{id}/")).await.is_problem(404);
    house.delete(&ada, "/api/api-keys/nonsense/").await.is_problem(404);
    let old = std::mem::replace(&mut ada.key, raw);
    house.get(&ada, "/api/auth/me/").await.is(200);
    ada.key = old;
    house.delete(&ada, &format!("/api/api-keys/{id}/")).await.is(204);
    ada.key = made.json["key"].as_str().expect("the key").to_string();
    house.get(&ada, "/api/auth/me/").await.is_problem(401);
}

#[tokio::test]
async fn a_bad_key_is_fatal_beside_a_good_session() {
    let house = House::new().await;
    house.person("ada").await;
    let session = login(&house, "ada", PASSWORD).await.cookie("sessionid").expect("a session");
    let request = call("GET", "/api/auth/me/").header("cookie", format!("sessionid={session}"));
    house.send(request.body(Body::empty()).expect("a request")).await.is(200);
    let request = call("GET", "/api/auth/me/").header("cookie", format!("sessionid={session}")).header("x-api-key", "bad");
    house.send(request.body(Body::empty()).expect("a request")).await.is_problem(401);
}

#[tokio::test]
async fn blocking_somebody_works_at_once() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let session = login(&house, "ada", PASSWORD).await.cookie("sessionid").expect("a session");
    house.get(&ada, "/api/auth/me/").await.is(200);
    accounts::block(&house.engine, "ada").await.expect("blocked");
    assert_eq!(house.get(&ada, "/api/auth/me/").await.is_problem(403)["code"], "blocked");
    with_session(&house, "GET", "/api/auth/me/", &session, None, None).await.is_problem(401);
    let refused = login(&house, "ada", PASSWORD).await;
    assert_eq!(refused.is_problem(403)["access"]["status"], "blocked");
    assert!(refused.json["auth"].is_object());
    login(&house, "ada", "not the password").await.is_problem(401);
    accounts::approve(&house.engine, "ada").await.expect("approved");
    house.get(&ada, "/api/auth/me/").await.is(200);
}

#[tokio::test]
async fn with_a_wait_list_newcomers_wait() {
    let house = House::with(|settings| settings.require_approval = true).await;
    assert_eq!(house.anonymous("GET", "/api/auth/settings/", json!(null)).await.is(200)["waitlist_enabled"], true);
    let made = house.anonymous("POST", "/api/auth/register/", json!({"username": "ada", "password": PASSWORD})).await;
    assert_eq!(made.is(202)["access"]["status"], "pending");
    assert!(made.cookie("sessionid").is_none());
    assert_eq!(login(&house, "ada", PASSWORD).await.is_problem(403)["access"]["status"], "pending");
    accounts::approve(&house.engine, "ada").await.expect("approved");
    login(&house, "ada", PASSWORD).await.is(200);
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let house = House::new().await;
    house.person("ada").await;
    for _ in 0..LOGIN_TRIES_PER_MINUTE_MAX {
        login(&house, "ada", "wrong wrong wrong").await.is_problem(401);
    }
    let slowed = login(&house, "ada", PASSWORD).await;
    slowed.is_problem(429);
    assert!(slowed.headers.contains_key("retry-after"));
    login(&house, "nobody else", "wrong wrong wrong").await.is_problem(401);
    house.clock.forward(61);
    login(&house, "ada", PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_new_password_takes_the_old_one_and_ends_the_other_sessions() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let (here, there) = (login(&house, "ada", PASSWORD).await, login(&house, "ada", PASSWORD).await);
    let session = |answer: &Answer| answer.cookie("sessionid").expect("a session");
    let csrf = here.cookie("csrftoken").expect("a token");
    let (here, there) = (session(&here), session(&there));
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        with_session_sending(&house, "POST", "/api/auth/password/", &here, Some(&csrf), None, body).await
    };
    let me = async |session: &str| with_session(&house, "GET", "/api/auth/me/", session, None, None).await;
    let other = "a longer way round";

    assert!(change("not the password", other).await.is_problem(400)["current_password"].is_array());
    assert!(change(PASSWORD, "short").await.is_problem(400)["new_password"].is_array());
    assert!(change(PASSWORD, PASSWORD).await.is_problem(400)["new_password"].is_array());
    house.anonymous("POST", "/api/auth/password/", json!({"current_password": PASSWORD, "new_password": other})).await.is_problem(401);
    me(&there).await.is(200);
    login(&house, "ada", PASSWORD).await.is(200);

    change(PASSWORD, other).await.is(204);
    me(&here).await.is(200);
    me(&there).await.is_problem(401);
    house.get(&ada, "/api/auth/me/").await.is(200);
    login(&house, "ada", PASSWORD).await.is_problem(401);
    login(&house, "ada", other).await.is(200);
}

#[tokio::test]
async fn guessing_the_password_of_an_open_session_is_slowed_down() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let guess = json!({"current_password": "wrong wrong wrong", "new_password": "a longer way round"});
    for _ in 0..LOGIN_TRIES_PER_MINUTE_MAX {
        house.post(&ada, "/api/auth/password/", guess.clone()).await.is_problem(400);
    }
    let right = json!({"current_password": PASSWORD, "new_password": "a longer way round"});
    house.post(&ada, "/api/auth/password/", right.clone()).await.is_problem(429);
    house.clock.forward(61);
    house.post(&ada, "/api/auth/password/", right).await.is(204);
}

#[tokio::test]
async fn the_first_start_makes_one_administrator() {
    let house = House::new().await;
    let password = accounts::ensure_admin(&house.engine).await.expect("made").expect("the first start");
    assert_eq!(login(&house, "admin", password.expose()).await.is(200)["is_admin"], true);
    assert!(accounts::ensure_admin(&house.engine).await.expect("nothing to do").is_none());
}
