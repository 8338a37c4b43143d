//! The LLM door's books: which tokens are good for which run, and what each run was granted and has spent.
//!
//! A grant is written before a call and settled after it. One that stays open, because a process died, counts as spent.

use crate::value::{Arg, At, insert, touched};
use crate::{Tx, args};
use domain::usage::Usage;
use domain::{Result, RunId, SandboxId, Timestamp};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunToken {
    /// SHA-256 of the token, lower-case hex.
    pub token_hash: String,
    pub run: RunId,
    /// The only sandbox that may present it, in its only life.
    pub sandbox: SandboxId,
    pub epoch: u64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub id: Uuid,
    pub run: RunId,
    /// The run's step, for the cost of each.
    pub step: String,
    pub model: String,
    pub tokens: u64,
    pub granted_at: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// By receipts.
    pub settled: Usage,
    pub open_grants: u64,
    /// Granted and not settled: taken as spent when a budget is checked.
    pub open_tokens: u64,
}

impl Spent {
    /// What counts against the budget.
    pub fn tokens(&self) -> u64 {
        self.settled.tokens() + self.open_tokens
    }
    pub fn calls(&self) -> u64 {
        self.settled.calls + self.open_grants
    }
}

pub async fn create_token(tx: &mut Tx, token: &RunToken) -> Result<()> {
    let RunToken { token_hash, run, sandbox, epoch, created_at, expires_at } = token;
    let sql = insert("run_tokens", "token_hash, run_id, sandbox_id, epoch, created_at, expires_at, is_revoked");
    tx.run(sql, args![token_hash, *run, *sandbox, number(*epoch), *created_at, *expires_at, false]).await?;
    Ok(())
}

/// The token, unless it is unknown, revoked or expired. Whether the right sandbox presents it is for the door to check.
pub async fn token(tx: &mut Tx, token_hash: &str, now: Timestamp) -> Result<Option<RunToken>> {
    let sql = "select token_hash, run_id, sandbox_id, epoch, created_at, expires_at from run_tokens
        where token_hash = $1 and is_revoked = $2 and expires_at > $3";
    Ok(tx.maybe::<TokenRow>(sql, args![token_hash, false, now]).await?.map(TokenRow::noun))
}

/// Ends all tokens of a run; answers how many were still good.
pub async fn revoke_tokens(tx: &mut Tx, run: RunId) -> Result<u64> {
    tx.run("update run_tokens set is_revoked = $2 where run_id = $1 and is_revoked = $3", args![run, true, false]).await
}

/// Written before the model is called.
pub async fn grant(tx: &mut Tx, grant: &Grant) -> Result<()> {
    let Grant { id, run, step, model, tokens, granted_at } = grant;
    let columns = "id, run_id, step, model, tokens_granted, granted_at, calls, input_tokens, cached_input_tokens, output_tokens";
    let args = args![*id, *run, step, model, number(*tokens), *granted_at, 0i64, 0i64, 0i64, 0i64];
    tx.run(insert("llm_grants", columns), args).await?;
    Ok(())
}

/// The receipt: what the call really took. Settling again replaces it, so a repeat does no harm.
pub async fn settle(tx: &mut Tx, grant: Uuid, usage: &Usage, now: Timestamp) -> Result<()> {
    let Usage { calls, input_tokens, cached_input_tokens, output_tokens, cost_usd } = usage;
    let sql = "update llm_grants set settled_at = $2, calls = $3, input_tokens = $4, cached_input_tokens = $5, output_tokens = $6, cost_usd = $7 where id = $1";
    let args: Vec<Arg> =
        args![grant, now, number(*calls), number(*input_tokens), number(*cached_input_tokens), number(*output_tokens), *cost_usd];
    let rows = tx.run(sql, args).await?;
    touched(rows, "grant", grant)
}

pub async fn spent(tx: &mut Tx, run: RunId) -> Result<Spent> {
    let sql = format!("{SUMS} from llm_grants where run_id = $1");
    Ok(tx.one::<SpentRow>(sql, args![run]).await?.noun())
}

/// The same for one step of the run.
pub async fn spent_in_step(tx: &mut Tx, run: RunId, step: &str) -> Result<Spent> {
    let sql = format!("{SUMS} from llm_grants where run_id = $1 and step = $2");
    Ok(tx.one::<SpentRow>(sql, args![run, step]).await?.noun())
}

const SUMS: &str = "select cast(coalesce(sum(calls), 0) as bigint) as calls,
    cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
    cast(coalesce(sum(cached_input_tokens), 0) as bigint) as cached_input_tokens,
    cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
    sum(cost_usd) as cost_usd,
    cast(coalesce(sum(case when settled_at is null then 1 else 0 end), 0) as bigint) as open_grants,
    cast(coalesce(sum(case when settled_at is null then tokens_granted else 0 end), 0) as bigint) as open_tokens";

/// The databases count in signed numbers; no real figure comes near the end of them.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    token_hash: String,
    run_id: Uuid,
    sandbox_id: Uuid,
    epoch: i64,
    created_at: At,
    expires_at: At,
}

#[derive(sqlx::FromRow)]
struct SpentRow {
    calls: i64,
    input_tokens: i64,
    cached_input_tokens: i64,
    output_tokens: i64,
    cost_usd: Option<f64>,
    open_grants: i64,
    open_tokens: i64,
}

impl TokenRow {
    fn noun(self) -> RunToken {
        let TokenRow { token_hash, run_id, sandbox_id, epoch, created_at, expires_at } = self;
        RunToken {
            token_hash,
            run: RunId(run_id),
            sandbox: SandboxId(sandbox_id),
            epoch: epoch.unsigned_abs(),
            created_at: created_at.into(),
            expires_at: expires_at.into(),
        }
    }
}

impl SpentRow {
    fn noun(self) -> Spent {
        let SpentRow { calls, input_tokens, cached_input_tokens, output_tokens, cost_usd, open_grants, open_tokens } = self;
        Spent {
            settled: Usage {
                calls: calls.unsigned_abs(),
                input_tokens: input_tokens.unsigned_abs(),
                cached_input_tokens: cached_input_tokens.unsigned_abs(),
                output_tokens: output_tokens.unsigned_abs(),
                cost_usd,
            },
            open_grants: open_grants.unsigned_abs(),
            open_tokens: open_tokens.unsigned_abs(),
        }
    }
}
