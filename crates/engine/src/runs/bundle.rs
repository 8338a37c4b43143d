//! The signed bundle of a run's proof: made when the verdict is drawn, kept beside the run.

use super::drive::Work;
use crate::proof::ProofInput;
use domain::Result;
use domain::evidence::Proof;

pub async fn sign(_work: &mut Work, _input: &ProofInput, _proof: &Proof) -> Result<()> {
    Ok(())
}
