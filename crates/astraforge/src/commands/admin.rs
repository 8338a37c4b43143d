//! `astraforge admin`: users and keys. Works on the database, so a running server may stay up.

use crate::cli::{Admin, Common};
use crate::compose;
use crate::config::Base;
use crate::output::{self, say};
use anyhow::{Result, bail};
use domain::secret::Secret;
use engine::{Engine, accounts};
use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

pub async fn run(admin: Admin) -> Result<ExitCode> {
    match admin {
        Admin::CreateUser { common, user, email, admin } => {
            let engine = open(&common).await?;
            let password = read_password(&user)?;
            let user = accounts::create_user(&engine, &user, &email, &password, admin).await?;
            say!("user `{}` has number {}", user.username, user.id)?;
        }
        Admin::CreateKey { common, user, name } => {
            let engine = open(&common).await?;
            let user = accounts::find(&engine, &user).await?;
            let (_, key) = accounts::create_key(&engine, user.id, &name).await?;
            say!("{}", key.expose())?;
        }
        Admin::ListKeys { common, user } => {
            let engine = open(&common).await?;
            let user = accounts::find(&engine, &user).await?;
            for key in accounts::keys(&engine, user.id).await? {
                let state = if key.is_active { "active" } else { "revoked" };
                let used = key.last_used_at.map_or("never used".to_string(), |at| format!("used {at:.0}"));
                say!("{}  {state:<7}  made {:.0}  {used:<25}  {}", key.id, key.created_at, key.name)?;
            }
        }
        Admin::RevokeKey { common, user, id } => {
            let engine = open(&common).await?;
            let user = accounts::find(&engine, &user).await?;
            accounts::revoke_key(&engine, user.id, id).await?;
            say!("key {id} of `{}` is revoked", user.username)?;
        }
        Admin::SetPassword { common, user } => {
            let engine = open(&common).await?;
            let password = read_password(&user)?;
            accounts::set_password(&engine, &user, &password).await?;
            say!("`{user}` has a new password")?;
        }
        Admin::Approve { common, user } => {
            let engine = open(&common).await?;
            accounts::approve(&engine, &user).await?;
            say!("`{user}` may sign in")?;
        }
        Admin::Block { common, user } => {
            let engine = open(&common).await?;
            accounts::block(&engine, &user).await?;
            say!("`{user}` is blocked; sessions and keys have stopped working")?;
        }
        Admin::Users { common } => {
            let engine = open(&common).await?;
            for user in accounts::list(&engine).await? {
                let admin = if user.is_admin { "administrator" } else { "" };
                say!("{:>6}  {:<24} {:<10} {admin}", user.id, user.username, user.access.status.word())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(common: &Common) -> Result<Engine> {
    compose::bare_engine(Base::existing(common)?).await
}

/// From standard input, never from an argument that others could see.
fn read_password(user: &str) -> Result<Secret> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        output::print(&format!("password for `{user}` (shown while you type): "))?;
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password was given on standard input");
    }
    Ok(Secret::new(password))
}
