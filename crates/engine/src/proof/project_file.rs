//! The repository's own settings, read from base: a patch can't change how it is judged.

use super::ProofConfig;
use domain::git::{Commit, GitHost};
use domain::{Error, RepositoryId, Result};

const NAME: &str = ".astraforge.yml";

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProjectFile {
    proof: ProofConfig,
}

pub async fn read(git: &dyn GitHost, repository: RepositoryId, base: &Commit) -> Result<ProofConfig> {
    let Some(bytes) = git.file(repository, base, NAME).await? else { return Ok(ProofConfig::default()) };
    let file: ProjectFile =
        serde_norway::from_slice(&bytes).map_err(|e| Error::conflict(format!("{NAME} at {} can't be read: {e}", base.short())))?;
    Ok(file.proof)
}
