//! For tests of ours only: real sandboxes in a test binary, which can neither embed the daemon nor start itself again.

use crate::local::toolchains::{self, Toolchain};
use crate::local::{Local, LocalConfig};
use async_trait::async_trait;
use domain::egress::{BoxStream, Door, Doors, EgressPolicy, Peer};
use domain::sandbox::{SandboxLimits, SandboxSpec, Workspace};
use domain::{Result, SandboxId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

#[path = "../../daemon/embed.rs"]
mod embed;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders deep")
}

/// The daemon, built once per process and hardly ever anew.
pub fn astrad() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        if let Some(path) = part("astrad") {
            return std::fs::read(path).expect("the part given can be read");
        }
        let path = embed::build_astrad(workspace()).unwrap_or_else(|error| panic!("{error}"));
        std::fs::read(path).expect("what was built can be read")
    })
}

/// The program that builds places, since a test binary is not one.
pub fn init_program() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = part("sandbox-init") {
            return path;
        }
        let target = workspace().join("target").join("testkit");
        let status = Command::new(option_env!("CARGO").unwrap_or("cargo"))
            .args(["build", "--quiet", "--package", "sandbox", "--bin", "sandbox-init", "--target-dir"])
            .arg(&target)
            .current_dir(workspace())
            .status()
            .expect("cargo can be started");
        assert!(status.success(), "the init program could not be built");
        target.join("debug").join("sandbox-init")
    })
    .clone()
}

/// Names a folder that holds both parts ready made, for tests that run as somebody who cannot build.
pub const PARTS: &str = "ASTRAFORGE_TEST_PARTS";

fn part(name: &str) -> Option<PathBuf> {
    std::env::var_os(PARTS).map(|folder| Path::new(&folder).join(name))
}

/// Doors that hang up on everybody.
pub struct ClosedDoors;

#[async_trait]
impl Doors for ClosedDoors {
    async fn serve(&self, _: BoxStream, _: Peer, _: Door) {}
}

/// The toolchains of the machine that tests run on.
pub fn toolchains() -> Vec<Toolchain> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    toolchains::find(&path.to_string_lossy())
}

/// A provisioner over a data directory, with doors that hang up unless others are given.
pub fn local(data_dir: &Path, doors: Option<Arc<dyn Doors>>) -> Result<Local> {
    Local::new(LocalConfig {
        data_dir: data_dir.to_path_buf(),
        toolchains: toolchains(),
        astrad: astrad(),
        doors: doors.unwrap_or_else(|| Arc::new(ClosedDoors)),
        allow_cidrs: Vec::new(),
        witness: None,
        init: Some(init_program()),
    })
}

/// An ordinary place with an empty workspace and no way out.
pub fn spec(id: SandboxId, workspace: Workspace) -> SandboxSpec {
    SandboxSpec {
        id,
        run: None,
        epoch: 1,
        workspace,
        mounts: Vec::new(),
        read_only_paths: Vec::new(),
        limits: SandboxLimits::default(),
        egress: EgressPolicy::deny_all(),
        env: BTreeMap::new(),
        hostname: "sandbox".into(),
    }
}
