//! Refusals that a client understands, shows to its person and does not retry without end.
//!
//! The statuses come from watching real clients: Codex takes 400 as final and prints the text, but sends 401, 402,
//! 403 and 429 again; clients of chat completions stop at 403. A limit that clears by itself is a 429 with a wait.

use crate::error::{Error, ErrorKind};
use crate::wire::Dialect;
use serde_json::json;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The money or tokens of the run are spent.
    BudgetSpent {
        message: String,
    },
    /// The token is unknown, revoked, or not of this caller.
    Revoked {
        message: String,
    },
    ModelNotAllowed {
        message: String,
    },
    /// The request itself can't be served: too large, not JSON, a forbidden tool.
    BadRequest {
        message: String,
    },
    /// Clears by itself after the wait.
    Rate {
        message: String,
        retry_after: Duration,
    },
    /// The model's server can't be reached or failed; it may do better soon.
    Upstream {
        message: String,
    },
    /// The model's server refuses us for good: asking again is of no use until an operator acts.
    Closed {
        message: String,
    },
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let message = error.message.clone();
        match error.kind {
            ErrorKind::Invalid => Refusal::BadRequest { message },
            _ if error.status == Some(429) => Refusal::Rate { message, retry_after: error.retry_after.unwrap_or(Duration::from_secs(2)) },
            _ if error.is_passing() => Refusal::Upstream { message },
            _ => Refusal::Closed { message },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub status: u16,
    pub content_type: &'static str,
    pub retry_after: Option<Duration>,
    /// Sent as `x-should-retry: false` where the official SDKs honour it.
    pub final_word: bool,
    pub body: String,
}

pub fn render(dialect: Dialect, refusal: &Refusal) -> Refused {
    let final_status = match dialect {
        Dialect::Responses => 400,
        Dialect::ChatCompletions => 403,
    };
    let (status, kind, code, message, retry_after) = match refusal {
        Refusal::BudgetSpent { message } => (final_status, "invalid_request_error", "budget_spent", message, None),
        Refusal::Revoked { message } => (final_status, "invalid_request_error", "token_revoked", message, None),
        Refusal::ModelNotAllowed { message } => (final_status, "invalid_request_error", "model_not_allowed", message, None),
        Refusal::BadRequest { message } => (400, "invalid_request_error", "bad_request", message, None),
        Refusal::Rate { message, retry_after } => (429, "rate_limit_error", "rate_limit_exceeded", message, Some(*retry_after)),
        Refusal::Closed { message } => (final_status, "invalid_request_error", "upstream_refused", message, None),
        Refusal::Upstream { message } => (502, "server_error", "upstream_unavailable", message, None),
    };
    // Codex reads the wait out of these words.
    let message = match retry_after {
        Some(wait) => format!("{message} Please try again in {:.1}s.", wait.as_secs_f64()),
        None => message.clone(),
    };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    Refused {
        status,
        content_type: "application/json",
        retry_after,
        final_word: !matches!(refusal, Refusal::Rate { .. } | Refusal::Upstream { .. }),
        body: body.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn policy_stops_each_client_and_a_rate_limit_only_holds_it_up() {
        let spent = Refusal::BudgetSpent { message: "The budget of this run is spent.".into() };
        assert_eq!(render(Dialect::Responses, &spent).status, 400);
        assert_eq!(render(Dialect::ChatCompletions, &spent).status, 403);
        let rate = Refusal::Rate { message: "Too fast.".into(), retry_after: Duration::from_millis(1200) };
        let refused = render(Dialect::Responses, &rate);
        let body: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!((refused.status, refused.final_word), (429, false));
        assert_eq!(body["error"]["message"], "Too fast. Please try again in 1.2s.");
        let of = |status| Refusal::from(&Error { status: Some(status), ..Error::new(ErrorKind::Status, "x") });
        assert_eq!(render(Dialect::Responses, &of(401)).status, 400);
        assert_eq!(render(Dialect::Responses, &of(503)).status, 502);
    }
}
