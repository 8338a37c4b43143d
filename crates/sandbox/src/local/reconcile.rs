//! What a server that died left behind: found by its owner's record, and removed.

use super::Shared;
use super::life::Owner;
use crate::sweep::remove_tree;
use std::time::Duration;

/// A folder without a record this young may just be coming to be.
const YOUNG: Duration = Duration::from_secs(30);

/// Returns how many sandboxes were removed. Those of servers that live, ours among them, are left alone.
pub fn reconcile(shared: &Shared) -> usize {
    let mut found = std::collections::BTreeSet::new();
    for name in shared.cgroups.names() {
        if Owner::of_group(&name).is_some_and(|owner| !owner.is_alive()) {
            shared.cgroups.existing(&name).remove();
            found.insert(name.split('.').next().unwrap_or_default().to_string());
        }
    }
    let Ok(entries) = std::fs::read_dir(shared.data_dir.join("sandboxes")) else { return found.len() };
    for entry in entries.flatten() {
        let folder = entry.path();
        let owner = Owner::read(&folder);
        let is_orphan = match &owner {
            Some(owner) => !owner.is_alive(),
            None => {
                let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
                age.is_some_and(|age| age > YOUNG)
            }
        };
        if !is_orphan {
            continue;
        }
        for group in owner.iter().flat_map(|owner| &owner.groups) {
            // Its members died with their server; what is not empty is not what the record says it is.
            let _ = std::fs::remove_dir(group);
        }
        match remove_tree(&folder) {
            Ok(()) => {
                found.insert(entry.file_name().to_string_lossy().into_owned());
            }
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "an orphaned sandbox could not be removed"),
        }
    }
    found.len()
}
