//! Answers connections from inside: hands each to the door that its port stands for.

use crate::egress;
use daemon::client::{Doorbell, Incoming};
use domain::egress::{Door, Doors, EgressDecision, EgressPolicy, Peer};
use domain::sandbox::{EGRESS_PORT, GIT_PORT, LLM_PORT};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Connections of one sandbox that are served at once; more wait their turn.
const CONNECTIONS_MAX: usize = 64;

/// Told every decision of the egress proxy, as it is made.
pub type Witness = Arc<dyn Fn(Peer, EgressDecision) + Send + Sync>;

/// What every sandbox's way out needs.
#[derive(Clone)]
pub struct Exits {
    pub doors: Arc<dyn Doors>,
    /// Private ranges that names on a policy's list may resolve to.
    pub allow_cidrs: Vec<egress::Cidr>,
    pub witness: Option<Witness>,
}

/// The ports that a sandbox with this policy listens on.
pub fn ports(policy: &EgressPolicy) -> Vec<u16> {
    let mut ports = vec![LLM_PORT, GIT_PORT];
    if !policy.allow.is_empty() {
        ports.push(EGRESS_PORT);
    }
    ports
}

/// Serves until the sandbox is gone.
pub async fn serve(mut doorbell: Doorbell, exits: Exits, peer: Peer, policy: EgressPolicy) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let policy = Arc::new(policy);
    while let Some(Incoming { port, stream }) = doorbell.next().await {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let (exits, policy) = (exits.clone(), policy.clone());
        tokio::spawn(async move {
            let _slot = slot;
            match port {
                LLM_PORT => exits.doors.serve(Box::new(stream), peer, Door::Llm).await,
                GIT_PORT => exits.doors.serve(Box::new(stream), peer, Door::Git).await,
                EGRESS_PORT => {
                    let allowed: &[egress::Cidr] = &exits.allow_cidrs;
                    let tell = |decision| exits.witness.as_ref().map_or((), |witness| witness(peer, decision));
                    egress::serve(stream, &policy, allowed, tell).await
                }
                // A port that nobody asked to listen on.
                _ => {}
            }
        });
    }
}
