//! Every tree of a proof stands on what base's set-up installed. A patch that asks for more is told so, instead of failing
//! in a way that nobody understands.

use super::{PatchFile, Saying, broken, list};
use domain::evidence::{Rule, RuleResult};
use std::collections::BTreeSet;

/// What the patch's files ask for and what they were on base did not, under whatever name.
pub fn judge(files: &[PatchFile], dependencies: &dyn Fn(&str, &str) -> BTreeSet<String>) -> Option<RuleResult> {
    let of = |path: &str, text: &Option<String>| text.as_deref().map(|t| dependencies(path, t)).unwrap_or_default();
    let before: BTreeSet<String> = files.iter().flat_map(|file| of(&file.path, &file.old)).collect();
    for file in files {
        let fresh: Vec<String> = of(&file.path, &file.new).into_iter().filter(|d| !before.contains(d)).map(|d| format!("`{d}`")).collect();
        if !fresh.is_empty() {
            let words = format!(
                "`{}` asks for {}, which the set-up of the base commit did not install: no test here would run with it, and nobody has looked at its code",
                file.path,
                list(&fresh, 3)
            );
            return Some(
                broken(Rule::Green, "other_dependencies", words)
                    .at(&file.path, 0)
                    .mend("Make the fix with the dependencies that the base commit has; if it needs another one, a person has to bring that in first."),
            );
        }
    }
    None
}
