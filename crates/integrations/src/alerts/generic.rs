//! A small schema of our own, for programs that no SDK fits.
//!
//! ```json
//! {"title": "KeyError: 'A'", "message": "…", "level": "error", "platform": "python",
//!  "exception": {"type": "KeyError", "value": "'A'", "frames": [{"filename": "a.py", "function": "f", "lineno": 7, "in_app": true, "context_line": "…"}]},
//!  "release": "1.2.3", "environment": "production", "event_id": "…", "timestamp": "2026-11-24T00:00:00Z",
//!  "fingerprint": ["…"], "tags": {"region": "eu"}, "url": "https://…", "user": {"id": "7"}}
//! ```
//!
//! Frames are oldest first. `title`, `message` or `exception` is needed, the rest is not. With a secret, the header
//! `X-Signature-256` holds `sha256=` and the hex HMAC-SHA256 of the raw body.

use super::value::text;
use super::{Entry, check_signature, header, json_body, sentry};
use domain::alert::Alert;
use domain::source::{AlertSource, Delivery};
use domain::{Error, Result};
use serde_json::{Value, json};
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: "generic", label: "Any program (JSON webhook)", open: || Arc::new(Generic) };

const LEVELS: [&str; 5] = ["fatal", "error", "warning", "info", "debug"];

const TEXTS: [&str; 8] = ["title", "message", "level", "platform", "release", "environment", "event_id", "url"];

struct Generic;

impl AlertSource for Generic {
    fn id(&self) -> &'static str {
        ENTRY.id
    }
    fn label(&self) -> &'static str {
        ENTRY.label
    }
    fn is_signed(&self) -> bool {
        false
    }
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Vec<Alert>> {
        if let Some(secret) = delivery.secret {
            let given =
                ["x-signature-256", "x-hub-signature-256"].iter().find_map(|name| header(delivery.headers, name)).unwrap_or_default();
            check_signature(secret.expose(), delivery.body, given.strip_prefix("sha256=").unwrap_or(given))?;
        }
        let mut event = json_body(delivery.body)?;
        check(&event)?;
        // The same event with one exception, its frames a level higher: shaped as an SDK would, it reads as one.
        if let Some(exception) = event["exception"].as_object_mut() {
            let frames = exception.remove("frames").unwrap_or(Value::Null);
            exception.insert("stacktrace".to_string(), json!({"frames": frames}));
            event["exception"] = json!({"values": [event["exception"]]});
        }
        Ok(vec![sentry::alert(&event)])
    }
}

fn check(event: &Value) -> Result<()> {
    if !event.is_object() {
        return Err(Error::invalid("an alert is a JSON object"));
    }
    let exception = &event["exception"];
    let texts = TEXTS.iter().map(|name| (*name, &event[*name])).chain(["type", "value"].map(|name| (name, &exception[name])));
    if let Some((name, _)) = texts.into_iter().find(|(_, value)| value.is_array() || value.is_object()) {
        return Err(Error::field(name, "this is a text, not a list or an object"));
    }
    if ["title", "message"].iter().all(|name| text(&event[*name]).is_empty()) && text(&exception["type"]).is_empty() {
        return Err(Error::field("title", "an alert needs a title, a message, or an exception with a type"));
    }
    if !(exception.is_null() || exception.is_object()) {
        return Err(Error::field("exception", "an exception is an object with type, value and frames"));
    }
    let is_list = |frames: &Value| frames.as_array().is_some_and(|all| all.iter().all(Value::is_object));
    if !(exception["frames"].is_null() || is_list(&exception["frames"])) {
        return Err(Error::field("exception", "its frames are a list of objects, the oldest first"));
    }
    let level = text(&event["level"]).to_lowercase();
    if !level.is_empty() && !LEVELS.contains(&level.as_str()) {
        return Err(Error::field("level", format!("`{}` is none of {}", level.chars().take(20).collect::<String>(), LEVELS.join(", "))));
    }
    Ok(())
}
