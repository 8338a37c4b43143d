//! Credentials in added lines: well-known token shapes, private keys, and assignments to names that sound secret of
//! values too random to be words. Findings name the shape, never the value.

use domain::evidence::{SecretFinding, SecretScanner};
use regex::Regex;
use std::sync::LazyLock;

/// Longer lines are data; only their beginning is read.
const LINE_BYTES_MAX: usize = 4096;

const SHAPES: &[(&str, &str)] = &[
    (r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----", "a private key"),
    (r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", "an AWS access key"),
    (r"\bgh[pousr]_[0-9A-Za-z]{36,}\b", "a GitHub token"),
    (r"\bgithub_pat_[0-9A-Za-z_]{50,}\b", "a GitHub token"),
    (r"\bgl(?:pat|ptt|dt|rt|cbt|oas|soat|agent)-[0-9A-Za-z_\-]{20,}\b", "a GitLab token"),
    (r"\bxox[baprse]-[0-9A-Za-z\-]{10,}", "a Slack token"),
    (r"https://hooks\.slack\.com/services/[A-Za-z0-9+/]{40,}", "a Slack webhook"),
    (r"\b[rs]k_(?:live|test|prod)_[0-9A-Za-z]{16,}\b", "a Stripe key"),
    (r"\bsk-ant-[0-9A-Za-z_\-]{24,}", "an Anthropic key"),
    (r"\bsk-(?:proj-|svcacct-|admin-)?[0-9A-Za-z_\-]{32,}", "an OpenAI key"),
    (r"\bAIza[0-9A-Za-z_\-]{35}\b", "a Google API key"),
    (r"\bya29\.[0-9A-Za-z_\-]{30,}", "a Google token"),
    (r"\bnpm_[0-9A-Za-z]{36}\b", "an npm token"),
    (r"\bpypi-AgE[0-9A-Za-z_\-]{50,}", "a PyPI token"),
    (r"\bcio[0-9A-Za-z]{32}\b", "a crates.io token"),
    (r"\bSG\.[0-9A-Za-z_\-]{20,}\.[0-9A-Za-z_\-]{20,}", "a SendGrid key"),
    (r"\bSK[0-9a-f]{32}\b", "a Twilio key"),
    (r"\bhf_[A-Za-z]{34}\b", "a Hugging Face token"),
    (r"\bdop_v1_[a-f0-9]{64}\b", "a DigitalOcean token"),
    (r"\bsntr[yu]s_[0-9A-Za-z_=+/\-]{40,}", "a Sentry token"),
    (r"\bey[A-Za-z0-9_\-]{17,}\.ey[A-Za-z0-9_\-]{17,}\.[A-Za-z0-9_\-]{20,}", "a JSON web token"),
    (r"\b[a-z][a-z0-9+.\-]*://[^/\s:@'\x22]{1,64}:([^/\s:@'\x22{}$<>]{8,64})@[A-Za-z0-9.\-]+", "a password in a URL"),
];

static RULES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    SHAPES.iter().map(|(pattern, what)| (Regex::new(pattern).expect("the shapes are constants that a test compiles"), *what)).collect()
});

static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?i)(?:api[_-]?key|secret|token|passw(?:or)?d|passphrase|credential|auth[_-]?key|access[_-]?key|private[_-]?key)[\w\-]*["']?\s*(?::=|=>|[:=,])\s*["'`]([^"'`\s]{12,200})["'`]"#;
    Regex::new(pattern).expect("a constant that a test compiles")
});

pub struct Scanner;

impl SecretScanner for Scanner {
    fn scan(&self, path: &str, added: &[(u32, &str)]) -> Vec<SecretFinding> {
        let mut found = Vec::new();
        for (line, text) in added {
            let end = text.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|i| *i <= LINE_BYTES_MAX).last().unwrap_or(0);
            if let Some(what) = look(&text[..end]) {
                found.push(SecretFinding { path: path.to_string(), line: *line, what: what.to_string() });
            }
        }
        found
    }
}

fn look(text: &str) -> Option<&'static str> {
    for (rule, what) in RULES.iter() {
        if let Some(found) = rule.captures(text) {
            let value = found.get(1).or_else(|| found.get(0)).map(|m| m.as_str()).unwrap_or_default();
            if !is_placeholder(value) {
                return Some(what);
            }
        }
    }
    let value = ASSIGNMENT.captures(text)?.get(1)?.as_str();
    if !is_placeholder(value) && randomness(value) > 3.6 && value.chars().any(|c| c.is_ascii_digit()) {
        return Some("a value too random for a word under a secret's name");
    }
    None
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    ["example", "changeme", "placeholder", "your-", "your_", "dummy", "xxxx", "${", "{{", "<", "****", "redacted", "password", "localhost"]
        .iter()
        .any(|word| lower.contains(word))
}

/// Shannon entropy in bits per character.
fn randomness(value: &str) -> f64 {
    let mut counts = std::collections::HashMap::new();
    for c in value.chars() {
        *counts.entry(c).or_insert(0f64) += 1.0;
    }
    let total = value.chars().count() as f64;
    counts.values().map(|n| -(n / total) * (n / total).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_and_words_are_not() {
        let caught = |text: &str| !Scanner.scan("a.py", &[(1, text)]).is_empty();
        // Joined here so that this file holds no token itself.
        assert!(caught(&format!("key = '{}{}'", "AKIA", "J5XQ2W7LKZ3PMN4T")));
        assert!(caught(&format!("-----BEGIN RSA {} KEY-----", "PRIVATE")));
        assert!(caught(&format!("API_KEY = \"{}{}\"", "q8Zr1vT0", "mN4xW7pL2sD9")));
        assert!(caught(&format!("url = 'postgres://shop:{}@db.internal/shop'", "h7Gq2kPz91")));
        assert!(!caught("token = request.headers['Authorization']"));
        assert!(!caught("password = 'changeme-please-now-1'"));
        assert!(!caught("def secret_santa(names): return 'somebody from the list'"));
        assert!(!caught("api_key = os.environ['API_KEY']"));
    }
}
