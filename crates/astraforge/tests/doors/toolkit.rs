//! The published Python client against this server, unchanged: its calls assert exact status codes.

use super::house::{House, PROGRAM, script, skipped};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doors/toolkit_client.py");
/// The version that programs out there use, and the last `deepagents` that it can be loaded with.
const PACKAGES: [&str; 2] = ["astraforge-toolkit==0.1.10", "deepagents==0.2.8"];

/// An environment with the client, kept between runs of the tests; `None` where the registry can't be reached.
fn python() -> Option<PathBuf> {
    let venv = Path::new(PROGRAM).parent()?.join("toolkit-venv");
    let python = venv.join("bin/python");
    let ready = venv.join("ready");
    if !ready.exists() {
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv).status().ok()?;
        let installed = made.success()
            && Command::new(&python)
                .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
                .args(PACKAGES)
                .status()
                .ok()?
                .success();
        if !installed {
            return None;
        }
        std::fs::write(ready, PACKAGES.join(" ")).ok()?;
    }
    Some(python)
}

#[test]
fn the_published_client_works_unchanged() {
    let Some(python) = python() else { return skipped("the published client") };
    let house = House::cold(&script(json!([]), ""));
    let output = Command::new(python)
        .args(["-I", CLIENT])
        .env("BASE_URL", format!("http://{}/api", house.address))
        .env("API_KEY", &house.key)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("Python runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("the published client is content"), "{text}");
}
