//! When to ask a model again after an error, and how long to wait. Pure.

use llm::Error;
use std::time::Duration;

pub const ATTEMPTS_MAX: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The wait before the next try, or `None` when the error will not pass by itself or the tries are used up.
/// `attempt` counts the tries made so far, from 1.
pub fn wait(error: &Error, attempt: u32) -> Option<Duration> {
    if attempt >= ATTEMPTS_MAX || !error.is_passing() {
        return None;
    }
    let own = FIRST_WAIT * 2u32.pow(attempt.saturating_sub(1).min(6));
    Some(error.retry_after.unwrap_or(own).min(WAIT_MAX))
}

/// The model's server says that the conversation is too long for it.
pub fn is_too_long(error: &Error) -> bool {
    const SIGNS: &[&str] = &["context_length", "context length", "context window", "maximum context", "prompt is too long"];
    let message = error.message.to_lowercase();
    matches!(error.status, Some(400 | 413)) && SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm::ErrorKind;

    fn status(status: u16) -> Error {
        Error { status: Some(status), ..Error::new(ErrorKind::Status, "the maximum context length is 8192 tokens") }
    }

    #[test]
    fn waits_grow_and_end_and_policy_is_final() {
        let waits: Vec<_> = (1..=5).map(|attempt| wait(&status(503), attempt).map(|w| w.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), None]);
        assert_eq!(wait(&status(403), 1), None);
        let asked = Error { retry_after: Some(Duration::from_secs(600)), ..status(429) };
        assert_eq!(wait(&asked, 1), Some(WAIT_MAX));
        assert!(is_too_long(&status(400)) && !is_too_long(&status(500)));
    }
}
