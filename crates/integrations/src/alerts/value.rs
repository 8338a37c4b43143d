//! Reading JSON that many programs write, each a little differently: what is missing or odd becomes empty, never an error.

use domain::Timestamp;
use serde_json::{Map, Value};

/// Longer texts are cut; a stack trace's own parts are far shorter.
const TEXT_BYTES_MAX: usize = 16 << 10;
const LIST_MAX: usize = 1_000;

/// A string; numbers and booleans as they are written.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// As [`text`], and JSON for lists and objects.
pub fn any_text(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => cut(&value.to_string()),
        Value::Null => "null".to_string(),
        other => text(other),
    }
}

/// The first of these members that has a text.
pub fn first(value: &Value, names: &[&str]) -> String {
    names.iter().map(|name| text(&value[*name])).find(|t| !t.is_empty()).unwrap_or_default()
}

pub fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(|all| &all[..all.len().min(LIST_MAX)]).unwrap_or_default()
}

/// `{values: […]}` or the list itself.
pub fn values(value: &Value) -> &[Value] {
    if value.is_array() { list(value) } else { list(&value["values"]) }
}

pub fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// `{key: value}`, `[[key, value]]` or `[{key, value}]`.
pub fn pairs(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (cut(k), any_text(v))).collect(),
        Value::Array(_) => list(value).iter().filter_map(pair).collect(),
        _ => Vec::new(),
    }
}

fn pair(value: &Value) -> Option<(String, String)> {
    let (key, value) = match value {
        Value::Array(two) => (two.first()?, two.get(1)?),
        Value::Object(map) => (map.get("key")?, map.get("value")?),
        _ => return None,
    };
    Some((text(key), any_text(value)))
}

/// Seconds since 1970, or RFC 3339 with or without its zone.
pub fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => {
            let seconds = number.as_f64().filter(|s| s.is_finite() && s.abs() < 1e11)?;
            Timestamp::from_microsecond((seconds * 1e6) as i64).ok()
        }
        Value::String(text) => {
            let text = text.trim();
            text.parse().or_else(|_| format!("{text}Z").parse()).ok()
        }
        _ => None,
    }
}

pub fn cut(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_string();
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_come_in_several_forms() {
        let wanted: Timestamp = "2026-11-24T00:08:53.5Z".parse().expect("a time");
        for value in
            [json!("2026-11-24T00:08:53.5Z"), json!("2026-11-24T00:08:53.500"), json!("2026-11-24T01:08:53.5+01:00"), json!(1795478933.5)]
        {
            assert_eq!(time(&value), Some(wanted), "{value}");
        }
        for value in [json!("yesterday"), json!(1e300), json!(null), json!({})] {
            assert_eq!(time(&value), None, "{value}");
        }
    }

    #[test]
    fn tags_come_in_several_forms() {
        let wanted = vec![("a".to_string(), "1".to_string())];
        for value in [json!({"a": 1}), json!([["a", "1"]]), json!([{"key": "a", "value": "1"}]), json!([["a", "1"], null, ["x"]])] {
            assert_eq!(pairs(&value), wanted, "{value}");
        }
    }
}
