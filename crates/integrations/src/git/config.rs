//! The configuration every git process of ours runs with, whatever a repository's own files say.

use domain::limits::GIT_PUSH_BYTES_MAX;
use std::collections::BTreeMap;

/// Settings that must win over a repository's own configuration, so they go into the environment as well.
const ALWAYS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.quotePath", "false"),
    ("core.sshCommand", "false"),
    ("core.askPass", "false"),
    ("core.alternateRefsCommand", "false"),
    ("credential.helper", ""),
    ("protocol.allow", "never"),
    ("transfer.fsckObjects", "true"),
    ("fetch.fsckObjects", "true"),
    ("receive.fsckObjects", "true"),
    ("transfer.hideRefs", "refs/astraforge"),
    ("transfer.bundleURI", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("receive.autogc", "false"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("merge.renormalize", "false"),
    ("diff.algorithm", "histogram"),
    ("pack.threads", "2"),
    ("advice.detachedHead", "false"),
];

/// Harmless faults of old commits that a strict check would refuse whole histories for.
const OLD_FAULTS: &[&str] = &["zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "missingEmail"];

/// The text of the file named by `GIT_CONFIG_GLOBAL`: git passes it on to helpers that drop the environment's settings.
pub fn global() -> String {
    let mut text = String::from("# Written by AstraForge at every start.\n");
    let mut line = |key: &str, value: &str| {
        let (section, name) = key.split_once('.').expect("every key here has a section");
        text.push_str(&match name.rsplit_once('.') {
            Some((sub, name)) => format!("[{section} \"{sub}\"]\n\t{name} = \"{value}\"\n"),
            None => format!("[{section}]\n\t{name} = \"{value}\"\n"),
        });
    };
    for (key, value) in ALWAYS {
        line(key, value);
    }
    for fault in OLD_FAULTS {
        line(&format!("fetch.fsck.{fault}"), "ignore");
        line(&format!("receive.fsck.{fault}"), "ignore");
    }
    line("safe.directory", "*");
    line("receive.maxInputSize", &GIT_PUSH_BYTES_MAX.to_string());
    text
}

/// The environment of every call. `extra` comes last and wins.
pub fn environment(global: &str, extra: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", global),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", "/bin/false"),
        ("GIT_SSH_COMMAND", "/bin/false"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_ADVICE", "0"),
        ("GIT_PAGER", "cat"),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C.UTF-8"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .collect();
    let settings = ALWAYS.iter().chain(&[("safe.directory", "*")]).chain(extra);
    let mut count = 0;
    for (key, value) in settings {
        env.insert(format!("GIT_CONFIG_KEY_{count}"), key.to_string());
        env.insert(format!("GIT_CONFIG_VALUE_{count}"), value.to_string());
        count += 1;
    }
    env.insert("GIT_CONFIG_COUNT".into(), count.to_string());
    env
}
