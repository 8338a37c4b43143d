//! Canaries go in everywhere an alert can carry text; none may come out, and what helps to mend a crash must.

use super::*;
use domain::alert::{Breadcrumb, HttpRequest};
use serde_json::json;

const SALT: &[u8] = b"salt";

/// Values that are secret by their own shape, wherever they stand.
const SHAPED: [&str; 12] = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "glpat-a1b2c3d4e5f6g7h8i9j0",
    "xoxb-123456789012-abcdefghijkl",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "Bearer 0123456789abcdef",
    "4242 4242 4242 4242",
    "5555555555554444",
    "078-05-1120",
    "ann.lee@example.com",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
];

/// A value that only its name gives away.
const PLAIN: &str = "hunter2canary";

const NAMES: [&str; 16] = [
    "password",
    "user_password",
    "DB_PASSWD",
    "clientSecret",
    "X-Api-Key",
    "apiKey",
    "access_token",
    "Authorization",
    "Cookie",
    "session_id",
    "credit_card",
    "ssn",
    "privateKey",
    "csrftoken",
    "email",
    "X-Forwarded-For",
];

fn frame(line: &str, vars: &[(&str, String)]) -> Frame {
    Frame {
        filename: "checkout/pricing.py".into(),
        function: "price".into(),
        context_line: line.into(),
        in_app: true,
        vars: vars.iter().map(|(k, v)| (k.to_string(), v.clone())).collect(),
        ..Frame::default()
    }
}

fn scrubbed(mut alert: Alert) -> String {
    scrub(&mut alert, SALT);
    serde_json::to_string(&alert).expect("serialises")
}

fn everywhere(text: &str) -> Alert {
    let deep = json!({"a": [{"b": {"c": text}}], "raw": format!("{{\"x\": \"{}\"}}", text.replace('\n', "\\n"))});
    Alert {
        title: format!("boom {text}"),
        culprit: text.into(),
        message: format!("it said {text} and left"),
        transaction: format!("/pay/{text}"),
        exceptions: vec![Exception {
            kind: "KeyError".into(),
            value: text.into(),
            frames: vec![frame(&format!("x = f('{text}')"), &[("cart", format!("Cart(note='{text}')"))])],
            ..Exception::default()
        }],
        breadcrumbs: vec![Breadcrumb {
            message: text.into(),
            data: deep.as_object().cloned().expect("an object"),
            ..Breadcrumb::default()
        }],
        request: Some(HttpRequest {
            url: format!("https://shop.example/?q={text}"),
            query: format!("q={text}"),
            headers: vec![("X-Note".into(), text.into())],
            data: Some(deep.clone()),
            method: "POST".into(),
        }),
        tags: vec![("note".into(), text.into())],
        contexts: Map::from_iter([("extra".to_string(), deep)]),
        url: Some(format!("https://sentry.example/?q={text}")),
        fingerprint: vec![text.into()],
        ..Alert::default()
    }
}

#[test]
fn shapes_of_secrets_come_out_nowhere() {
    for canary in SHAPED {
        let out = scrubbed(everywhere(canary));
        let telling: String = canary.lines().nth(1).unwrap_or(canary).into();
        let telling = telling.trim_start_matches("Bearer ");
        assert!(!out.contains(telling), "{canary} is still in {out}");
    }
}

#[test]
fn values_of_secret_names_come_out_nowhere() {
    for name in NAMES {
        let nested = json!({"outer": [{"inner": {name: PLAIN, "list": [{name: [PLAIN, {"x": PLAIN}]}]}}]});
        let alert = Alert {
            message: format!("login failed: {name}={PLAIN}; retry"),
            exceptions: vec![Exception {
                kind: "E".into(),
                value: format!("bad request {{'{name}': '{PLAIN}'}}"),
                frames: vec![frame(
                    &format!("settings[\"{name}\"] = \"{PLAIN}\""),
                    &[
                        (name, PLAIN.into()),
                        ("kwargs", format!("{{'{name}': '{PLAIN}', 'n': 1}}")),
                        ("body", nested.to_string()),
                        ("user", format!("User({}='{PLAIN}', id=4)", name.replace('-', "_"))),
                    ],
                )],
                ..Exception::default()
            }],
            breadcrumbs: vec![Breadcrumb { data: nested.as_object().cloned().expect("an object"), ..Breadcrumb::default() }],
            request: Some(HttpRequest {
                query: format!("a=1&{name}={PLAIN}&b=2"),
                url: format!("https://x.example/?{name}={PLAIN}"),
                headers: vec![(name.into(), PLAIN.into())],
                data: Some(nested.clone()),
                ..HttpRequest::default()
            }),
            tags: vec![(name.into(), PLAIN.into())],
            contexts: nested.as_object().cloned().expect("an object"),
            ..Alert::default()
        };
        let out = scrubbed(alert);
        assert!(!out.contains(PLAIN), "{name}: {out}");
        assert!(out.contains(FILTERED));
    }
}

#[test]
fn what_helps_to_mend_the_crash_stays() {
    let mut alert = Alert {
        title: "KeyError: 'AUTUMN15'".into(),
        exceptions: vec![Exception {
            kind: "KeyError".into(),
            value: "'AUTUMN15'".into(),
            frames: vec![frame(
                "    token = tokens[index]",
                &[
                    ("code", "'AUTUMN15'".into()),
                    ("order_id", "4242424242424241".into()),
                    ("author", "Ann".into()),
                    ("total", "Decimal('12.00')".into()),
                ],
            )],
            ..Exception::default()
        }],
        tags: vec![("region".into(), "eu".into())],
        request: Some(HttpRequest { url: "https://shop.example/checkout?cart=7".into(), ..HttpRequest::default() }),
        ..Alert::default()
    };
    let before = alert.clone();
    scrub(&mut alert, SALT);
    assert_eq!(alert, before);
}

#[test]
fn people_become_hashes_that_still_tell_them_apart() {
    let key = |user: Value, salt: &[u8]| {
        let mut alert = Alert { user: Some(user), ..Alert::default() };
        scrub(&mut alert, salt);
        assert!(!format!("{:?}", alert.user).contains("ann"));
        user_key(&alert).map(str::to_string)
    };
    let ann = key(json!({"email": "ann@example.com", "ip_address": "203.0.113.7"}), SALT);
    assert!(ann.is_some());
    assert_eq!(ann, key(json!({"email": "ann@example.com", "ip_address": "203.0.113.8"}), SALT));
    assert_ne!(ann, key(json!({"email": "bob@example.com"}), SALT));
    assert_ne!(ann, key(json!({"email": "ann@example.com"}), b"other"));
    assert_eq!(key(json!({"email": null}), SALT), None);
}

#[test]
fn passwords_in_addresses_go_and_hosts_stay() {
    assert_eq!(shapes("postgres://app:s3cr3t@db.example/shop"), format!("postgres://app:{FILTERED}@db.example/shop"));
}

#[test]
fn a_huge_alert_is_cut_to_size_and_keeps_its_innermost_frames() {
    let vars: Vec<(&str, String)> = vec![("a", "x".repeat(10_000)), ("b", "y".repeat(10_000))];
    let frames: Vec<Frame> = (0..250).map(|n| Frame { lineno: n, ..frame(&"z".repeat(3_000), &vars) }).collect();
    let mut alert = Alert {
        exceptions: vec![Exception { kind: "E".into(), frames, ..Exception::default() }],
        message: "m".repeat(500_000),
        ..Alert::default()
    };
    scrub(&mut alert, SALT);
    assert!(size(&alert) <= ALERT_STORED_BYTES_MAX, "{}", size(&alert));
    assert_eq!(alert.suspect().map(|f| f.lineno), Some(249));
}
