//! A model's server on loopback: it plays a script over the real wire format and remembers who asked with which key.

use llm::providers::{self, Provider, RawRequest, Settings};
use llm::wire::Dialect;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const ANSWER_BYTES_MAX: usize = 4 << 20;

pub struct Upstream {
    pub base_url: String,
    /// The `Authorization` of every call.
    pub keys: Arc<Mutex<Vec<String>>>,
    /// The bodies of all calls: what left this installation.
    pub told: Arc<Mutex<String>>,
}

impl Upstream {
    pub fn start(script: &str) -> Upstream {
        let settings = Settings { script: Some(script.to_string()), ..Settings::default() };
        let model = providers::build("scripted", settings).expect("a script");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (keys, told) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<String>>::default());
        let (seen, heard) = (keys.clone(), told.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (model, seen, heard) = (model.clone(), seen.clone(), heard.clone());
                thread::spawn(move || answer(stream, &*model, &seen, &heard));
            }
        });
        Upstream { base_url, keys, told }
    }
}

fn answer(stream: TcpStream, model: &dyn Provider, seen: &Mutex<Vec<String>>, heard: &Mutex<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let dialect = if line.contains("/responses ") { Dialect::Responses } else { Dialect::ChatCompletions };
    let (mut length, mut key) = (0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => key = value.trim().to_string(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    seen.lock().ok()?.push(key);
    heard.lock().ok()?.push_str(&String::from_utf8_lossy(&body));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let (status, content_type, bytes) = runtime.block_on(async {
        let response = model.call(RawRequest { dialect, body: body.into(), headers: Vec::new() }).await.ok()?;
        let (status, content_type) = (response.status, response.content_type.clone());
        Some((status, content_type, response.collect(ANSWER_BYTES_MAX).await.ok()?))
    })?;
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&bytes).ok()
}
