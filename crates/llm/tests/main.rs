//! The provider and the client over real sockets and streams, on loopback.

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use llm::chat::{ChatRequest, Finish, Message, Tool, ToolKind};
use llm::client::ChatClient;
use llm::providers::{self, ApiKey, Provider, RawRequest, Settings};
use llm::{Dialect, ErrorKind};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers one connection with these bytes and returns what it was asked.
async fn upstream(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            request.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&request);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, asked)
}

fn openai(base_url: String) -> Arc<dyn Provider> {
    let settings = Settings {
        base_url: Some(base_url),
        api_key: Some(ApiKey::new("sk-upstream")),
        idle_timeout: Duration::from_secs(5),
        ..Settings::default()
    };
    providers::build("openai", settings).unwrap()
}

fn request(dialect: Dialect, body: &str) -> RawRequest {
    let headers = [("authorization", "Bearer run-token"), ("cookie", "a=b"), ("x-codex-turn-metadata", "{}"), ("openai-beta", "x")];
    RawRequest { dialect, body: Bytes::from(body.to_string()), headers: headers.map(|(n, v)| (n.to_string(), v.to_string())).to_vec() }
}

const STREAM: &str = concat!(
    "event: response.created\r\ndata: {\"type\":\"response.created\",  \"response\":{}}\r\n\r\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"model\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}\n\n",
);

#[tokio::test]
async fn bytes_pass_unchanged_and_headers_are_built_afresh() {
    let answer: &'static str = Box::leak(
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: x=y\r\nopenai-model: m\r\nconnection: close\r\n\r\n{STREAM}"
        )
        .into_boxed_str(),
    );
    let (url, asked) = upstream(answer).await;
    let body = r#"{ "model":"m",  "stream":true,"n":1.0,"input":"hé" }"#;
    let response = openai(url).call(request(Dialect::Responses, body)).await.unwrap();
    assert_eq!(response.headers, [("openai-model".to_string(), "m".to_string())]);
    let gauge = response.gauge.clone();
    assert_eq!(response.collect(1 << 20).await.unwrap(), STREAM);
    assert_eq!(gauge.read().usage.unwrap().total(), 7);
    let asked = asked.await.unwrap();
    let (head, sent) = asked.split_once("\r\n\r\n").unwrap();
    assert_eq!(sent, body);
    let head = head.to_lowercase();
    assert!(head.starts_with("post /v1/responses http/1.1"), "{head}");
    for wanted in ["authorization: bearer sk-upstream", "accept-encoding: identity", "openai-beta: x"] {
        assert!(head.contains(wanted), "{wanted} missing in {head}");
    }
    for unwanted in ["run-token", "cookie", "metadata"] {
        assert!(!head.contains(unwanted), "{unwanted} in {head}");
    }
}

#[tokio::test]
async fn usage_is_metered_even_if_the_client_did_not_ask_for_it() {
    let answer = concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"
    );
    let (url, asked) = upstream(answer).await;
    let body = r#"{"model":"m","stream":true,"messages":[]}"#;
    let response = openai(url).call(request(Dialect::ChatCompletions, body)).await.unwrap();
    let gauge = response.gauge.clone();
    let seen = response.collect(1 << 20).await.unwrap();
    assert_eq!(seen, "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: [DONE]\n\n");
    assert_eq!(gauge.read().usage.unwrap().total(), 7);
    assert!(asked.await.unwrap().contains(r#""stream_options":{"include_usage":true}"#));
}

#[tokio::test]
async fn refusals_pass_but_neither_the_key_nor_a_redirect_does() {
    let answer = "HTTP/1.1 429 Too Many\r\nretry-after: 7\r\nconnection: close\r\n\r\n{\"error\":\"key sk-upstream is slow\"}";
    let (url, _asked) = upstream(answer).await;
    let response = openai(url).call(request(Dialect::Responses, r#"{"model":"m"}"#)).await.unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(response.headers, [("retry-after".to_string(), "7".to_string())]);
    let gauge = response.gauge.clone();
    assert_eq!(response.collect(1 << 20).await.unwrap(), "{\"error\":\"key [key] is slow\"}");
    assert_eq!(gauge.read().usage_or_bound(1000).total(), 0);

    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n";
    let (url, _asked) = upstream(answer).await;
    let Err(error) = openai(url).call(request(Dialect::Responses, r#"{"model":"m"}"#)).await else { panic!("followed") };
    assert_eq!((error.kind, error.status), (ErrorKind::Status, Some(302)));

    let Err(error) = openai("http://127.0.0.1:9".into()).call(request(Dialect::Responses, r#"{"model":"m"}"#)).await else {
        panic!("reached");
    };
    assert_eq!(error.kind, ErrorKind::Unreachable);
}

/// A client whose streams end in a server that puts every request to the provider.
fn client_of(provider: Arc<dyn Provider>) -> ChatClient {
    let open = move || {
        let provider = provider.clone();
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let provider = provider.clone();
                async move {
                    assert_eq!(request.headers()["authorization"], "Bearer run-token");
                    let dialect = Dialect::of_path(request.uri().path()).unwrap();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let answer = provider.call(RawRequest { dialect, body, headers: Vec::new() }).await.unwrap();
                    let frames = answer.body.map(|piece| piece.map(Frame::data));
                    let response = http::Response::builder().status(answer.status).header("content-type", answer.content_type);
                    Ok::<_, std::convert::Infallible>(response.body(StreamBody::new(frames)).unwrap())
                }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service).await;
        });
        let near: Box<dyn llm::client::ByteStream> = Box::new(near);
        Box::pin(async move { Ok(near) }) as futures::future::BoxFuture<'static, _>
    };
    ChatClient::over(Arc::new(open), Some(ApiKey::new("run-token")), Duration::from_secs(1))
}

fn scripted(script: serde_json::Value) -> ChatClient {
    client_of(providers::build("scripted", Settings { script: Some(script.to_string()), ..Settings::default() }).unwrap())
}

fn chat() -> ChatRequest {
    let schema = json!({"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]});
    ChatRequest {
        model: "m".into(),
        messages: vec![Message::User { text: "go".into() }],
        tools: vec![Tool { name: "shell".into(), description: String::new(), kind: ToolKind::Function, namespace: None, schema }],
        ..ChatRequest::default()
    }
}

#[tokio::test]
async fn a_client_over_a_plain_stream_gets_the_answer_piece_by_piece() {
    let say = "I will look at the folder first, then think about what to do next.";
    let client = scripted(json!({"steps": [{"say": say, "shell": {"command": "ls"}}], "final": "done"}));
    let mut pieces = 0;
    let reply = client.complete(&chat(), |_| pieces += 1).await.unwrap();
    assert_eq!(reply.text, say);
    assert_eq!(reply.finish, Finish::ToolCalls);
    assert_eq!(reply.tool_calls[0].arguments, r#"{"command":"ls"}"#);
    assert!(reply.usage.unwrap().total() > 10);
    assert!(pieces > 5);
}

#[tokio::test]
async fn failures_and_silence_are_told_apart() {
    let client = scripted(json!({"steps": [{"fail": {"status": 503, "message": "overloaded"}}]}));
    let error = client.complete(&chat(), |_| {}).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Status, Some(503)));
    assert!(error.message.contains("overloaded") && error.is_passing());
    let client = scripted(json!({"steps": [{"hang": {"seconds": 60}}], "final": "late"}));
    let error = client.complete(&chat(), |_| {}).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
}
