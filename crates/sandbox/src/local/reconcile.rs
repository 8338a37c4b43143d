//! What a server that died left behind: found by its owner's record, and removed.
//!
//! A group is made after its folder and goes before it, so one without a folder here is of another data dir: all servers
//! of a host keep their groups in one place.

use super::life::Owner;
use super::{Shared, cgroup};
use crate::sweep::remove_tree;
use std::time::{Duration, Instant};

/// A server that was killed lets its data dir go a moment before it is dead.
const DEATH_WITHIN: Duration = Duration::from_secs(1);
const DEATH_PAUSE: Duration = Duration::from_millis(5);

/// Returns how many sandboxes of this data dir were removed. Those of servers that live are left alone, also where this data
/// dir is a copy of another's.
pub fn reconcile(shared: &Shared) -> usize {
    let sandboxes = shared.data_dir.join("sandboxes");
    let living: std::collections::BTreeSet<String> = shared.living().keys().map(ToString::to_string).collect();
    let deadline = Instant::now() + DEATH_WITHIN;
    let is_orphan = |name: &str| match Owner::read(&sandboxes.join(name)) {
        Some(owner) => {
            while owner.is_alive() == Some(true) && !owner.is_this_process() && Instant::now() < deadline {
                std::thread::sleep(DEATH_PAUSE);
            }
            owner.is_alive() != Some(true)
        }
        // Its server died before it could write the record. A data dir has one server, and this is it.
        None => !living.contains(name),
    };
    let mut others = 0;
    for name in shared.cgroups.names() {
        let Some(owner) = Owner::of_group(&name) else { continue };
        let sandbox = name.split('.').next().unwrap_or_default();
        let is_here = sandboxes.join(sandbox).exists();
        // Whose life nobody here can tell may be the last server of this data dir, in a container that was replaced.
        if !owner.is_alive().unwrap_or_else(|| !is_here || !is_orphan(sandbox)) {
            shared.cgroups.existing(&name).remove();
            others += usize::from(!is_here);
        }
    }
    if others > 0 {
        tracing::info!(groups = others, "removed control groups that killed servers of other data dirs left behind");
    }
    let mut found = 0;
    let Ok(entries) = std::fs::read_dir(&sandboxes) else { return found };
    for entry in entries.flatten() {
        let folder = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_orphan(&name) {
            continue;
        }
        // Where the dead server was in another group than this one, its sandboxes' groups lie elsewhere too.
        if let Some(owner) = Owner::read(&folder) {
            let own = owner.group_of(&name);
            let groups: Vec<_> = owner.groups.into_iter().filter(|group| group.ends_with(&own)).collect();
            if !cgroup::remove(&groups) {
                tracing::warn!(sandbox = name, "an orphaned sandbox's control groups could not be removed");
                continue;
            }
        }
        match remove_tree(&folder) {
            Ok(()) => found += 1,
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "an orphaned sandbox could not be removed"),
        }
    }
    found
}
