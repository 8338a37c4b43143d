//! What was there before the patch: base's texts, the incident and the prompt. A fix may rest on that.

use super::trees::{self, Trees};
use super::{ProofInput, aside};
use domain::alert::Alert;
use domain::{Error, Result};
use serde_json::Value;
use std::path::Path;
use tokio::sync::OnceCell;

/// More text than this is not looked at, and then everything counts as known.
const BYTES_MAX: usize = 64 << 20;
/// A shorter word stands in longer ones by chance.
const PART_CHARS_MIN: usize = 4;

pub struct Known<'a> {
    trees: &'a Trees,
    told: String,
    texts: OnceCell<Option<Vec<(String, String)>>>,
}

impl<'a> Known<'a> {
    pub fn of(input: &ProofInput, trees: &'a Trees) -> Self {
        let mut told = input.incident.as_ref().map(told_by).unwrap_or_default();
        told.push(input.prompt.clone());
        Known { trees, told: told.join("\n"), texts: OnceCell::new() }
    }

    /// By the incident or the prompt, as a word of its own.
    pub fn was_told(&self, value: &str) -> bool {
        has_word(&self.told, value)
    }

    /// Anywhere in base.
    pub async fn was_written(&self, value: &str) -> Result<bool> {
        let texts = self.texts().await?;
        Ok(aside(|| texts.is_none_or(|texts| texts.iter().any(|(path, text)| !is_lock(path) && has(text, value)))))
    }

    /// Base's files with their texts; `None` if they are too many.
    pub async fn texts(&self) -> Result<Option<&[(String, String)]>> {
        let read = || async {
            let (base, files) = (self.trees.base.path.clone(), self.trees.base_files.clone());
            let reading = tokio::task::spawn_blocking(move || read(&base, files));
            reading.await.map_err(|e| Error::internal("base's files could not be read").because(e))?
        };
        Ok(self.texts.get_or_try_init(read).await?.as_deref())
    }
}

/// What the program worked on when it failed, and what it said: not where, on what or in which version it ran.
fn told_by(alert: &Alert) -> Vec<String> {
    let mut told = vec![alert.title.clone(), alert.message.clone(), alert.transaction.clone()];
    told.extend(alert.url.clone());
    for exception in &alert.exceptions {
        told.push(exception.value.clone());
        told.extend(exception.frames.iter().flat_map(|frame| frame.vars.values().cloned()));
    }
    for crumb in &alert.breadcrumbs {
        told.push(crumb.message.clone());
        crumb.data.values().for_each(|value| leaves(value, &mut told));
    }
    if let Some(request) = &alert.request {
        told.extend([request.url.clone(), request.query.clone()]);
        request.data.iter().for_each(|value| leaves(value, &mut told));
    }
    alert.user.iter().for_each(|value| leaves(value, &mut told));
    told.extend(alert.tags.iter().map(|(_, value)| value.clone()));
    told
}

fn leaves(value: &Value, told: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, told)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, told)),
        Value::String(text) => told.push(text.clone()),
        other => told.push(other.to_string()),
    }
}

fn read(base: &Path, files: Vec<String>) -> Result<Option<Vec<(String, String)>>> {
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for path in files {
        let Some(text) = trees::text(base, &path)? else { continue };
        bytes += text.len();
        if bytes > BYTES_MAX {
            return Ok(None);
        }
        texts.push((path, text));
    }
    Ok(Some(texts))
}

/// Thousands of numbers and hashes that nobody wrote.
fn is_lock(path: &str) -> bool {
    [".lock", "-lock.json", "-lock.yaml", ".sum"].iter().any(|end| path.ends_with(end))
}

/// A number and a short word only as a whole one; a longer word also within another.
pub fn has(text: &str, value: &str) -> bool {
    let is_whole = value.starts_with(|c: char| c.is_ascii_digit()) || value.chars().count() < PART_CHARS_MIN;
    if is_whole { has_word(text, value) } else { text.contains(value) }
}

pub fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_tells_what_was_worked_on() {
        let alert: Alert = serde_json::from_value(serde_json::json!({
            "platform": "python", "level": "error", "tags": [["region", "eu"]], "request": {"url": "", "data": {"city": {"code": "Bath7"}}},
            "exceptions": [{"kind": "KeyError", "value": "'AUTUMN15'", "frames": [{"function": "f", "vars": {"cart": "{'sku': 'lamp'}"}}]}],
        }))
        .expect("an alert");
        let told = told_by(&alert).join("\n");
        assert!(["AUTUMN15", "lamp", "Bath7", "eu"].iter().all(|value| has_word(&told, value)), "{told}");
        assert!(["python", "error", "cart", "city", "code", "UTUMN15"].iter().all(|value| !has_word(&told, value)), "{told}");
    }

    #[test]
    fn a_number_is_known_as_a_whole() {
        assert!(has("sooner", "soon") && has("a = 42;", "42") && has_word("./careful'", "careful"));
        assert!(!has("sooner", "soo") && has("a soo b", "soo"));
        assert!(!has("a = 142;", "42") && !has("a = 4.25;", "25_0") && !has_word("carefully", "careful"));
    }
}
