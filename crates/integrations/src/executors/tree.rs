//! What an agent changed, seen from the tree itself: so that every edit shows, whatever tool made it.
//!
//! For people who watch. The patch that counts is taken elsewhere.

use domain::sandbox::{Command, Sandbox};
use domain::turn::AgentEvent;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

const DIFF_BYTES_MAX: usize = 16 << 10;
const SCAN_BYTES_MAX: usize = 1 << 20;
const EVENTS_PER_SCAN_MAX: usize = 50;

/// New files count too, without touching the index that the agent may be using.
const SCAN: &str = r#"index=$(mktemp) && cp "$(git rev-parse --git-path index)" "$index" && export GIT_INDEX_FILE="$index" \
&& git add -A -N . && git -c core.quotepath=off -c core.fsmonitor=false diff --no-color --no-ext-diff --no-textconv --no-renames HEAD --; rm -f "$index""#;

#[derive(Default)]
pub struct Tree {
    seen: HashMap<String, u64>,
}

impl Tree {
    /// The tree as it is when the agent begins; only what it changes from there on is told.
    pub async fn at_start(sandbox: &dyn Sandbox, workspace: &str) -> Tree {
        let mut tree = Tree::default();
        tree.changes(sandbox, workspace).await;
        tree
    }

    /// Files whose difference to the base has changed since the last look. Empty where git does not work.
    pub async fn changes(&mut self, sandbox: &dyn Sandbox, workspace: &str) -> Vec<AgentEvent> {
        let scan = Command::shell(SCAN).cwd(workspace).timeout(Duration::from_secs(30)).output_bytes_max(SCAN_BYTES_MAX);
        match sandbox.exec(scan).await {
            Ok(output) if output.ok() && output.stdout_dropped == 0 => self.compare(&output.stdout_text()),
            _ => Vec::new(),
        }
    }

    fn compare(&mut self, diff: &str) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        let mut now = HashMap::new();
        for section in sections(diff) {
            let Some(path) = path_of(section) else { continue };
            let mut hasher = DefaultHasher::new();
            section.hash(&mut hasher);
            let hash = hasher.finish();
            if self.seen.get(path) != Some(&hash) {
                events.push(AgentEvent::FileChanged { path: path.to_string(), diff: agent::text::head_and_tail(section, DIFF_BYTES_MAX) });
            }
            now.insert(path.to_string(), hash);
        }
        for path in self.seen.keys().filter(|path| !now.contains_key(*path)) {
            events.push(AgentEvent::FileChanged { path: path.clone(), diff: String::new() });
        }
        self.seen = now;
        events.truncate(EVENTS_PER_SCAN_MAX);
        events
    }
}

fn sections(diff: &str) -> impl Iterator<Item = &str> {
    let starts = diff.match_indices("diff --git ").map(|(at, _)| at).filter(|at| *at == 0 || diff.as_bytes()[at - 1] == b'\n');
    let mut starts: Vec<usize> = starts.collect();
    starts.push(diff.len());
    (1..starts.len()).map(move |i| &diff[starts[i - 1]..starts[i]])
}

fn path_of(section: &str) -> Option<&str> {
    let named = |prefix: &str| section.lines().find_map(|line| line.strip_prefix(prefix));
    // Without content lines (a new empty file, a mode) only the first line names it, twice.
    named("+++ b/").or_else(|| named("--- a/")).or_else(|| section.lines().next()?.rsplit_once(" b/").map(|(_, path)| path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "diff --git a/a.py b/a.py\nindex 1..2 100644\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+diff --git y\n";
    const GONE: &str = "diff --git a/b.py b/b.py\ndeleted file mode 100644\n--- a/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    const EMPTY: &str = "diff --git a/c d.py b/c d.py\nnew file mode 100644\n";

    fn paths(events: &[AgentEvent]) -> Vec<&str> {
        events.iter().filter_map(|e| if let AgentEvent::FileChanged { path, .. } = e { Some(path.as_str()) } else { None }).collect()
    }

    #[test]
    fn only_what_changed_since_the_last_look_is_told() {
        let mut tree = Tree::default();
        assert_eq!(paths(&tree.compare(&[A, GONE, EMPTY].concat())), ["a.py", "b.py", "c d.py"]);
        assert_eq!(paths(&tree.compare(&[A, GONE, EMPTY].concat())), Vec::<&str>::new());
        assert_eq!(paths(&tree.compare(&[&A.replace("-x", "-z"), EMPTY].concat())), ["a.py", "b.py"]);
    }
}
