//! What `make` runs: builds, the demo, every test, the long counts.

use crate::{codegen, packages, root, tidy};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The same as the server installs.
const CODEX: &str = "@openai/codex@0.169.0";

/// One line for the end: what ran, how long, and how it went.
struct Line {
    name: String,
    seconds: f64,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

#[derive(Default)]
struct Report(Vec<Line>);

impl Report {
    fn step(&mut self, name: &str, work: impl FnOnce() -> Result<bool>) {
        println!("\n==> {name}");
        let started = Instant::now();
        let outcome = match work() {
            Ok(true) => Outcome::Passed,
            Ok(false) => Outcome::Failed,
            Err(error) => {
                println!("    {error:#}");
                Outcome::Failed
            }
        };
        self.0.push(Line { name: name.to_string(), seconds: started.elapsed().as_secs_f64(), outcome });
    }

    fn skip(&mut self, name: &str, why: String) {
        self.0.push(Line { name: name.to_string(), seconds: 0.0, outcome: Outcome::Skipped(why) });
    }

    fn close(self) -> bool {
        println!("\n==> summary");
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for line in &self.0 {
            let word = match &line.outcome {
                Outcome::Passed => {
                    passed += 1;
                    "passed".to_string()
                }
                Outcome::Failed => {
                    failed += 1;
                    "FAILED".to_string()
                }
                Outcome::Skipped(why) => {
                    skipped += 1;
                    format!("skipped: {why}")
                }
            };
            println!("    {:<44} {:>7.1} s  {word}", line.name, line.seconds);
        }
        println!("steps: {passed} passed, {failed} failed, {skipped} skipped");
        failed == 0
    }
}

/// Builds the web app and the release binary, then becomes it.
pub fn launch(command: &str, args: &[String]) -> Result<bool> {
    packages::ensure(packages::FOR_DEMO)?;
    println!("==> web app");
    build_web()?;
    println!("==> astraforge (release; the first build takes some minutes)");
    let built = cargo(&["build", "--release", "-p", "astraforge"])?;
    if !built {
        bail!("the build failed");
    }
    let status = Command::new(target_dir().join("release/astraforge")).arg(command).args(args).current_dir(root()).status()?;
    Ok(status.success())
}

pub fn ci() -> Result<bool> {
    let mut report = Report::default();
    let missing = packages::ensure(packages::ALL)?;
    for what in &missing {
        report.skip(&format!("tests that need {what}"), "it is not installed and could not be".to_string());
    }
    let web = root().join("web");
    report.step("web: build", || build_web().map(|()| true));
    report.step("web: lint, types, unit tests, size", || {
        for script in ["lint", "typecheck", "test", "size"] {
            if !npm(&web, &["run", script])? {
                return Ok(false);
            }
        }
        Ok(true)
    });
    report.step("rust: format", || cargo(&["fmt", "--all", "--check"]));
    report.step("rust: build", || cargo(&["build", "--workspace", "--all-targets"]));
    report.step("house rules", tidy::run);
    report.step("generated files are fresh", || codegen::run(true));
    report.step("rust: tests", || cargo(&["test", "--workspace", "--no-fail-fast"]));
    if missing.contains(&"Chromium") {
        report.skip("browser: the demo in Chromium", "Chromium is missing".to_string());
    } else {
        report.step("browser: the demo in Chromium", || browser(&web));
    }
    report.step("example: its own tests", example);
    Ok(report.close())
}

pub fn soak() -> Result<bool> {
    let mut report = Report::default();
    packages::ensure(packages::ALL)?;
    report.step("web: build", || build_web().map(|()| true));
    report.step("rust: long counts", || {
        let status = Command::new("cargo")
            .args(["test", "--workspace", "--no-fail-fast"])
            .env("ASTRAFORGE_SOAK", "1")
            .current_dir(root())
            .status()?;
        Ok(status.success())
    });
    report.step("codex: the real program", real_codex);
    Ok(report.close())
}

/// A large download, so it is not part of `make test`.
fn real_codex() -> Result<bool> {
    let prefix = target_dir().join("codex");
    std::fs::create_dir_all(&prefix)?;
    let prefix = prefix.to_string_lossy().into_owned();
    if !npm(&root(), &["install", "--no-audit", "--no-fund", "--prefix", &prefix, CODEX])? {
        return Ok(false);
    }
    let tests = Command::new("cargo")
        .args(["test", "-p", "integrations", "--lib", "codex", "--", "--ignored"])
        .env("ASTRAFORGE_CODEX_PREFIX", &prefix)
        .current_dir(root())
        .status()?;
    let data = target_dir().join("codex-demo");
    let _ = std::fs::remove_dir_all(&data);
    let demo = Command::new(target_dir().join("debug/astraforge"))
        .args(["demo", "--once", "--executor", "codex", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .current_dir(root())
        .status()?;
    Ok(tests.success() && demo.success())
}

pub fn lint() -> Result<bool> {
    let shape = cargo(&["fmt", "--all", "--check"])?;
    let rust = cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    Ok(shape && rust && npm(&root().join("web"), &["run", "lint"])?)
}

pub fn build_web() -> Result<()> {
    let web = root().join("web");
    install_web(&web)?;
    // A build that changes nothing would still make cargo embed it again, which takes minutes in a release.
    if is_built(&web) {
        return Ok(());
    }
    if !npm(&web, &["run", "build", "--", "--logLevel", "warn"])? {
        bail!("the web app did not build");
    }
    Ok(())
}

/// Whether everything that the web app is made of is older than its last build.
fn is_built(web: &Path) -> bool {
    let built = web.join("dist/.vite/manifest.json").metadata().and_then(|m| m.modified());
    let sources = ["src", "index.html", "public", "build", "package-lock.json", "vite.config.ts", "tsconfig.json"];
    built.is_ok_and(|built| sources.iter().all(|source| newest(&web.join(source)).is_none_or(|changed| changed < built)))
}

fn newest(path: &Path) -> Option<std::time::SystemTime> {
    let own = path.metadata().ok()?.modified().ok();
    let below = std::fs::read_dir(path).ok().into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    below.chain(own).max()
}

/// `npm ci` only when the lock file changed since the last time.
fn install_web(web: &Path) -> Result<()> {
    let lock = std::fs::read(web.join("package-lock.json")).context("web/package-lock.json is missing")?;
    let stamp = web.join("node_modules/.installed-lock");
    if std::fs::read(&stamp).is_ok_and(|kept| kept == lock) {
        return Ok(());
    }
    if !npm(web, &["ci", "--no-audit", "--no-fund"])? {
        bail!("npm could not install the web app's packages");
    }
    std::fs::write(stamp, lock)?;
    Ok(())
}

fn browser(web: &Path) -> Result<bool> {
    let status = Command::new("npm")
        .args(["run", "--silent", "test:browser"])
        .env("ASTRAFORGE_BINARY", target_dir().join("debug/astraforge"))
        .current_dir(web)
        .status()?;
    Ok(status.success())
}

/// In a virtual environment of its own, as its README says.
fn example() -> Result<bool> {
    let folder = root().join("examples/checkout-service");
    let venv = target_dir().join("example-venv");
    let run =
        |program: &Path, args: &[&str]| -> Result<bool> { Ok(Command::new(program).args(args).current_dir(&folder).status()?.success()) };
    let python = venv.join("bin/python");
    if !python.exists() && !run(Path::new("python3"), &["-m", "venv", &venv.to_string_lossy()])? {
        return Ok(false);
    }
    Ok(run(&python, &["-m", "pip", "install", "-q", "-r", "requirements.txt"])?
        && run(&python, &["-m", "pytest", "-q", "-p", "no:cacheprovider"])?)
}

pub fn cargo(args: &[&str]) -> Result<bool> {
    Ok(Command::new("cargo").args(args).current_dir(root()).status().context("cargo could not be started")?.success())
}

fn npm(folder: &Path, args: &[&str]) -> Result<bool> {
    Ok(Command::new("npm").args(args).current_dir(folder).status().context("npm could not be started")?.success())
}

pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
