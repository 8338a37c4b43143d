//! Isolated places: how they come to be, what they promise, and what may leave them.
//!
//! A provisioner makes a place with `astrad` inside and destroys it; everything else goes through `astrad`, so it is the
//! same everywhere. What is done inside a place, and why, is not known here.

mod doctor;
mod doors;
pub mod egress;
pub mod local;
mod place;
mod sni;
mod sweep;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod unsafe_process;

pub use doctor::doctor;

/// Where a session's files outlive its place.
fn kept(data_dir: &std::path::Path, id: domain::SandboxId) -> std::path::PathBuf {
    data_dir.join("workspaces").join(id.to_string())
}

/// What the binary's `main` calls before anything else: becomes the builder of a sandbox if this process was started as one.
pub fn init_if_asked() {
    if std::env::args_os().nth(1).is_some_and(|word| word == local::init::WORD) {
        local::init::main()
    }
}
