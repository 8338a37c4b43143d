//! Sentry's envelope: a JSON line, then items, each a JSON line and a payload.
//!
//! Splits bytes and no more. Never panics; what is cut off is an error, what is unknown is the caller's to drop.

use domain::{Error, Result};
use serde_json::{Map, Value};

/// More than any SDK sends in one envelope.
const ITEMS_MAX: usize = 1_000;

#[derive(Debug, PartialEq)]
pub struct Envelope<'a> {
    /// `event_id`, `dsn`, `sdk`, `sent_at`, `trace`; any may be missing.
    pub header: Map<String, Value>,
    pub items: Vec<Item<'a>>,
}

#[derive(Debug, PartialEq)]
pub struct Item<'a> {
    /// `event`, `session`, `client_report`, …
    pub kind: String,
    pub header: Map<String, Value>,
    pub payload: &'a [u8],
}

impl Envelope<'_> {
    pub fn event_id(&self) -> Option<&str> {
        self.header.get("event_id").and_then(Value::as_str)
    }
}

/// An item's payload is exactly `length` bytes and a newline or the end; without `length` it ends at the next newline.
pub fn parse(body: &[u8]) -> Result<Envelope<'_>> {
    let (line, mut rest) = cut_line(body);
    let header = object(line)
        .ok_or_else(|| Error::invalid("the body is neither a JSON event nor an envelope, whose first line is a JSON object"))?;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (line, after) = cut_line(rest);
        if line.iter().all(u8::is_ascii_whitespace) {
            rest = after;
            continue;
        }
        if items.len() == ITEMS_MAX {
            return Err(Error::invalid(format!("an envelope has at most {ITEMS_MAX} items")));
        }
        let place = items.len() + 1;
        let header = object(line).ok_or_else(|| Error::invalid(format!("the header of item {place} is no JSON object")))?;
        let kind = header.get("type").and_then(Value::as_str).unwrap_or_default().to_string();
        if kind.is_empty() {
            return Err(Error::invalid(format!("item {place} has no type")));
        }
        let payload;
        (payload, rest) = match length(&header, place)? {
            Some(length) => cut_exact(after, length)
                .ok_or_else(|| Error::invalid(format!("item {place} is not {length} bytes long and then at its end")))?,
            None => cut_line(after),
        };
        items.push(Item { kind, header, payload });
    }
    Ok(Envelope { header, items })
}

fn length(header: &Map<String, Value>, place: usize) -> Result<Option<usize>> {
    match header.get("length") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(length) => Ok(Some(length)),
            None => Err(Error::invalid(format!("the length of item {place} is no number of bytes"))),
        },
    }
}

fn cut_exact(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (payload, rest) = bytes.split_at_checked(length)?;
    match rest {
        [] => Some((payload, rest)),
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Some((payload, rest)),
        _ => None,
    }
}

/// The bytes up to the next newline, and those after it.
fn cut_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

fn object(line: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(line).ok()? {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_rule_where_they_are_given() {
        let body = b"{\"event_id\":\"a\"}\n{\"type\":\"attachment\",\"length\":7}\none\ntwo\n{\"type\":\"event\"}\n{\"a\":1}\n{\"type\":\"session\"}\n{}";
        let envelope = parse(body).expect("parses");
        let seen: Vec<_> = envelope.items.iter().map(|i| (i.kind.as_str(), i.payload)).collect();
        assert_eq!(seen, vec![("attachment", &b"one\ntwo"[..]), ("event", b"{\"a\":1}"), ("session", b"{}")]);
        assert_eq!(envelope.event_id(), Some("a"));
    }

    #[test]
    fn what_is_cut_off_or_overlong_is_refused() {
        assert!(parse(b"{}\n{\"type\":\"event\",\"length\":9}\n{}").is_err());
        assert!(parse(b"{}\n{\"type\":\"event\",\"length\":1}\n{}\n").is_err());
        assert!(parse(b"{}\n{\"type\":\"event\",\"length\":-1}\n{}\n").is_err());
        assert!(parse(b"{}\n{\"type\":\"event\",\"length\":18446744073709551615}\n{}").is_err());
        assert!(parse(b"").is_err());
        assert!(parse(b"[]").is_err());
        assert!(parse(b"{}\n{}\n{}").is_err());
        assert!(parse(b"{}").expect("no items").items.is_empty());
        assert!(parse(b"{}\n\n").expect("no items").items.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&body);
        }

        #[test]
        fn almost_envelopes_are_parsed_or_refused(body in "(\\{(\"type\":\"event\"|\"length\":[0-9]{1,3}|,)*\\}\n?){0,8}") {
            let _ = parse(body.as_bytes());
        }

        #[test]
        fn payloads_come_back_as_they_were(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6)) {
            let mut body = b"{}\n".to_vec();
            for payload in &payloads {
                body.extend(format!("{{\"type\":\"x\",\"length\":{}}}\n", payload.len()).bytes());
                body.extend(payload);
                body.push(b'\n');
            }
            let envelope = parse(&body).expect("parses");
            let seen: Vec<Vec<u8>> = envelope.items.iter().map(|i| i.payload.to_vec()).collect();
            prop_assert_eq!(seen, payloads);
        }
    }
}
