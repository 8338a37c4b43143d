//! One server as a process of its own, with its data, its repository and its owner's key; and what must be true of it at rest.

use super::http::{self, Answer, Frame, Frames};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_astraforge");
pub const EXAMPLE_PROMPT: &str = "Checkout fails with KeyError AUTUMN15: discount_for raises for ended promotions";
const RECORDING: &str = include_str!("../../src/demo/checkout.script.json");
/// Generous: these tests share two cores with whatever else runs.
pub const PATIENCE: Duration = Duration::from_secs(120);
const CACHED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Settings of whoever starts the tests that must not reach the server.
const FOREIGN: &[&str] = &[
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "LLM_PROVIDER",
    "LLM_MODEL",
    "LLM_HTTP_PROXY",
    "SECRET_KEY",
    "DATABASE_URL",
    "DEBUG",
    "LOG_LEVEL",
    "EXECUTOR",
    "PROVISIONER",
    "ASTRAFORGE_DATA_DIR",
    "ASTRAFORGE_CONFIG",
    "ASTRAFORGE_ENV_FILE",
    "ASTRAFORGE_SCRIPT",
];

pub struct House {
    pub dir: tempfile::TempDir,
    pub data: PathBuf,
    pub repository: PathBuf,
    env: Vec<(String, String)>,
    args: Vec<String>,
    server: Option<Child>,
    /// Every process that served this data.
    pids: Vec<u32>,
    pub address: String,
    pub key: String,
    pub workspace: String,
    /// The repository link.
    pub link: String,
    /// Everything that the servers wrote to stdout and stderr.
    pub log: Arc<Mutex<String>>,
    /// Every body that was answered.
    pub heard: Mutex<Vec<u8>>,
}

/// The recording of the example with further steps put in front of the given ones.
pub fn recording(extra: &[(usize, Value)]) -> String {
    let mut book: Value = serde_json::from_str(RECORDING).expect("the recording is JSON");
    let steps = book["scripts"][0]["steps"].as_array_mut().expect("steps");
    let mut extra = extra.to_vec();
    extra.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, step) in extra {
        steps.insert(at, step);
    }
    book.to_string()
}

/// A script that does only this.
pub fn script(steps: Value, last_words: &str) -> String {
    json!({"scripts": [{"name": "a test", "steps": steps, "final": last_words}]}).to_string()
}

/// A command that keeps its processor busy, so that there is a moment to strike.
pub fn busy(seconds: f32) -> Value {
    json!({"shell": {"command": format!("python3 -c 'import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass'")}})
}

impl House {
    /// A server on an empty data dir, with the example linked and its dependencies already set up.
    /// `None` where the registries can't be reached: the caller says that it was skipped.
    pub fn warm(script: &str) -> Option<House> {
        House::warm_with(script, &[])
    }

    pub fn warm_with(script: &str, env: &[(&str, &str)]) -> Option<House> {
        let layers = layers()?;
        let house = House::with(Some(script), env);
        let target = house.data.join("layers").join(&house.link);
        link_tree(layers, &target).expect("the layer is copied");
        Some(house)
    }

    /// The same without the dependencies.
    pub fn cold(script: &str) -> House {
        House::with(Some(script), &[])
    }

    pub fn with(script: Option<&str>, env: &[(&str, &str)]) -> House {
        let dir = tempfile::Builder::new().prefix("astraforge-door").tempdir().expect("a folder");
        let data = dir.path().join("data");
        let mut args: Vec<String> = ["serve", "--listen", "127.0.0.1:0", "--data-dir"].map(String::from).to_vec();
        args.push(data.display().to_string());
        if let Some(script) = script {
            let path = dir.path().join("script.json");
            fs::write(&path, script).expect("the script is written");
            args.extend(["--script".to_string(), path.display().to_string()]);
        }
        let mut house = House {
            repository: dir.path().join("repository"),
            dir,
            data,
            env: env.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
            args,
            server: None,
            pids: Vec::new(),
            address: String::new(),
            key: String::new(),
            workspace: String::new(),
            link: String::new(),
            log: Arc::default(),
            heard: Mutex::default(),
        };
        house.start();
        house.key = house.admin(&["create-key", "--user", "admin"]);
        house.workspace = house.get("/api/workspaces/").json()[0]["uid"].as_str().expect("a workspace").to_string();
        plant_example(&house.repository);
        house.link("checkout");
        house
    }

    /// Links what stands in `repository` under this name; requests go there from now on.
    pub fn link(&mut self, name: &str) {
        let body = json!({"provider": "local", "repository": name, "workspace_uid": self.workspace, "source": self.repository});
        let answer = self.post("/api/repository-links/", &body);
        assert_eq!(answer.status, 201, "{}", answer.text());
        self.link = answer.json()["id"].as_str().expect("an id").to_string();
    }

    /// Starts the server, or starts it again on the same data.
    pub fn start(&mut self) {
        let mut command = self.command();
        let mut child = command.args(&self.args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server starts");
        self.pids.push(child.id());
        let (sender, receiver) = mpsc::channel();
        self.gather(child.stdout.take().expect("piped"), Some(sender));
        self.gather(child.stderr.take().expect("piped"), None);
        self.server = Some(child);
        let Ok(port) = receiver.recv_timeout(PATIENCE) else { panic!("the server did not start:\n{}", self.log.lock().expect("log")) };
        self.address = format!("127.0.0.1:{port}");
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(n, v)| (n, v)));
        command
    }

    fn gather(&self, from: impl Read + Send + 'static, port: Option<mpsc::Sender<u16>>) {
        let log = self.log.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("AstraForge is at http://localhost:")
                    && let Some(port) = &port
                {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    let _ = port.send(digits.parse().expect("a port"));
                }
                log.lock().expect("log").push_str(&(line + "\n"));
            }
        });
    }

    /// An `admin` command beside the server; what it printed.
    pub fn admin(&self, words: &[&str]) -> String {
        let output = self.try_admin(words);
        assert!(output.status.success(), "admin {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }

    pub fn try_admin(&self, words: &[&str]) -> Output {
        self.command().arg("admin").args(words).arg("--data-dir").arg(&self.data).stdin(Stdio::null()).output().expect("admin runs")
    }

    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("a server").id()
    }

    /// `kill -9`, at once.
    pub fn kill(&mut self) {
        let mut server = self.server.take().expect("a server");
        server.kill().expect("killed");
        server.wait().expect("waited for");
    }

    /// SIGTERM, and how long it took to end.
    pub fn terminate(&mut self) -> Duration {
        let mut server = self.server.take().expect("a server");
        let started = Instant::now();
        let signalled = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().expect("kill runs");
        assert!(signalled.success());
        while server.try_wait().expect("a child").is_none() {
            if started.elapsed() > Duration::from_secs(60) {
                let _ = server.kill();
                panic!("the server did not end within a minute after SIGTERM");
            }
            thread::sleep(Duration::from_millis(20));
        }
        started.elapsed()
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let answer = http::call(&self.address, method, path, headers, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}\n{}", self.log.lock().expect("log")));
        self.heard.lock().expect("heard").extend_from_slice(&answer.body);
        answer
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("X-Api-Key", &self.key)], None)
    }
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[("X-Api-Key", &self.key)], None)
    }
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("X-Api-Key", &self.key), ("Content-Type", "application/json")], Some(body.to_string().as_bytes()))
    }

    /// Asks for work; the request's id.
    pub fn request(&self, prompt: &str) -> String {
        let answer = self.post("/api/requests/", &json!({"project_id": self.link, "prompt": prompt}));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_string()
    }

    pub fn follow(&self, request: &str, after: i64) -> Log<'_> {
        let path = format!("/api/runs/{request}/logs/stream");
        let last = after.to_string();
        let headers = [("X-Api-Key", self.key.as_str()), ("Last-Event-ID", last.as_str())];
        let frames = Frames::open(&self.address, &path, &headers).expect("the stream opens");
        Log { house: self, frames, seen: Vec::new() }
    }

    /// Follows the request until its newest run has ended; that run's detail.
    pub fn ended(&self, request: &str) -> Value {
        let started = Instant::now();
        loop {
            let request = self.get(&format!("/api/requests/{request}/")).json();
            let run = request["metadata"]["runs"].as_array().and_then(|all| all.last()).expect("a run");
            if matches!(run["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
                return self.get(&format!("/api/runs/{}/", run["id"].as_str().expect("an id"))).json();
            }
            assert!(started.elapsed() < PATIENCE, "the run has not ended: {run}\n{}", self.log.lock().expect("log"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn has_ended(&self, request: &str) -> bool {
        let request = self.get(&format!("/api/requests/{request}/")).json();
        let run = request["metadata"]["runs"].as_array().and_then(|all| all.last()).expect("a run");
        matches!(run["status"].as_str(), Some("completed" | "failed" | "cancelled"))
    }

    /// What must be true of a request that was carried out to its proven end, however often its server died.
    pub fn expect_proven(&self, request: &str) -> Value {
        let run = self.ended(request);
        assert_eq!(run["status"], "completed", "{}\n{}", run["error"], self.log.lock().expect("log"));
        assert_eq!(run["verdict"], "proven", "{:#}", run["rules"]);
        let merge_requests = self.get("/api/merge-requests/").json();
        let ours = merge_requests.as_array().expect("a list").iter().filter(|mr| mr["request_id"] == request);
        assert_eq!(ours.count(), 1, "{merge_requests:#}");
        run
    }

    /// Recomputes the chain from the database itself and compares it with what the stream says.
    pub fn expect_whole_log(&self, request: &str) -> Vec<Value> {
        let held = self.verify_chain(request);
        let mut log = self.follow(request, 0);
        let events = log.until(|e| e["seq"] == held).expect("the stream reaches the end").clone();
        assert_eq!(events["seq"], held);
        let seqs: Vec<i64> = log.seen.iter().map(|e| e["seq"].as_i64().expect("a seq")).collect();
        assert_eq!(seqs, (1..=held).collect::<Vec<_>>(), "numbers have a gap or a repeat");
        std::mem::take(&mut log.seen)
    }

    fn verify_chain(&self, request: &str) -> i64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let set = self.env.iter().find(|(name, _)| name == "DATABASE_URL").map(|(_, url)| url.clone());
        let url = set.unwrap_or_else(|| format!("sqlite://{}", self.data.join("astraforge.db").display()));
        let topic = domain::event::request_topic(request.parse().expect("a request id"));
        runtime.block_on(async {
            let store = store::Store::connect(store::StoreConfig::new(url)).await.expect("the database opens");
            let mut tx = store.read().await.expect("a view");
            let held = store::events::verify(&mut tx, &topic).await.expect("the chain holds");
            drop(tx);
            store.close().await;
            held
        })
    }

    /// Nothing of a sandbox is left that no living server owns; with `none_alive`, nothing at all.
    pub fn expect_nothing_left(&self, none_alive: bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.left(none_alive);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:#?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where no run is at work none has a home.
    pub fn expect_no_homes(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !entries(&self.data.join("runs")).is_empty() {
            assert!(Instant::now() < deadline, "homes are left: {:?}", entries(&self.data.join("runs")));
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn left(&self, none_alive: bool) -> Vec<String> {
        let living: BTreeSet<u32> = if none_alive { BTreeSet::new() } else { self.server.iter().map(Child::id).collect() };
        let mut left = Vec::new();
        for folder in entries(&self.data.join("sandboxes")) {
            let owner = fs::read(folder.join("owner.json")).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            let pid = owner.as_ref().and_then(|o| o["pid"].as_u64()).unwrap_or(0) as u32;
            if !living.contains(&pid) {
                left.push(format!("folder {} of process {pid}", folder.display()));
            }
        }
        for kind in ["layers", "checkouts"] {
            for folder in entries(&self.data.join(kind)).iter().flat_map(|one| entries(one)) {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.contains('.') {
                    left.push(format!("half a folder {}", folder.display()));
                }
            }
        }
        for repository in entries(&self.data.join("git")) {
            let places = [repository.clone(), repository.join("refs/heads")];
            let files = places.iter().flat_map(|place| entries(place));
            left.extend(files.filter(|f| f.extension().is_some_and(|e| e == "lock")).map(|f| format!("lock {}", f.display())));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        left.extend(mounts.lines().filter(|line| self.is_ours(line)).map(|line| format!("mount {line}")));
        for group in entries(Path::new("/sys/fs/cgroup")).iter().map(|h| h.join("astraforge")).flat_map(|h| entries(&h)) {
            let name = group.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let owner = name.rsplit_once('.').and_then(|(_, owner)| owner.split('-').next()?.parse::<u32>().ok());
            if owner.is_some_and(|pid| self.pids.contains(&pid) && !living.contains(&pid)) {
                left.push(format!("group {}", group.display()));
            }
        }
        left.extend(self.processes().into_iter().filter(|p| p.is_orphan(&living)).map(|p| format!("process {} {}", p.pid, p.command_line)));
        left
    }

    fn is_ours(&self, text: &str) -> bool {
        text.contains(self.data.to_str().expect("an UTF-8 path"))
    }

    /// Every process that names our data dir in its command line or stands on a mount of it.
    pub fn processes(&self) -> Vec<Process> {
        let mut all = Vec::new();
        for folder in entries(Path::new("/proc")) {
            let Some(pid) = folder.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<u32>().ok()) else { continue };
            let command_line = fs::read(folder.join("cmdline")).unwrap_or_default();
            let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ");
            let mounts = fs::read_to_string(folder.join("mountinfo")).unwrap_or_default();
            if self.is_ours(&command_line) || self.is_ours(&mounts) {
                all.push(Process { pid, parents: ancestors(pid), command_line });
            }
        }
        all
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        let kept = thread::panicking() && std::env::var_os("DOORS_KEEP").is_some();
        if kept {
            eprintln!("kept: {}", self.dir.path().display());
            self.dir.disable_cleanup(true);
        }
    }
}

pub struct Process {
    pub pid: u32,
    parents: Vec<u32>,
    pub command_line: String,
}

impl Process {
    fn is_orphan(&self, living: &BTreeSet<u32>) -> bool {
        !living.contains(&self.pid) && !self.parents.iter().any(|pid| living.contains(pid))
    }
}

fn ancestors(mut pid: u32) -> Vec<u32> {
    let mut all = Vec::new();
    while pid > 1 && all.len() < 32 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some(parent) = stat.rfind(')').and_then(|at| stat[at + 1..].split_ascii_whitespace().nth(1)?.parse().ok()) else { break };
        all.push(parent);
        pid = parent;
    }
    all
}

/// A request's events as they come.
pub struct Log<'a> {
    house: &'a House,
    frames: Frames,
    /// Every numbered event so far.
    pub seen: Vec<Value>,
}

impl Log<'_> {
    /// Reads on until an event fits; `None` when the stream ended or patience did.
    pub fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Option<&Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Frame { id, data } = self.frames.next(deadline)?;
            self.house.heard.lock().expect("heard").extend_from_slice(data.to_string().as_bytes());
            if id.is_none() {
                continue;
            }
            assert_eq!(data["seq"].as_i64(), id, "{data}");
            self.seen.push(data);
            if fits(&self.seen[self.seen.len() - 1]) {
                return self.seen.last();
            }
        }
    }

    pub fn last_seq(&self) -> i64 {
        self.seen.last().and_then(|e| e["seq"].as_i64()).unwrap_or(0)
    }
}

pub fn is_step(event: &Value, step: &str, state: &str) -> bool {
    event["type"] == "step" && event["step"] == step && event["state"] == state
}

pub fn is_end(event: &Value) -> bool {
    matches!(event["type"].as_str(), Some("completed" | "cancelled" | "error"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|all| all.flatten().map(|e| e.path()).collect()).unwrap_or_default()
}

fn plant_example(target: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/checkout-service");
    copy_example(&source, target);
    git(target, &["init", "-q", "-b", "main"]);
    commit(target, "The shop");
}

/// As a developer does it.
pub fn commit(folder: &Path, message: &str) {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", message]);
}

pub fn git(folder: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=door", "-c", "user.email=door@example.com", "-C"]).arg(folder).args(args).env("no_proxy", "*");
    assert!(command.status().expect("git runs").success(), "git {args:?}");
}

fn copy_example(source: &Path, target: &Path) {
    fs::create_dir_all(target).expect("a folder");
    for path in entries(source) {
        let name = path.file_name().expect("a name");
        if name == "__pycache__" || name == ".venv" || name == ".pytest_cache" {
            continue;
        }
        match path.is_dir() {
            true => copy_example(&path, &target.join(name)),
            false => fs::copy(&path, target.join(name)).map(|_| ()).expect("a copy"),
        }
    }
}

/// The example's dependencies, set up once by a server of ours and kept below the target folder.
fn layers() -> Option<&'static Path> {
    static LAYERS: OnceLock<Option<PathBuf>> = OnceLock::new();
    LAYERS.get_or_init(make_layers).as_deref()
}

fn make_layers() -> Option<PathBuf> {
    let cache = Path::new(PROGRAM).parent()?.join("door-layers");
    // A stale one costs time and nothing else: its digest is not found, and set-up runs again.
    let is_fresh = fs::metadata(&cache).and_then(|m| m.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age < CACHED_FOR));
    if is_fresh {
        return Some(cache);
    }
    let house = House::cold(&recording(&[]));
    let request = house.request(EXAMPLE_PROMPT);
    let ready = house.follow(&request, 0).until(|e| is_step(e, "prepare", "done") || is_end(e)).map(|e| e["type"] == "step");
    if ready != Some(true) {
        return None;
    }
    let _ = fs::remove_dir_all(&cache);
    link_tree(&house.data.join("layers").join(&house.link), &cache).expect("the layer is kept");
    Some(cache)
}

/// Layers are only ever read, so their files can be shared.
fn link_tree(source: &Path, target: &Path) -> std::io::Result<()> {
    fs::create_dir_all(target)?;
    for path in entries(source) {
        let place = target.join(path.file_name().expect("a name"));
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path)?, &place)?;
        } else if kind.is_dir() {
            link_tree(&path, &place)?;
        } else if fs::hard_link(&path, &place).is_err() {
            fs::copy(&path, &place)?;
        }
    }
    fs::set_permissions(target, fs::metadata(source)?.permissions())
}

/// What a test says instead of passing in silence where it can't be carried out.
pub fn skipped(what: &str) {
    // Not by `eprintln!`, which the test framework keeps to itself where a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}: the package registries can't be reached, so what it needs can't be installed");
}
