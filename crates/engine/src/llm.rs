//! The LLM door's rules: who may call, with what, and how much is left. Every model token of every agent passes here.
//!
//! Budgets live in memory in one owner. Before a call is let through a grant is written down; a receipt settles it when
//! the call is over. What a crash leaves open counts as spent.

use crate::Engine;
use ::llm::meter::Gauge;
use ::llm::providers::BodyStream;
pub use ::llm::refusal::Refused;
use ::llm::refusal::{self, Refusal};
use ::llm::{Dialect, RawRequest};
use bytes::Bytes;
use domain::egress::Peer;
use domain::secret::Secret;
use domain::usage::Usage;
use domain::{Result, RunId, SandboxId, Timestamp, limits};
use futures::Stream;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;
use store::llm::{Grant, RunToken};
use uuid::Uuid;

/// A run's token outlives its longest turn by a little.
const TOKEN_SECONDS: i64 = limits::AGENT_TURN_SECONDS_MAX as i64 + 600;

/// What an answer is taken to cost at most when its request sets no bound.
const OUTPUT_TOKENS_DEFAULT: u64 = 16_000;
const SEAT_WAIT: Duration = Duration::from_secs(1);

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
    /// Calls that hold a seat: their bodies may be in memory.
    seated: u64,
    expires_at: Timestamp,
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
        seated: 0,
        expires_at: engine.now() + jiff::SignedDuration::from_secs(TOKEN_SECONDS),
    };
    let kept =
        RunToken { token_hash: hex::encode(digest(&token)), run, sandbox, epoch, created_at: engine.now(), expires_at: account.expires_at };
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

/// A place at the door for one call of a run. Given before the call's body is read, so that nobody else's is.
pub struct Seat {
    engine: Engine,
    run: RunId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(account) = self.engine.llm.lock().get_mut(&self.run) {
            account.seated = account.seated.saturating_sub(1);
        }
    }
}

/// Who may speak at all: the run whose sandbox this is, with its token.
pub fn enter(engine: &Engine, peer: Peer, dialect: Dialect, bearer: Option<&str>) -> std::result::Result<Seat, Refused> {
    let enter = || {
        let run = peer.run.ok_or_else(|| Refusal::Revoked { message: "This sandbox belongs to no run, so it has no model.".into() })?;
        let mut accounts = engine.llm.lock();
        let account = accounts.get_mut(&run).ok_or_else(revoked)?;
        account.check(peer, bearer, engine.now())?;
        if account.seated >= limits::RUN_LLM_CALLS_AT_ONCE_MAX {
            let message = format!("This run has {} model calls under way, which is the most.", account.seated);
            return Err(Refusal::Rate { message, retry_after: SEAT_WAIT });
        }
        account.seated += 1;
        Ok(Seat { engine: engine.clone(), run })
    };
    enter().map_err(|refusal| refusal::render(dialect, &refusal))
}

/// One model call from inside a sandbox: checked, counted, passed on.
pub async fn call(seat: Seat, dialect: Dialect, headers: Vec<(String, String)>, body: Bytes) -> Answer {
    match admit(seat, dialect, body).await {
        Ok((body, hold)) => pass_on(dialect, headers, body, hold).await,
        Err(refusal) => Answer::Refused(refusal::render(dialect, &refusal)),
    }
}

async fn admit(seat: Seat, dialect: Dialect, body: Bytes) -> Result<(Bytes, Hold), Refusal> {
    let unreadable = |e: ::llm::Error| Refusal::BadRequest { message: e.to_string() };
    let peek = ::llm::wire::peek(&body).map_err(unreadable)?;
    refuse_ways_out(&peek)?;
    // Tools that the provider would carry out for the agent are a way out of a sandbox without network.
    let body = match peek.hosted_tools.is_empty() {
        true => body,
        false => ::llm::wire::without_hosted_tools(&body).map_err(unreadable)?.map_or(body, Bytes::from),
    };
    let output = peek.max_output_tokens.unwrap_or(OUTPUT_TOKENS_DEFAULT).saturating_mul(peek.choices);
    let wanted = (body.len() as u64 / 2).saturating_add(output);
    let (engine, run) = (seat.engine.clone(), seat.run);
    {
        let mut accounts = engine.llm.lock();
        let account = accounts.get_mut(&run).ok_or_else(revoked)?;
        account.check_model(&peek.model)?;
        account.reserve(wanted)?;
    }
    let grant = engine.clock.uuid();
    let hold = Hold { seat, grant, reserved: wanted, request_bytes: body.len() as u64, state: State::Granted, dialect };
    write_grant(&engine, run, grant, peek.model, wanted).await.map_err(|error| {
        tracing::error!(%error, "a grant could not be written; the call is refused");
        Refusal::Upstream { message: "The server can't account for this call right now.".into() }
    })?;
    Ok((body, hold))
}

/// What would make the provider reach out for the agent, or answer where no meter sees it.
fn refuse_ways_out(peek: &::llm::wire::Peek) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::BadRequest { message: message.into() });
    if peek.names_remote_content {
        return refuse("Pictures and files go into the request itself, as data: URLs; this door lets the model's server fetch nothing.");
    }
    if peek.in_background {
        return refuse("This door carries no calls in the background.");
    }
    if peek.names_stored_prompt {
        return refuse("This door carries no prompts that are stored at the model's server.");
    }
    Ok(())
}

fn revoked() -> Refusal {
    Refusal::Revoked { message: "This run's model token is not valid (any more).".into() }
}

impl Account {
    fn check(&self, peer: Peer, bearer: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        let presented = bearer.map(digest);
        let good = match (&self.token_hash, &presented) {
            (Some(ours), Some(theirs)) => subtle::ConstantTimeEq::ct_eq(&ours[..], &theirs[..]).into(),
            _ => false,
        };
        if !good || self.sandbox != peer.sandbox || self.epoch != peer.epoch || self.expires_at <= now {
            return Err(revoked());
        }
        Ok(())
    }

    fn check_model(&self, model: &str) -> Result<(), Refusal> {
        if model == self.model {
            return Ok(());
        }
        let wanted: String = model.chars().take(100).collect();
        Err(Refusal::ModelNotAllowed { message: format!("This run may use the model `{}`, not `{wanted}`.", self.model) })
    }

    /// Each call that is seated counts: what it costs is only known at its end.
    fn reserve(&mut self, wanted: u64) -> Result<(), Refusal> {
        if self.usage.calls.saturating_add(self.seated) > limits::RUN_LLM_CALLS_MAX {
            return Err(Refusal::BudgetSpent { message: format!("This run has made its {} model calls.", limits::RUN_LLM_CALLS_MAX) });
        }
        let spoken_for = self.usage.tokens().saturating_add(self.lost).saturating_add(self.reserved);
        if spoken_for.saturating_add(wanted) > limits::RUN_TOKENS_MAX {
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

async fn pass_on(dialect: Dialect, headers: Vec<(String, String)>, body: Bytes, mut hold: Hold) -> Answer {
    let provider = hold.seat.engine.model.provider.clone();
    // From here on the model may work for us, whether or not somebody still waits for its answer.
    hold.state = State::Sent;
    match provider.call(RawRequest { dialect, body, headers }).await {
        Ok(response) => {
            hold.state = State::Answered(response.gauge.clone());
            let body = Box::pin(Settling { body: response.body, _hold: hold });
            Answer::Stream { status: response.status, content_type: response.content_type, headers: response.headers, body }
        }
        Err(error) => {
            hold.state = State::Granted;
            Answer::Refused(refusal::render(dialect, &Refusal::from(&error)))
        }
    }
}

/// Holds a reservation until the call is over, however it ends, and then books what it really used.
struct Hold {
    seat: Seat,
    grant: Uuid,
    reserved: u64,
    request_bytes: u64,
    state: State,
    dialect: Dialect,
}

enum State {
    /// Nothing has left this server, or it was refused: it costs nothing.
    Granted,
    /// Dropped in this state, the call was abandoned before its answer, and costs all that was reserved.
    Sent,
    Answered(Gauge),
}

impl Drop for Hold {
    fn drop(&mut self) {
        let used = self.used();
        let (engine, run, grant) = (self.seat.engine.clone(), self.seat.run, self.grant);
        {
            let mut accounts = engine.llm.lock();
            if let Some(account) = accounts.get_mut(&run) {
                account.reserved = account.reserved.saturating_sub(self.reserved);
                account.usage.add(&used);
            }
        }
        tokio::spawn(async move {
            if let Err(error) = write_receipt(&engine, grant, &used).await {
                tracing::error!(%run, %error, "a receipt could not be written; its grant stays spent");
            }
        });
    }
}

impl Hold {
    fn used(&self) -> Usage {
        let input_tokens = self.request_bytes / 2;
        let (model, counted) = match &self.state {
            State::Granted => return Usage::default(),
            State::Sent => {
                let output_tokens = self.reserved.saturating_sub(input_tokens);
                (self.model(), ::llm::chat::Usage { input_tokens, output_tokens, ..Default::default() })
            }
            State::Answered(gauge) => {
                let reading = gauge.read();
                (reading.model.clone().unwrap_or_default(), reading.usage_or_bound(self.request_bytes))
            }
        };
        tracing::debug!(run = %self.seat.run, dialect = ?self.dialect, input = counted.input_tokens, output = counted.output_tokens, "model call");
        Usage {
            calls: 1,
            input_tokens: counted.input_tokens,
            cached_input_tokens: counted.cached_input_tokens,
            output_tokens: counted.output_tokens,
            cost_usd: if self.seat.engine.model.scripted { None } else { ::llm::catalog::cost_usd(&model, &counted) },
        }
    }

    fn model(&self) -> String {
        self.seat.engine.llm.lock().get(&self.seat.run).map(|account| account.model.clone()).unwrap_or_default()
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
