//! The signed bundle of a run's proof: made when the verdict is drawn, kept beside the run.

use super::drive::Work;
use crate::evidence::bundle::{self, Facts};
use crate::proof::ProofInput;
use domain::Result;
use domain::event::{GENESIS, request_topic};
use domain::evidence::Proof;
use sha2::{Digest, Sha256};

/// Signs what the proof found, with the head of the event chain as it stands, and stores it.
pub async fn sign(work: &mut Work, input: &ProofInput, proof: &Proof) -> Result<()> {
    work.log.flush().await;
    let engine = work.engine.clone();
    let diff = engine.git.diff(work.repository.id, &input.base, &input.head).await?;
    let topic = request_topic(work.request.id);
    let mut tx = work.write().await?;
    let last = store::events::last(&mut tx, &topic).await?;
    let (seq, head) = last.map_or((0, GENESIS.to_string()), |event| (event.seq, event.hash));
    let facts = Facts {
        run: work.run.id,
        kind: input.kind,
        base: &input.base,
        patch: &input.head,
        diff: &diff,
        executor: &work.run.executor,
        model: &work.run.model,
        layer: work.run.record.set_up.as_ref().map(|s| s.digest.as_str()),
        guarantees: &work.run.record.guarantees,
        chain: (&topic, seq, &head),
        at: engine.now(),
    };
    let envelope = bundle::sign(&facts, proof, engine.signer.key());
    let digest = hex::encode(Sha256::digest(envelope.as_bytes()));
    work.run.record.bundle_digest = Some(format!("sha256:{digest}"));
    let kept = store::evidence::Bundle { run: work.run.id, digest, envelope, created_at: engine.now() };
    store::evidence::put(&mut tx, &kept).await?;
    tx.commit().await
}
