//! The command line. Every setting can also stand in the environment or in the file that `--config` names.

use clap::{Args, Parser, Subcommand};
use domain::ApiKeyId;
use std::net::SocketAddr;
use std::path::PathBuf;

/// On-call co-pilot that you host yourself: from an alert to a proven merge request.
#[derive(Parser, Debug)]
#[command(name = "astraforge", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Start the server.
    Serve(Serve),
    /// Start the server and walk through the example: a real crash becomes a proven merge request.
    Demo(Demo),
    /// Say what this host can do, and how to mend what it can't.
    Doctor(Common),
    /// Check the evidence of a run, without a network.
    Verify(Verify),
    /// Print the OpenAPI document of this version.
    Openapi,
    /// Bring the database up to date and exit.
    Migrate(Common),
    /// Manage users and keys, also beside a running server.
    #[command(subcommand)]
    Admin(Admin),
}

#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// Where everything is kept: database, repositories, set-up layers, keys.
    #[arg(long, env = "ASTRAFORGE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// `sqlite:` or `postgres://…`; SQLite below the data dir by default.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// A TOML file with settings; the environment and flags win over it.
    #[arg(long, env = "ASTRAFORGE_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Args, Debug, Clone)]
pub struct Serve {
    #[command(flatten)]
    pub common: Common,
    /// Address and port to listen on; `127.0.0.1:8001` by default.
    #[arg(long, env = "ASTRAFORGE_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// How people reach this server; `http://localhost:<port>` by default.
    #[arg(long, env = "ASTRAFORGE_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Answer model calls from this script instead of a model.
    #[arg(long, env = "ASTRAFORGE_SCRIPT")]
    pub script: Option<PathBuf>,
    /// Run sandboxes as plain processes, without any isolation. For machines that can't do better.
    #[arg(long, env = "ASTRAFORGE_UNSAFE_PROCESS")]
    pub unsafe_process: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Demo {
    #[command(flatten)]
    pub serve: Serve,
    /// End after the merge request is proven; the exit status says whether it was.
    #[arg(long)]
    pub once: bool,
    /// Which agent works: `native`, `codex`.
    #[arg(long, default_value = "native")]
    pub executor: String,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// A bundle as `GET /api/runs/{id}/evidence/` gives it.
    pub bundle: PathBuf,
    /// A clone of the repository: every rule is judged again on it.
    #[arg(long)]
    pub repo: Option<PathBuf>,
    /// Accept only this key, as `ed25519:…` or base64.
    #[arg(long)]
    pub key: Option<String>,
    /// Check the server's event log too: nothing in it was changed, and it holds what it held when the bundle was signed.
    #[arg(long)]
    pub events: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Subcommand, Debug)]
pub enum Admin {
    /// Make a user; the password is read from the terminal or from standard input.
    CreateUser {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        user: String,
        #[arg(long, default_value = "")]
        email: String,
        #[arg(long)]
        admin: bool,
    },
    /// Make an API key and print nothing but the key.
    CreateKey {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        user: String,
        #[arg(long, default_value = "command line")]
        name: String,
    },
    /// List a user's API keys, newest first, revoked ones too. The keys themselves are kept nowhere.
    ListKeys {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        user: String,
    },
    /// Revoke an API key at once.
    RevokeKey {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        user: String,
        /// As `list-keys` shows it; not the key itself.
        #[arg(long)]
        id: ApiKeyId,
    },
    /// Give a user a new password, read from standard input.
    SetPassword {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        user: String,
    },
    /// Let a waiting user in.
    Approve {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        user: String,
    },
    /// End a user's sessions and keys at once.
    Block {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        user: String,
    },
    /// List users.
    Users {
        #[command(flatten)]
        common: Common,
    },
}
