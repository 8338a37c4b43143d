//! Time and dice, owned by whoever composes the program so that tests can own them instead.

use jiff::Timestamp;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

pub trait Clock: Send + Sync {
    /// Truncated to microseconds: that is what the database and the wire keep.
    fn now(&self) -> Timestamp;
    /// A fresh, time-ordered id.
    fn uuid(&self) -> Uuid;
    /// Bytes nobody can guess.
    fn random(&self, buffer: &mut [u8]);
}

impl dyn Clock {
    pub fn fresh<T: From<Uuid>>(&self) -> T {
        T::from(self.uuid())
    }
    /// A URL-safe token of `bytes` random bytes, in lower-case hex.
    pub fn token_hex(&self, bytes: usize) -> String {
        let mut buffer = vec![0u8; bytes];
        self.random(&mut buffer);
        hex::encode(buffer)
    }
}

/// As file systems keep time, to the second.
pub fn file_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(at.as_second().max(0).unsigned_abs())
}
