//! What a server that died left behind: found by its owner's record, and removed.
//!
//! A group is made after its folder and goes before it, so one without a folder here is of another data dir: all servers
//! of a host keep their groups in one place.

use super::Shared;
use super::life::Owner;
use crate::sweep::remove_tree;

/// Returns how many sandboxes of this data dir were removed. Those of servers that live, ours among them, are left alone.
pub fn reconcile(shared: &Shared) -> usize {
    let mut others = 0;
    for name in shared.cgroups.names() {
        if Owner::of_group(&name).is_some_and(|owner| !owner.is_alive()) {
            shared.cgroups.existing(&name).remove();
            let sandbox = name.split('.').next().unwrap_or_default();
            others += usize::from(!shared.data_dir.join("sandboxes").join(sandbox).exists());
        }
    }
    if others > 0 {
        tracing::info!(groups = others, "removed control groups that killed servers of other data dirs left behind");
    }
    let mut found = 0;
    let living: std::collections::BTreeSet<String> = shared.living().keys().map(ToString::to_string).collect();
    let Ok(entries) = std::fs::read_dir(shared.data_dir.join("sandboxes")) else { return found };
    for entry in entries.flatten() {
        let folder = entry.path();
        let owner = Owner::read(&folder);
        let is_orphan = match &owner {
            Some(owner) => !owner.is_alive(),
            // Its server died before it could write the record. A data dir has one server, and this is it.
            None => !living.contains(&entry.file_name().to_string_lossy().into_owned()),
        };
        if !is_orphan {
            continue;
        }
        for group in owner.iter().flat_map(|owner| &owner.groups) {
            // Its members died with their server; what is not empty is not what the record says it is.
            let _ = std::fs::remove_dir(group);
        }
        match remove_tree(&folder) {
            Ok(()) => found += 1,
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "an orphaned sandbox could not be removed"),
        }
    }
    found
}
