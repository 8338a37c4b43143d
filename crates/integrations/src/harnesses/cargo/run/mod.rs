//! Builds a tree inside a sandbox and runs chosen tests of it. Everything that decides a result happens out here; inside
//! run only cargo and the test binaries.

mod docs;
mod notes;

use super::output::{self, Binary, Build};
use super::witness::{self, Span};
use super::{examples, inline, tests_of};
use crate::syntax::{Language, Source};
use domain::evidence::Outcome;
use domain::harness::{Batch, Disguise, Ended, FileClass, LoadError, TestResult, Variant, VariantReport};
use domain::sandbox::{Command, ExecOutput, ExitReason, Sandbox};
use domain::{Error, Result};
use serde::Deserialize;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

const BUILD_TIMEOUT: Duration = Duration::from_secs(300);
const OUTPUT_BYTES_MAX: usize = 8 << 20;
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Tests that get a process of their own after one of them took the process down.
const ALONE_MAX: usize = 40;
const LOG_MAX: usize = 4000;

/// Artifacts of the tree's own packages are built anew, because a checkout may be older than what the layer holds; what
/// the compiler remembers of them is kept. The list of Rust files tells which module lives where.
const PREPARE: &str = r#"
if [ ! -f Cargo.lock ] && [ -f /layer/Cargo.lock ]; then cp /layer/Cargo.lock Cargo.lock; fi
cargo metadata --offline --format-version 1 || exit 9
echo
rustc --print sysroot
find . \( -name .git -o -name target -o -name node_modules \) -prune -o -name '*.rs' -print
echo
grep -rlE --include='*.rs' --exclude-dir=.git --exclude-dir=target '^[[:space:]]*//[/!].*(```|~~~)' . || true
"#;

pub async fn run(place: &dyn Sandbox, batch: &Batch) -> Result<Vec<VariantReport>> {
    let mut yard = match Yard::open(place, batch).await? {
        Ok(yard) => yard,
        Err(log) => {
            return Ok(batch
                .variants
                .iter()
                .map(|v| VariantReport { key: v.key.clone(), ended: Ended::BuildFailed, log: log.clone(), ..VariantReport::default() })
                .collect());
        }
    };
    let mut reports: Vec<VariantReport> = Vec::with_capacity(batch.variants.len());
    for variant in &batch.variants {
        let hangs = batch.fresh && reports.last().is_some_and(|r| r.ended == Ended::Timeout);
        let mut report = match reports.last() {
            // The same tests would hang again.
            Some(last) if hangs => last.clone(),
            _ => yard.one(variant).await?,
        };
        report.key = variant.key.clone();
        reports.push(report);
    }
    yard.look_away().await?;
    Ok(reports)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    source: Option<String>,
    manifest_path: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: String,
}

impl Package {
    fn folder(&self) -> &str {
        self.manifest_path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// One sandbox with a tree in it.
struct Yard<'a> {
    place: &'a dyn Sandbox,
    batch: &'a Batch,
    packages: Vec<Package>,
    files: BTreeSet<String>,
    /// Of them, those with examples in their doc comments.
    documented: BTreeSet<String>,
    sysroot: String,
    /// From the project's cargo configuration, which its tests may need.
    env: BTreeMap<String, String>,
    /// The last build, as long as the tree stays as it was.
    built: Option<(Vec<String>, Build)>,
    known: BTreeMap<String, Known>,
    counter: usize,
    /// Of the run that is being watched.
    watched: Option<Watched>,
}

struct Watched {
    nonce: String,
    /// Of each file with a hook in its tests.
    statements: BTreeMap<String, Vec<Span>>,
    ids: Vec<String>,
    /// The files as they were.
    kept: Vec<(String, Option<String>)>,
}

/// What the text of a file says about its tests.
struct Known {
    declared: BTreeSet<String>,
    /// The same by the line of their function.
    tests: BTreeMap<u32, String>,
    test_lines: Vec<inline::TestItem>,
    is_test: bool,
}

/// One test of one binary.
struct Chosen {
    name: String,
    id: String,
    declared: String,
    file: String,
}

impl<'a> Yard<'a> {
    async fn open(place: &'a dyn Sandbox, batch: &'a Batch) -> Result<std::result::Result<Yard<'a>, String>> {
        let command = Command::shell(PREPARE).cwd(&batch.root).timeout(BUILD_TIMEOUT).output_bytes_max(OUTPUT_BYTES_MAX);
        let output = place.exec(command).await?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = stdout.lines();
        let metadata = lines.next().and_then(|l| serde_json::from_str::<Metadata>(l).ok()).filter(|_| output.ok());
        let Some(metadata) = metadata else {
            return Ok(Err(format!("cargo can't read the project: {}", last_words(&String::from_utf8_lossy(&output.stderr)))));
        };
        let packages: Vec<Package> = metadata.packages.into_iter().filter(|p| p.source.is_none()).collect();
        let mut lines = lines.skip_while(|l| l.is_empty());
        let sysroot = lines.next().unwrap_or_default().to_string();
        let names = |lines: &mut dyn Iterator<Item = &str>| -> BTreeSet<String> {
            lines.take_while(|l| !l.is_empty()).filter_map(|l| l.strip_prefix("./")).map(str::to_string).collect()
        };
        let files = names(&mut lines);
        let documented = names(&mut lines);
        let mut stale = String::from("cd \"${CARGO_TARGET_DIR:-target}\" 2>/dev/null || exit 0\n");
        for package in packages.iter().filter(|p| p.name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')) {
            stale.push_str(&format!(
                "rm -rf debug/.fingerprint/{0}-???????????????? release/.fingerprint/{0}-????????????????\n",
                package.name
            ));
        }
        place.exec(Command::shell(stale).cwd(&batch.root)).await?;
        let config = place.read_file(&format!("{}/.cargo/config.toml", batch.root), 0, 1 << 16).await.unwrap_or_default();
        let env = config_env(&String::from_utf8_lossy(&config));
        Ok(Ok(Yard {
            place,
            batch,
            packages,
            files,
            documented,
            sysroot,
            env,
            built: None,
            known: BTreeMap::new(),
            counter: 0,
            watched: None,
        }))
    }

    async fn one(&mut self, variant: &Variant) -> Result<VariantReport> {
        match &variant.watch {
            Some(_) => self.watch(variant.ids.as_deref().unwrap_or_default()).await?,
            None => self.look_away().await?,
        }
        let kept = self.lay(&variant.edits).await?;
        let report = self.build_and_run(variant).await;
        self.lay(&kept).await?;
        report
    }

    /// Puts a hook of ours into the files of these tests. It stays there for the next watched run, which needs no other build.
    async fn watch(&mut self, ids: &[String]) -> Result<()> {
        if self.watched.as_ref().is_some_and(|w| w.ids == ids) {
            return Ok(());
        }
        self.look_away().await?;
        // Not the batch's nonce, which the test program finds among its arguments.
        let nonce = format!("w{:016x}", RandomState::new().build_hasher().finish());
        let (mut edits, mut statements) = (Vec::new(), BTreeMap::new());
        for file in ids.iter().filter_map(|id| id.split_once("::").map(|(file, _)| file)).collect::<BTreeSet<_>>() {
            let Some(found) = witness::instrument(&self.read(file).await?, &nonce) else { continue };
            statements.insert(file.to_string(), found.statements);
            edits.push((file.to_string(), Some(found.text)));
        }
        let kept = self.lay(&edits).await?;
        self.watched = Some(Watched { nonce, statements, ids: ids.to_vec(), kept });
        Ok(())
    }

    async fn look_away(&mut self) -> Result<()> {
        match self.watched.take() {
            Some(watched) => self.lay(&watched.kept).await.map(drop),
            None => Ok(()),
        }
    }

    /// Puts the edits in place and returns what takes them back.
    async fn lay(&mut self, edits: &[(String, Option<String>)]) -> Result<Vec<(String, Option<String>)>> {
        let mut kept = Vec::with_capacity(edits.len());
        for (path, text) in edits {
            let full = format!("{}/{path}", self.batch.root);
            let before = match self.place.stat(&full).await {
                Ok(_) => Some(self.read(path).await?),
                Err(_) => None,
            };
            match text {
                Some(text) => self.place.write_file(&full, text.clone().into(), 0o644).await?,
                None if before.is_some() => self.place.remove(&full).await?,
                None => {}
            }
            kept.push((path.clone(), before));
            self.known.remove(path);
            self.built = None;
        }
        kept.reverse();
        Ok(kept)
    }

    async fn read(&self, path: &str) -> Result<String> {
        let full = format!("{}/{path}", self.batch.root);
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < FILE_BYTES_MAX {
            let part = self.place.read_file(&full, bytes.len() as u64, 1 << 20).await?;
            if part.is_empty() {
                break;
            }
            bytes.extend_from_slice(&part);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn build_and_run(&mut self, variant: &Variant) -> Result<VariantReport> {
        let is_release = variant.disguise == Disguise::Bare;
        let tests: Option<Vec<String>> =
            variant.ids.as_ref().map(|ids| ids.iter().filter(|id| !examples::is_example(id)).cloned().collect());
        let mut wanted = self.selection(tests.as_deref());
        let mut report = VariantReport::default();
        for attempt in 0..2 {
            if let Some(ended) = self.build(&wanted, is_release, &mut report).await? {
                return Ok(VariantReport { ended, ..report });
            }
            let chosen = self.choose(tests.as_deref()).await?;
            let found: BTreeSet<&str> = chosen.iter().flat_map(|(_, tests)| tests).map(|t| t.id.as_str()).collect();
            let missing = tests.iter().flatten().any(|id| !found.contains(id.as_str()));
            if missing && attempt == 0 && wanted != whole() {
                // A module may belong to another target than its folder tells.
                wanted = whole();
                report = VariantReport::default();
                continue;
            }
            // Tests that no longer build on a product that does have noticed something.
            report.ended = Ended::Finished;
            for (binary, tests) in chosen {
                let ended = self.run_binary(&binary, &tests, variant, &mut report).await?;
                if ended != Ended::Finished {
                    report.ended = ended;
                    break;
                }
            }
            break;
        }
        if report.ended == Ended::Finished {
            report.ended = self.run_examples(variant, &mut report).await?;
        }
        merge_twins(&mut report.tests);
        Ok(report)
    }

    /// `Some` when nothing can be run.
    async fn build(&mut self, wanted: &[String], is_release: bool, report: &mut VariantReport) -> Result<Option<Ended>> {
        let mut arguments: Vec<String> =
            ["cargo", "test", "--no-run", "--offline", "--no-fail-fast", "--message-format=json"].map(str::to_string).to_vec();
        arguments.extend(is_release.then(|| "--release".to_string()));
        arguments.extend(wanted.iter().cloned());
        if self.built.as_ref().is_none_or(|(how, _)| *how != arguments) {
            let command = Command::new(arguments.clone()).cwd(&self.batch.root).timeout(BUILD_TIMEOUT).output_bytes_max(OUTPUT_BYTES_MAX);
            let output = self.place.exec(command).await?;
            if output.exit.reason == ExitReason::Timeout {
                report.log = "the build did not end in time".to_string();
                return Ok(Some(Ended::Timeout));
            }
            let build = output::build(&String::from_utf8_lossy(&output.stdout));
            if !build.success && build.errors.is_empty() {
                report.log = last_words(&String::from_utf8_lossy(&output.stderr));
            }
            self.built = Some((arguments, build));
        }
        let Some((_, build)) = &self.built else { return Ok(Some(Ended::BuildFailed)) };
        let errors = build.errors.clone();
        let nothing_said = !build.success && errors.is_empty();
        report.load_errors = self.load_errors(build);
        if !errors.is_empty() {
            report.log = report.load_errors.iter().map(|e| e.log.as_str()).collect::<Vec<_>>().join("\n");
        }
        for error in errors.iter().filter(|e| !e.is_test_target) {
            let known = self.known(&self.relative(&error.file, "")).await?;
            if !known.is_test && !inline::is_test_line(&known.test_lines, error.line) {
                return Ok(Some(Ended::BuildFailed));
            }
        }
        Ok(nothing_said.then_some(Ended::BuildFailed))
    }

    /// The file with the error, and the root of the crate that lacks its tests because of it.
    fn load_errors(&self, build: &Build) -> Vec<LoadError> {
        let mut found: Vec<LoadError> = Vec::new();
        for error in &build.errors {
            for file in [self.relative(&error.file, ""), self.relative(&error.source, "")] {
                if !found.iter().any(|f| f.file == file) {
                    found.push(output::load_error(error, file));
                }
            }
        }
        found
    }

    /// The targets that hold the tests, as arguments of cargo.
    fn selection(&self, ids: Option<&[String]>) -> Vec<String> {
        let Some(ids) = ids else { return whole() };
        let mut wanted: Vec<String> = Vec::new();
        for file in ids.iter().filter_map(|id| id.split_once("::").map(|(file, _)| file)).collect::<BTreeSet<_>>() {
            let full = format!("{}/{file}", self.batch.root);
            let owner = self.packages.iter().filter(|p| full.starts_with(&format!("{}/", p.folder()))).max_by_key(|p| p.folder().len());
            let Some(owner) = owner else { return whole() };
            let is = |target: &Target, kind: &str| target.kind.iter().any(|k| k == kind);
            let root = owner.targets.iter().find(|t| t.src_path == full);
            let target = match root {
                Some(t) if is(t, "test") => vec!["--test".to_string(), t.name.clone()],
                Some(t) if is(t, "bin") => vec!["--bin".to_string(), t.name.clone()],
                _ if full.starts_with(&format!("{}/src/", owner.folder()))
                    && owner.targets.iter().any(|t| is(t, "lib") || is(t, "rlib")) =>
                {
                    vec!["--lib".to_string()]
                }
                _ => return whole(),
            };
            let package = vec!["--package".to_string(), owner.name.clone()];
            for words in [package, target] {
                if !wanted.windows(words.len()).any(|w| w == words) {
                    wanted.extend(words);
                }
            }
        }
        wanted
    }

    /// The tests of each binary that are asked for.
    async fn choose(&mut self, ids: Option<&[String]>) -> Result<Vec<(Binary, Vec<Chosen>)>> {
        let binaries = self.built.as_ref().map(|(_, b)| b.binaries.clone()).unwrap_or_default();
        let asked: Option<BTreeSet<&str>> = ids.map(|ids| ids.iter().map(String::as_str).collect());
        let mut chosen = Vec::new();
        for binary in binaries {
            let command =
                self.command(&binary, vec![binary.path.clone(), "--list".into(), "--format".into(), "terse".into()], Disguise::None);
            let listed = self.place.exec(command.timeout(Duration::from_secs(30))).await?;
            let text = String::from_utf8_lossy(&listed.stdout).into_owned();
            let mut tests = Vec::new();
            for name in text.lines().filter_map(|l| l.strip_suffix(": test")) {
                let test = self.place_of(&binary, name).await?;
                if asked.as_ref().is_none_or(|asked| asked.contains(test.id.as_str())) {
                    tests.push(test);
                }
            }
            if !tests.is_empty() {
                chosen.push((binary, tests));
            }
        }
        Ok(chosen)
    }

    /// `pricing::tests::rounds` of `src/lib.rs` is `src/pricing.rs::tests::rounds`; a row of a table stands in brackets.
    async fn place_of(&mut self, binary: &Binary, name: &str) -> Result<Chosen> {
        let root = self.relative(&binary.source, "");
        let parts: Vec<&str> = name.split("::").collect();
        let (file, rest) = module_file(&self.files, &root, &parts);
        let id = format!("{file}::{}", rest.join("::"));
        let is_declared = self.known(&file).await?.declared.contains(&id);
        if !is_declared
            && let Some((parent, row)) = id.rsplit_once("::")
            && self.known(&file).await?.declared.contains(parent)
        {
            return Ok(Chosen { name: name.to_string(), id: format!("{parent}[{row}]"), declared: parent.to_string(), file });
        }
        Ok(Chosen { name: name.to_string(), declared: id.clone(), id, file })
    }

    async fn known(&mut self, file: &str) -> Result<&Known> {
        if !self.known.contains_key(file) {
            let text = self.read(file).await.unwrap_or_default();
            let found = tests_of::declared(file, &text);
            let declared = found.iter().map(|d| d.id.clone()).collect();
            let tests = found.into_iter().map(|d| (d.line, d.id)).collect();
            let test_lines = Source::parse(Language::Rust, &text).map(|s| inline::test_items(&s)).unwrap_or_default();
            let is_test = super::files::classify(file, None, None) == FileClass::Test;
            self.known.insert(file.to_string(), Known { declared, tests, test_lines, is_test });
        }
        self.known.get(file).ok_or_else(|| Error::internal("a file that was just read is unknown"))
    }

    async fn run_binary(&mut self, binary: &Binary, tests: &[Chosen], variant: &Variant, report: &mut VariantReport) -> Result<Ended> {
        let program = self.dressed(binary, variant.disguise).await?;
        let (output, results) = self.process(binary, &program, tests, variant).await?;
        report.duration_ms += output.duration.as_millis() as u64;
        report.log = output::cut(&format!("{}{}", report.log, output.text()), LOG_MAX);
        self.note(tests, &output, &results, report).await?;
        if output.exit.reason == ExitReason::Timeout {
            return Ok(Ended::Timeout);
        }
        let left: Vec<&Chosen> = tests.iter().filter(|t| !results.contains_key(&t.name)).collect();
        if left.is_empty() {
            return Ok(Ended::Finished);
        }
        if output.exit.code < 128 || left.len() > ALONE_MAX {
            return Ok(Ended::Died);
        }
        // A crash takes the whole process: each of the others gets one of its own.
        for test in left {
            let alone = std::slice::from_ref(test);
            let (output, results) = self.process(binary, &program, alone, variant).await?;
            report.duration_ms += output.duration.as_millis() as u64;
            if output.exit.reason == ExitReason::Timeout {
                return Ok(Ended::Timeout);
            }
            if results.is_empty() && output.exit.code < 128 {
                return Ok(Ended::Died);
            }
            match results.is_empty() {
                true => report.tests.push(notes::crashed(test, &output)),
                false => self.note(alone, &output, &results, report).await?,
            }
        }
        Ok(Ended::Finished)
    }

    /// In disguise the program has another name; it stays in its folder, from where tests find the programs they try.
    async fn dressed(&mut self, binary: &Binary, disguise: Disguise) -> Result<String> {
        if disguise == Disguise::None {
            return Ok(binary.path.clone());
        }
        let folder = binary.path.rsplit_once('/').map_or("/tmp", |(folder, _)| folder);
        self.counter += 1;
        let copy = format!("{folder}/server-{}", self.counter);
        let done = self.place.exec(Command::new(["/bin/cp", &binary.path, &copy])).await?;
        if !done.ok() {
            return Err(Error::unavailable(format!("the test program can't be copied: {}", last_words(&done.text()))));
        }
        Ok(copy)
    }

    async fn process(
        &mut self,
        binary: &Binary,
        program: &str,
        tests: &[Chosen],
        variant: &Variant,
    ) -> Result<(ExecOutput, BTreeMap<String, Outcome>)> {
        self.counter += 1;
        let log = format!("/tmp/{}-{}", self.batch.nonce, self.counter);
        let mut arguments = vec![program.to_string(), "--logfile".into(), log.clone(), "--show-output".into()];
        if variant.disguise != Disguise::None || self.watched.is_some() {
            // One thread: tests run on the main one, whose name tells nothing.
            arguments.push("--test-threads=1".into());
        } else if let Some(seed) = variant.shuffle {
            arguments.extend(["-Z", "unstable-options", "--shuffle-seed"].map(str::to_string));
            arguments.extend([seed.to_string(), "--test-threads=1".into()]);
        }
        if variant.ids.is_some() || tests.len() == 1 {
            arguments.push("--exact".into());
            arguments.extend(tests.iter().map(|t| t.name.clone()));
        }
        let mut command = self.command(binary, arguments, variant.disguise).timeout(self.batch.timeout).output_bytes_max(OUTPUT_BYTES_MAX);
        if variant.shuffle.is_some() && variant.disguise == Disguise::None {
            // The standard runner shuffles in every release, but lets only this variable unlock it in a stable one.
            command = command.env("RUSTC_BOOTSTRAP", "1");
        }
        let output = self.place.exec(command).await?;
        let text = self.place.read_file(&log, 0, FILE_BYTES_MAX).await.unwrap_or_default();
        let names: Vec<&str> = tests.iter().map(|t| t.name.as_str()).collect();
        let results = output::results(&String::from_utf8_lossy(&text), &names);
        Ok((output, results))
    }

    fn command(&self, binary: &Binary, arguments: Vec<String>, disguise: Disguise) -> Command {
        let owner = self.packages.iter().find(|p| p.targets.iter().any(|t| t.src_path == binary.source));
        let folder = owner.map_or(self.batch.root.as_str(), Package::folder);
        let mut arguments = arguments;
        if disguise != Disguise::None {
            let bare = [
                "/usr/bin/env",
                "-u",
                "CARGO_HOME",
                "-u",
                "CARGO_TARGET_DIR",
                "-u",
                "CARGO_NET_OFFLINE",
                "-u",
                "CARGO_PROFILE_DEV_DEBUG",
                "-u",
                "CARGO_TERM_COLOR",
            ];
            arguments = bare.iter().map(|w| w.to_string()).chain(arguments).collect();
        }
        let mut command = Command::new(arguments).cwd(folder);
        command.env.extend(self.env.clone());
        if binary.is_proc_macro {
            command = command.env("LD_LIBRARY_PATH", format!("{}/lib", self.sysroot));
        }
        if disguise == Disguise::None {
            command = command.env("RUST_BACKTRACE", "1").env("CARGO_MANIFEST_DIR", folder);
        }
        command
    }

    /// Relative to the tree where it lies inside; `./` begins at the package's folder.
    fn relative(&self, path: &str, folder: &str) -> String {
        let full = match path.strip_prefix("./") {
            Some(rest) if !folder.is_empty() => format!("{folder}/{rest}"),
            Some(rest) => rest.to_string(),
            None => path.to_string(),
        };
        full.strip_prefix(&format!("{}/", self.batch.root)).map(str::to_string).unwrap_or(full)
    }
}

fn whole() -> Vec<String> {
    vec!["--workspace".to_string(), "--tests".to_string()]
}

/// A module that two targets hold is tested twice under one name: it passes when it passes in both.
fn merge_twins(tests: &mut Vec<TestResult>) {
    let mut merged: Vec<TestResult> = Vec::with_capacity(tests.len());
    for test in tests.drain(..) {
        match merged.iter_mut().find(|m| m.id == test.id) {
            Some(twin) if twin.outcome != Outcome::Failed && test.outcome == Outcome::Failed => *twin = test,
            Some(_) => {}
            None => merged.push(test),
        }
    }
    *tests = merged;
}

/// Walks down from a crate's root file as far as there are files for the modules.
fn module_file<'n>(files: &BTreeSet<String>, root: &str, parts: &[&'n str]) -> (String, Vec<&'n str>) {
    let mut folder = root.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let mut file = root.to_string();
    for (i, part) in parts.iter().enumerate() {
        let beside = format!("{folder}{part}.rs");
        let inside = format!("{folder}{part}/mod.rs");
        let is_last = i + 1 == parts.len();
        let found = [beside, inside].into_iter().find(|f| files.contains(f) && f != root && !is_last);
        match found {
            Some(found) => file = found,
            None => return (file, parts[i..].to_vec()),
        }
        folder = format!("{folder}{part}/");
    }
    (file, Vec::new())
}

fn config_env(text: &str) -> BTreeMap<String, String> {
    let Ok(value) = toml::from_str::<toml::Value>(text) else { return BTreeMap::new() };
    let table = value.get("env").and_then(|e| e.as_table()).cloned().unwrap_or_default();
    let words = |v: &toml::Value| v.as_str().or_else(|| v.get("value").and_then(|v| v.as_str())).map(str::to_string);
    table.iter().filter_map(|(name, value)| Some((name.clone(), words(value)?))).collect()
}

/// The line that says what went wrong, for people.
fn last_words(text: &str) -> String {
    let error = text.lines().find(|l| l.trim_start().starts_with("error"));
    output::cut(error.or_else(|| text.lines().rev().find(|l| !l.trim().is_empty())).unwrap_or_default().trim(), 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_their_files() {
        let files: BTreeSet<String> = ["src/lib.rs", "src/pricing.rs", "src/cart/mod.rs", "src/cart/tests.rs"].map(str::to_string).into();
        let of = |name: &str| {
            let parts: Vec<&str> = name.split("::").collect();
            let (file, rest) = module_file(&files, "src/lib.rs", &parts);
            format!("{file}::{}", rest.join("::"))
        };
        assert_eq!(of("pricing::tests::rounds"), "src/pricing.rs::tests::rounds");
        assert_eq!(of("cart::tests::adds"), "src/cart/tests.rs::adds");
        assert_eq!(of("tests::all"), "src/lib.rs::tests::all");
    }
}
