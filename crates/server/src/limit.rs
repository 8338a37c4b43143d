//! How much one caller may ask of this process at once: tries to sign in, open streams, requests in flight.
//!
//! Quotas of workspaces are the engine's; these limits only protect the server itself and live in memory.

use crate::Problem;
use crate::body::Memory;
use domain::limits::{LOGIN_TRIES_PER_ADDRESS_MINUTE_MAX, LOGIN_TRIES_PER_MINUTE_MAX, STREAMS_PER_USER_MAX};
use domain::{Timestamp, UserId};
use http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where a request finds a place while it is handled; streams are counted elsewhere. Each kind has places of its own, so that
/// a crowd of one keeps no other out. Who finds none is told to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Callers whose answers are soon there.
    Short,
    /// Those that may take long, such as commands in sandboxes.
    Long,
    /// Passwords that are hashed or wait for it. Anybody may come here.
    SignIn,
    /// Alerts, from anybody who knows an address.
    Intake,
    /// Whoever looks after this server.
    Watch,
}

const ROOMS: [(Room, usize); 5] = [(Room::Short, 512), (Room::Long, 256), (Room::SignIn, 32), (Room::Intake, 256), (Room::Watch, 32)];
/// What alerts that are read hold together in memory, unpacked.
const ALERTS_BYTES_MAX: usize = 256 << 20;
/// The same for files and pushes of callers.
const UPLOADS_BYTES_MAX: usize = 1 << 30;
const WINDOW_SECONDS: i64 = 60;
/// Names remembered by the login limit; the oldest window is forgotten beyond it.
const NAMES_MAX: usize = 10_000;
const NAME_CHARS_MAX: usize = 150;

/// What tries under one name are counted by.
pub struct SignInName(String);

pub struct Limits {
    rooms: [Arc<Semaphore>; ROOMS.len()],
    pub alerts: Memory,
    pub uploads: Memory,
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
            rooms: ROOMS.map(|(_, places)| Arc::new(Semaphore::new(places))),
            alerts: Memory::new(ALERTS_BYTES_MAX),
            uploads: Memory::new(UPLOADS_BYTES_MAX),
            tries: Mutex::default(),
            streams: Arc::default(),
        }
    }
}

impl Limits {
    pub fn enter(&self, room: Room) -> domain::Result<OwnedSemaphorePermit> {
        let places = &self.rooms[room as usize];
        places.clone().try_acquire_owned().map_err(|_| domain::Error::unavailable("the server is busy; try again in a moment"))
    }

    /// A try to come in by a password: few under one name, and not many names from one address. Names that are one to the
    /// database are one here.
    pub fn try_password(&self, address: &str, username: &str, now: Timestamp) -> Result<SignInName, Problem> {
        self.try_once(&format!("sign in {address}"), LOGIN_TRIES_PER_ADDRESS_MINUTE_MAX, now)?;
        let name = username.trim().to_lowercase().chars().take(NAME_CHARS_MAX).collect::<String>();
        let key = format!("login {address} {name}");
        self.try_once(&key, LOGIN_TRIES_PER_MINUTE_MAX, now)?;
        Ok(SignInName(key))
    }

    /// A good password clears the count of its name.
    pub fn forgive(&self, name: &SignInName) {
        lock(&self.tries).remove(&name.0);
    }

    /// Counts one try under the key and refuses past the most of the running minute.
    pub fn try_once(&self, key: &str, most: u32, now: Timestamp) -> Result<(), Problem> {
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
        if window.count > most {
            return Err(too_many((WINDOW_SECONDS - (second - window.since)).max(1) as u32));
        }
        Ok(())
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
        ROOMS.iter().zip(&self.rooms).map(|((_, places), room)| places - room.available_permits()).sum()
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
            limits.try_once("a", LOGIN_TRIES_PER_MINUTE_MAX, at(100)).expect("within the limit");
        }
        assert_eq!(limits.try_once("a", LOGIN_TRIES_PER_MINUTE_MAX, at(101)).expect_err("one too many").retry_after_seconds, Some(59));
        limits.try_once("b", LOGIN_TRIES_PER_MINUTE_MAX, at(101)).expect("another key");
        limits.try_once("a", LOGIN_TRIES_PER_MINUTE_MAX, at(161)).expect("a new minute");
    }

    #[test]
    fn one_password_under_many_names_is_guessing_too() {
        let limits = Limits::default();
        let passed = (0..1000).filter(|one| limits.try_password("1.2.3.4", &format!("name-{one}"), at(100)).is_ok()).count();
        assert_eq!(passed, LOGIN_TRIES_PER_ADDRESS_MINUTE_MAX as usize);
        assert!(limits.try_password("1.2.3.5", "name-1", at(100)).is_ok());
        assert!(limits.try_password("1.2.3.4", "name-1", at(161)).is_ok());
    }

    #[test]
    fn each_room_has_its_own_places() {
        let limits = Limits::default();
        for (at, (room, places)) in ROOMS.into_iter().enumerate() {
            assert_eq!(room as usize, at);
            let held: Vec<_> = (0..places).map(|_| limits.enter(room).expect("a place")).collect();
            assert!(limits.enter(room).is_err());
            assert!(ROOMS.iter().filter(|(other, _)| *other != room).all(|(other, _)| limits.enter(*other).is_ok()));
            assert_eq!(limits.in_flight(), held.len());
        }
        assert_eq!(limits.in_flight(), 0);
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
