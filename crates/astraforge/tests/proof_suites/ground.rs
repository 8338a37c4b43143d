//! The cases as they are written, and the ground on which each is judged: git, sandboxes and test runners are the real
//! ones.

use bytes::Bytes;
use domain::alert::{Alert, Exception, Frame};
use domain::evidence::Proof;
use domain::git::{Commit, FileEdit, GitHost, Import, Signature};
use domain::harness::Layer;
use domain::request::RequestKind;
use domain::sandbox::{ExecOutput, Provisioner};
use domain::{Clock, RepositoryId, Timestamp};
use engine::layers::{Watcher, Workshop};
use engine::proof::{ProofConfig, ProofContext, ProofEvent, ProofInput, prove};
use integrations::git::Git;
use integrations::{harnesses, secret_scan};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Cases {
    pub projects: BTreeMap<String, Project>,
    pub cases: Vec<Case>,
}

#[derive(Deserialize, Clone)]
pub struct Project {
    pub files: BTreeMap<String, String>,
    /// By the name that `layers` knows; without one there are no packages.
    #[serde(default)]
    pub layer: Option<String>,
    #[serde(default)]
    pub incident: Option<Incident>,
}

#[derive(Deserialize, Clone)]
pub struct Incident {
    pub kind: String,
    #[serde(default)]
    pub value: String,
    /// file, function
    pub frames: Vec<(String, String)>,
}

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub project: String,
    /// `proven`, or the code that some rule must carry, or `unproven` for any. Where a case throws dice, choose its odds
    /// so that not one run in ten thousand is judged otherwise.
    pub expect: String,
    /// A gap that is known: it is still judged wrongly, counted as such, and must lose this mark when it is closed.
    #[serde(default)]
    pub open: bool,
    /// Whole files of the patch; null removes one.
    #[serde(default)]
    pub files: BTreeMap<String, Option<String>>,
    /// Pieces of base's files replaced.
    #[serde(default)]
    pub edits: BTreeMap<String, Vec<(String, String)>>,
    /// Text put at the end of base's files.
    #[serde(default)]
    pub append: BTreeMap<String, String>,
    /// A raw git patch on top, for modes that files can't express.
    #[serde(default)]
    pub diff: String,
    /// More base files, over the project's.
    #[serde(default)]
    pub base: BTreeMap<String, String>,
    #[serde(default)]
    pub incident: Option<Incident>,
    /// Judge it as a plain request.
    #[serde(default)]
    pub plain: bool,
    #[serde(default)]
    pub feature: bool,
    #[serde(default)]
    pub prompt: String,
    #[serde(default)]
    pub config: ProofConfig,
    /// Another layer than the project's.
    #[serde(default)]
    pub layer: Option<String>,
    /// One like it runs anyway, in another language where the rule reads no code; this one only in the soak.
    #[serde(default)]
    pub soak: bool,
}

pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn random(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(4) {
            let bytes = Uuid::now_v7().into_bytes();
            chunk.copy_from_slice(&bytes[12..12 + chunk.len()]);
        }
    }
}

pub struct Ground {
    pub dir: tempfile::TempDir,
    pub context: ProofContext,
}

impl Ground {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let data_dir = dir.path().join("data");
        let provisioner: Arc<dyn Provisioner> = Arc::new(sandbox::testkit::local(&data_dir, None).expect("sandboxes work here"));
        let git: Arc<dyn GitHost> = Arc::new(Git::new(&data_dir, provisioner.clone(), clock.clone()).expect("a data dir"));
        let context = ProofContext {
            git,
            provisioner,
            harnesses: harnesses::all(),
            scanner: Arc::new(secret_scan::Scanner),
            clock,
            assets_dir: data_dir.join("harness"),
            parallel: 2,
        };
        Ground { dir, context }
    }

    pub async fn prove(&self, case: &Case, project: &Project, layer: Option<Layer>) -> Proof {
        let mut files = project.files.clone();
        files.extend(case.base.clone());
        let (id, base) = self.import(&files).await;
        let head = self.patched(id, &base, &files, case).await;
        let incident = if case.plain { None } else { case.incident.as_ref().or(project.incident.as_ref()).map(alert) };
        let input = ProofInput {
            repository: id,
            run: None,
            base,
            head,
            incident,
            kind: if case.feature { RequestKind::Feature } else { RequestKind::Fix },
            prompt: case.prompt.clone(),
            layer,
            config: case.config.clone(),
        };
        let progress = |event: ProofEvent| {
            if std::env::var_os("PROOF_TALK").is_some() {
                eprintln!("    {event:?}");
            }
        };
        prove(&self.context, &input, &progress, &CancellationToken::new()).await.unwrap_or_else(|e| panic!("{}: {e:?}", case.name))
    }

    async fn import(&self, files: &BTreeMap<String, String>) -> (RepositoryId, Commit) {
        let id: RepositoryId = self.context.clock.fresh();
        let source = self.dir.path().join(format!("source-{id}"));
        for (path, text) in files {
            let path = source.join(path);
            std::fs::create_dir_all(path.parent().expect("below the source")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let git = &self.context.git;
        let branch = git.import(id, Import::Path(source)).await.expect("an import");
        (id, git.resolve(id, &branch).await.expect("the base"))
    }

    /// Set-up as a run does it: in a sandbox that reaches the registries of its harness.
    pub async fn set_up(&self, project: &Project) -> Layer {
        let (id, base) = self.import(&project.files).await;
        let bundle = "/etc/ssl/certs/ca-certificates.crt".to_string();
        let workshop = Workshop {
            git: self.context.git.clone(),
            provisioner: self.context.provisioner.clone(),
            harnesses: self.context.harnesses.clone(),
            clock: self.context.clock.clone(),
            data_dir: self.dir.path().join("data"),
            registries: Vec::new(),
            set_up_env: ["CARGO_HTTP_CAINFO", "NODE_EXTRA_CA_CERTS"].map(|name| (name.to_string(), bundle.clone())).into(),
        };
        let set_up = workshop.detect(id, &base).await.expect("detection works").expect("a known project");
        let begun = Instant::now();
        workshop.build(id, &base, &set_up, None, &mut Deaf).await.expect("the layer is built");
        println!("set-up took {} ms", begun.elapsed().as_millis());
        workshop.proof_layer(id, &set_up).expect("it was just built")
    }

    async fn patched(&self, id: RepositoryId, base: &Commit, files: &BTreeMap<String, String>, case: &Case) -> Commit {
        let mut edits: BTreeMap<String, Option<String>> = case.files.clone();
        for (path, pieces) in &case.edits {
            let mut text = files.get(path).unwrap_or_else(|| panic!("{}: base has no {path}", case.name)).clone();
            for (old, new) in pieces {
                assert!(text.contains(old.as_str()), "{}: {path} does not contain {old:?}", case.name);
                text = text.replacen(old.as_str(), new, 1);
            }
            edits.insert(path.clone(), Some(text));
        }
        for (path, more) in &case.append {
            let old = edits.get(path).cloned().flatten().or_else(|| files.get(path).cloned()).unwrap_or_default();
            edits.insert(path.clone(), Some(format!("{old}{more}")));
        }
        let edits: Vec<FileEdit> =
            edits.into_iter().map(|(path, text)| FileEdit { path, content: text.map(Bytes::from), executable: false }).collect();
        let author = Signature { name: "Agent".into(), email: "agent@example.com".into(), at: 1_700_000_000 };
        let mut head = self.context.git.commit_files(id, base, &edits, "the patch", &author).await.expect("the patch commits");
        if !case.diff.is_empty() {
            head = self
                .context
                .git
                .commit_patch(id, &head, &Bytes::from(case.diff.clone()), "more", &author)
                .await
                .expect("the raw patch commits");
        }
        head
    }
}

pub fn alert(incident: &Incident) -> Alert {
    let frame = |(file, function): &(String, String)| Frame {
        filename: file.clone(),
        function: function.clone(),
        in_app: true,
        ..Frame::default()
    };
    let exception = Exception {
        kind: incident.kind.clone(),
        value: incident.value.clone(),
        frames: incident.frames.iter().map(frame).collect(),
        ..Exception::default()
    };
    Alert { title: incident.kind.clone(), exceptions: vec![exception], ..Alert::default() }
}

/// Nobody wants to hear of the commands.
struct Deaf;

#[async_trait::async_trait]
impl Watcher for Deaf {
    async fn started(&mut self, _: &str) -> domain::Result<()> {
        Ok(())
    }
    async fn finished(&mut self, _: &str, _: &ExecOutput) -> domain::Result<()> {
        Ok(())
    }
}
