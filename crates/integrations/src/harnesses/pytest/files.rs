//! Which Python file is what, and how a Python project's layer is built.

use crate::harnesses::files::{forbidden, is_below, name};
use domain::egress::HostPort;
use domain::harness::{FileClass, SetUp};
use sha2::Digest;
use std::collections::{BTreeMap, BTreeSet};

const TEST_FOLDERS: &[&str] = &["tests", "test"];
const HARNESS_NAMES: &[&str] = &[
    "conftest.py",
    "sitecustomize.py",
    "usercustomize.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    "tox.ini",
    "setup.cfg",
    "noxfile.py",
    ".coveragerc",
    ".python-version",
];

/// Words of what lists folders, finds modules by any name, or runs text.
const FINDERS: &[&str] = &[
    "importlib",
    "pkgutil",
    "runpy",
    "entry_points",
    "iter_entry_points",
    "import_string",
    "autodiscover_modules",
    "__import__",
    "exec",
    "listdir",
    "scandir",
    "iterdir",
    "glob",
    "rglob",
    "walk",
];

pub fn classify(path: &str, old: Option<&str>, new: Option<&str>) -> FileClass {
    if let Some(reason) = forbidden(path) {
        return FileClass::Forbidden(reason);
    }
    let name = name(path);
    if HARNESS_NAMES.contains(&name) || name.ends_with(".pth") {
        return FileClass::Harness;
    }
    if name == "pyproject.toml" {
        return if test_sections(old) == test_sections(new) { FileClass::Product } else { FileClass::Harness };
    }
    if is_below(path, TEST_FOLDERS) || is_test_file(name) {
        return FileClass::Test;
    }
    FileClass::Product
}

pub fn is_test_file(name: &str) -> bool {
    name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py") || name == "tests.py")
}

/// The parts of `pyproject.toml` that decide how tests run.
fn test_sections(text: Option<&str>) -> Option<toml::Value> {
    let value: toml::Value = toml::from_str(text?).ok()?;
    let tool = value.get("tool")?;
    let kept: toml::map::Map<String, toml::Value> =
        ["pytest", "tox", "coverage", "nox"].into_iter().filter_map(|key| Some((key.to_string(), tool.get(key)?.clone()))).collect();
    if kept.is_empty() { None } else { Some(toml::Value::Table(kept)) }
}

const REQUIREMENTS: &[&str] = &[
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
];

pub fn detect(files: &[String], read: &dyn Fn(&str) -> Option<String>) -> Option<SetUp> {
    let has = |wanted: &str| files.iter().any(|f| f == wanted);
    let tests = files.iter().any(|f| is_test_file(name(f)));
    let project = has("pyproject.toml")
        || has("setup.py")
        || has("setup.cfg")
        || files.iter().any(|f| f.starts_with("requirements") && f.ends_with(".txt"));
    if !tests && !(project && files.iter().any(|f| f.ends_with(".py"))) {
        return None;
    }
    let mut lock_files: Vec<String> = REQUIREMENTS.iter().filter(|f| has(f)).map(|f| f.to_string()).collect();
    let mut commands = vec!["python3 -m venv /layer/venv".to_string()];
    let mut install = String::from("/layer/venv/bin/pip install --disable-pip-version-check --no-input --progress-bar off pytest");
    for file in &lock_files {
        install.push_str(&format!(" -r {}", quote(file)));
    }
    if has("pyproject.toml") {
        lock_files.push("pyproject.toml".to_string());
        for dependency in read("pyproject.toml").map(|t| of_project(&t)).unwrap_or_default() {
            install.push_str(&format!(" {}", quote(&dependency)));
        }
    }
    commands.push(install);
    let mut digest = sha2::Sha256::new();
    for file in &lock_files {
        digest.update(file.as_bytes());
        digest.update([0]);
        digest.update(read(file).unwrap_or_default().as_bytes());
        digest.update([0]);
    }
    for command in &commands {
        digest.update(command.as_bytes());
        digest.update([0]);
    }
    let env = BTreeMap::from([
        ("VIRTUAL_ENV".to_string(), "/layer/venv".to_string()),
        ("PATH".to_string(), "/layer/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string()),
        ("PYTHONDONTWRITEBYTECODE".to_string(), "1".to_string()),
    ]);
    let host = |host: &str| HostPort { host: host.to_string(), port: 443 };
    Some(SetUp {
        harness: "pytest".to_string(),
        lock_files,
        digest: hex::encode(digest.finalize()),
        commands,
        env,
        mounts: Vec::new(),
        registries: vec![host("pypi.org"), host("files.pythonhosted.org")],
    })
}

/// What the project and its test extras need; the project itself is never installed, because a copy of base in the
/// layer would be tested instead of the patch.
fn of_project(text: &str) -> Vec<String> {
    let Ok(value) = toml::from_str::<toml::Value>(text) else { return Vec::new() };
    let strings = |v: Option<&toml::Value>| -> Vec<String> {
        v.and_then(|v| v.as_array()).into_iter().flatten().filter_map(|s| s.as_str().map(str::to_string)).collect()
    };
    let project = value.get("project");
    let mut found = strings(project.and_then(|p| p.get("dependencies")));
    for extra in ["test", "tests", "testing", "dev"] {
        found.extend(strings(project.and_then(|p| p.get("optional-dependencies")).and_then(|o| o.get(extra))));
        found.extend(strings(value.get("dependency-groups").and_then(|g| g.get(extra))));
    }
    found.retain(|d| !d.starts_with('-'));
    found
}

/// Of the files that set-up reads.
pub fn dependencies(path: &str, text: &str) -> BTreeSet<String> {
    if path == "pyproject.toml" {
        return of_project(text).into_iter().collect();
    }
    if !REQUIREMENTS.contains(&path) {
        return BTreeSet::new();
    }
    let lines = text.lines().map(|l| l.split(" #").next().unwrap_or_default().trim());
    lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_string).collect()
}

pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Whether a module lists folders, or loads by a name that may be written nowhere.
pub fn loads_any(path: &str, text: &str) -> Option<bool> {
    path.ends_with(".py").then(|| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| FINDERS.contains(&word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_of_one_kind() {
        let class = |path| classify(path, None, Some(""));
        assert_eq!(class("shop/pricing.py"), FileClass::Product);
        assert_eq!(class("shop/tests/data/cart.json"), FileClass::Test);
        assert_eq!(class("shop/test_pricing.py"), FileClass::Test);
        assert_eq!(class("tests/conftest.py"), FileClass::Harness);
        assert!(matches!(class(".github/workflows/ci.yml"), FileClass::Forbidden(_)));
        let with = "[project]\nname='a'\n[tool.pytest.ini_options]\naddopts='-x'\n";
        let other = "[project]\nname='b'\n[tool.pytest.ini_options]\naddopts='-x'\n";
        assert_eq!(classify("pyproject.toml", Some(with), Some(other)), FileClass::Product);
        assert_eq!(classify("pyproject.toml", Some(with), Some("[project]\nname='a'\n")), FileClass::Harness);
    }
}
