//! The event log as use cases see it: a run's own log to write to, and a tail for whoever reads along.
//!
//! Live delivery is only a wake-up. A reader always reads the table from the last number it saw.

use crate::worker::fenced;
use crate::{Engine, llm, scrub};
use domain::event::{Event, request_topic};
use domain::limits;
use domain::{Error, RequestId, Result, RunId};
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::queue::{LEASE_LOST, Lease};
use tokio::sync::{mpsc, oneshot};

/// One event before it has a number: its kind and the fields beside the common ones.
pub type Draft = (String, Value);

/// Builds what is stored: the contract's common fields, then the event's own.
pub fn payload(engine: &Engine, request: RequestId, run: Option<RunId>, kind: &str, fields: Value) -> Value {
    let mut all = Map::new();
    all.insert("request_id".into(), json!(request));
    if let Some(run) = run {
        all.insert("run_id".into(), json!(run));
    }
    all.insert("type".into(), json!(kind));
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    all.insert("created_at".into(), json!(engine.now()));
    Value::Object(all)
}

/// Appends inside the caller's transaction: for events that belong to a decision.
pub async fn append(
    engine: &Engine,
    tx: &mut store::Tx,
    request: RequestId,
    run: Option<RunId>,
    kind: &str,
    fields: Value,
) -> Result<Event> {
    let payload = payload(engine, request, run, kind, fields);
    store::events::append(tx, &request_topic(request), kind, &payload, engine.now()).await
}

/// Events of a request after `seq`, oldest first, at most a page. Empty means "nothing yet".
pub async fn after(engine: &Engine, request: RequestId, seq: i64) -> Result<Vec<Event>> {
    let mut tx = engine.store.read().await?;
    store::events::after(&mut tx, &request_topic(request), seq, limits::EVENTS_PAGE_MAX).await
}

/// Checks a topic's chain of hashes, and that its event `seq` is the one with this hash. How many events hold.
pub async fn check(engine: &Engine, topic: &str, seq: i64, hash: &str) -> Result<i64> {
    let mut tx = engine.store.read().await?;
    let count = store::events::verify(&mut tx, topic).await?;
    let found = store::events::after(&mut tx, topic, seq - 1, 1).await?.pop().filter(|event| event.seq == seq);
    match found {
        Some(event) if event.hash == hash => Ok(count),
        Some(_) => Err(Error::conflict(format!("event {seq} of `{topic}` is not the one that was signed")).code("chain_broken")),
        None => Err(Error::conflict(format!("`{topic}` has no event {seq}, which was signed")).code("chain_broken")),
    }
}

/// What one run said, oldest first, for a detail view. Bounded by the run's own limit on events.
pub async fn of_run(engine: &Engine, request: RequestId, run: RunId) -> Result<Vec<Value>> {
    let mut seq = 0;
    let mut all = Vec::new();
    let run = json!(run);
    loop {
        let page = after(engine, request, seq).await?;
        let Some(last) = page.last() else { return Ok(all) };
        seq = last.seq;
        all.extend(page.into_iter().map(numbered).filter(|p| p.get("run_id").is_none_or(|id| *id == run)));
        if all.len() > VIEW_EVENTS_MAX {
            return Ok(all);
        }
    }
}

/// An event as readers get it, with its place in the stream, so that they can go on from there.
fn numbered(event: Event) -> Value {
    let mut payload = event.payload;
    if let Value::Object(fields) = &mut payload {
        fields.insert("seq".into(), json!(event.seq));
    }
    payload
}

/// A detail view shows the beginning; the stream has everything.
const VIEW_EVENTS_MAX: usize = 5_000;
/// Without a wake-up the table is read this often: another process may have written.
const POLL: Duration = Duration::from_secs(5);

/// Follows a request's events without end.
pub struct Tail {
    engine: Engine,
    request: RequestId,
    topic: String,
    seq: i64,
    wakes: tokio::sync::broadcast::Receiver<store::Wake>,
}

impl Tail {
    pub fn new(engine: &Engine, request: RequestId, after: i64) -> Self {
        // Subscribed before the first read, so that nothing falls between the two.
        Tail { engine: engine.clone(), request, topic: request_topic(request), seq: after, wakes: engine.store.wakes() }
    }

    /// The next events, at least one. `None` when the store can't be read any more.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            match after(&self.engine, self.request, self.seq).await {
                Ok(page) if page.is_empty() => self.wait().await,
                Ok(page) => {
                    self.seq = page.last().map_or(self.seq, |e| e.seq);
                    return Some(page);
                }
                Err(error) => {
                    tracing::warn!(%error, "a stream ends because its events can't be read");
                    return None;
                }
            }
        }
    }

    async fn wait(&mut self) {
        let ours = async {
            loop {
                match self.wakes.recv().await {
                    Ok(store::Wake::Topic(topic)) if topic == self.topic => return,
                    Ok(_) => {}
                    // Fallen behind or closed: read the table to be sure, a little later.
                    Err(_) => return tokio::time::sleep(Duration::from_millis(200)).await,
                }
            }
        };
        let _ = tokio::time::timeout(POLL, ours).await;
    }
}

/// A run's log while it works. Writes are gathered for up to 50 ms; their order is kept.
#[derive(Clone)]
pub struct RunLog {
    sender: mpsc::Sender<Entry>,
}

enum Entry {
    Event(String, Value),
    Flush(oneshot::Sender<()>),
}

impl RunLog {
    pub fn start(engine: &Engine, request: RequestId, run: RunId, lease: Lease) -> Self {
        let (sender, receiver) = mpsc::channel(1024);
        let writer = Writer { engine: engine.clone(), request, run, lease, left: limits::EVENTS_PER_RUN_MAX };
        tokio::spawn(writer.work(receiver));
        RunLog { sender }
    }

    pub async fn write(&self, kind: &str, fields: Value) {
        // The writer only ends with the process or after the last handle is gone.
        let _ = self.sender.send(Entry::Event(kind.to_string(), fields)).await;
    }

    pub async fn status(&self, stage: &str, message: impl Into<String>) {
        self.write("status", json!({"stage": stage, "message": message.into()})).await;
    }

    /// Returns once everything written before is committed.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.sender.send(Entry::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

struct Writer {
    engine: Engine,
    request: RequestId,
    run: RunId,
    lease: Lease,
    left: i64,
}

impl Writer {
    async fn work(mut self, mut receiver: mpsc::Receiver<Entry>) {
        let mut entries = Vec::new();
        while receiver.recv_many(&mut entries, 256).await > 0 {
            if !entries.iter().any(|e| matches!(e, Entry::Flush(_))) && entries.len() < 256 {
                let window = tokio::time::sleep(Duration::from_millis(50));
                tokio::pin!(window);
                loop {
                    tokio::select! {
                        _ = &mut window => break,
                        more = receiver.recv() => match more {
                            Some(entry) => {
                                let urgent = matches!(entry, Entry::Flush(_));
                                entries.push(entry);
                                if urgent || entries.len() >= 256 { break }
                            }
                            None => break,
                        }
                    }
                }
            }
            self.store(std::mem::take(&mut entries)).await;
        }
    }

    async fn store(&mut self, entries: Vec<Entry>) {
        // Asked for each time: a run's token is made while its log is written.
        let secrets = llm::run_secrets(&self.engine, self.run);
        let mut drafts = Vec::new();
        let mut flushes = Vec::new();
        for entry in entries {
            match entry {
                Entry::Event(kind, fields) => drafts.extend(self.admit(kind, fields, &secrets)),
                Entry::Flush(done) => flushes.push(done),
            }
        }
        for attempt in 0..5u32 {
            match self.commit(&drafts).await {
                Ok(()) => break,
                // Another worker tells of this run now.
                Err(error) if error.code == LEASE_LOST => break,
                Err(error) => {
                    tracing::warn!(run = %self.run, attempt, %error, "events could not be stored yet");
                    tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                }
            }
        }
        for done in flushes {
            let _ = done.send(());
        }
    }

    async fn commit(&self, drafts: &[Draft]) -> Result<()> {
        if drafts.is_empty() {
            return Ok(());
        }
        let mut tx = fenced(&self.engine, &self.lease).await?;
        let topic = request_topic(self.request);
        for (kind, payload) in drafts {
            store::events::append(&mut tx, &topic, kind, payload, self.engine.now()).await?;
        }
        tx.commit().await
    }

    /// Counts against the run's limit and removes what must not be stored. States and verdicts always pass; chatter stops at the limit.
    fn admit(&mut self, kind: String, fields: Value, secrets: &[String]) -> Option<Draft> {
        let chatter = matches!(kind.as_str(), "log" | "assistant_delta" | "command_output");
        self.left -= 1;
        if chatter && self.left < 0 {
            return None;
        }
        let mut payload = payload(&self.engine, self.request, Some(self.run), &kind, fields);
        redact(&mut payload, secrets);
        bound(&mut payload);
        Some((kind, payload))
    }
}

/// The text without each secret, and without whatever looks like somebody's key: an agent may read one in the
/// repository and print it.
pub fn without(text: &str, secrets: &[String]) -> String {
    let known = secrets.iter().filter(|s| !s.is_empty());
    scrub::keys(&known.fold(text.to_string(), |text, secret| text.replace(secret.as_str(), "[redacted]")))
}

/// Replaces each secret wherever it stands in a text of the value.
pub fn redact(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => *text = without(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, secrets)),
        Value::Object(map) => map.values_mut().for_each(|item| redact(item, secrets)),
        _ => {}
    }
}

/// Cuts the longest texts until the payload fits; what is cut says how much.
fn bound(payload: &mut Value) {
    let Value::Object(map) = payload else { return };
    let limit = limits::EVENT_PAYLOAD_BYTES_MAX / 4;
    for value in map.values_mut() {
        if let Value::String(text) = value {
            *text = head_and_tail(text, limit);
        }
    }
}

/// The text, or its head and tail with the number of bytes left out between them.
pub fn head_and_tail(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_string();
    }
    let half = bytes_max / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    format!("{}\n… {} bytes left out …\n{}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_removed_at_any_depth() {
        let mut value = json!({"a": ["x s3cret y", {"b": "s3cret"}], "n": 3});
        redact(&mut value, &["s3cret".to_string(), String::new()]);
        assert_eq!(value, json!({"a": ["x [redacted] y", {"b": "[redacted]"}], "n": 3}));
    }

    #[test]
    fn a_key_that_an_agent_prints_is_known_by_its_shape() {
        let key = format!("AKIA{}", "A1B2C3D4E5F6G7H8");
        let mut value = json!({"log": format!("found {key} in postgres://shop:hunter2@db/shop; basic functionality: a@b.example")});
        redact(&mut value, &[]);
        assert_eq!(value["log"], "found [Filtered] in postgres://shop:[Filtered]@db/shop; basic functionality: a@b.example");
    }

    #[test]
    fn long_text_keeps_head_and_tail_and_says_what_is_missing() {
        let text = format!("{}{}", "ä".repeat(100), "z".repeat(100));
        let cut = head_and_tail(&text, 40);
        assert!(cut.starts_with("ää") && cut.ends_with("zz") && cut.contains("260 bytes left out"), "{cut}");
    }
}
