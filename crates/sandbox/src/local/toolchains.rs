//! Finds the languages that this host has outside the system folders, so that they can be shown to sandboxes.
//!
//! People keep them below closed homes. Only the folder of the toolchain itself is ever shown, at the path it has, with
//! empty folders above it; the home stays closed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    pub name: String,
    /// A real folder without links in its path.
    pub folder: PathBuf,
    /// The folder of its programs.
    pub programs: PathBuf,
}

/// A word to look up on the search path, and a question that makes the program tell where it really lives. Asking the
/// program itself sees through every kind of shim, proxy and link.
struct Probe {
    name: &'static str,
    program: &'static str,
    question: &'static [&'static str],
    /// How many folders above the answer the toolchain begins.
    above: usize,
}

const PROBES: &[Probe] = &[
    Probe { name: "python", program: "python3", question: &["-I", "-c", "import sys; print(sys.base_prefix)"], above: 0 },
    Probe { name: "node", program: "node", question: &["-p", "process.execPath"], above: 2 },
    Probe { name: "rust", program: "rustc", question: &["--print", "sysroot"], above: 0 },
    Probe { name: "go", program: "go", question: &["env", "GOROOT"], above: 0 },
];

/// Folders that every sandbox has anyway.
const ALWAYS_THERE: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];

/// Asks each language once. `search_path` is a list such as `PATH` holds.
pub fn find(search_path: &str) -> Vec<Toolchain> {
    PROBES.iter().filter_map(|probe| ask(probe, search_path)).collect()
}

/// What `PATH` is inside: these before the system's own.
pub fn search_path(toolchains: &[Toolchain]) -> String {
    let system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(String::from);
    toolchains.iter().map(|t| t.programs.display().to_string()).chain(system).collect::<Vec<_>>().join(":")
}

fn ask(probe: &Probe, search_path: &str) -> Option<Toolchain> {
    let program = search_path
        .split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join(probe.program))
        .find(|path| path.is_file())?;
    let output = Command::new(program)
        .args(probe.question)
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let answer = String::from_utf8(output.stdout).ok()?;
    let answer = std::fs::canonicalize(answer.trim()).ok()?;
    let folder = answer.ancestors().nth(probe.above)?.to_path_buf();
    let programs = folder.join("bin");
    let is_elsewhere = !ALWAYS_THERE.iter().any(|system| folder.starts_with(system)) && is_a_toolchain(&folder);
    (is_elsewhere && programs.is_dir()).then(|| Toolchain { name: probe.name.into(), folder, programs })
}

/// A folder that is as wide as a home or the whole system is never shown, whatever a program says.
fn is_a_toolchain(folder: &Path) -> bool {
    folder.components().count() > 3 || folder.starts_with("/opt") && folder.components().count() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_not_a_toolchain() {
        for wide in ["/", "/root", "/home/someone", "/opt"] {
            assert!(!is_a_toolchain(Path::new(wide)), "{wide}");
        }
        for narrow in ["/opt/python", "/home/someone/.pyenv/versions/3.11.7", "/root/.rustup/toolchains/stable"] {
            assert!(is_a_toolchain(Path::new(narrow)), "{narrow}");
        }
    }
}
