//! Takes secrets and personal data out of an alert before it is stored, and keeps it within its size; takes keys out of
//! what an agent says. Pure.
//!
//! Whatever is not kept here can't appear later in a prompt, a log or a merge request. Two nets: names that sound
//! secret lose their values at any depth, also inside texts; and texts lose what has the shape of a secret.

use domain::alert::{Alert, Exception, Frame};
use domain::limits::ALERT_STORED_BYTES_MAX;
use regex::{Captures, Regex};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

pub const FILTERED: &str = "[Filtered]";
/// Words for nothing, which tell a reader more than they give away.
const EMPTY_VALUES: [&str; 9] = ["None", "null", "True", "False", "true", "false", "undefined", "\"\"", "''"];
/// Deeper JSON is dropped: nobody reads it, and it could hide anything.
const DEPTH_MAX: usize = 24;
const TEXT_BYTES_MAX: usize = 16 << 10;

/// A word of a name that makes its value secret. `user_token`, `userToken` and `X-User-Token` all hold `token`.
const WORDS: [&str; 30] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "tokens",
    "authorization",
    "auth",
    "cookie",
    "cookies",
    "session",
    "sessionid",
    "credential",
    "credentials",
    "apikey",
    "csrf",
    "xsrf",
    "csrftoken",
    "card",
    "cvv",
    "cvc",
    "ssn",
    "iban",
    "pin",
    "otp",
    "jwt",
    "signature",
    "dsn",
];
/// Two words in a row that do so.
const PAIRS: [(&str, &str); 9] = [
    ("api", "key"),
    ("private", "key"),
    ("access", "key"),
    ("secret", "key"),
    ("auth", "key"),
    ("forwarded", "for"),
    ("real", "ip"),
    ("remote", "addr"),
    ("connecting", "ip"),
];
/// Who somebody is, rather than what they know.
const PERSONAL: [&str; 8] = ["email", "mail", "phone", "birthday", "birthdate", "ip_address", "username", "surname"];

/// What keys of well-known services look like: each starts with something telling.
const KEYS: [&str; 15] = [
    r"(?s:-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|$))",
    r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AROA|AIDA)[A-Z0-9]{16}\b",
    r"\bgh[pousr]_[0-9A-Za-z]{16,}",
    r"\bgithub_pat_[0-9A-Za-z_]{20,}",
    r"\bgl(?:pat|ptt|dt|rt|cbt|oas|soat|agent)-[0-9A-Za-z_\-]{16,}",
    r"\bxox[baprse]-[0-9A-Za-z\-]{8,}",
    r"\b[rs]k_(?:live|test|prod)_[0-9A-Za-z]{8,}",
    r"\bsk-[0-9A-Za-z_\-]{20,}",
    r"\bAIza[0-9A-Za-z_\-]{30,}",
    r"\bya29\.[0-9A-Za-z_\-]{20,}",
    r"\bnpm_[0-9A-Za-z]{30,}",
    r"\bpypi-[0-9A-Za-z_\-]{40,}",
    r"\bSG\.[0-9A-Za-z_\-]{16,}\.[0-9A-Za-z_\-]{16,}",
    r"\bhf_[A-Za-z]{30,}",
    r"\bey[A-Za-z0-9_\-]{8,}\.ey[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?",
];
/// Shapes that mean a secret in an alert, and often nothing in prose.
const LOOSE: [&str; 2] = [r"\b(?i:bearer|basic|digest|negotiate)\s+[A-Za-z0-9+/=._~\-]{8,}", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b"];
/// As one expression each: most texts hold none, and one pass says so.
static KEY: LazyLock<Regex> = LazyLock::new(|| regex(&KEYS.join("|")));
static SHAPES: LazyLock<Regex> = LazyLock::new(|| regex(&[&KEYS[..], &LOOSE[..]].concat().join("|")));
static EMAIL: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){0,6}\.[A-Za-z]{2,24}\b"));

/// `scheme://name:password@host`: the password alone goes.
static URL_PASSWORD: LazyLock<Regex> = LazyLock::new(|| regex(r"([a-z][a-z0-9+.\-]{0,20}://[^/\s:@]{0,200}:)[^/\s@]{1,200}@"));
static DIGITS: LazyLock<Regex> = LazyLock::new(|| regex(r"\b[0-9](?:[ \-]?[0-9]){12,18}\b"));
/// `name: value` and `name=value` as programs print them, with quotes or without.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"([A-Za-z_][\w.\-]{0,80})(\\?["']?\s{0,4}(?:=>|[:=])\s{0,4}(?:[bru]{0,2})?)(\\?"(?:[^"\\]|\\.)*"|\\?'(?:[^'\\]|\\.)*'|[^\s,;&)}\]"'<>]+)"#,
    )
});
/// The same in source code, where only a literal is a value.
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"([A-Za-z_][\w.\-]{0,80})(["']?\]?\s{0,4}(?:=>|[:=])\s{0,4}[bruf]{0,2})("(?:[^"\\]|\\.)+"|'(?:[^'\\]|\\.)+'|`[^`]+`)"#)
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant that a test compiles")
}

/// Scrubs in place. `user_salt` keeps the hashes of people apart between installations.
pub fn scrub(alert: &mut Alert, user_salt: &[u8]) {
    // Cut first: looking through what will not be kept costs time that a storm does not leave.
    fit(alert);
    let Alert {
        event_id,
        title,
        culprit,
        level,
        platform,
        release,
        environment,
        server_name,
        transaction,
        at: _,
        message,
        exceptions,
        breadcrumbs,
        request,
        tags,
        user,
        contexts,
        url,
        fingerprint,
    } = alert;
    for word in [event_id, level, platform, release, environment, server_name] {
        *word = shapes(word);
        clip(word, 200);
    }
    for words in [title, culprit, transaction, message] {
        *words = text(words);
    }
    clip(&mut alert.title, 500);
    clip(&mut alert.culprit, 500);
    exceptions.iter_mut().for_each(exception);
    for crumb in breadcrumbs {
        crumb.message = text(&crumb.message);
        object(&mut crumb.data, 0);
    }
    if let Some(request) = request {
        request.url = text(&request.url);
        request.query = text(&request.query);
        request.headers.iter_mut().for_each(|(name, value)| *value = named(name, value));
        if let Some(data) = &mut request.data {
            json(data, 0);
        }
    }
    tags.iter_mut().for_each(|(name, value)| *value = named(name, value));
    *user = user_key_of(user.as_ref(), user_salt).map(|key| Value::Object(Map::from_iter([("key".to_string(), key.into())])));
    object(contexts, 0);
    if let Some(url) = url {
        *url = text(url);
    }
    fingerprint.iter_mut().for_each(|part| *part = shapes(part));
    fit(alert);
}

/// A hash that tells people apart and nobody who they are.
pub fn user_key(alert: &Alert) -> Option<&str> {
    alert.user.as_ref()?.get("key")?.as_str()
}

fn user_key_of(user: Option<&Value>, salt: &[u8]) -> Option<String> {
    let user = user?;
    let found = ["id", "email", "username", "ip_address"].iter().find_map(|name| match user.get(*name) {
        Some(Value::String(text)) if !text.is_empty() && text != FILTERED => Some(format!("{name}:{text}")),
        Some(Value::Number(number)) => Some(format!("{name}:{number}")),
        _ => None,
    })?;
    let hash = Sha256::new().chain_update(salt).chain_update(found.as_bytes()).finalize();
    Some(hex::encode(&hash[..12]))
}

fn exception(exception: &mut Exception) {
    exception.kind = shapes(&exception.kind);
    exception.value = text(&exception.value);
    for frame in &mut exception.frames {
        let Frame {
            filename,
            abs_path,
            module: _,
            function: _,
            lineno: _,
            colno: _,
            in_app: _,
            pre_context,
            context_line,
            post_context,
            vars,
        } = frame;
        for path in [filename, abs_path] {
            *path = shapes(path);
        }
        for line in pre_context.iter_mut().chain([context_line]).chain(post_context) {
            *line = code(line);
        }
        for (name, value) in vars {
            *value = named(name, value);
        }
    }
}

fn named(name: &str, value: &str) -> String {
    if value.is_empty() || !is_secret_name(name) { text(value) } else { FILTERED.to_string() }
}

fn json(value: &mut Value, depth: usize) {
    match value {
        Value::String(inner) => *inner = text(inner),
        Value::Number(number) if is_card(&number.to_string()) => *value = FILTERED.into(),
        Value::Array(items) if depth < DEPTH_MAX => items.iter_mut().for_each(|item| json(item, depth + 1)),
        Value::Object(map) if depth < DEPTH_MAX => object(map, depth + 1),
        Value::Array(_) | Value::Object(_) => *value = "[Too deep]".into(),
        _ => {}
    }
}

fn object(map: &mut Map<String, Value>, depth: usize) {
    for (name, value) in map.iter_mut() {
        if is_secret_name(name) && !value.is_null() && !value.is_boolean() {
            *value = FILTERED.into();
        } else {
            json(value, depth);
        }
    }
}

/// Free text: JSON inside it is scrubbed as JSON, everything else by what it looks like.
fn text(original: &str) -> String {
    if let Some(b'{' | b'[') = original.trim_start().bytes().next()
        && let Ok(mut value) = serde_json::from_str::<Value>(original)
    {
        json(&mut value, 1);
        let mut out = value.to_string();
        clip(&mut out, TEXT_BYTES_MAX);
        return out;
    }
    let mut out = shapes(&without_values(&ASSIGNED, original));
    clip(&mut out, TEXT_BYTES_MAX);
    out
}

/// A line of source: names and expressions stay readable, literals of secrets do not.
fn code(line: &str) -> String {
    // A line without a quote has no literal.
    let mut out = if line.contains(['"', '\'', '`']) { shapes(&without_values(&LITERAL, line)) } else { shapes(line) };
    clip(&mut out, 2_000);
    out
}

/// Replaces the values of secret names. Other values are looked into, for they may hold names of their own.
fn without_values(assignments: &Regex, original: &str) -> String {
    if !original.contains(['=', ':']) {
        return original.to_string();
    }
    let mut out = String::with_capacity(original.len());
    let mut at = 0;
    while let Some(found) = assignments.captures_at(original, at) {
        let (name, value) = (found.get(1).map_or("", |m| m.as_str()), found.get(3).map_or(at..at, |m| m.range()));
        out.push_str(&original[at..value.start]);
        at = value.start;
        if is_secret_name(name) && !EMPTY_VALUES.contains(&&original[value.clone()]) {
            out.push_str(FILTERED);
            at = value.end;
        }
    }
    out.push_str(&original[at..]);
    out
}

/// What an agent says or prints, without keys and passwords that can be known by their shape.
pub fn keys(original: &str) -> String {
    without_keys(original, &KEY)
}

fn without_keys(original: &str, shapes: &Regex) -> String {
    let mut out = original.to_string();
    if out.contains("://") && out.contains('@') {
        out = URL_PASSWORD.replace_all(&out, format!("${{1}}{FILTERED}@")).into_owned();
    }
    if shapes.is_match(&out) {
        out = shapes.replace_all(&out, FILTERED).into_owned();
    }
    out
}

fn shapes(original: &str) -> String {
    let mut out = without_keys(original, &SHAPES);
    if out.contains('@') {
        out = EMAIL.replace_all(&out, FILTERED).into_owned();
    }
    if out.bytes().filter(u8::is_ascii_digit).count() >= 13 {
        out = DIGITS
            .replace_all(&out, |found: &Captures<'_>| if is_card(&found[0]) { FILTERED.to_string() } else { found[0].to_string() })
            .into_owned();
    }
    out
}

/// 13 to 19 digits of a card's first digit whose check digit is right.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    if !(13..=19).contains(&digits.len()) || !matches!(digits[0], 2..=6) {
        return false;
    }
    let sum: u32 = digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { (d * 2) / 10 + (d * 2) % 10 }).sum();
    sum.is_multiple_of(10)
}

fn is_secret_name(name: &str) -> bool {
    let words = words_of(name);
    let whole: String = words.concat();
    words.iter().any(|word| WORDS.contains(&word.as_str()) || PERSONAL.contains(&word.as_str()))
        || words.windows(2).any(|two| PAIRS.iter().any(|(a, b)| two[0] == *a && two[1] == *b))
        || PERSONAL.contains(&words.join("_").as_str())
        || ["password", "passwd", "secret", "apikey", "privatekey", "accesskey", "authtoken", "accesstoken", "creditcard", "cardnumber"]
            .iter()
            .any(|part| whole.contains(part))
}

/// `X-Api-Key`, `api_key` and `apiKey` are the words api and key.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars().take(120) {
        if !c.is_alphanumeric() {
            words.push(String::new());
        } else {
            if c.is_uppercase() && was_lower {
                words.push(String::new());
            }
            words.last_mut().expect("there is always a word").extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn clip(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

/// Drops the least telling first until the alert is small enough to keep.
fn fit(alert: &mut Alert) {
    let trims: [fn(&mut Alert); 7] = [
        |a| frames(a).filter(|f| !f.in_app).for_each(|f| f.vars.clear()),
        |a| frames(a).for_each(|f| f.vars.clear()),
        |a| a.contexts.clear(),
        |a| a.breadcrumbs = a.breadcrumbs.split_off(a.breadcrumbs.len().saturating_sub(10)),
        |a| {
            a.breadcrumbs.iter_mut().for_each(|b| b.data.clear());
            if let Some(request) = &mut a.request {
                request.data = None;
                request.headers.truncate(20);
            }
        },
        |a| {
            frames(a).for_each(|f| {
                f.pre_context.clear();
                f.post_context.clear();
            });
        },
        |a| {
            a.exceptions = a.exceptions.split_off(a.exceptions.len().saturating_sub(5));
            for exception in &mut a.exceptions {
                exception.frames = exception.frames.split_off(exception.frames.len().saturating_sub(30));
                clip(&mut exception.value, 2_000);
                exception.frames.iter_mut().for_each(|f| clip(&mut f.context_line, 500));
            }
            a.tags.truncate(50);
            a.tags.iter_mut().for_each(|(name, value)| {
                clip(name, 200);
                clip(value, 500);
            });
            a.fingerprint.truncate(20);
            a.request = None;
            clip(&mut a.message, 4_000);
        },
    ];
    for trim in trims {
        if size(alert) <= ALERT_STORED_BYTES_MAX {
            return;
        }
        trim(alert);
    }
}

fn frames(alert: &mut Alert) -> impl Iterator<Item = &mut Frame> {
    alert.exceptions.iter_mut().flat_map(|e| e.frames.iter_mut())
}

fn size(alert: &Alert) -> usize {
    serde_json::to_vec(alert).map_or(0, |bytes| bytes.len())
}

#[cfg(test)]
#[path = "scrub_tests.rs"]
mod tests;
