//! Builds `astrad` as a static program. Included by build scripts and test kits, so it needs nothing but the standard library.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the program in a target folder of its own, since the outer cargo holds the lock of the usual one, and returns where it lies.
///
/// `--target` keeps the static C runtime away from build scripts and procedural macros, which cannot be linked so.
pub fn build_astrad(workspace: &Path) -> Result<PathBuf, String> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let target = workspace.join("target").join("astrad");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--package", "daemon", "--bin", "astrad", "--profile", "astrad", "--target", &triple])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(workspace)
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static");
    // What the outer cargo says about its own build must not steer this one.
    for name in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    let output = command.output().map_err(|e| format!("cargo could not be started to build astrad: {e}"))?;
    if !output.status.success() {
        return Err(format!("astrad could not be built:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(target.join(triple).join("astrad").join("astrad"))
}
