//! How much one caller may ask of this process at once: tries to sign in, open streams, requests in flight.
//!
//! Quotas of workspaces are the engine's; these limits only protect the server itself and live in memory.

use crate::Problem;
use domain::limits::{LOGIN_TRIES_PER_MINUTE_MAX, STREAMS_PER_USER_MAX};
use domain::{Timestamp, UserId};
use http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Handlers at work at once, streams not counted. More are told to come back.
pub const IN_FLIGHT_MAX: usize = 512;
/// Those that may take long, such as commands in sandboxes: counted apart, so that they never keep others out.
pub const LONG_IN_FLIGHT_MAX: usize = 256;
const WINDOW_SECONDS: i64 = 60;
/// Names remembered by the login limit; the oldest window is forgotten beyond it.
const NAMES_MAX: usize = 10_000;

pub struct Limits {
    in_flight: Arc<Semaphore>,
    long: Arc<Semaphore>,
    tries: Mutex<HashMap<String, Window>>,
    streams: Arc<Mutex<HashMap<UserId, usize>>>,
}

#[derive(Clone, Copy)]
struct Window {
    since: i64,
    count: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            long: Arc::new(Semaphore::new(LONG_IN_FLIGHT_MAX)),
            tries: Mutex::default(),
            streams: Arc::default(),
        }
    }
}

impl Limits {
    pub fn enter(&self, is_long: bool) -> Result<OwnedSemaphorePermit, Problem> {
        let places = if is_long { &self.long } else { &self.in_flight };
        places.clone().try_acquire_owned().map_err(|_| {
            let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is busy; try again in a moment");
            problem.retry_after_seconds = Some(1);
            problem
        })
    }

    /// Counts one try under the key and refuses past the limit of the running minute.
    pub fn try_once(&self, key: &str, now: Timestamp) -> Result<(), Problem> {
        let second = now.as_second();
        let mut tries = lock(&self.tries);
        if tries.len() >= NAMES_MAX && !tries.contains_key(key) {
            tries.retain(|_, window| second - window.since < WINDOW_SECONDS);
            if tries.len() >= NAMES_MAX {
                return Err(too_many(WINDOW_SECONDS as u32));
            }
        }
        let window = tries.entry(key.to_string()).or_insert(Window { since: second, count: 0 });
        if second - window.since >= WINDOW_SECONDS {
            *window = Window { since: second, count: 0 };
        }
        window.count += 1;
        if window.count > LOGIN_TRIES_PER_MINUTE_MAX {
            return Err(too_many((WINDOW_SECONDS - (second - window.since)).max(1) as u32));
        }
        Ok(())
    }

    /// A good password clears the count.
    pub fn forgive(&self, key: &str) {
        lock(&self.tries).remove(key);
    }

    pub fn stream(&self, user: UserId) -> Result<StreamPermit, Problem> {
        let mut streams = lock(&self.streams);
        let open = streams.entry(user).or_default();
        if *open >= STREAMS_PER_USER_MAX {
            let detail = format!("you have {STREAMS_PER_USER_MAX} streams open, which is the most; close one first");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        *open += 1;
        Ok(StreamPermit { user, streams: self.streams.clone() })
    }

    pub fn streams_open(&self) -> usize {
        lock(&self.streams).values().sum()
    }
    pub fn in_flight(&self) -> usize {
        IN_FLIGHT_MAX + LONG_IN_FLIGHT_MAX - self.in_flight.available_permits() - self.long.available_permits()
    }
}

/// Counts as one open stream until dropped.
pub struct StreamPermit {
    user: UserId,
    streams: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut streams = lock(&self.streams);
        if let Some(open) = streams.get_mut(&self.user) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.user);
            }
        }
    }
}

fn too_many(seconds: u32) -> Problem {
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("too many tries; wait {seconds} s and try again"));
    problem.retry_after_seconds = Some(seconds);
    problem
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn tries_are_counted_per_key_and_minute() {
        let limits = Limits::default();
        for _ in 0..LOGIN_TRIES_PER_MINUTE_MAX {
            limits.try_once("a", at(100)).expect("within the limit");
        }
        assert_eq!(limits.try_once("a", at(101)).expect_err("one too many").retry_after_seconds, Some(59));
        limits.try_once("b", at(101)).expect("another key");
        limits.try_once("a", at(161)).expect("a new minute");
    }

    #[test]
    fn closing_a_stream_frees_its_place() {
        let limits = Limits::default();
        let held: Vec<_> = (0..STREAMS_PER_USER_MAX).map(|_| limits.stream(UserId(1)).map_err(|p| p.detail).expect("free")).collect();
        assert!(limits.stream(UserId(1)).is_err());
        assert!(limits.stream(UserId(2)).is_ok());
        drop(held);
        assert_eq!(limits.streams_open(), 0);
    }
}
