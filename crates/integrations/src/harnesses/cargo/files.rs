//! Which file of a Rust project is what, and how a Rust project's layer is built.

use crate::harnesses::files::{forbidden, is_below, name};
use domain::egress::HostPort;
use domain::harness::{FileClass, SetUp};
use sha2::Digest;
use std::collections::{BTreeMap, BTreeSet};

const TEST_FOLDERS: &[&str] = &["tests", "benches"];
const HARNESS_NAMES: &[&str] = &["build.rs", "rust-toolchain", "rust-toolchain.toml", "nextest.toml"];

pub fn classify(path: &str, old: Option<&str>, new: Option<&str>) -> FileClass {
    if let Some(reason) = forbidden(path) {
        return FileClass::Forbidden(reason);
    }
    let name = name(path);
    if HARNESS_NAMES.contains(&name) || is_below(path, &[".cargo"]) {
        return FileClass::Harness;
    }
    if name == "Cargo.toml" {
        return if steering(old) == steering(new) { FileClass::Product } else { FileClass::Harness };
    }
    if is_below(path, TEST_FOLDERS) || name == "tests.rs" {
        return FileClass::Test;
    }
    FileClass::Product
}

/// The parts of `Cargo.toml` that decide what is built and how, and which tests there are.
fn steering(text: Option<&str>) -> Option<toml::Value> {
    let value: toml::Value = toml::from_str(text?).ok()?;
    let mut kept = toml::map::Map::new();
    for key in ["lib", "bin", "test", "bench", "example", "profile", "patch", "replace", "cargo-features"] {
        if let Some(part) = value.get(key) {
            kept.insert(key.to_string(), part.clone());
        }
    }
    let package = value.get("package");
    for key in ["build", "links", "autolib", "autobins", "autotests", "autoexamples", "autobenches", "default-run"] {
        if let Some(part) = package.and_then(|p| p.get(key)) {
            kept.insert(format!("package.{key}"), part.clone());
        }
    }
    if kept.is_empty() { None } else { Some(toml::Value::Table(kept)) }
}

/// Packages of a lock file and tables of a manifest. What lies in the tree itself needs no set-up, and what a workspace
/// names is there for each of its members.
pub fn dependencies(path: &str, text: &str) -> BTreeSet<String> {
    let Some(value) = toml::from_str::<toml::Value>(text).ok() else { return BTreeSet::new() };
    match name(path) {
        "Cargo.toml" => {
            let mut found = BTreeSet::new();
            tables(&value, &mut found);
            value.get("workspace").into_iter().for_each(|w| tables(w, &mut found));
            let targets = value.get("target").and_then(|t| t.as_table());
            targets.into_iter().flat_map(|t| t.values()).for_each(|t| tables(t, &mut found));
            found
        }
        "Cargo.lock" => {
            let packages = value.get("package").and_then(|p| p.as_array()).into_iter().flatten();
            let part = |p: &toml::Value, key: &str| p.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_string();
            packages.filter(|p| p.get("source").is_some()).map(|p| format!("{} {}", part(p, "name"), part(p, "version"))).collect()
        }
        _ => BTreeSet::new(),
    }
}

fn tables(value: &toml::Value, found: &mut BTreeSet<String>) {
    for key in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, wanted) in value.get(key).and_then(|t| t.as_table()).into_iter().flatten() {
            if wanted.get("path").or(wanted.get("workspace")).is_none() {
                found.insert(format!("{name} {}", wanted.as_str().map(str::to_string).unwrap_or_else(|| wanted.to_string())));
            }
        }
    }
}

/// Dependencies are fetched and everything is built once, for tests and for the release profile that one kind of
/// disguise wears. A tree that does not build yet still gets the layer: its dependencies are in it.
const COMMANDS: &[&str] = &[
    "mkdir -p /layer/cargo /layer/target",
    "CARGO_NET_OFFLINE=false cargo fetch",
    "cp Cargo.lock /layer/Cargo.lock",
    "cargo test --no-run --quiet || true",
    "cargo test --no-run --quiet --release || true",
];

pub fn detect(files: &[String], read: &dyn Fn(&str) -> Option<String>) -> Option<SetUp> {
    if !files.iter().any(|f| f == "Cargo.toml") {
        return None;
    }
    let mut lock_files: Vec<String> = files
        .iter()
        .filter(|f| {
            matches!(name(f), "Cargo.toml" | "rust-toolchain" | "rust-toolchain.toml")
                || f.as_str() == "Cargo.lock"
                || f.starts_with(".cargo/")
        })
        .cloned()
        .collect();
    lock_files.sort();
    let mut digest = sha2::Sha256::new();
    let env = env();
    let texts = lock_files.iter().flat_map(|f| [f.clone(), read(f).unwrap_or_default()]);
    let settings = env.iter().map(|(name, value)| format!("{name}={value}"));
    for part in texts.chain(COMMANDS.iter().map(|c| c.to_string())).chain(settings) {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let host = |host: &str| HostPort { host: host.to_string(), port: 443 };
    Some(SetUp {
        harness: "cargo".to_string(),
        lock_files,
        digest: hex::encode(digest.finalize()),
        commands: COMMANDS.iter().map(|c| c.to_string()).collect(),
        env,
        mounts: Vec::new(),
        registries: vec![host("index.crates.io"), host("static.crates.io")],
    })
}

/// The same for set-up, agent and proof: another setting would be another build of every dependency. The search path is
/// not among them, because the toolchain stands where the host has it.
fn env() -> BTreeMap<String, String> {
    [
        ("CARGO_HOME", "/layer/cargo"),
        ("CARGO_TARGET_DIR", "/layer/target"),
        ("CARGO_NET_OFFLINE", "true"),
        // Lines for frames, without what only a debugger reads.
        ("CARGO_PROFILE_DEV_DEBUG", "line-tables-only"),
        ("CARGO_TERM_COLOR", "never"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_tree_is_no_dependency() {
        let manifest = "[dependencies]\nserde = '1'\nown = { path = '../own' }\nours = { workspace = true }\n[target.'cfg(unix)'.dev-dependencies]\nlibc = { version = '0.2' }\n";
        assert_eq!(dependencies("a/Cargo.toml", manifest).into_iter().collect::<Vec<_>>(), ["libc { version = \"0.2\" }", "serde 1"]);
        let lock = "[[package]]\nname = 'own'\nversion = '0.1.0'\n[[package]]\nname = 'serde'\nversion = '1.0.9'\nsource = 'registry'\n";
        assert_eq!(dependencies("Cargo.lock", lock).into_iter().collect::<Vec<_>>(), ["serde 1.0.9"]);
    }

    #[test]
    fn each_file_is_of_one_kind() {
        let class = |path| classify(path, None, Some(""));
        assert_eq!(class("src/pricing.rs"), FileClass::Product);
        assert_eq!(class("src/pricing/tests.rs"), FileClass::Test);
        assert_eq!(class("crates/shop/tests/data/cart.json"), FileClass::Test);
        assert_eq!(class("crates/shop/build.rs"), FileClass::Harness);
        assert_eq!(class(".cargo/config.toml"), FileClass::Harness);
        assert!(matches!(class(".github/workflows/ci.yml"), FileClass::Forbidden(_)));
        let old = "[package]\nname = 'a'\nversion = '1.0.0'\n";
        assert_eq!(classify("Cargo.toml", Some(old), Some(&old.replace("1.0.0", "1.0.1"))), FileClass::Product);
        assert_eq!(classify("Cargo.toml", Some(old), Some(&format!("{old}[profile.dev]\noverflow-checks = false\n"))), FileClass::Harness);
        assert_eq!(classify("Cargo.toml", Some(old), Some(&format!("{old}build = 'make.rs'\n"))), FileClass::Harness);
    }
}
