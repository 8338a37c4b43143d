//! The LLM door's rules: who may call, with what, and how much is left. Every model token of every agent passes here.
//!
//! Budgets live in memory in one owner. Before a call is let through a grant is written down; a receipt settles it when
//! the call is over. What a crash leaves open counts as spent.

use crate::Engine;
use ::llm::meter::Gauge;
use ::llm::providers::BodyStream;
use ::llm::refusal::{self, Refusal, Refused};
use ::llm::{Dialect, RawRequest};
use bytes::Bytes;
use domain::egress::Peer;
use domain::secret::Secret;
use domain::usage::Usage;
use domain::{Result, RunId, SandboxId, limits};
use futures::Stream;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use store::llm::{Grant, RunToken};
use uuid::Uuid;

/// A run's token outlives its longest turn by a little.
const TOKEN_SECONDS: i64 = limits::AGENT_TURN_SECONDS_MAX as i64 + 600;

/// The open accounts of this process.
#[derive(Default)]
pub struct Accounts(Mutex<HashMap<RunId, Account>>);

struct Account {
    /// SHA-256 of the token; `None` between turns.
    token_hash: Option<[u8; 32]>,
    token: String,
    sandbox: SandboxId,
    epoch: u64,
    model: String,
    usage: Usage,
    /// Granted by a process that died before it could settle: counts as spent.
    lost: u64,
    /// Reserved by calls under way.
    reserved: u64,
}

/// What the door answers with.
pub enum Answer {
    Stream { status: u16, content_type: String, headers: Vec<(String, String)>, body: BodyStream },
    Refused(Refused),
}

/// A token for one run in one sandbox. It replaces the run's former one.
pub async fn issue(engine: &Engine, run: RunId, sandbox: SandboxId, epoch: u64) -> Result<Secret> {
    let token = format!("afr-{}", engine.clock.token_hex(24));
    let mut tx = engine.store.read().await?;
    let spent = store::llm::spent(&mut tx, run).await?;
    let model = store::runs::get(&mut tx, run).await?.model;
    drop(tx);
    let account = Account {
        token_hash: Some(digest(&token)),
        token: token.clone(),
        sandbox,
        epoch,
        model,
        usage: spent.settled,
        lost: spent.open_tokens,
        reserved: 0,
    };
    let kept = RunToken {
        token_hash: hex::encode(digest(&token)),
        run,
        sandbox,
        epoch,
        created_at: engine.now(),
        expires_at: engine.now() + jiff::SignedDuration::from_secs(TOKEN_SECONDS),
    };
    let mut tx = engine.store.write().await?;
    store::llm::create_token(&mut tx, &kept).await?;
    tx.commit().await?;
    engine.llm.lock().insert(run, account);
    Ok(Secret::new(token))
}

/// The run's token stops working at once.
pub async fn revoke(engine: &Engine, run: RunId) -> Result<()> {
    if let Some(account) = engine.llm.lock().get_mut(&run) {
        account.token_hash = None;
    }
    let mut tx = engine.store.write().await?;
    store::llm::revoke_tokens(&mut tx, run).await?;
    tx.commit().await
}

/// What the run has spent so far, as the door counted it.
pub async fn usage(engine: &Engine, run: RunId) -> Result<Usage> {
    if let Some(account) = engine.llm.lock().get(&run) {
        return Ok(account.usage);
    }
    let mut tx = engine.store.read().await?;
    Ok(store::llm::spent(&mut tx, run).await?.settled)
}

/// Values that must not be stored with the run's events.
pub fn run_secrets(engine: &Engine, run: RunId) -> Vec<String> {
    engine.llm.lock().get(&run).map(|a| vec![a.token.clone()]).unwrap_or_default()
}

/// One model call from inside a sandbox: checked, counted, passed on.
pub async fn call(
    engine: &Engine,
    peer: Peer,
    dialect: Dialect,
    bearer: Option<&str>,
    headers: Vec<(String, String)>,
    body: Bytes,
) -> Answer {
    match admit(engine, peer, dialect, bearer, body).await {
        Ok((body, hold)) => pass_on(engine, dialect, headers, body, hold).await,
        Err(refusal) => Answer::Refused(refusal::render(dialect, &refusal)),
    }
}

async fn admit(engine: &Engine, peer: Peer, dialect: Dialect, bearer: Option<&str>, body: Bytes) -> Result<(Bytes, Hold), Refusal> {
    let run = peer.run.ok_or_else(|| Refusal::Revoked { message: "This sandbox belongs to no run, so it has no model.".into() })?;
    let peek = ::llm::wire::peek(&body).map_err(|e| Refusal::BadRequest { message: e.to_string() })?;
    // Tools that the provider would carry out for the agent are a way out of a sandbox without network.
    let body = if peek.hosted_tools.is_empty() { body } else { ::llm::wire::without_hosted_tools(&body).map(Bytes::from).unwrap_or(body) };
    let wanted = body.len() as u64 / 2 + peek.max_output_tokens.unwrap_or(16_000);
    {
        let mut accounts = engine.llm.lock();
        let account = accounts.get_mut(&run).ok_or_else(revoked)?;
        account.check(peer, bearer, &peek.model)?;
        account.reserve(wanted)?;
    }
    let grant = engine.clock.uuid();
    let hold = Hold { engine: engine.clone(), run, grant, reserved: wanted, request_bytes: body.len() as u64, gauge: None, dialect };
    write_grant(engine, run, grant, peek.model, wanted).await.map_err(|error| {
        tracing::error!(%error, "a grant could not be written; the call is refused");
        Refusal::Upstream { message: "The server can't account for this call right now.".into() }
    })?;
    Ok((body, hold))
}

fn revoked() -> Refusal {
    Refusal::Revoked { message: "This run's model token is not valid (any more).".into() }
}

impl Account {
    fn check(&self, peer: Peer, bearer: Option<&str>, model: &str) -> Result<(), Refusal> {
        let presented = bearer.map(digest);
        let good = match (&self.token_hash, &presented) {
            (Some(ours), Some(theirs)) => subtle::ConstantTimeEq::ct_eq(&ours[..], &theirs[..]).into(),
            _ => false,
        };
        if !good || self.sandbox != peer.sandbox || self.epoch != peer.epoch {
            return Err(revoked());
        }
        if model != self.model {
            return Err(Refusal::ModelNotAllowed { message: format!("This run may use the model `{}`, not `{model}`.", self.model) });
        }
        Ok(())
    }

    fn reserve(&mut self, wanted: u64) -> Result<(), Refusal> {
        if self.usage.calls >= limits::RUN_LLM_CALLS_MAX {
            return Err(Refusal::BudgetSpent { message: format!("This run has made its {} model calls.", limits::RUN_LLM_CALLS_MAX) });
        }
        if self.usage.tokens() + self.lost + self.reserved + wanted > limits::RUN_TOKENS_MAX {
            return Err(Refusal::BudgetSpent { message: format!("The budget of {} tokens of this run is spent.", limits::RUN_TOKENS_MAX) });
        }
        self.reserved += wanted;
        Ok(())
    }
}

async fn write_grant(engine: &Engine, run: RunId, id: Uuid, model: String, tokens: u64) -> Result<()> {
    let mut tx = engine.store.write().await?;
    let step = store::runs::get(&mut tx, run).await?.step.map_or("", |s| s.word()).to_string();
    store::llm::grant(&mut tx, &Grant { id, run, step, model, tokens, granted_at: engine.now() }).await?;
    tx.commit().await
}

async fn pass_on(engine: &Engine, dialect: Dialect, headers: Vec<(String, String)>, body: Bytes, mut hold: Hold) -> Answer {
    let request = RawRequest { dialect, body, headers };
    match engine.model.provider.call(request).await {
        Ok(response) => {
            hold.gauge = Some(response.gauge.clone());
            let body = Box::pin(Settling { body: response.body, _hold: hold });
            Answer::Stream { status: response.status, content_type: response.content_type, headers: response.headers, body }
        }
        Err(error) => Answer::Refused(refusal::render(dialect, &Refusal::from(&error))),
    }
}

/// Holds a reservation until the call is over, however it ends, and then books what it really used.
struct Hold {
    engine: Engine,
    run: RunId,
    grant: Uuid,
    reserved: u64,
    request_bytes: u64,
    gauge: Option<Gauge>,
    dialect: Dialect,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let used = self.used();
        {
            let mut accounts = self.engine.llm.lock();
            if let Some(account) = accounts.get_mut(&self.run) {
                account.reserved = account.reserved.saturating_sub(self.reserved);
                account.usage.add(&used);
            }
        }
        let (engine, run, grant) = (self.engine.clone(), self.run, self.grant);
        tokio::spawn(async move {
            if let Err(error) = write_receipt(&engine, grant, &used).await {
                tracing::error!(%run, %error, "a receipt could not be written; its grant stays spent");
            }
        });
    }
}

impl Hold {
    fn used(&self) -> Usage {
        let Some(gauge) = &self.gauge else { return Usage::default() };
        let reading = gauge.read();
        let counted = reading.usage_or_bound(self.request_bytes);
        let model = reading.model.clone().unwrap_or_default();
        tracing::debug!(run = %self.run, dialect = ?self.dialect, input = counted.input_tokens, output = counted.output_tokens, "model call");
        Usage {
            calls: 1,
            input_tokens: counted.input_tokens,
            cached_input_tokens: counted.cached_input_tokens,
            output_tokens: counted.output_tokens,
            cost_usd: if self.engine.model.scripted { None } else { ::llm::catalog::cost_usd(&model, &counted) },
        }
    }
}

async fn write_receipt(engine: &Engine, grant: Uuid, used: &Usage) -> Result<()> {
    let mut tx = engine.store.write().await?;
    store::llm::settle(&mut tx, grant, used, engine.now()).await?;
    tx.commit().await
}

/// The answer's bytes, with the reservation that ends when they do.
struct Settling {
    body: BodyStream,
    _hold: Hold,
}

impl Stream for Settling {
    type Item = ::llm::Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.body.as_mut().poll_next(context)
    }
}

impl Accounts {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Account>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
