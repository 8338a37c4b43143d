//! When something was seen: a histogram that never grows, however long it goes on.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// As many as a small drawing can show.
pub const SPANS_MAX: usize = 48;
/// The first minutes of a fault are what somebody on call looks at.
const FIRST_SPAN_SECONDS: i64 = 30;

/// Counts in equal spans, oldest first. When a new one does not fit, each two become one of twice the length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sightings {
    pub since: Timestamp,
    pub span_seconds: i64,
    pub counts: Vec<u32>,
}

impl Sightings {
    pub fn since(at: Timestamp) -> Sightings {
        Sightings { since: at, span_seconds: FIRST_SPAN_SECONDS, counts: Vec::new() }
    }

    /// A clock that was set back counts for the first span.
    pub fn count(&mut self, at: Timestamp) {
        let seconds = at.duration_since(self.since).as_secs().max(0);
        while seconds / self.span_seconds >= SPANS_MAX as i64 {
            self.counts = self.counts.chunks(2).map(|two| two.iter().fold(0, |sum: u32, count| sum.saturating_add(*count))).collect();
            self.span_seconds *= 2;
        }
        let place = (seconds / self.span_seconds) as usize;
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] = self.counts[place].saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).expect("in range")
    }

    #[test]
    fn spans_double_and_nothing_is_lost() {
        let mut seen = Sightings::since(at(0));
        for seconds in 0..3_600 * 24 {
            if seconds % 60 == 0 {
                seen.count(at(seconds));
            }
            assert!(seen.counts.len() <= SPANS_MAX);
        }
        assert_eq!(seen.counts.iter().sum::<u32>(), 24 * 60);
        assert_eq!(seen.span_seconds, 30 << 6);
        assert_eq!(seen.counts, vec![32; 45]);
    }

    #[test]
    fn a_pause_leaves_its_spans_empty() {
        let mut seen = Sightings::since(at(0));
        for seconds in [0, 29, 30, 130, -5] {
            seen.count(at(seconds));
        }
        assert_eq!(seen.counts, [3, 1, 0, 0, 1]);
        seen.count(at(30 * SPANS_MAX as i64));
        assert_eq!((seen.span_seconds, &seen.counts[..3], seen.counts.len()), (60, &[4, 0, 1][..], SPANS_MAX / 2 + 1));
    }
}
