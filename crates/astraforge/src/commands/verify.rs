//! `astraforge verify`: checks a run's evidence offline and, with a clone of the repository, proves the patch again.

use crate::cli::Verify;
use crate::compose;
use crate::output::say;
use anyhow::{Context, Result, bail};
use domain::evidence::{RuleState, Verdict};
use engine::evidence::bundle;
use engine::signing;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

pub async fn run(args: Verify) -> Result<ExitCode> {
    let envelope = std::fs::read_to_string(&args.bundle).with_context(|| format!("{} can't be read", args.bundle.display()))?;
    let verified = match bundle::verify(&envelope, None) {
        Ok(verified) => verified,
        Err(error) => {
            say!("FAILED    {error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    say!("signature holds, key {}", verified.key_id)?;
    match &args.key {
        Some(wanted) if !is_key(wanted, &verified.key_id) => {
            say!("FAILED    signed with another key than {wanted}")?;
            return Ok(ExitCode::FAILURE);
        }
        Some(_) => say!("          which is the key you asked for")?,
        None => say!("          pass --key to accept only your installation's (GET /api/system/ names it)")?,
    }
    tell(&verified.statement)?;
    match args.repo {
        Some(repo) => again(&repo, &verified.statement).await,
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The key's id, or the whole key in base64.
fn is_key(wanted: &str, key_id: &str) -> bool {
    wanted == key_id || signing::parse_public(wanted).is_some_and(|key| signing::key_id(&key) == key_id)
}

fn tell(statement: &Value) -> Result<()> {
    let predicate = &statement["predicate"];
    say!("verdict   {}", predicate["verdict"]["word"].as_str().unwrap_or("?"))?;
    say!("base      {}", commit(predicate, "base").unwrap_or("?"))?;
    say!("patch     {}", patch(statement).unwrap_or("?"))?;
    for rule in predicate["rules"].as_array().into_iter().flatten() {
        say!("{:<9} {}", rule["state"].as_str().unwrap_or("?"), rule["detail"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

fn commit<'a>(predicate: &'a Value, name: &str) -> Option<&'a str> {
    predicate["configuration"].as_array()?.iter().find(|c| c["name"] == name)?["digest"]["gitCommit"].as_str()
}

fn patch(statement: &Value) -> Option<&str> {
    statement["subject"].as_array()?.iter().find_map(|s| s["digest"]["gitCommit"].as_str())
}

/// Red, green and the rest once more, in sandboxes of this machine.
async fn again(repo: &Path, statement: &Value) -> Result<ExitCode> {
    let base = commit(&statement["predicate"], "base").context("the statement names no base commit")?;
    let head = patch(statement).context("the statement names no patch commit")?;
    say!("\nproving again from {}", repo.display())?;
    let scratch = tempfile::tempdir()?;
    let proof = compose::prove_again(scratch.path(), repo, base, head, |diff| bundle::is_about(statement, diff)).await?;
    for rule in &proof.rules {
        let state = match rule.state {
            RuleState::Holds => "holds",
            RuleState::Broken => "broken",
            _ => "not judged",
        };
        say!("{state:<9} {}", rule.detail)?;
    }
    let claimed = statement["predicate"]["verdict"]["word"].as_str().unwrap_or_default();
    if proof.verdict.word() != claimed {
        bail!("the bundle says {claimed}, but here it is {}", proof.verdict.word());
    }
    say!("again     {}", proof.verdict.word())?;
    Ok(if proof.verdict == Verdict::Proven { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
