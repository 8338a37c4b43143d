//! Sandboxes of the `local` kind, for real: what they do, and what they keep from doing.

mod basics;
mod confinement;
mod exits;
mod lifecycle;

use domain::SandboxId;
use domain::sandbox::{Command, ExecOutput, Provisioner, Sandbox, SandboxSpec, Workspace};
use sandbox::local::Local;
use sandbox::testkit;
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

fn scratch() -> SandboxSpec {
    testkit::spec(SandboxId(uuid::Uuid::now_v7()), Workspace::Scratch)
}

async fn place(ground: &Ground) -> Arc<dyn Sandbox> {
    ground.local.create(scratch()).await.unwrap()
}

async fn sh(place: &Arc<dyn Sandbox>, line: &str) -> ExecOutput {
    place.exec(Command::shell(line)).await.unwrap()
}
