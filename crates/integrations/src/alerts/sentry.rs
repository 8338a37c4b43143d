//! What a Sentry SDK sends to a DSN: envelopes, and the older bodies of one event.

use super::value::{any_text, cut, first, list, number, object, pairs, text, time, values};
use super::{Entry, envelope};
use domain::alert::{Alert, Breadcrumb, Exception, Frame, HttpRequest};
use domain::limits::FRAMES_PER_EXCEPTION_MAX;
use domain::source::{AlertSource, Delivery};
use domain::{Error, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: "sentry_sdk", label: "Sentry SDK (DSN)", open: || Arc::new(SentrySdk) };

const EXCEPTIONS_MAX: usize = 20;
const BREADCRUMBS_MAX: usize = 100;
const VARS_MAX: usize = 100;
/// Members of an event that tell something went wrong; without any of them a body is no event.
const TELLING: [&str; 5] = ["exception", "message", "logentry", "threads", "title"];

struct SentrySdk;

impl AlertSource for SentrySdk {
    fn id(&self) -> &'static str {
        ENTRY.id
    }
    fn label(&self) -> &'static str {
        ENTRY.label
    }
    fn takes_dsn(&self) -> bool {
        true
    }
    fn is_signed(&self) -> bool {
        false
    }
    /// Items that are no events are dropped; SDKs send many kinds, and more with every version.
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Vec<Alert>> {
        // One JSON object is a whole event, also when it is written over several lines; an envelope never is one.
        if let Ok(Value::Object(event)) = serde_json::from_slice::<Value>(delivery.body) {
            let event = Value::Object(event);
            let tells = TELLING.iter().any(|name| event.get(*name).is_some_and(|v| !v.is_null()));
            return Ok(if tells { vec![alert(&event)] } else { Vec::new() });
        }
        let envelope = envelope::parse(delivery.body)?;
        let mut alerts = Vec::new();
        for item in envelope.items.iter().filter(|item| item.kind == "event") {
            let event: Value = serde_json::from_slice(item.payload).map_err(|e| Error::invalid(format!("the event is no JSON: {e}")))?;
            let mut alert = alert(&event);
            if alert.event_id.is_empty() {
                alert.event_id = envelope.event_id().unwrap_or_default().to_string();
            }
            alerts.push(alert);
        }
        Ok(alerts)
    }
}

/// An event as SDKs send it, and as Sentry hands it on in webhooks.
pub fn alert(event: &Value) -> Alert {
    let message = match &event["logentry"] {
        Value::Null => first(event, &["message"]),
        entry => first(entry, &["formatted", "message"]),
    };
    let mut alert = Alert {
        // Sentry writes ids without dashes, some SDKs with them.
        event_id: text(&event["event_id"]).replace('-', "").to_lowercase(),
        title: text(&event["title"]),
        culprit: text(&event["culprit"]),
        level: first(event, &["level"]).to_lowercase(),
        platform: text(&event["platform"]),
        release: text(&event["release"]),
        environment: text(&event["environment"]),
        server_name: text(&event["server_name"]),
        transaction: text(&event["transaction"]),
        at: time(&event["timestamp"]).or_else(|| time(&event["datetime"])),
        message: if message.is_empty() { first(&event["message"], &["formatted", "message"]) } else { message },
        exceptions: values(&event["exception"]).iter().rev().take(EXCEPTIONS_MAX).rev().map(exception).collect(),
        breadcrumbs: values(&event["breadcrumbs"]).iter().rev().take(BREADCRUMBS_MAX).rev().map(breadcrumb).collect(),
        request: event["request"].is_object().then(|| request(&event["request"])),
        tags: pairs(&event["tags"]),
        user: event["user"].is_object().then(|| event["user"].clone()),
        contexts: contexts(event),
        url: Some(first(event, &["web_url", "url"])).filter(|u| !u.is_empty()),
        fingerprint: list(&event["fingerprint"]).iter().map(text).filter(|f| !f.is_empty()).collect(),
    };
    if alert.level.is_empty() {
        alert.level = "error".to_string();
    }
    finish(&mut alert);
    alert
}

/// Fills in what a reader expects and senders often leave out.
pub fn finish(alert: &mut Alert) {
    if alert.title.is_empty() {
        alert.title = cut(&alert.headline());
    }
    if alert.culprit.is_empty() {
        alert.culprit = alert.suspect().map(place).filter(|p| !p.is_empty()).unwrap_or_else(|| alert.transaction.clone());
    }
}

fn place(frame: &Frame) -> String {
    let file = if frame.module.is_empty() || frame.module == "__main__" { &frame.filename } else { &frame.module };
    match (file.is_empty(), frame.function.is_empty()) {
        (false, false) => format!("{file} in {}", frame.function),
        (false, true) => file.clone(),
        (true, _) => frame.function.clone(),
    }
}

pub fn exception(value: &Value) -> Exception {
    let frames = list(&value["stacktrace"]["frames"]);
    // The innermost frames are the ones that tell.
    let from = frames.len().saturating_sub(FRAMES_PER_EXCEPTION_MAX);
    Exception {
        kind: text(&value["type"]),
        value: if value["value"].is_null() { String::new() } else { any_text(&value["value"]) },
        module: text(&value["module"]),
        handled: value["mechanism"]["handled"].as_bool(),
        frames: frames[from..].iter().map(frame).collect(),
    }
}

pub fn frame(value: &Value) -> Frame {
    let lines = |name: &str| list(&value[name]).iter().take(20).map(text).collect();
    let filename = text(&value["filename"]);
    let abs_path = text(&value["abs_path"]);
    Frame {
        in_app: value["in_app"].as_bool().unwrap_or_else(|| looks_in_app(if abs_path.is_empty() { &filename } else { &abs_path })),
        filename,
        abs_path,
        module: text(&value["module"]),
        function: text(&value["function"]),
        lineno: number(&value["lineno"]),
        colno: number(&value["colno"]),
        pre_context: lines("pre_context"),
        context_line: text(&value["context_line"]),
        post_context: lines("post_context"),
        vars: value["vars"].as_object().into_iter().flatten().take(VARS_MAX).map(|(k, v)| (cut(k), any_text(v))).collect(),
    }
}

/// A guess for senders that don't mark frames.
fn looks_in_app(path: &str) -> bool {
    const FOREIGN: [&str; 9] =
        ["/site-packages/", "/dist-packages/", "/lib/python", "node_modules/", "node:", "/rustc/", "/.cargo/", "/usr/lib/", "<frozen "];
    !path.is_empty() && !FOREIGN.iter().any(|part| path.contains(part))
}

fn breadcrumb(value: &Value) -> Breadcrumb {
    Breadcrumb {
        at: time(&value["timestamp"]),
        category: first(value, &["category", "type"]),
        level: text(&value["level"]),
        message: text(&value["message"]),
        data: object(&value["data"]),
    }
}

fn request(value: &Value) -> HttpRequest {
    let query = match &value["query_string"] {
        Value::String(query) => cut(query),
        other => pairs(other).iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&"),
    };
    HttpRequest {
        method: text(&value["method"]),
        url: text(&value["url"]),
        query,
        headers: pairs(&value["headers"]),
        data: Some(&value["data"]).filter(|d| !d.is_null()).cloned(),
    }
}

/// `extra` is what a program told about itself, like a context.
fn contexts(event: &Value) -> Map<String, Value> {
    let mut contexts = object(&event["contexts"]);
    if let Some(extra) = event["extra"].as_object().filter(|e| !e.is_empty()) {
        contexts.insert("extra".to_string(), Value::Object(extra.clone()));
    }
    contexts
}
