//! Crowds of strangers, slow ones above all: they get no memory and no place that others need.

use crate::house::{House, PASSWORD, call};
use axum::body::{Body, Bytes};
use domain::limits::LOGIN_TRIES_PER_MINUTE_MAX;
use futures::stream::{self, StreamExt};
use http::Request;
use serde_json::json;
use server::{AppState, ServerConfig};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Begins, and never goes on.
fn slow(method: &str, path: &str, length: usize) -> http::request::Builder {
    call(method, path).header("content-type", "application/json").header("content-length", length)
}

fn dawdling(first: &'static str) -> Body {
    Body::from_stream(stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(first.as_bytes()))]).chain(stream::pending()))
}

#[tokio::test]
async fn who_sends_slowly_keeps_nobody_out() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let made = house.post(&ada, "/api/alert-sources/", json!({"name": "x", "kind": "generic", "workspace_uid": ada.workspace})).await;
    let hook = made.is(201)["webhook_url"].as_str().unwrap().split_once("8001").unwrap().1.to_string();
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..700 {
        for (path, length) in [("/api/auth/login/", 100), ("/api/auth/register/", 100), (hook.as_str(), 1 << 20)] {
            crowd.spawn(house.app.clone().oneshot(slow("POST", path, length).body(dawdling("{")).unwrap()));
        }
    }
    let answered = tokio::time::timeout(Duration::from_millis(500), crowd.join_next()).await;
    assert!(answered.is_err(), "the control: they are all under way, and not refused");

    house.get(&ada, "/api/auth/me/").await.is(200);
    for path in ["/api/healthz/", "/api/readyz/", "/metrics"] {
        house.send(call("GET", path).body(Body::empty()).unwrap()).await.is(200);
    }
    house.anonymous("POST", "/api/auth/login/", json!({"username": "ada", "password": PASSWORD})).await.is(200);
    house.anonymous("POST", &hook, json!({"title": "an alert"})).await.is(200);
    assert_eq!(crowd.len(), 2100);
}

#[tokio::test]
async fn no_strangers_body_is_read() {
    let house = House::new().await;
    let (ada, eve) = (house.person("ada").await, house.person("eve").await);
    let link = json!({"provider": "local", "repository": "shop", "workspace_uid": ada.workspace});
    house.post(&ada, "/api/repository-links/", link).await.is(201);
    let session = house.post(&ada, "/api/sandbox/sessions/", json!({})).await.is(201)["id"].as_str().unwrap().to_string();
    let upload = format!("/api/sandbox/sessions/{session}/files/upload/?path=x");
    let push = format!("/git/{}/shop.git/git-receive-pack", ada.workspace);
    let with = |path: &str, key: &str, body: Body| {
        let request = call("POST", path).header("content-type", "application/x-git-receive-pack-request").header("x-api-key", key);
        house.send(request.body(body).unwrap())
    };
    assert_eq!(with(&upload, &ada.key, Body::from("x")).await.is(200)["exit_code"], 0, "the control");
    assert!(with(&push, &ada.key, Body::from("0000")).await.status.is_success(), "the control");

    // Half a gigabyte is announced, and none of it waited for.
    let huge = |path: &str, key: &str| {
        let request = slow("POST", path, 512 << 20).header("x-api-key", key);
        house.send(request.body(dawdling("x")).unwrap())
    };
    let started = Instant::now();
    for (path, key, status) in [
        (push.as_str(), "nobodys", 401),
        (push.as_str(), eve.key.as_str(), 404),
        ("/git/no/such.git/git-receive-pack", ada.key.as_str(), 404),
        (upload.as_str(), "nobodys", 401),
        (upload.as_str(), eve.key.as_str(), 404),
        ("/api/workspaces/", "nobodys", 401),
    ] {
        assert_eq!(huge(path, key).await.status.as_u16(), status, "{path}");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // A DSN and a hook that nobody has: the sender is let speak for a moment, so that it hears the answer.
    for path in ["/api/1/envelope/?sentry_key=0000", "/api/hooks/0000/"] {
        let answer = house.send(slow("POST", path, 20 << 20).body(dawdling("x")).unwrap()).await;
        assert!(matches!(answer.status.as_u16(), 401 | 404), "{path}: {}", answer.status);
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let long = json!({"username": "x".repeat(20_000), "password": "x"});
    house.anonymous("POST", "/api/auth/login/", long).await.is_problem(413);
}

#[tokio::test]
async fn no_spelling_of_a_name_buys_further_guesses() {
    let house = House::new().await;
    house.person("ada").await;
    let login = |name: String, password: &'static str| {
        let body = json!({"username": name, "password": password});
        async { house.anonymous("POST", "/api/auth/login/", body).await.status.as_u16() }
    };
    assert_eq!(login("ADA".into(), PASSWORD).await, 200, "the control: it is one name");
    for at in 0..LOGIN_TRIES_PER_MINUTE_MAX {
        let name = ["ada", "Ada", "aDa", "ADA"][at as usize % 4];
        assert_eq!(login(name.into(), "wrong wrong wrong").await, 401);
    }
    for name in ["ada", "Ada", "adA", "AdA"] {
        assert_eq!(login(name.into(), PASSWORD).await, 429, "{name}");
    }
    house.clock.forward(61);
    assert_eq!(login("ada".into(), PASSWORD).await, 200);
}

#[tokio::test]
async fn a_connection_that_dawdles_is_closed() {
    let house = House::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let state = AppState::new(house.engine.clone(), ServerConfig::default());
    let serving = tokio::spawn(server::listen::serve(listener, state, stop.clone()));
    let begin = |head: &'static str| async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let whole = "GET /api/healthz/ HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut kept = begin(whole).await;
    let mut half = begin("GET /api/healthz/ HTTP/1.1\r\nhost: loc").await;
    let mut silent = begin("").await;
    let mut bytes = [0; 4096];
    for _ in 0..2 {
        let length = kept.read(&mut bytes).await.unwrap();
        assert!(String::from_utf8_lossy(&bytes[..length]).starts_with("HTTP/1.1 200"), "the control");
        kept.write_all(whole.as_bytes()).await.unwrap();
    }
    let _ = kept.read(&mut bytes).await.unwrap();
    // Nothing happens any more but time.
    tokio::time::pause();
    for stream in [&mut half, &mut silent, &mut kept] {
        let mut said = Vec::new();
        tokio::time::timeout(Duration::from_secs(120), stream.read_to_end(&mut said)).await.expect("it is closed").unwrap();
    }
    tokio::time::resume();
    stop.cancel();
    serving.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_body_that_never_comes_is_its_senders_fault() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let (asked, mut is_asked) = tokio::sync::mpsc::unbounded_channel();
    let body = Body::from_stream(futures::stream::poll_fn(move |_| {
        let _ = asked.send(());
        std::task::Poll::<Option<Result<Vec<u8>, std::io::Error>>>::Pending
    }));
    let request = Request::builder().method("POST").uri("/api/workspaces/").header("x-api-key", &ada.key).header("host", "localhost");
    let request = request.header("content-type", "application/json").body(body).unwrap();
    let time_passes = async {
        is_asked.recv().await.expect("the body is read");
        tokio::time::pause();
    };
    let (answer, ()) = tokio::join!(house.send(request), time_passes);
    assert_eq!(answer.is_problem(408)["code"], "timeout");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_few_words() {
    let house = House::new().await;
    let ada = house.person("ada").await;
    let sent = json!({"name": ["x".repeat(2_000_000)]});
    let answer = house.post(&ada, "/api/workspaces/", sent).await;
    assert!(answer.is_problem(400)["detail"].as_str().unwrap().len() < 2_000);
    let request =
        Request::builder().method("PATCH").uri(format!("/api/workspaces/{}/members/1/", ada.workspace)).header("x-api-key", &ada.key);
    let body = json!({"role": "x".repeat(2_000_000)}).to_string();
    let answer =
        house.send(request.header("host", "localhost").header("content-type", "application/json").body(Body::from(body)).unwrap()).await;
    answer.is_problem(400);
    assert!(answer.bytes.len() < 5_000, "{}", answer.bytes.len());
}
