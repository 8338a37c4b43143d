//! What tests of agents stand on: a folder as sandbox, and a door with the scripted model behind it.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod folder;

use async_trait::async_trait;
use domain::egress::{BoxStream, Door, Doors, Peer};
use llm::Dialect;
use llm::providers::{self, Provider, RawRequest, Settings};
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub const TOKEN: &str = "run-token";

/// Answers one request per connection from the script, to whoever has the token.
pub struct ScriptedDoors(Arc<dyn Provider>);

impl ScriptedDoors {
    pub fn new(script: Value) -> Arc<Self> {
        let settings = Settings { script: Some(script.to_string()), ..Settings::default() };
        Arc::new(ScriptedDoors(providers::build("scripted", settings).unwrap()))
    }

    /// The same on a loopback port.
    pub async fn listen(self: Arc<Self>) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let doors = self.clone();
                tokio::spawn(async move { doors.answer(stream).await });
            }
        });
        port
    }

    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let (head, body) = request(&mut stream).await?;
        let path = head.split(' ').nth(1)?.to_string();
        let allowed = head.to_lowercase().contains(&format!("authorization: bearer {TOKEN}"));
        let (status, content_type, body) = match Dialect::of_path(&path) {
            Some(dialect) if allowed => {
                let response = self.0.call(RawRequest { dialect, body: body.into(), headers: Vec::new() }).await.unwrap();
                (response.status, response.content_type.clone(), response.collect(1 << 20).await.unwrap())
            }
            _ => (404, "text/plain".to_string(), "no".into()),
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()?;
        stream.shutdown().await.ok()
    }
}

#[async_trait]
impl Doors for ScriptedDoors {
    async fn serve(&self, stream: BoxStream, _peer: Peer, door: Door) {
        assert_eq!(door, Door::Llm);
        self.answer(stream).await;
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 8192];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&buffer[..count]);
        let Some(at) = request.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..at]).into_owned();
        let lower = head.to_lowercase();
        let length: usize = lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if request.len() >= at + 4 + length {
            return Some((head, request.split_off(at + 4)));
        }
    }
}
