//! Both suites of proof at the door: bad patches that must never be called proven, and honest ones that must be.
//!
//! Every case is a small repository and a patch; git, sandboxes, test runners and the judge are the real ones. The
//! report prints both error rates. `PROOF_CASE=word` runs only the cases whose `file/name` contains the word.

use bytes::Bytes;
use domain::alert::{Alert, Exception, Frame};
use domain::evidence::{Proof, Verdict};
use domain::git::{Commit, FileEdit, GitHost, Import, Signature};
use domain::harness::{Layer, TestHarness};
use domain::request::RequestKind;
use domain::sandbox::{ExecOutput, Provisioner};
use domain::{Clock, RepositoryId, Timestamp};
use engine::layers::{Watcher, Workshop};
use engine::proof::{ProofConfig, ProofContext, ProofEvent, ProofInput, prove};
use integrations::git::Git;
use integrations::{harnesses, secret_scan};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PYTHON: &[(&str, &str)] = &[
    ("python", include_str!("proof_cases/python.yml")),
    ("python_styles", include_str!("proof_cases/python_styles.yml")),
];
const JAVASCRIPT: &[(&str, &str)] = &[("javascript", include_str!("proof_cases/javascript.yml"))];
const RUST: &[(&str, &str)] = &[("rust", include_str!("proof_cases/rust.yml"))];
const GENERIC: &[(&str, &str)] = &[("generic", include_str!("proof_cases/generic.yml"))];

#[derive(Deserialize)]
struct Cases {
    projects: BTreeMap<String, Project>,
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone)]
struct Project {
    files: BTreeMap<String, String>,
    #[serde(default)]
    incident: Option<Incident>,
}

#[derive(Deserialize, Clone)]
struct Incident {
    kind: String,
    #[serde(default)]
    value: String,
    /// file, function
    frames: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    project: String,
    /// `proven`, or the code that some rule must carry, or `unproven` for any.
    expect: String,
    /// Whole files of the patch; null removes one.
    #[serde(default)]
    files: BTreeMap<String, Option<String>>,
    /// Pieces of base's files replaced.
    #[serde(default)]
    edits: BTreeMap<String, Vec<(String, String)>>,
    /// Text put at the end of base's files.
    #[serde(default)]
    append: BTreeMap<String, String>,
    /// A raw git patch on top, for modes that files can't express.
    #[serde(default)]
    diff: String,
    /// More base files, over the project's.
    #[serde(default)]
    base: BTreeMap<String, String>,
    #[serde(default)]
    incident: Option<Incident>,
    /// Judge it as a plain request.
    #[serde(default)]
    plain: bool,
    #[serde(default)]
    feature: bool,
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    config: ProofConfig,
}

struct WallClock;

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

struct Ground {
    dir: tempfile::TempDir,
    context: ProofContext,
    layer: Option<Layer>,
}

impl Ground {
    fn new(layer: Option<Layer>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let provisioner: Arc<dyn Provisioner> = Arc::new(sandbox::testkit::local(dir.path(), None).expect("sandboxes work here"));
        let git: Arc<dyn GitHost> = Arc::new(Git::new(dir.path(), provisioner.clone(), clock.clone()).expect("a data dir"));
        let context = ProofContext {
            git,
            provisioner,
            harnesses: harnesses::all(),
            scanner: Arc::new(secret_scan::Scanner),
            clock,
            assets_dir: dir.path().join("harness"),
            parallel: 2,
        };
        Ground { dir, context, layer }
    }

    async fn prove(&self, case: &Case, project: &Project) -> Proof {
        let id: RepositoryId = self.context.clock.fresh();
        let mut files = project.files.clone();
        files.extend(case.base.clone());
        let source = self.dir.path().join(format!("source-{id}"));
        for (path, text) in &files {
            let path = source.join(path);
            std::fs::create_dir_all(path.parent().expect("below the source")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let git = &self.context.git;
        let branch = git.import(id, Import::Path(source)).await.expect("an import");
        let base = git.resolve(id, &branch).await.expect("the base");
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
            layer: self.layer.clone(),
            config: case.config.clone(),
        };
        let progress = |event: ProofEvent| {
            if std::env::var_os("PROOF_TALK").is_some() {
                eprintln!("    {event:?}");
            }
        };
        prove(&self.context, &input, &progress, &CancellationToken::new()).await.unwrap_or_else(|e| panic!("{}: {e:?}", case.name))
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

fn alert(incident: &Incident) -> Alert {
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

/// What a run of one language's suite came to.
#[derive(Default)]
struct Score {
    bad: usize,
    bad_passed: Vec<String>,
    honest: usize,
    honest_refused: Vec<String>,
    /// Refused as they should be, but by another rule than meant.
    other_code: Vec<String>,
    honest_ms: Vec<u64>,
}

impl Score {
    fn report(&mut self, language: &str) {
        self.honest_ms.sort_unstable();
        let median = self.honest_ms.get(self.honest_ms.len() / 2).copied().unwrap_or_default();
        println!(
            "{language}: {} of {} bad patches called proven; {} of {} honest patches refused; {} refused under another name; an honest proof takes {median} ms (median)",
            self.bad_passed.len(),
            self.bad,
            self.honest_refused.len(),
            self.honest,
            self.other_code.len()
        );
    }
}

async fn suite(language: &str, files: &[(&str, &str)], layer: Option<Layer>) -> Score {
    let only = std::env::var("PROOF_CASE").unwrap_or_default();
    let ground = Ground::new(layer);
    let mut score = Score::default();
    for (file, text) in files {
        let cases: Cases = serde_norway::from_str(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let chosen = cases.cases.iter().filter(|c| format!("{file}/{}", c.name).contains(&only));
        score = some(&ground, &cases, chosen, score).await;
    }
    score.report(language);
    score
}

async fn some(ground: &Ground, cases: &Cases, chosen: impl Iterator<Item = &Case>, mut score: Score) -> Score {
    let only = std::env::var("PROOF_CASE").unwrap_or_default();
    for case in chosen {
        let project = cases.projects.get(&case.project).unwrap_or_else(|| panic!("{}: no project {}", case.name, case.project));
        let begun = Instant::now();
        let proof = ground.prove(case, project).await;
        let ms = begun.elapsed().as_millis() as u64;
        let proven = proof.verdict == Verdict::Proven && !(proof.is_new_behaviour && !case.feature);
        let codes = proof.codes().join(",");
        println!("{:6} ms  {:14} {:24} {}", ms, proof.verdict.word(), codes, case.name);
        let told =
            || proof.rules.iter().map(|r| format!("      {:?} {:?}: {}\n", r.rule, r.state, r.detail)).collect::<String>() + &proof.reason;
        if case.expect == "proven" {
            score.honest += 1;
            score.honest_ms.push(ms);
            if !proven {
                println!("{}", told());
                score.honest_refused.push(case.name.clone());
            }
        } else {
            score.bad += 1;
            if proven {
                println!("{}", told());
                score.bad_passed.push(case.name.clone());
            } else if case.expect != "unproven" && !proof.codes().contains(&case.expect.as_str()) {
                println!("      expected {}\n{}", case.expect, told());
                score.other_code.push(case.name.clone());
            }
        }
        if only == case.name {
            println!("{}", told());
        }
    }
    score
}

fn check(score: Score) {
    assert!(score.bad_passed.is_empty(), "bad patches called proven: {:?}", score.bad_passed);
    assert!(score.honest_refused.is_empty(), "honest patches refused: {:?}", score.honest_refused);
    assert!(score.other_code.is_empty(), "refused by another rule than meant: {:?}", score.other_code);
}

/// Layers outlive the tests: making one asks a registry.
fn layers() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders deep")
        .join("target")
        .join("proof-layers");
    std::fs::create_dir_all(&folder).expect("a folder for layers");
    folder
}

fn shell(line: &str) {
    let output = Command::new("/bin/sh").args(["-c", line]).output().expect("a shell");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn python_layer() -> Layer {
    let path = layers().join("python-1");
    if !path.join("ready").exists() {
        let venv = path.join("venv");
        let python = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
        shell(&format!(
            "rm -rf {0} && {python} -m venv {1} && {1}/bin/pip install -q --disable-pip-version-check pytest && touch {0}/ready",
            path.display(),
            venv.display()
        ));
    }
    let env = BTreeMap::from([
        ("VIRTUAL_ENV".to_string(), "/layer/venv".to_string()),
        ("PATH".to_string(), "/layer/venv/bin:/usr/local/bin:/usr/bin:/bin".to_string()),
        ("PYTHONDONTWRITEBYTECODE".to_string(), "1".to_string()),
    ]);
    Layer { path, env, mounts: Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    check(suite("Python", PYTHON, Some(python_layer())).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript() {
    check(suite("JavaScript", JAVASCRIPT, None).await);
}

/// Without dependencies there is nothing to fetch; the folders are what set-up makes first.
fn rust_layer() -> Layer {
    let path = layers().join("rust-1");
    for folder in ["cargo", "target"] {
        std::fs::create_dir_all(path.join(folder)).expect("a folder of the layer");
    }
    let set_up = harnesses::cargo::Cargo.detect(&["Cargo.toml".to_string()], &|_| None).expect("a Rust project");
    Layer { path, env: set_up.env, mounts: set_up.mounts }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust() {
    if std::env::var_os("ASTRAFORGE_SOAK").is_none() {
        println!("skipped: every case builds crates, which takes minutes; `make soak` runs it");
        return;
    }
    check(suite("Rust", RUST, Some(rust_layer())).await);
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

/// Set-up as a run does it: a dependency is fetched and built once, and proofs without a network stand on that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_with_a_dependency() {
    if std::env::var_os("ASTRAFORGE_SOAK").is_none() {
        println!("skipped: it asks the crates registry; `make soak` runs it");
        return;
    }
    let cases: Cases = serde_norway::from_str(include_str!("proof_cases/rust_dependency.yml")).expect("the case parses");
    let (case, project) = (&cases.cases[0], &cases.projects[&cases.cases[0].project]);
    let mut ground = Ground::new(None);
    let id: RepositoryId = ground.context.clock.fresh();
    let source = ground.dir.path().join("set-up");
    for (path, text) in &project.files {
        let path = source.join(path);
        std::fs::create_dir_all(path.parent().expect("below the source")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let git = ground.context.git.clone();
    let branch = git.import(id, Import::Path(source)).await.expect("an import");
    let base = git.resolve(id, &branch).await.expect("the base");
    let bundle = "/etc/ssl/certs/ca-certificates.crt".to_string();
    let workshop = Workshop {
        git,
        provisioner: ground.context.provisioner.clone(),
        harnesses: ground.context.harnesses.clone(),
        clock: ground.context.clock.clone(),
        data_dir: ground.dir.path().to_path_buf(),
        registries: Vec::new(),
        set_up_env: BTreeMap::from([("CARGO_HTTP_CAINFO".to_string(), bundle)]),
    };
    let set_up = workshop.detect(id, &base).await.expect("detection works").expect("a Rust project");
    let begun = Instant::now();
    workshop.build(id, &base, &set_up, None, &mut Deaf).await.expect("the layer is built");
    println!("set-up took {} ms", begun.elapsed().as_millis());
    ground.layer = workshop.proof_layer(id, &set_up);
    let begun = Instant::now();
    let proof = ground.prove(case, project).await;
    println!("the proof took {} ms", begun.elapsed().as_millis());
    assert_eq!(proof.verdict, Verdict::Proven, "{:#?}", proof.rules);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generic() {
    check(suite("A command with JUnit XML", GENERIC, None).await);
}
