//! Sandboxes of the `local` kind, for real: what they do, and what they keep from doing.

mod abuse;
mod basics;
mod confinement;
mod exits;
mod lifecycle;
mod others;

use domain::SandboxId;
use domain::sandbox::{Command, ExecOutput, Provisioner, Sandbox, SandboxSpec, Workspace};
use sandbox::local::Local;
use sandbox::testkit;
use std::io::Read;
use std::sync::Arc;
use tempfile::TempDir;

/// A provisioner with a data directory of its own.
struct Ground {
    local: Local,
    dir: TempDir,
}

fn ground() -> Ground {
    let dir = tempfile::tempdir().unwrap();
    Ground { local: testkit::local(&dir.path().join("data"), None).unwrap(), dir }
}

fn fresh() -> uuid::Uuid {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn scratch() -> SandboxSpec {
    testkit::spec(SandboxId(fresh()), Workspace::Scratch)
}

async fn place(ground: &Ground) -> Arc<dyn Sandbox> {
    ground.local.create(scratch()).await.unwrap()
}

async fn sh(place: &Arc<dyn Sandbox>, line: &str) -> ExecOutput {
    place.exec(Command::shell(line)).await.unwrap()
}
