//! The real time and the real dice.

use domain::{Clock, Timestamp};
use uuid::{ContextV7, Uuid};

/// Ids made within one millisecond still sort in the order they were made.
pub struct SystemClock(ContextV7);

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(ContextV7::new())
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Timestamp {
        let micros = Timestamp::now().as_microsecond();
        Timestamp::from_microsecond(micros).expect("the present is in range")
    }

    #[allow(clippy::disallowed_methods)]
    fn uuid(&self) -> Uuid {
        let now = Timestamp::now();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(&self.0, seconds, now.subsec_nanosecond().unsigned_abs()))
    }

    fn random(&self, buffer: &mut [u8]) {
        rand::fill(buffer);
    }
}
