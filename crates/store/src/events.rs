//! The append-only log: gap-free within a topic, each event chained to the one before by its hash.
//!
//! Streams, replays, audits and evidence read this table. Delivery is not here: a commit only says "look again".

use crate::db::UNREADABLE;
use crate::value::{At, insert};
use crate::{Tx, args};
use domain::event::{Event, GENESIS, chain};
use domain::limits::{EVENT_PAYLOAD_BYTES_MAX, EVENTS_PAGE_MAX};
use domain::{Error, Result, Timestamp};
use serde_json::Value;

const COLUMNS: &str = "topic, seq, kind, payload, at, prev_hash, hash";

/// One event that is not in the log yet.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub kind: String,
    pub payload: Value,
    pub at: Timestamp,
}

pub async fn append(tx: &mut Tx, topic: &str, kind: &str, payload: &Value, at: Timestamp) -> Result<Event> {
    let head = head(tx, topic).await?;
    let event = write(tx, topic, head, kind, payload, at).await?;
    set_head(tx, &event).await?;
    Ok(event)
}

/// The same for several at once, in order.
pub async fn append_many(tx: &mut Tx, topic: &str, new: &[NewEvent]) -> Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::with_capacity(new.len());
    if new.is_empty() {
        return Ok(events);
    }
    let mut head = head(tx, topic).await?;
    for NewEvent { kind, payload, at } in new {
        let event = write(tx, topic, head, kind, payload, *at).await?;
        head = (event.seq, event.hash.clone());
        events.push(event);
    }
    set_head(tx, &events[events.len() - 1]).await?;
    Ok(events)
}

/// Events with a greater `seq`, oldest first, at most `limit` and never more than a page.
pub async fn after(tx: &mut Tx, topic: &str, seq: i64, limit: i64) -> Result<Vec<Event>> {
    let limit = limit.clamp(0, EVENTS_PAGE_MAX);
    let sql = format!("select {COLUMNS} from events where topic = $1 and seq > $2 order by seq limit {limit}");
    let rows: Vec<Row> = tx.all(sql, args![topic, seq]).await?;
    rows.into_iter().map(Row::noun).collect()
}

pub async fn last(tx: &mut Tx, topic: &str) -> Result<Option<Event>> {
    let sql = format!("select {COLUMNS} from events where topic = $1 order by seq desc limit 1");
    let row: Option<Row> = tx.maybe(sql, args![topic]).await?;
    row.map(Row::noun).transpose()
}

/// Recomputes the whole chain. Answers how many events hold; `Conflict` names the first that does not.
pub async fn verify(tx: &mut Tx, topic: &str) -> Result<i64> {
    let (mut seq, mut hash) = (0, GENESIS.to_string());
    let (strays,): (i64,) = tx.one("select count(*) from events where topic = $1 and seq < 1", args![topic]).await?;
    if strays > 0 {
        return Err(Error::conflict(format!("`{topic}` has events before its first")).code("chain_broken"));
    }
    loop {
        let sql = format!("select {COLUMNS} from events where topic = $1 and seq > $2 order by seq limit {EVENTS_PAGE_MAX}");
        let rows: Vec<Row> = tx.all(sql, args![topic, seq]).await.map_err(|error| match error.code {
            UNREADABLE => Error::conflict(format!("an event of `{topic}` after {seq} can't be read")).code("chain_broken").because(error),
            _ => error,
        })?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let expected = chain(&hash, topic, seq + 1, &row.kind, &row.payload, row.at.into());
            if row.seq != seq + 1 || row.prev_hash != hash || row.hash != expected {
                return Err(Error::conflict(format!("event {} of `{topic}` is not what was written", row.seq)).code("chain_broken"));
            }
            (seq, hash) = (row.seq, row.hash);
        }
    }
    let head: Option<(i64, String)> = tx.maybe("select seq, hash from topics where topic = $1", args![topic]).await?;
    match head {
        Some(head) if head != (seq, hash) => {
            Err(Error::conflict(format!("events of `{topic}` after {seq} are missing")).code("chain_broken"))
        }
        _ => Ok(seq),
    }
}

/// Forgets a topic with all its events.
pub(crate) async fn delete(tx: &mut Tx, topic: &str) -> Result<()> {
    tx.run("delete from events where topic = $1", args![topic]).await?;
    tx.run("delete from topics where topic = $1", args![topic]).await?;
    Ok(())
}

/// Where the topic stands, holding it against other appenders until the transaction ends.
async fn head(tx: &mut Tx, topic: &str) -> Result<(i64, String)> {
    let sql =
        "insert into topics (topic, seq, hash) values ($1, 0, $2) on conflict (topic) do update set seq = topics.seq returning seq, hash";
    tx.one(sql, args![topic, GENESIS]).await
}

async fn set_head(tx: &mut Tx, event: &Event) -> Result<()> {
    tx.run("update topics set seq = $2, hash = $3 where topic = $1", args![&event.topic, event.seq, &event.hash]).await?;
    tx.note_topic(&event.topic);
    Ok(())
}

async fn write(tx: &mut Tx, topic: &str, head: (i64, String), kind: &str, payload: &Value, at: Timestamp) -> Result<Event> {
    let text = payload.to_string();
    if text.len() > EVENT_PAYLOAD_BYTES_MAX {
        return Err(Error::limit(format!("an event of kind `{kind}` has {} bytes; the most is {EVENT_PAYLOAD_BYTES_MAX}", text.len())));
    }
    let at = Timestamp::from(At::from(at));
    let (prev_seq, prev_hash) = head;
    let seq = prev_seq + 1;
    let hash = chain(&prev_hash, topic, seq, kind, &text, at);
    tx.run(insert("events", COLUMNS), args![topic, seq, kind, text, at, &prev_hash, &hash]).await?;
    Ok(Event { topic: topic.to_string(), seq, kind: kind.to_string(), payload: payload.clone(), at, prev_hash, hash })
}

#[derive(sqlx::FromRow)]
struct Row {
    topic: String,
    seq: i64,
    kind: String,
    payload: String,
    at: At,
    prev_hash: String,
    hash: String,
}

impl Row {
    fn noun(self) -> Result<Event> {
        let Row { topic, seq, kind, payload, at, prev_hash, hash } = self;
        let payload =
            serde_json::from_str(&payload).map_err(|e| Error::internal(format!("event {seq} of `{topic}` is no JSON")).because(e))?;
        Ok(Event { topic, seq, kind, payload, at: at.into(), prev_hash, hash })
    }
}
