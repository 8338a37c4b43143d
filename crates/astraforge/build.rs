//! Builds the daemon that runs inside every sandbox and hands its path to `include_bytes!` as `ASTRAD`.

#[path = "../daemon/embed.rs"]
mod embed;

use std::path::Path;

fn main() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders deep");
    for part in ["crates/daemon/src", "crates/daemon/Cargo.toml", "crates/daemon/embed.rs", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(part).display());
    }
    match embed::build_astrad(workspace) {
        Ok(path) => println!("cargo::rustc-env=ASTRAD={}", path.display()),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
