//! List prices of a few public models, to turn usage into money.
//!
//! A model that is not listed has no price here: a wrong figure is worse than none. Operators can name their own.

use crate::chat::Usage;
use serde::{Deserialize, Serialize};

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    pub input: f64,
    pub cached_input: f64,
    pub output: f64,
}

impl Price {
    pub fn cost_usd(&self, usage: &Usage) -> f64 {
        let cached = usage.cached_input_tokens.min(usage.input_tokens);
        let fresh = usage.input_tokens - cached;
        (fresh as f64 * self.input + cached as f64 * self.cached_input + usage.output_tokens as f64 * self.output) / 1e6
    }
}

const fn price(input: f64, cached_input: f64, output: f64) -> Price {
    Price { input, cached_input, output }
}

/// Standard-tier list prices as published by the vendor; dated snapshots share their family's price.
const PRICES: &[(&str, Price)] = &[
    ("gpt-5", price(1.25, 0.125, 10.0)),
    ("gpt-5-codex", price(1.25, 0.125, 10.0)),
    ("gpt-5-mini", price(0.25, 0.025, 2.0)),
    ("gpt-5-nano", price(0.05, 0.005, 0.4)),
    ("gpt-4.1", price(2.0, 0.5, 8.0)),
    ("gpt-4.1-mini", price(0.4, 0.1, 1.6)),
    ("gpt-4.1-nano", price(0.1, 0.025, 0.4)),
    ("gpt-4o", price(2.5, 1.25, 10.0)),
    ("gpt-4o-mini", price(0.15, 0.075, 0.6)),
    ("o3", price(2.0, 0.5, 8.0)),
    ("o4-mini", price(1.1, 0.275, 4.4)),
];

/// The price of exactly this model or of the family that its dated name (`-2025-08-07`) belongs to.
pub fn price_of(model: &str) -> Option<Price> {
    let family = undated(model);
    PRICES.iter().find(|(name, _)| *name == family).map(|(_, price)| *price)
}

pub fn cost_usd(model: &str, usage: &Usage) -> Option<f64> {
    price_of(model).map(|price| price.cost_usd(usage))
}

fn undated(model: &str) -> &str {
    let bytes = model.as_bytes();
    let Some(start) = bytes.len().checked_sub(11) else { return model };
    let dated = bytes[start..].iter().enumerate().all(|(i, b)| match i {
        0 | 5 | 8 => *b == b'-',
        _ => b.is_ascii_digit(),
    });
    if dated { &model[..start] } else { model }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_cheaper_and_strangers_have_no_price() {
        let usage = Usage { input_tokens: 1_000_000, cached_input_tokens: 400_000, output_tokens: 100_000, ..Usage::default() };
        let cost = cost_usd("gpt-5-2025-08-07", &usage).unwrap();
        assert!((cost - (0.75 + 0.05 + 1.0)).abs() < 1e-9, "{cost}");
        assert_eq!(cost_usd("gpt-5-something", &usage), None);
        assert_eq!(cost_usd("ü-2025-08-07", &usage), None);
        assert_eq!(cost_usd("short", &usage), None);
    }
}
