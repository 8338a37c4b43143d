//! How places end, and that nothing is left of them.

use crate::{ground, place, scratch, sh};
use domain::sandbox::{Command, Provisioner};
use rustix::process::{WaitId, WaitIdOptions};
use sandbox::testkit;
use std::path::Path;
use std::time::{Duration, Instant};

fn groups_of(id: &str) -> Vec<String> {
    let find = format!("find /sys/fs/cgroup -type d -name '{id}*'");
    let output = std::process::Command::new("sh").arg("-c").arg(find).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

/// Processes of the host whose arguments hold the word.
pub fn processes(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let has = |pid: &str| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(word));
    entries.filter(|e| e.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok() && has(name))).count()
}

fn folders(data: &Path) -> usize {
    std::fs::read_dir(data.join("sandboxes")).unwrap().count()
}

#[tokio::test]
async fn termination_leaves_nothing() {
    let ground = ground();
    let data = ground.dir.path().join("data");
    let place = place(&ground).await;
    let id = place.id().to_string();
    sh(&place, "mkdir -p a/b && echo x > a/b/c && (setsid sleep 4711 &)").await.checked("set-up").unwrap();
    assert_eq!(ground.local.list().await, [place.id()]);
    let has_groups = !groups_of(&id).is_empty();
    assert!(processes("sleep\x004711") >= 1 && folders(&data) == 1, "the control: it is all there");
    place.terminate().await.unwrap();
    place.terminate().await.unwrap();
    assert_eq!(processes("sleep\x004711"), 0);
    assert_eq!(folders(&data), 0);
    assert!(has_groups && groups_of(&id).is_empty());
    assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&id));
    assert!(ground.local.list().await.is_empty());
}

#[tokio::test]
async fn dropping_the_last_handle_terminates() {
    let ground = ground();
    let data = ground.dir.path().join("data");
    let place = place(&ground).await;
    sh(&place, "(setsid sleep 4712 &)").await.checked("set-up").unwrap();
    drop(place);
    let deadline = Instant::now() + Duration::from_secs(5);
    while processes("sleep\x004712") > 0 || folders(&data) > 0 {
        assert!(Instant::now() < deadline, "it lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_built_says_why_and_leaves_nothing() {
    let ground = ground();
    let mut spec = scratch();
    spec.read_only_paths = vec!["not/there".into()];
    let error = ground.local.create(spec).await.err().unwrap();
    assert!(error.message.contains("not/there") && error.message.contains("does not exist"), "{error}");
    let mut spec = scratch();
    spec.read_only_paths = vec!["../etc".into()];
    assert_eq!(ground.local.create(spec).await.err().unwrap().kind, domain::Kind::Invalid);
    assert_eq!(folders(&ground.dir.path().join("data")), 0);
}

/// Not a test by itself: the server that is killed below.
#[tokio::test]
#[ignore = "started by another test"]
async fn a_server_to_be_killed() {
    let Some(data) = std::env::var_os("DOOMED_DATA") else { return };
    let local = testkit::local(Path::new(&data), None).unwrap();
    let place = local.create(scratch()).await.unwrap();
    sh(&place, "(setsid sleep 4713 &); echo x > file").await.checked("set-up").unwrap();
    std::fs::write(Path::new(&data).join("ready"), place.id().to_string()).unwrap();
    let _ = place.exec(Command::new(["sleep", "60"])).await;
}

#[tokio::test]
async fn a_killed_server_leaves_no_process_and_the_next_one_removes_the_rest() {
    testkit::init_program();
    let dir = tempfile::tempdir().unwrap();
    let mut doomed = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "lifecycle::a_server_to_be_killed"])
        .env("DOOMED_DATA", dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !dir.path().join("ready").exists() {
        assert!(Instant::now() < deadline, "the doomed server never became ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = std::fs::read_to_string(dir.path().join("ready")).unwrap();
    let elsewhere = ground();
    elsewhere.local.reconcile().await.unwrap();
    let copied = tempfile::tempdir().unwrap();
    let copy = std::process::Command::new("cp").arg("-a").arg(dir.path().join("sandboxes")).arg(copied.path()).status().unwrap();
    assert!(copy.success());
    assert_eq!(testkit::local(copied.path(), None).unwrap().reconcile().await.unwrap(), 0);
    let groups = groups_of(&id).len();
    assert!(processes("sleep\x004713") >= 1 && folders(dir.path()) == 1, "the control: what belongs to a living server stays");

    doomed.kill().unwrap();
    let pid = rustix::process::Pid::from_child(&doomed);
    let is_dead = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    // Dead, while its number is still in the table of processes because nobody has asked how it ended.
    rustix::process::waitid(WaitId::Pid(pid), is_dead).unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    while processes("sleep\x004713") > 0 {
        assert!(Instant::now() < deadline, "processes outlive their server");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(elsewhere.local.reconcile().await.unwrap(), 0, "a server of another data dir has lost nothing");
    assert!(groups > 0 && groups_of(&id).is_empty(), "but it clears away the group of the dead one");
    let local = testkit::local(dir.path(), None).unwrap();
    assert_eq!(local.reconcile().await.unwrap(), 1);
    assert_eq!(folders(dir.path()), 0);
    doomed.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_quick() {
    let ground = ground();
    let mut created = Vec::new();
    let mut round_trips = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let place = place(&ground).await;
        place.exec(Command::new(["true"])).await.unwrap();
        created.push(started.elapsed());
        let started = Instant::now();
        place.exec(Command::new(["/bin/true"])).await.unwrap();
        round_trips.push(started.elapsed());
        place.terminate().await.unwrap();
    }
    created.sort();
    round_trips.sort();
    println!("create to first exec: median {:?}, worst {:?}; exec: median {:?}", created[10], created[19], round_trips[10]);
    // Far from the goal, so that a busy machine does not fail it.
    assert!(created[10] < Duration::from_millis(500));
}

#[tokio::test]
async fn an_idle_place_is_small() {
    let ground = ground();
    let place = place(&ground).await;
    // The daemon is the one process inside, and the sandbox's first.
    let outside = "astrad\x003";
    let pid = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok()).find(|pid| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("cmdline").starts_with(outside) && read("cgroup").contains(&place.id().to_string())
    });
    let Some(pid) = pid else { return println!("skipped: without cgroups one daemon cannot be told from another") };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let usage = place.usage().await.unwrap();
    println!("resident {} KiB, of it private {} KiB; the group holds {} KiB", field("VmRSS:"), field("RssAnon:"), usage.memory_bytes >> 10);
    assert!(field("VmRSS:") <= 3 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_is_one_place_however_many_ask_at_once() {
    let ground = std::sync::Arc::new(ground());
    let spec = scratch();
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let (ground, spec) = (ground.clone(), spec.clone());
            tokio::spawn(async move { ground.local.create(spec).await })
        })
        .collect();
    let mut made = Vec::new();
    for one in asking {
        match one.await.unwrap() {
            Ok(place) => made.push(place),
            Err(error) => assert_eq!(error.kind, domain::Kind::Conflict, "{error}"),
        }
    }
    assert_eq!(made.len(), 1);
    assert!(sh(&made[0], "true").await.ok());
}

#[tokio::test]
async fn no_survivor_of_a_place_that_forks_faster_than_it_is_killed() {
    let ground = ground();
    for _ in 0..10 {
        let mut spec = scratch();
        spec.limits.processes_max = 100;
        let place = ground.local.create(spec).await.unwrap();
        let id = place.id().to_string();
        let bomb = place.spawn(Command::shell("f() { (setsid sh -c 'exec sleep 4715' &); f & }; f; while :; do f; done")).await.unwrap();
        while place.usage().await.unwrap().processes < 50 {
            tokio::task::yield_now().await;
        }
        place.terminate().await.unwrap();
        assert_eq!((processes("sleep\x004715"), groups_of(&id).len()), (0, 0));
        drop(bomb);
    }
}
