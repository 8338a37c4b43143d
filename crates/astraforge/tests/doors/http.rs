//! A client of few words: HTTP/1.0, so that no answer is chunked and every answer ends with its connection.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{}: {e}: {}", self.status, self.text()))
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

pub fn call(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> std::io::Result<Answer> {
    let mut reader = ask(address, method, path, headers, body)?;
    let (status, headers) = head(&mut reader)?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok(Answer { status, headers, body })
}

fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> std::io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // A server that refuses a body early may close before it has read everything.
    let _ = stream.write_all(body.unwrap_or_default());
    Ok(BufReader::new(stream))
}

fn head(reader: &mut impl BufRead) -> std::io::Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|s| s.trim().parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status line but `{line}`")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_string())),
            None => return Ok((status, headers)),
        }
    }
}

/// One frame of an event stream.
#[derive(Clone, Debug)]
pub struct Frame {
    pub id: Option<i64>,
    pub data: Value,
}

/// Frames as they come, read by a thread of their own.
pub struct Frames {
    receiver: Receiver<Frame>,
}

impl Frames {
    pub fn open(address: &str, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Frames> {
        let mut reader = ask(address, "GET", path, headers, None)?;
        let (status, _) = head(&mut reader)?;
        if status != 200 {
            return Err(std::io::Error::other(format!("the stream answered {status}")));
        }
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let (mut id, mut data) = (None, String::new());
            for line in reader.lines().map_while(Result::ok) {
                match line.split_once(':') {
                    Some(("id", value)) => id = value.trim().parse().ok(),
                    Some(("data", value)) => data.push_str(value.trim_start()),
                    _ if line.is_empty() && !data.is_empty() => {
                        let parsed = serde_json::from_str(&std::mem::take(&mut data)).unwrap_or(Value::Null);
                        if sender.send(Frame { id: id.take(), data: parsed }).is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        Ok(Frames { receiver })
    }

    /// The next frame; `None` when the stream ended or the time is up.
    pub fn next(&self, until: Instant) -> Option<Frame> {
        self.receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
    }
}
