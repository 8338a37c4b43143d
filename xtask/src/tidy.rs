//! The rules of the house, checked: which crate may use which, what a room may never name, whose licences we ship.

use crate::root;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Normal dependencies among our own crates. There are no others.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("llm", &[]),
    ("daemon", &[]),
    ("sandbox", &["domain", "daemon"]),
    ("agent", &["domain", "llm"]),
    ("integrations", &["domain", "agent", "llm"]),
    ("engine", &["domain", "store", "llm"]),
    ("server", &["domain", "engine"]),
    ("astraforge", &["agent", "daemon", "domain", "engine", "integrations", "llm", "sandbox", "server", "store"]),
    ("xtask", &[]),
];

/// Words that a crate's sources may never hold, with the reason.
const ABSENT: &[(&str, &[&str], &str)] = &[
    ("engine", &["docker", "gitlab", "github", "codex", "kubernetes", "pytest", "glitchtip"], "engine sees ports, not products"),
    ("server", &["sqlx"], "SQL lives in store"),
    ("store", &["axum"], "HTTP lives in server"),
    (
        "domain",
        &["Timestamp::now", "SystemTime::now", "Instant::now", "std::fs", "std::net", "std::env"],
        "domain does no IO and reads no clock",
    ),
    ("llm", &["domain::"], "llm has never heard of us"),
    ("daemon", &["domain::"], "daemon has never heard of us"),
];

const MAY_BE_UNSAFE: &[&str] = &["sandbox", "daemon"];
const MAY_READ_ENVIRONMENT: &[&str] = &["astraforge", "xtask"];
/// A file past this is split by meaning.
const LINES_MAX: usize = 800;

const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "MPL-2.0",
    "bzip2-1.0.6",
    "Apache-2.0 WITH LLVM-exception",
];

pub fn run() -> Result<bool> {
    let metadata = metadata()?;
    let mut complaints = Vec::new();
    arrows(&metadata, &mut complaints);
    licences(&metadata, &mut complaints);
    for (name, _) in ARROWS {
        for file in sources(name)? {
            source(name, &file, &mut complaints)?;
        }
    }
    claims(&mut complaints)?;
    settings(&mut complaints)?;
    for complaint in &complaints {
        println!("    {complaint}");
    }
    println!("    {} crates, {} rules broken", ARROWS.len(), complaints.len());
    Ok(complaints.is_empty())
}

fn metadata() -> Result<Value> {
    let output = Command::new("cargo").args(["metadata", "--format-version", "1", "--locked"]).current_dir(root()).output()?;
    anyhow::ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn arrows(metadata: &Value, complaints: &mut Vec<String>) {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for package in packages(metadata).filter(|p| p["source"].is_null()) {
        let name = text(&package["name"]);
        let folder = Path::new(text(&package["manifest_path"])).parent().and_then(|p| p.file_name()).unwrap_or_default();
        if folder != name {
            complaints.push(format!("package `{name}` lies in folder `{}`", folder.to_string_lossy()));
        }
        let Some(allowed) = allowed.get(name) else {
            complaints.push(format!("crate `{name}` has no place in the house; add it to the arrows in xtask/src/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let ours = dependency["path"].is_string();
            let normal = dependency["kind"].is_null();
            if ours && normal && !allowed.contains(&text(&dependency["name"])) {
                complaints.push(format!("`{name}` must not use `{}`", text(&dependency["name"])));
            }
        }
    }
}

/// Of everything that ends up in the binary: what only builds or tests need does not count.
fn licences(metadata: &Value, complaints: &mut Vec<String>) {
    let shipped = shipped(metadata);
    for package in packages(metadata).filter(|p| shipped.contains(text(&p["id"]))) {
        let licence = text(&package["license"]);
        let fine = licence.replace('/', " OR ").split(" OR ").any(|choice| {
            let choice = choice.trim_matches(|c| matches!(c, '(' | ')' | ' '));
            choice.split(" AND ").all(|part| LICENCES.contains(&part.trim_matches(|c| matches!(c, '(' | ')' | ' '))))
        });
        if !fine && !package["source"].is_null() {
            complaints.push(format!("{} {} has licence `{licence}`", text(&package["name"]), text(&package["version"])));
        }
    }
}

fn shipped(metadata: &Value) -> BTreeSet<String> {
    let nodes: BTreeMap<&str, &Value> =
        metadata["resolve"]["nodes"].as_array().into_iter().flatten().map(|n| (text(&n["id"]), n)).collect();
    let start = packages(metadata).find(|p| p["name"] == "astraforge").map(|p| text(&p["id"])).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        if !seen.insert(id.to_string()) {
            continue;
        }
        for dep in nodes.get(id).and_then(|n| n["deps"].as_array()).into_iter().flatten() {
            if dep["dep_kinds"].as_array().into_iter().flatten().any(|k| k["kind"].is_null()) {
                open.push(text(&dep["pkg"]));
            }
        }
    }
    seen
}

fn sources(name: &str) -> Result<Vec<PathBuf>> {
    let folder = if name == "xtask" { root().join("xtask") } else { root().join("crates").join(name) };
    let mut found = Vec::new();
    let mut open = vec![folder.join("src")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn source(name: &str, file: &Path, complaints: &mut Vec<String>) -> Result<()> {
    let all = fs::read_to_string(file)?;
    let shown = file.strip_prefix(root()).unwrap_or(file).display();
    let lines = all.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!("{shown} has {lines} lines; split it by meaning"));
    }
    // Tests beside the code may name what the code may not.
    let code = all.split("#[cfg(test)]").next().unwrap_or(&all);
    for (crate_name, words, why) in ABSENT.iter().filter(|(n, _, _)| *n == name) {
        for (number, line) in code.lines().enumerate() {
            // The shape of a token is data, not knowledge of whose it is.
            let lower = line.to_lowercase().replace("github_pat_", "");
            if let Some(word) = words.iter().find(|w| lower.contains(&w.to_lowercase())) {
                complaints.push(format!("{shown}:{}: `{word}` in `{crate_name}`: {why}", number + 1));
            }
        }
    }
    if !MAY_READ_ENVIRONMENT.contains(&name)
        && name != "daemon"
        && name != "sandbox"
        && code.lines().any(|l| without_texts(l).contains("env::var"))
    {
        complaints.push(format!("{shown}: only the binary reads the environment"));
    }
    unsafe_blocks(name, &shown.to_string(), code, complaints);
    Ok(())
}

/// A line without what stands in quotes or behind slashes: rules about code may be quoted by code.
fn without_texts(line: &str) -> String {
    let line = line.split("//").next().unwrap_or_default().replace("\\\"", "");
    line.split('"').step_by(2).collect()
}

fn unsafe_blocks(name: &str, shown: &str, code: &str, complaints: &mut Vec<String>) {
    let lines: Vec<&str> = code.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let bare = line.split("//").next().unwrap_or_default();
        if name == "xtask" || !(bare.contains("unsafe {") || bare.contains("unsafe impl") || bare.contains("unsafe fn")) {
            continue;
        }
        if !MAY_BE_UNSAFE.contains(&name) {
            complaints.push(format!("{shown}:{}: `unsafe` belongs in {}", number + 1, MAY_BE_UNSAFE.join(" and ")));
        }
        let reasoned = lines[number.saturating_sub(6)..=number].iter().any(|l| l.contains("SAFETY:") || l.contains("# Safety"));
        if !reasoned {
            complaints.push(format!("{shown}:{}: `unsafe` without a SAFETY line", number + 1));
        }
    }
}

/// Every claim of `docs/security/claims.md` names a test that exists.
fn claims(complaints: &mut Vec<String>) -> Result<()> {
    let page = root().join("docs/security/claims.md");
    let Ok(text) = fs::read_to_string(&page) else { return Ok(()) };
    let mut tests = String::new();
    for folder in ["crates", "web"] {
        gather(&root().join(folder), &mut tests)?;
    }
    for row in text.lines().filter(|l| l.starts_with("| ")).skip(1) {
        let Some(test) = row.split('|').nth(3).map(|c| c.trim().trim_matches('`')) else { continue };
        if !test.is_empty() && !test.starts_with("--") && test != "test" && !tests.contains(&format!("fn {test}(")) && !tests.contains(test)
        {
            complaints.push(format!("docs/security/claims.md names the test `{test}`, which does not exist"));
        }
    }
    Ok(())
}

/// Every setting that the program reads stands in `docs/configuration.md`.
fn settings(complaints: &mut Vec<String>) -> Result<()> {
    let page = fs::read_to_string(root().join("docs/configuration.md"))?;
    let mut code = String::new();
    gather(&root().join("crates/astraforge/src"), &mut code)?;
    let reads = ["lookup.text(\"", "lookup.flag(\"", "lookup.list(\"", "env = \""];
    let names: BTreeSet<&str> = reads.iter().flat_map(|how| code.split(how).skip(1).filter_map(|rest| rest.split('"').next())).collect();
    let silent = names.iter().filter(|name| !page.contains(&format!("`{name}`")));
    complaints.extend(silent.map(|name| format!("docs/configuration.md does not tell of `{name}`")));
    Ok(())
}

fn gather(folder: &Path, into: &mut String) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "node_modules" | "target" | "dist") {
            gather(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "rs" || e == "ts" || e == "py") {
            into.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
    Ok(())
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
