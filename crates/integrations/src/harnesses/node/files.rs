//! Which file of a JavaScript project is what, and how its layer is built.

use super::packages::{Install, install};
use crate::harnesses::files::{forbidden, is_below, name};
use domain::harness::{FileClass, SetUp};
use serde_json::Value;
use sha2::Digest;
use std::collections::BTreeMap;

const TEST_FOLDERS: &[&str] = &["tests", "test", "__tests__", "__mocks__", "__snapshots__", "__fixtures__"];
const SOURCES: &[&str] = &["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"];
/// How the names of a runner's or compiler's configuration and its set-up files begin.
const CONFIGS: &[&str] = &[
    "jest.",
    "jest-setup.",
    "jest-preset.",
    "vitest.",
    "vitest-setup.",
    "vite.config.",
    "babel.config.",
    "karma.conf.",
    ".mocharc",
    ".babelrc",
    ".swcrc",
    ".nycrc",
    ".taprc",
];
/// Parts of `package.json` that decide how code is loaded and tests run.
const HARNESS_KEYS: &[&str] = &["scripts", "jest", "mocha", "vitest", "ava", "c8", "nyc", "babel", "type", "imports", "ts-node"];

pub fn classify(path: &str, old: Option<&str>, new: Option<&str>) -> FileClass {
    if let Some(reason) = forbidden(path) {
        return FileClass::Forbidden(reason);
    }
    if path.split('/').any(|part| part == "node_modules") {
        return FileClass::Forbidden(format!("`{path}` is an installed package"));
    }
    let name = name(path);
    let is_config = CONFIGS.iter().any(|p| name.starts_with(p))
        || (name.starts_with("tsconfig") && name.ends_with(".json"))
        || matches!(
            name,
            ".npmrc" | ".yarnrc" | ".yarnrc.yml" | ".pnpmfile.cjs" | ".nvmrc" | ".node-version" | "setupTests.js" | "setupTests.ts"
        );
    if is_config {
        return FileClass::Harness;
    }
    if name == "package.json" {
        return if harness_part(old) == harness_part(new) { FileClass::Product } else { FileClass::Harness };
    }
    if is_below(path, TEST_FOLDERS) || is_test_file(name) {
        return FileClass::Test;
    }
    FileClass::Product
}

pub fn is_test_file(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let tested = [".test", ".spec", "-test", "-spec", "_test", "_spec"].iter().any(|s| stem.ends_with(s));
    SOURCES.contains(&ending) && (tested || stem == "test" || stem.starts_with("test-"))
}

fn harness_part(text: Option<&str>) -> Vec<(String, Value)> {
    let parsed: Value = text.and_then(|t| serde_json::from_str(t).ok()).unwrap_or(Value::Null);
    HARNESS_KEYS.iter().filter_map(|k| Some((k.to_string(), parsed.get(*k)?.clone()))).collect()
}

pub fn detect(files: &[String], read: &dyn Fn(&str) -> Option<String>) -> Option<SetUp> {
    let has = |wanted: &str| files.iter().any(|f| f == wanted);
    if !has("package.json") && !files.iter().any(|f| is_test_file(name(f))) {
        return None;
    }
    let manifest: Value = read("package.json").and_then(|t| serde_json::from_str(&t).ok()).unwrap_or(Value::Null);
    let needs = ["dependencies", "devDependencies", "optionalDependencies"]
        .iter()
        .any(|k| manifest.get(*k).and_then(Value::as_object).is_some_and(|m| !m.is_empty()));
    let Install { files: lock_files, line, registries } = install(files, read, &manifest);
    let mut commands = vec!["mkdir -p /layer/node/node_modules".to_string()];
    if needs {
        commands.push(format!("cp {} /layer/node/ && cd /layer/node && {line}", lock_files.join(" ")));
    }
    let mut digest = sha2::Sha256::new();
    for part in lock_files.iter().map(|f| read(f).unwrap_or_default()).chain(commands.iter().cloned()) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    Some(SetUp {
        harness: "npm".to_string(),
        lock_files,
        digest: hex::encode(digest.finalize()),
        commands,
        env: BTreeMap::from([("NODE_PATH".to_string(), "/node_modules".to_string())]),
        // Every folder of the sandbox finds packages at its root.
        mounts: vec![("node/node_modules".to_string(), "/node_modules".to_string())],
        registries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_of_one_kind() {
        let class = |path| classify(path, None, Some(""));
        assert_eq!(class("src/cart.js"), FileClass::Product);
        assert_eq!(class("src/cart.test.js"), FileClass::Test);
        assert_eq!(class("src/__tests__/data/cart.json"), FileClass::Test);
        assert_eq!(class("vitest.config.ts"), FileClass::Harness);
        let scripts = |s: &str| format!("{{\"name\":\"a\",\"scripts\":{{\"test\":\"{s}\"}}}}");
        assert_eq!(classify("package.json", Some(&scripts("node --test")), Some(&scripts("true"))), FileClass::Harness);
        assert_eq!(classify("package.json", Some("{\"version\":\"1\"}"), Some("{\"version\":\"2\"}")), FileClass::Product);
    }
}
