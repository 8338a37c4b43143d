//! The real time and the real dice.

use domain::{Clock, Timestamp};
use std::sync::Mutex;
use uuid::{ContextV7, Uuid};

/// Ids made within one millisecond still sort in the order they were made.
pub struct SystemClock(Mutex<ContextV7>);

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(Mutex::new(ContextV7::new()))
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
        let context = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, now.subsec_nanosecond().unsigned_abs()))
    }

    fn random(&self, buffer: &mut [u8]) {
        rand::fill(buffer);
    }
}
