//! What a Sentry server's integration sends: `event_alert`, `error` and `issue`, signed with the integration's client secret.

use super::value::{first, list, text, time};
use super::{Entry, check_signature, header, json_body, sentry};
use domain::alert::Alert;
use domain::source::{AlertSource, Delivery};
use domain::{Error, Result};
use serde_json::Value;
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: "sentry_webhook", label: "Sentry integration (webhook)", open: || Arc::new(SentryWebhook) };

struct SentryWebhook;

impl AlertSource for SentryWebhook {
    fn id(&self) -> &'static str {
        ENTRY.id
    }
    fn label(&self) -> &'static str {
        ENTRY.label
    }
    fn is_signed(&self) -> bool {
        true
    }
    /// Resources and actions that tell of no fault are received and give nothing: Sentry takes a refusal for an outage.
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Vec<Alert>> {
        let secret = delivery
            .secret
            .ok_or_else(|| Error::unauthenticated("this source has no client secret yet, so its deliveries can't be checked"))?;
        let signature = header(delivery.headers, "sentry-hook-signature").unwrap_or_default();
        check_signature(secret.expose(), delivery.body, signature)?;
        let body = json_body(delivery.body)?;
        let action = text(&body["action"]);
        let alert = match (header(delivery.headers, "sentry-hook-resource").unwrap_or_default(), action.as_str()) {
            ("event_alert", "triggered") => Some(event_alert(&body["data"]["event"])),
            ("error", "created") => Some(event_alert(&body["data"]["error"])),
            ("issue", "created" | "unresolved") => Some(issue_alert(&body["data"]["issue"], &action)),
            _ => None,
        };
        Ok(alert.into_iter().collect())
    }
}

fn event_alert(event: &Value) -> Alert {
    let mut alert = sentry::alert(event);
    // Sentry's own grouping, so that our incidents are its issues.
    let issue = text(&event["issue_id"]);
    if !issue.is_empty() {
        alert.fingerprint = vec![format!("sentry issue {issue}")];
    }
    alert
}

/// An issue has no stack; it says that there is a fault, and which.
fn issue_alert(issue: &Value, action: &str) -> Alert {
    let id = text(&issue["id"]);
    let last_seen = text(&issue["lastSeen"]);
    let mut alert = Alert {
        // An issue's deliveries have no event id of their own.
        event_id: format!("issue {id} {action} {last_seen}"),
        title: text(&issue["title"]),
        culprit: text(&issue["culprit"]),
        level: first(issue, &["level"]).to_lowercase(),
        platform: first(issue, &["platform"]),
        at: time(&issue["lastSeen"]),
        url: Some(first(issue, &["permalink", "web_url"])).filter(|u| !u.is_empty()),
        fingerprint: if id.is_empty() { Vec::new() } else { vec![format!("sentry issue {id}")] },
        ..Alert::default()
    };
    let metadata = &issue["metadata"];
    if !text(&metadata["type"]).is_empty() {
        alert.exceptions = vec![sentry::exception(metadata)];
    }
    alert.tags = list(&issue["tags"]).iter().filter_map(|t| Some((text(t.get("key")?), text(t.get("value")?)))).collect();
    alert.tags.push(("sentry.issue".to_string(), first(issue, &["shortId", "id"])));
    sentry::finish(&mut alert);
    alert
}
