//! The example service: its files, its virtual environment, and a real crash of it.

use anyhow::{Context, Result, bail, ensure};
use rust_embed::RustEmbed;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

#[derive(RustEmbed)]
#[folder = "../../examples/checkout-service"]
#[exclude = "*__pycache__*"]
#[exclude = ".venv/*"]
#[exclude = ".pytest_cache/*"]
struct Files;

/// A cart that still holds the code of a promotion that has ended.
const CART: &str =
    r#"{"id": "c-7f3a", "placed_on": "2026-11-20", "promo_code": "AUTUMN15", "lines": [{"sku": "mug", "price": "12.00", "quantity": 2}]}"#;
const INSTALL_TIME: Duration = Duration::from_secs(300);
const CRASH_TIME: Duration = Duration::from_secs(30);

/// The service after its crash: its SDK sends in the background, so it lives until this is dropped.
pub struct Crashed(#[allow(dead_code)] Child);

pub struct Example {
    folder: PathBuf,
    venv: PathBuf,
}

impl Example {
    /// Writes the files and makes them a git repository, as a person would have it.
    pub async fn unpack(data_dir: &Path) -> Result<Example> {
        let top = data_dir.join("demo");
        let folder = top.join("checkout-service");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for name in Files::iter() {
            let path = folder.join(name.as_ref());
            fs::create_dir_all(path.parent().context("every file lies in a folder")?)?;
            fs::write(path, Files::get(&name).context("listed files exist")?.data)?;
        }
        for args in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "--all"],
            &[
                "-c",
                "user.name=Checkout Team",
                "-c",
                "user.email=checkout@example.com",
                "commit",
                "--quiet",
                "--message=Checkout service 4.18.2",
            ],
        ] {
            let output = Command::new("git")
                .args(args)
                .current_dir(&folder)
                .stdin(Stdio::null())
                .output()
                .await
                .context("git could not be started")?;
            ensure!(output.status.success(), "git {} failed: {}", args[0], String::from_utf8_lossy(&output.stderr));
        }
        Ok(Example { folder, venv: top.join("venv") })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The service needs the real SDK; installed once per requirements.
    pub async fn install(&self) -> Result<()> {
        let wanted = fs::read(self.folder.join("requirements.txt"))?;
        let stamp = self.venv.join("installed.txt");
        if fs::read(&stamp).is_ok_and(|kept| kept == wanted) {
            return Ok(());
        }
        let _ = fs::remove_dir_all(&self.venv);
        self.python("python3", &["-m", "venv", &self.venv.to_string_lossy()]).await?;
        let python = self.venv.join("bin/python");
        let args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"];
        self.python(&python.to_string_lossy(), &args).await?;
        fs::write(stamp, wanted)?;
        Ok(())
    }

    async fn python(&self, program: &str, args: &[&str]) -> Result<()> {
        let run = Command::new(program).args(args).current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(INSTALL_TIME, run).await.context("setting the example up took too long")??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{program} {}` failed: {}", args.join(" "), said.lines().last().unwrap_or_default());
        Ok(())
    }

    /// Starts the service with its DSN pointed at us and sends it the cart. The SDK inside reports the crash by itself.
    pub async fn crash(&self, dsn: &str) -> Result<Crashed> {
        tokio::time::timeout(CRASH_TIME, self.crash_now(dsn)).await.context("the example did not crash in time")?
    }

    async fn crash_now(&self, dsn: &str) -> Result<Crashed> {
        let mut child = self.start(dsn)?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let port: u16 =
            line.rsplit(' ').next().and_then(|p| p.parse().ok()).with_context(|| format!("the example did not start: {line}"))?;
        let answer = post(port, CART).await?;
        if !answer.starts_with("HTTP/1.0 500") && !answer.starts_with("HTTP/1.1 500") {
            bail!("the example was expected to crash, but answered: {}", answer.lines().next().unwrap_or_default());
        }
        Ok(Crashed(child))
    }

    fn start(&self, dsn: &str) -> Result<Child> {
        Command::new(self.venv.join("bin/python"))
            .args(["-m", "checkout.server", "--port", "0"])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SENTRY_DSN", dsn)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("the example could not be started")
    }
}

async fn post(port: u16, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!(
        "POST /checkout HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
