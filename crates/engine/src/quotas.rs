//! What a workspace's plan allows, and the ledger of what it used this month.
//!
//! Checks and increments share one transaction, so two callers never both take the last place.

use crate::Engine;
use domain::workspace::Permission;
use domain::{Error, Result, UserId, WorkspaceId};
use serde_json::{Map, Value, json};
use store::workspaces::Ledger;

/// `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub requests_per_month: Option<i64>,
    pub sandbox_sessions_per_month: Option<i64>,
    pub sandbox_concurrent: Option<i64>,
}

const fn limits(requests: i64, sessions: i64, concurrent: i64) -> Limits {
    Limits { requests_per_month: Some(requests), sandbox_sessions_per_month: Some(sessions), sandbox_concurrent: Some(concurrent) }
}

const PLANS: [(&str, Limits); 4] = [
    ("trial", limits(50, 20, 1)),
    ("pro", limits(500, 200, 3)),
    ("enterprise", limits(2000, 1000, 10)),
    ("self_hosted", Limits { requests_per_month: None, sandbox_sessions_per_month: None, sandbox_concurrent: None }),
];

/// A workspace's plan, its limits and what it used.
#[derive(Clone, Debug)]
pub struct Usage {
    pub plan: String,
    pub limits: Limits,
    pub ledger: Ledger,
    pub active_sandboxes: i64,
    /// `2026-11-01`
    pub period_start: String,
    pub catalog: Vec<(String, Limits)>,
}

/// Counts one request, or refuses it.
pub async fn charge_request(engine: &Engine, tx: &mut store::Tx, workspace: WorkspaceId) -> Result<()> {
    let period = period(engine);
    let used = store::workspaces::charge(tx, workspace, &period, &Ledger { requests: 1, ..Default::default() }).await?.requests;
    if let Some((plan, limits)) = enforced(engine, tx, workspace).await? {
        check("tenant_id", "requests this month", &plan, used, limits.requests_per_month)?;
    }
    Ok(())
}

/// Counts one sandbox session, or refuses it. `active` is how many the workspace has now, this one not counted.
pub async fn charge_sandbox(engine: &Engine, tx: &mut store::Tx, workspace: WorkspaceId, active: i64) -> Result<()> {
    check_seat(engine, tx, workspace, active).await?;
    let one = Ledger { sandbox_sessions: 1, ..Default::default() };
    let used = store::workspaces::charge(tx, workspace, &period(engine), &one).await?.sandbox_sessions;
    match enforced(engine, tx, workspace).await? {
        Some((plan, limits)) => check("workspace_uid", "sandbox sessions this month", &plan, used, limits.sandbox_sessions_per_month),
        None => Ok(()),
    }
}

/// Whether one more sandbox may live, for a session that was paid for already.
pub async fn check_seat(engine: &Engine, tx: &mut store::Tx, workspace: WorkspaceId, active: i64) -> Result<()> {
    if active >= domain::limits::SANDBOXES_PER_WORKSPACE_MAX {
        return Err(full("sandboxes at once", "this server", domain::limits::SANDBOXES_PER_WORKSPACE_MAX, "workspace_uid"));
    }
    match enforced(engine, tx, workspace).await? {
        Some((plan, limits)) => check("workspace_uid", "sandboxes at once", &plan, active + 1, limits.sandbox_concurrent),
        None => Ok(()),
    }
}

/// Adds what was spent; never refuses.
pub async fn record(engine: &Engine, tx: &mut store::Tx, workspace: WorkspaceId, sandbox_seconds: f64, artifacts_bytes: i64) -> Result<()> {
    let more = Ledger { sandbox_seconds, artifacts_bytes, ..Default::default() };
    store::workspaces::charge(tx, workspace, &period(engine), &more).await?;
    Ok(())
}

pub async fn usage(engine: &Engine, user: UserId, uid: &str) -> Result<Usage> {
    let mut tx = engine.store.read().await?;
    let workspace = crate::workspaces::require_uid(&mut tx, user, uid, Permission::View).await?.workspace;
    let period_start = period(engine);
    let ledger = store::workspaces::ledger(&mut tx, workspace.id, &period_start).await?;
    let active_sandboxes = store::sandboxes::count_active(&mut tx, workspace.id).await?;
    let catalog = catalog(&engine.settings.plan_limits);
    let overrides = store::workspaces::quota_overrides(&mut tx, workspace.id).await?;
    let limits = find(&catalog, &workspace.plan).excepted(&overrides);
    Ok(Usage { plan: workspace.plan, limits, ledger, active_sandboxes, period_start, catalog })
}

impl Limits {
    pub fn to_json(self) -> Value {
        json!({
            "requests_per_month": self.requests_per_month,
            "sandbox_sessions_per_month": self.sandbox_sessions_per_month,
            "sandbox_concurrent": self.sandbox_concurrent,
        })
    }
    /// An operator's exceptions: the keys under `limits`, or at the top.
    fn excepted(self, overrides: &Value) -> Self {
        let keys = overrides.get("limits").unwrap_or(overrides);
        keys.as_object().map_or(self, |keys| self.overridden(keys))
    }
    /// Keys that are there replace; negative numbers and anything but a number mean no limit.
    fn overridden(mut self, by: &Map<String, Value>) -> Self {
        let number = |value: &Value| value.as_i64().filter(|n| *n >= 0);
        for (name, place) in [
            ("requests_per_month", &mut self.requests_per_month),
            ("sandbox_sessions_per_month", &mut self.sandbox_sessions_per_month),
            ("sandbox_concurrent", &mut self.sandbox_concurrent),
        ] {
            if let Some(value) = by.get(name) {
                *place = number(value);
            }
        }
        self
    }
}

/// The limits that count for this workspace, unless nothing does.
async fn enforced(engine: &Engine, tx: &mut store::Tx, workspace: WorkspaceId) -> Result<Option<(String, Limits)>> {
    if !engine.settings.quotas_enabled {
        return Ok(None);
    }
    let overrides = store::workspaces::quota_overrides(tx, workspace).await?;
    if overrides["enforce"] == json!(false) {
        return Ok(None);
    }
    let plan = store::workspaces::get(tx, workspace).await?.plan;
    let limits = find(&catalog(&engine.settings.plan_limits), &plan).excepted(&overrides);
    Ok(Some((plan, limits)))
}

/// The built-in plans with `WORKSPACE_QUOTAS` merged over them.
fn catalog(configured: &Map<String, Value>) -> Vec<(String, Limits)> {
    let mut all: Vec<(String, Limits)> = PLANS.iter().map(|(name, limits)| (name.to_string(), *limits)).collect();
    for (name, value) in configured {
        let Some(value) = value.as_object() else { continue };
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, limits)) => *limits = limits.overridden(value),
            None => all.push((name.clone(), Limits::default().overridden(value))),
        }
    }
    all
}

/// A plan nobody described has the smallest limits rather than none.
fn find(catalog: &[(String, Limits)], plan: &str) -> Limits {
    catalog.iter().find(|(name, _)| name == plan).map_or(PLANS[0].1, |(_, limits)| *limits)
}

fn check(field: &str, what: &str, plan: &str, used: i64, limit: Option<i64>) -> Result<()> {
    match limit {
        Some(limit) if used > limit => Err(full(what, &format!("plan `{plan}`"), limit, field)),
        _ => Ok(()),
    }
}

fn full(what: &str, whose: &str, limit: i64, field: &str) -> Error {
    Error::field(field, format!("{whose} allows {limit} {what}, and they are used up")).code("quota_exceeded")
}

fn period(engine: &Engine) -> String {
    engine.now().strftime("%Y-%m-01").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_limits_replace_only_what_they_name() {
        let configured = json!({"trial": {"sandbox_concurrent": 4, "requests_per_month": -1}, "team": {"sandbox_concurrent": 2}, "bad": 3});
        let all = catalog(configured.as_object().expect("an object"));
        assert_eq!(
            find(&all, "trial"),
            Limits { requests_per_month: None, sandbox_sessions_per_month: Some(20), sandbox_concurrent: Some(4) }
        );
        assert_eq!(find(&all, "team").sandbox_concurrent, Some(2));
        assert_eq!(find(&all, "unheard of"), PLANS[0].1);
        assert!(check("f", "w", "p", 5, Some(5)).is_ok());
        assert_eq!(check("f", "w", "p", 6, Some(5)).expect_err("over").code, "quota_exceeded");
        assert!(check("f", "w", "p", 6, None).is_ok());
    }
}
