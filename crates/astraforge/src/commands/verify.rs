//! `astraforge verify`: checks a run's evidence offline and, with a clone of the repository, proves the patch again.

use crate::cli::Verify;
use crate::compose::{self, Signed};
use crate::config::Base;
use crate::output::say;
use anyhow::{Context, Result, bail};
use domain::Kind;
use domain::evidence::{RuleState, Verdict};
use domain::request::RequestKind;
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
    if args.events && !events_hold(&args, &verified.statement, &verified.key_id).await? {
        return Ok(ExitCode::FAILURE);
    }
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

/// Whether the server's event log still holds what it held when the bundle was signed, and nothing in it was changed since.
async fn events_hold(args: &Verify, statement: &Value, signer: &str) -> Result<bool> {
    let signed = &statement["predicate"]["eventChain"];
    let (Some(topic), Some(seq), Some(head)) = (signed["topic"].as_str(), signed["seq"].as_i64(), signed["head"].as_str()) else {
        bail!("the statement names no event chain");
    };
    let engine = compose::bare_engine(Base::existing(&args.common)?).await?;
    // Evidence lies in the same database as the log: whoever changed one could have signed the other with a key of their own.
    if args.key.is_none() && engine.signer.key_id() != signer {
        say!("FAILED    signed with {signer}, which is not this server's key; pass --key if it was before")?;
        return Ok(false);
    }
    match engine::events::check(&engine, topic, seq, head).await {
        Ok(count) => {
            say!("events    {count} hold, and number {seq} is the one that was signed")?;
            Ok(true)
        }
        Err(error) if error.kind == Kind::Conflict => {
            say!("FAILED    {error}")?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Red, green and the rest once more, in sandboxes of this machine.
async fn again(repo: &Path, statement: &Value) -> Result<ExitCode> {
    let signed = Signed {
        base: commit(&statement["predicate"], "base").context("the statement names no base commit")?,
        patch: patch(statement).context("the statement names no patch commit")?,
        // Bundles did not always name it.
        kind: statement["predicate"]["request"]["kind"].as_str().and_then(RequestKind::parse).unwrap_or(RequestKind::Fix),
    };
    say!("\nproving again from {}", repo.display())?;
    let scratch = tempfile::tempdir()?;
    let proof = compose::prove_again(scratch.path(), repo, &signed, |diff| bundle::is_about(statement, diff)).await?;
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
