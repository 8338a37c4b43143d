//! What was there before the patch: base's texts, the incident and the prompt. A fix may rest on that.

use super::ProofInput;
use super::trees::{self, Trees};
use domain::{Error, Result};
use std::path::Path;
use tokio::sync::OnceCell;

/// More text than this is not looked at, and then everything counts as known.
const BYTES_MAX: usize = 64 << 20;

pub struct Known<'a> {
    trees: &'a Trees,
    told: String,
    texts: OnceCell<Option<Vec<(String, String)>>>,
}

impl<'a> Known<'a> {
    pub fn of(input: &ProofInput, trees: &'a Trees) -> Self {
        let incident = input.incident.as_ref().and_then(|alert| serde_json::to_string(alert).ok()).unwrap_or_default();
        Known { trees, told: format!("{incident}\n{}", input.prompt), texts: OnceCell::new() }
    }

    /// By the incident or the prompt.
    pub fn was_told(&self, value: &str) -> bool {
        has(&self.told, value)
    }

    /// Anywhere in base.
    pub async fn was_written(&self, value: &str) -> Result<bool> {
        Ok(self.texts().await?.is_none_or(|texts| texts.iter().any(|(path, text)| !is_lock(path) && has(text, value))))
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

/// A number only as a whole one; a word also within another.
fn has(text: &str, value: &str) -> bool {
    if value.starts_with(|c: char| c.is_ascii_digit()) { has_word(text, value) } else { text.contains(value) }
}

pub fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_as_a_whole() {
        assert!(has("sooner", "soon") && has("a = 42;", "42") && has_word("./careful'", "careful"));
        assert!(!has("a = 142;", "42") && !has("a = 4.25;", "25_0") && !has_word("carefully", "careful"));
    }
}
