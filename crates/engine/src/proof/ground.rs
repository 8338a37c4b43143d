//! Runs batches of variants, each batch in a fresh sandbox without a network, a few at a time.

use super::trees::Tree;
use super::{Progress, ProofConfig, ProofContext, ProofEvent, ProofInput, batch};
use crate::evidence::red;
use crate::strangers;
use domain::egress::EgressPolicy;
use domain::evidence::RunNote;
use domain::harness::{Ended, Layer, PROOF_DIR, TestHarness, Variant, VariantReport};
use domain::sandbox::{LAYER, Mount, MountMode, Sandbox, SandboxLimits, SandboxSpec, WORKSPACE, Workspace};
use domain::{Error, Result, SandboxId};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Where a disguised tree and the harness's files beside it stand.
const ELSEWHERE: &str = "/srv/app";
const ASSETS_ELSEWHERE: &str = "/opt/service";

#[derive(Clone)]
pub struct Job {
    /// What is run, in words.
    pub line: String,
    pub fresh: bool,
    pub disguised: bool,
    pub timeout: Duration,
    /// Compare the protected files afterwards.
    pub guard: bool,
}

pub struct Ground<'a> {
    context: &'a ProofContext,
    input: &'a ProofInput,
    harness: Arc<dyn TestHarness>,
    progress: Progress<'a>,
    turns: Semaphore,
    assets: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    notes: Vec<RunNote>,
    tampered: Option<String>,
}

impl<'a> Ground<'a> {
    pub async fn new(
        context: &'a ProofContext,
        input: &'a ProofInput,
        harness: Arc<dyn TestHarness>,
        progress: Progress<'a>,
    ) -> Result<Self> {
        let assets = assets(context, harness.as_ref()).await?;
        let turns = Semaphore::new(context.parallel.max(1));
        Ok(Ground { context, input, harness, progress, turns, assets, kept: Mutex::default() })
    }

    /// The reports in the order of the variants. A launcher that is killed by what it runs costs its variants.
    pub async fn run(&self, tree: &Tree, variants: Vec<Variant>, job: &Job) -> Result<Vec<VariantReport>> {
        let _turn = self.turn().await?;
        if !variants.is_empty() {
            (self.progress)(ProofEvent::Running(job.line.clone()));
        }
        self.within(tree, variants, job).await
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        self.turns.acquire().await.map_err(|e| Error::internal("the proof is closing").because(e))
    }

    async fn within(&self, tree: &Tree, variants: Vec<Variant>, job: &Job) -> Result<Vec<VariantReport>> {
        if variants.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = variants.iter().map(|v| v.key.clone()).collect();
        let place = self.context.provisioner.create(self.spec(tree, job, &variants)).await?;
        let root = if job.disguised { ELSEWHERE } else { WORKSPACE };
        let nonce = format!("report-{}", self.context.clock.token_hex(8));
        let config: &ProofConfig = &self.input.config;
        let done = self.harness.run(place.as_ref(), &batch(variants, root, assets_dir(job), job, nonce, config)).await;
        if job.guard && done.is_ok() {
            self.compare(place.as_ref(), tree, root).await?;
        }
        place.terminate().await?;
        let reports = match done {
            Ok(reports) => reports,
            Err(e) if e.code == "no_report" => keys.iter().map(|k| died(k, &e)).collect(),
            Err(e) => return Err(e),
        };
        self.note(job, &reports);
        let find = |key: &String| reports.iter().find(|r| &r.key == key).cloned();
        Ok(keys.iter().map(|k| find(k).unwrap_or_else(|| VariantReport { key: k.clone(), ..VariantReport::default() })).collect())
    }

    /// The same in as many sandboxes as may run at a time, told of once.
    pub async fn spread(&self, tree: &Tree, variants: Vec<Variant>, job: &Job) -> Result<Vec<VariantReport>> {
        if !variants.is_empty() {
            (self.progress)(ProofEvent::Running(job.line.clone()));
        }
        let share = variants.len().div_ceil(self.context.parallel.max(1)).max(1);
        let parts = variants.chunks(share).map(|part| async {
            let _turn = self.turn().await?;
            self.within(tree, part.to_vec(), job).await
        });
        Ok(futures::future::try_join_all(parts).await?.into_iter().flatten().collect())
    }

    pub fn notes(&self) -> Vec<RunNote> {
        self.kept.lock().map(|k| k.notes.clone()).unwrap_or_default()
    }

    pub fn tampered_with(&self) -> Option<String> {
        self.kept.lock().ok().and_then(|k| k.tampered.clone())
    }

    fn spec(&self, tree: &Tree, job: &Job, variants: &[Variant]) -> SandboxSpec {
        let mut mounts = vec![Mount { source: self.assets.clone(), target: assets_dir(job).to_string(), mode: MountMode::ReadOnly }];
        let mut env = std::collections::BTreeMap::new();
        if let Some(layer) = &self.input.layer {
            mounts.extend(layer_mounts(layer));
            env.extend(layer.env.clone());
        }
        let mut workspace = Workspace::CopyOnWrite(tree.path.clone());
        if job.disguised {
            workspace = Workspace::Scratch;
            mounts.push(Mount { source: tree.path.clone(), target: ELSEWHERE.to_string(), mode: MountMode::CopyOnWrite });
        }
        let marked = |v: &Variant, path: &String| {
            self.harness.marks_tests() && v.watch.is_some() && v.ids.iter().flatten().any(|id| red::file_of(id) == path)
        };
        let edited = |path: &String| variants.iter().any(|v| marked(v, path) || v.edits.iter().any(|(p, _)| p == path));
        let read_only_paths = if job.disguised { Vec::new() } else { tree.guarded.iter().filter(|p| !edited(p)).cloned().collect() };
        SandboxSpec {
            id: self.context.clock.fresh::<SandboxId>(),
            run: self.input.run,
            epoch: 0,
            workspace,
            mounts,
            read_only_paths,
            limits: SandboxLimits::default(),
            egress: EgressPolicy::deny_all(),
            env,
            hostname: if job.disguised { "web-1" } else { "proof" }.to_string(),
        }
    }

    async fn compare(&self, place: &dyn Sandbox, tree: &Tree, root: &str) -> Result<()> {
        for path in &tree.guarded {
            let expected =
                strangers::read(&tree.path, path, u64::MAX)?.ok_or_else(|| Error::internal(format!("`{path}` of a checkout is gone")))?;
            let found = place.read_file(&format!("{root}/{path}"), 0, expected.len() as u64 + 1).await.unwrap_or_default();
            if Sha256::digest(&found) != Sha256::digest(&expected)
                && let Ok(mut kept) = self.kept.lock()
            {
                kept.tampered = Some(path.clone());
            }
        }
        Ok(())
    }

    fn note(&self, job: &Job, reports: &[VariantReport]) {
        let log = serde_json::to_vec(reports).unwrap_or_default();
        if let Ok(mut kept) = self.kept.lock() {
            kept.notes.push(RunNote { line: job.line.clone(), log_sha256: hex::encode(Sha256::digest(&log)) });
        }
    }
}

fn assets_dir(job: &Job) -> &'static str {
    if job.disguised { ASSETS_ELSEWHERE } else { PROOF_DIR }
}

fn died(key: &str, error: &Error) -> VariantReport {
    VariantReport { key: key.to_string(), ended: Ended::Died, log: error.message.clone(), ..VariantReport::default() }
}

fn layer_mounts(layer: &Layer) -> Vec<Mount> {
    let mut mounts = vec![Mount { source: layer.path.clone(), target: LAYER.to_string(), mode: MountMode::CopyOnWrite }];
    for (below, target) in &layer.mounts {
        if let Some(source) = strangers::inside(&layer.path, below).filter(|source| source.is_dir()) {
            mounts.push(Mount { source, target: target.clone(), mode: MountMode::CopyOnWrite });
        }
    }
    mounts
}

/// Written once per content, so that two servers of different versions don't change each other's.
async fn assets(context: &ProofContext, harness: &dyn TestHarness) -> Result<PathBuf> {
    let mut digest = Sha256::new();
    for (name, text) in harness.assets() {
        digest.update(name.as_bytes());
        digest.update(text.as_bytes());
    }
    let folder = context.assets_dir.join(format!("{}-{}", harness.id(), &hex::encode(digest.finalize())[..16]));
    let failed = |e: std::io::Error| Error::internal(format!("the harness folder `{}` can't be written", folder.display())).because(e);
    for (name, text) in harness.assets() {
        let path = folder.join(name);
        if tokio::fs::read(&path).await.is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(failed)?;
        }
        let part = folder.join(format!("{}.{}", name.replace('/', "-"), context.clock.token_hex(4)));
        tokio::fs::write(&part, text).await.map_err(failed)?;
        tokio::fs::rename(&part, &path).await.map_err(failed)?;
    }
    tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
    Ok(folder)
}
