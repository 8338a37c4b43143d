//! System packages that the demo and the tests use: found, or installed where this user may, or named plainly.

use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Command, Stdio};

pub struct Package {
    /// What would be missed.
    pub what: &'static str,
    pub apt: &'static [&'static str],
    pub found: fn() -> bool,
}

pub const GIT: Package = Package { what: "git", apt: &["git"], found: || works("git", &["--version"]) };
pub const CC: Package = Package { what: "a C compiler and make", apt: &["build-essential"], found: || works("cc", &["--version"]) };
pub const VENV: Package = Package {
    what: "Python's venv and pip",
    apt: &["python3-venv", "python3-pip"],
    found: || works("python3", &["-c", "import venv, ensurepip"]),
};
pub const NODE: Package = Package { what: "Node.js and npm", apt: &["nodejs", "npm"], found: || works("npm", &["--version"]) };
pub const CHROMIUM: Package = Package {
    what: "Chromium",
    apt: &["chromium"],
    found: || Path::new("/usr/bin/chromium").exists() || works("chromium", &["--version"]),
};
pub const POSTGRES: Package = Package { what: "PostgreSQL's server", apt: &["postgresql"], found: || postgres_bin().is_some() };

pub const FOR_DEMO: &[&Package] = &[&GIT, &CC, &VENV, &NODE];
pub const ALL: &[&Package] = &[&GIT, &CC, &VENV, &NODE, &CHROMIUM, &POSTGRES];

/// Installs what is missing; answers what could not be had.
pub fn ensure(wanted: &[&Package]) -> Result<Vec<&'static str>> {
    let missing: Vec<_> = wanted.iter().filter(|p| !(p.found)()).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = missing.iter().flat_map(|p| p.apt.iter().copied()).collect();
    let what: Vec<&str> = missing.iter().map(|p| p.what).collect();
    println!("==> missing: {}; installing {}", what.join(", "), names.join(" "));
    if !apt(&names)? {
        println!("    could not install; run: sudo apt-get install {}", names.join(" "));
    }
    Ok(missing.iter().filter(|p| !(p.found)()).map(|p| p.what).collect())
}

fn apt(names: &[&str]) -> Result<bool> {
    if !works("apt-get", &["--version"]) {
        return Ok(false);
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if works("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        return Ok(false);
    };
    let run = |args: &[&str]| -> Result<bool> {
        let all: Vec<&str> = prefix.iter().chain(["apt-get"].iter()).chain(args).copied().collect();
        let status = Command::new(all[0])
            .args(&all[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("{} could not be started", all[0]))?;
        Ok(status.success())
    };
    let update = run(&["-qq", "update"])?;
    let mut install = vec!["-qq", "-y", "--no-install-recommends", "install"];
    install.extend(names);
    Ok(update && run(&install)?)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"))
}

pub fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Debian keeps the server's programs out of PATH.
fn postgres_bin() -> Option<std::path::PathBuf> {
    let mut versions: Vec<_> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|e| e.path().join("bin/initdb")).filter(|p| p.exists()).collect();
    versions.sort();
    versions.pop()
}
