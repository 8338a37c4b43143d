//! What GlitchTip's "general (Slack-compatible)" recipients get. Neither signed nor with a stack; the URL's token is the proof.

use super::value::{any_text, list, text};
use super::{Entry, json_body, sentry};
use domain::alert::Alert;
use domain::source::{AlertSource, Delivery};
use domain::{Error, Result};
use serde_json::Value;
use std::sync::Arc;

pub const ENTRY: Entry = Entry { id: "glitchtip", label: "GlitchTip (webhook)", open: || Arc::new(GlitchTip) };

const ATTACHMENTS_MAX: usize = 20;

struct GlitchTip;

impl AlertSource for GlitchTip {
    fn id(&self) -> &'static str {
        ENTRY.id
    }
    fn label(&self) -> &'static str {
        ENTRY.label
    }
    fn is_signed(&self) -> bool {
        false
    }
    /// A source's secret, if it has one, is GlitchTip's base address: links that lead elsewhere are refused, so that
    /// nobody who learns the token can point us at another host.
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Vec<Alert>> {
        let body = json_body(delivery.body)?;
        let headline = text(&body["text"]);
        if !body.is_object() || !(body["attachments"].is_array() || body["sections"].is_array() || !headline.is_empty()) {
            return Err(Error::invalid("this is no GlitchTip alert: it has neither text nor attachments"));
        }
        // A monitor's news is about a host, not about code.
        if headline.contains("Uptime") {
            return Ok(Vec::new());
        }
        let mut alerts = Vec::new();
        for attachment in list(&body["attachments"]).iter().take(ATTACHMENTS_MAX) {
            alerts.extend(alert(attachment, delivery)?);
        }
        Ok(alerts)
    }
}

fn alert(attachment: &Value, delivery: &Delivery<'_>) -> Result<Option<Alert>> {
    let title = text(&attachment["title"]);
    let link = text(&attachment["title_link"]);
    if title.is_empty() {
        return Ok(None);
    }
    if let Some(base) = delivery.secret
        && !link.is_empty()
        && host(&link) != host(base.expose())
    {
        return Err(Error::invalid("the alert links to another host than this source's GlitchTip"));
    }
    let mut alert = Alert {
        title,
        culprit: text(&attachment["text"]),
        level: level(&attachment["color"]).to_string(),
        url: host(&link).map(|_| link.clone()),
        ..Alert::default()
    };
    for field in list(&attachment["fields"]) {
        let (name, value) = (text(&field["title"]), any_text(&field["value"]));
        match name.as_str() {
            "Environment" => alert.environment = value,
            "Server Name" => alert.server_name = value,
            "Release" => alert.release = value,
            _ if name.is_empty() => {}
            _ => alert.tags.push((name, value)),
        }
    }
    if let Some(issue) = issue_number(&link) {
        alert.fingerprint = vec![format!("glitchtip issue {issue}")];
    }
    // Alerts carry no id. GlitchTip fires once per issue and rule, so each delivery counts.
    sentry::finish(&mut alert);
    Ok(Some(alert))
}

fn level(color: &Value) -> &'static str {
    match text(color).to_lowercase().as_str() {
        "#e52b50" => "error",
        "#e9b949" => "warning",
        "#4b60b4" => "info",
        _ => "error",
    }
}

/// Of an http(s) address, lower-case, with its port.
fn host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

fn issue_number(link: &str) -> Option<&str> {
    let (_, rest) = link.rsplit_once("/issues/")?;
    let number = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    (!number.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_as_browsers_would() {
        assert_eq!(host("https://g.example/org/issues/1").as_deref(), Some("g.example"));
        assert_eq!(host("https://g.example:8000").as_deref(), Some("g.example:8000"));
        assert_eq!(host("https://g.example@evil.example/").as_deref(), Some("evil.example"));
        assert_eq!(host("https://evil.example\\@g.example/").as_deref(), Some("evil.example"));
        assert_eq!(host("javascript:alert(1)"), None);
        assert_eq!(issue_number("https://g.example/org/issues/41?x=1"), Some("41"));
    }
}
