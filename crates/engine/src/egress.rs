//! What the egress proxy decided for runs at work. In memory and bounded; a run's record keeps what matters.

use domain::egress::EgressDecision;
use domain::{RunId, limits};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub struct Decisions(Arc<Mutex<HashMap<RunId, Vec<EgressDecision>>>>);

impl Decisions {
    /// The same decision about the same place is kept once.
    pub fn note(&self, run: RunId, decision: EgressDecision) {
        let mut all = self.lock();
        if all.len() >= limits::EGRESS_RUNS_KEPT_MAX && !all.contains_key(&run) {
            all.clear();
        }
        let of_run = all.entry(run).or_default();
        if of_run.len() < limits::EGRESS_DECISIONS_PER_RUN_MAX && !of_run.contains(&decision) {
            of_run.push(decision);
        }
    }

    /// Takes them: whoever asks keeps them.
    pub fn take(&self, run: RunId) -> Vec<EgressDecision> {
        self.lock().remove(&run).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Vec<EgressDecision>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
