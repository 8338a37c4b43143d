//! A private PostgreSQL server for tests, on a socket in a temporary folder.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lives as long as this process: a shell waits for its standard input to close, then stops the server and tidies up.
pub struct Postgres {
    folder: PathBuf,
    databases: AtomicU64,
    _life: ChildStdin,
}

impl Postgres {
    pub fn start() -> Result<Postgres, String> {
        let bin = binaries().ok_or("initdb and postgres are not installed")?;
        let folder = tempfile::Builder::new().prefix("astraforge-pg-").tempdir().map_err(|e| e.to_string())?.keep();
        let script = "trap '' INT TERM
            \"$BIN/initdb\" -D \"$DIR/data\" -U test -A trust -E UTF8 --locale=C --no-sync >\"$DIR/initdb.log\" 2>&1 || exit 1
            \"$BIN/postgres\" -D \"$DIR/data\" -k \"$DIR\" -c listen_addresses= -c fsync=off -c max_connections=300 >\"$DIR/server.log\" 2>&1 </dev/null &
            cat >/dev/null
            kill -QUIT $!; wait $!; rm -rf \"$DIR\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("BIN", bin).env("DIR", &folder).current_dir(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = unprivileged(&folder) {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).map_err(|e| e.to_string())?;
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let life = child.stdin.take().ok_or("the shell has no standard input")?;
        Ok(Postgres { folder, databases: AtomicU64::new(1), _life: life })
    }

    /// The address of a new, empty database.
    pub async fn database(&self) -> Result<String, String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let admin = self.ready().await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.map_err(|e| e.to_string())?;
        admin.close().await;
        Ok(self.url(&name))
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://test@localhost/{database}?host={}", self.folder.display())
    }

    /// Waits until the server answers.
    async fn ready(&self) -> Result<sqlx::PgPool, String> {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            let options = sqlx::postgres::PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
            match options.connect(&self.url("postgres")).await {
                Ok(pool) => return Ok(pool),
                Err(error) if std::time::Instant::now() > deadline => {
                    let log = std::fs::read_to_string(self.folder.join("server.log"));
                    return Err(format!("the private PostgreSQL server does not answer: {error}; {log:?}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let others = ["/usr/local/bin", "/usr/bin"].into_iter().map(PathBuf::from);
    versions.chain(others).find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

/// PostgreSQL refuses to run as root; `None` when we are somebody else already.
fn unprivileged(folder: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata(folder).ok()?.uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
