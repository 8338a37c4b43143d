//! The same sandboxes under other conditions: an ordinary user's server, no isolation at all, many at once.

use crate::{fresh, ground, place, scratch, sh};
use domain::SandboxId;
use domain::sandbox::{Command, GuaranteeState, Mount, MountMode, Provisioner, Workspace};
use sandbox::testkit;
use sandbox::unsafe_process::{UnsafeProcess, UnsafeProcessConfig};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Not a test by itself: run below as an ordinary user.
#[tokio::test]
#[ignore = "started by another test"]
async fn an_ordinary_users_server() {
    if std::env::var_os(testkit::PARTS).is_none() {
        return;
    }
    let ground = ground();
    let source = ground.dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "old").unwrap();
    let mut spec = scratch();
    spec.workspace = Workspace::CopyOnWrite(source.clone());
    let place = ground.local.create(spec).await.unwrap();
    let text = sh(&place, "echo new > file && cat file && id -u && touch /tmp/x /home/agent/x").await.checked("writing").unwrap();
    assert_eq!(text.stdout_text(), "new\n1000\n");
    assert_eq!(std::fs::read_to_string(source.join("file")).unwrap(), "old");
    for attack in ["unshare -U true", "mount -t tmpfs x /tmp", "test -e /etc/shadow", "touch /usr/x", "cat /proc/1/environ"] {
        assert!(!sh(&place, attack).await.ok(), "{attack}");
    }
    sh(&place, "mkdir -p a/b && chmod 000 a").await.checked("leaving a closed folder").unwrap();
    place.terminate().await.unwrap();
    assert_eq!(std::fs::read_dir(ground.dir.path().join("data/sandboxes")).unwrap().count(), 0);
    for card in ground.local.guarantees().await {
        println!("{:?} {} ({})", card.state, card.promise, card.detail);
    }
    println!("it served");
}

#[tokio::test]
async fn an_ordinary_user_can_serve_too() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: this is an ordinary user's server already, so every other test shows it");
    }
    const SOMEBODY: u32 = 54_321;
    let parts = tempfile::tempdir().unwrap();
    std::fs::set_permissions(parts.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(std::env::current_exe().unwrap(), parts.path().join("tests")).unwrap();
    std::fs::copy(testkit::init_program(), parts.path().join("sandbox-init")).unwrap();
    std::fs::write(parts.path().join("astrad"), testkit::astrad()).unwrap();
    let output = std::process::Command::new(parts.path().join("tests"))
        .args(["--ignored", "--exact", "--nocapture", "others::an_ordinary_users_server"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env(testkit::PARTS, parts.path())
        .current_dir("/")
        .gid(SOMEBODY)
        .uid(SOMEBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success() && text.contains("it served"), "{text}");
}

#[tokio::test]
async fn without_isolation_the_same_commands_work_and_nothing_is_promised() {
    let dir = tempfile::tempdir().unwrap();
    let provisioner = UnsafeProcess::new(UnsafeProcessConfig {
        data_dir: dir.path().join("data"),
        astrad: testkit::astrad(),
        doors: Arc::new(testkit::ClosedDoors),
        toolchains: testkit::toolchains(),
        allow_cidrs: Vec::new(),
        witness: None,
    })
    .unwrap();
    let source = dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "old").unwrap();
    let mut spec = testkit::spec(SandboxId(fresh()), Workspace::CopyOnWrite(source.clone()));
    spec.mounts = vec![Mount { source: source.clone(), target: "/layer".into(), mode: MountMode::ReadOnly }];
    let place = provisioner.create(spec).await.unwrap();
    assert!(place.guarantees().iter().all(|card| card.state == GuaranteeState::Missing));
    let line = "echo new > file; cat file; (setsid sleep 4714 &); sleep 0";
    assert_eq!(sh(&place, line).await.stdout_text(), "new\n");
    assert_eq!(place.exec(Command::new(["cat", "/workspace/file", "/layer/file"])).await.unwrap().stdout_text(), "new\nold");
    assert_eq!(place.read_file("/workspace/file", 0, 10).await.unwrap().as_ref(), b"new\n");
    assert_eq!(place.list("/workspace", 10).await.unwrap()[0].path, "/workspace/file");
    assert_eq!(provisioner.list().await, [place.id()]);
    place.terminate().await.unwrap();
    assert!(provisioner.list().await.is_empty());
    assert_eq!(crate::lifecycle::processes("sleep\x004714"), 0);
    assert_eq!(std::fs::read_to_string(source.join("file")).unwrap(), "old");
}

fn descriptors() -> usize {
    std::fs::read_dir(Path::new("/proc/self/fd")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_and_one_after_another_leave_nothing_behind() {
    let ground = Arc::new(ground());
    place(&ground).await.terminate().await.unwrap();
    let before = descriptors();
    let burst: Vec<_> = (0..40)
        .map(|_| {
            let ground = ground.clone();
            tokio::spawn(async move {
                let place = place(&ground).await;
                assert!(place.exec(Command::new(["true"])).await.unwrap().ok());
                place
            })
        })
        .collect();
    let mut places = Vec::new();
    for one in burst {
        places.push(one.await.unwrap());
    }
    assert_eq!(ground.local.list().await.len(), 40);
    for place in places {
        place.terminate().await.unwrap();
    }
    // Descriptors of other tests in this process come and go; a leak would show as hundreds.
    let after = descriptors();
    assert!(after < before + 60, "{before} descriptors before, {after} after");
    assert_eq!(std::fs::read_dir(ground.dir.path().join("data/sandboxes")).unwrap().count(), 0);
}

/// The long form of the above, for soaking.
#[test]
fn lives_one_after_another_leave_nothing() {
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    let output = alone.args(["--ignored", "--exact", "others::lives_in_a_process_of_their_own", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Not a test by itself: run above where every descriptor and every child is its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test"]
async fn lives_in_a_process_of_their_own() {
    let ground = ground();
    place(&ground).await.terminate().await.unwrap();
    let zombies = || {
        let me = format!(" {} ", std::process::id());
        let stats = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| std::fs::read_to_string(e.path().join("stat")).ok());
        stats.filter(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z") && rest[2..].starts_with(&me))).count()
    };
    let before = descriptors();
    let lives = if std::env::var_os("ASTRAFORGE_SOAK").is_some() { 10_000 } else { 50 };
    for _ in 0..lives {
        let place = place(&ground).await;
        assert!(place.exec(Command::new(["true"])).await.unwrap().ok());
        place.terminate().await.unwrap();
    }
    println!("{lives} lives: descriptors {before} before, {} after; zombies {}", descriptors(), zombies());
    assert!(descriptors() <= before + 2);
    // The last one's builder is asked how it ended a moment later.
    let deadline = Instant::now() + Duration::from_secs(10);
    while zombies() > 0 {
        assert!(Instant::now() < deadline, "{} processes ended and nobody has asked how", zombies());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kept: Vec<_> = std::fs::read_dir(ground.dir.path().join("data/sandboxes")).unwrap().flatten().collect();
    assert!(kept.is_empty(), "{kept:?}");
}
