//! Who descends from whom, ending a whole tree, and burying the dead.
//!
//! Every process that a client starts hangs below a shepherd of its own, which adopts whatever loses its parent. So the
//! tree of one command is complete as long as its leader lives, however its members detach themselves.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long a tree is hunted before it is left to whoever owns the whole place.
const HUNT: Duration = Duration::from_millis(900);

/// Buries every child that ends, among them orphans handed to the first process.
pub async fn reap_forever() {
    let Ok(mut children) = signal(SignalKind::child()) else { return };
    loop {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        if children.recv().await.is_none() {
            return;
        }
    }
}

/// Makes this process adopt orphans, as the first process of a namespace does anyway.
pub fn adopt_orphans() {
    if !is_first() {
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
}

/// Where no namespace ends with this process, what it started has to be ended one by one.
pub async fn kill_everything() {
    if !is_first() {
        kill_below(rustix::process::getpid()).await;
    }
}

fn is_first() -> bool {
    rustix::process::getpid().is_init()
}

thread_local! {
    /// Those whose commands are under way.
    static SHEPHERDS: RefCell<HashSet<Pid>> = RefCell::default();
}

/// Counts as a shepherd until dropped.
pub struct Shepherd(pub Pid);

impl Shepherd {
    pub fn new(pid: Pid) -> Self {
        SHEPHERDS.with_borrow_mut(|all| all.insert(pid));
        Shepherd(pid)
    }
}

impl Drop for Shepherd {
    fn drop(&mut self) {
        SHEPHERDS.with_borrow_mut(|all| all.remove(&self.0));
    }
}

/// Ends everything that hangs below no shepherd. Whoever kills their own would otherwise be free of every deadline.
pub async fn kill_strays() {
    let spared = SHEPHERDS.with_borrow(HashSet::clone);
    hunt(rustix::process::getpid(), &spared).await;
}

/// Ends everything below `top`, which itself is spared so that it can tell what happened.
pub async fn kill_below(top: Pid) {
    hunt(top, &HashSet::new()).await;
}

async fn hunt(top: Pid, spared: &HashSet<Pid>) {
    let started = Instant::now();
    while started.elapsed() < HUNT {
        if stop_all(top, spared) == 0 {
            return;
        }
        for pid in below(top, spared) {
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Stops the tree from growing: who is stopped cannot fork, so a pass that finds nobody new has found everybody.
fn stop_all(top: Pid, spared: &HashSet<Pid>) -> usize {
    let mut stopped = HashSet::new();
    for _ in 0..64 {
        let mut found = 0;
        for pid in below(top, spared) {
            if stopped.insert(pid) {
                let _ = kill_process(pid, Signal::STOP);
                found += 1;
            }
        }
        if found == 0 {
            break;
        }
    }
    stopped.len()
}

/// The living descendants but for those spared and theirs. Zombies are their parents' business.
fn below(top: Pid, spared: &HashSet<Pid>) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) else { continue };
        if let Some((state, parent)) = parse_stat(&stat)
            && !matches!(state, b'Z' | b'X')
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![top.as_raw_nonzero().get()];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            let Some(named) = Pid::from_raw(child).filter(|named| !spared.contains(named)) else { continue };
            open.push(child);
            found.push(named);
        }
    }
    found
}

/// State and parent. A name may hold any bytes, parentheses among them, so the fields begin after the last one.
fn parse_stat(stat: &[u8]) -> Option<(u8, i32)> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    Some((state, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pretend_to_be_a_field() {
        assert_eq!(parse_stat(b"12 (evil) R 1 (x) S 7 12 12 0"), Some((b'S', 7)));
        assert_eq!(parse_stat(b"12 (cut"), None);
    }
}
