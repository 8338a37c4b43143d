//! Where merge requests live. A new forge is one file here and one entry in [`ALL`].

mod local;

use domain::forge::Forge;
use domain::git::GitHost;
use domain::Clock;
use std::sync::Arc;

pub const ALL: &[Entry] = &[local::ENTRY];

pub struct Entry {
    pub id: &'static str,
    pub label: &'static str,
    pub open: fn(&Means) -> Arc<dyn Forge>,
}

/// What a forge may need to do its work.
#[derive(Clone)]
pub struct Means {
    pub git: Arc<dyn GitHost>,
    pub clock: Arc<dyn Clock>,
    pub author_name: String,
    pub author_email: String,
}

pub fn open_all(means: &Means) -> Vec<Arc<dyn Forge>> {
    ALL.iter().map(|entry| (entry.open)(means)).collect()
}
