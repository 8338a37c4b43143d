//! Commands, streams, files, mounts.

use crate::{ground, place, scratch, sh};
use domain::sandbox::{Command, ExitReason, FileKind, Mount, MountMode, Provisioner, Workspace};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[tokio::test]
async fn a_command_runs_and_tells_how_it_ended() {
    let ground = ground();
    let place = place(&ground).await;
    let output = place.exec(Command::shell("echo out; echo err >&2; id -u; pwd; exit 3")).await.unwrap();
    assert_eq!((output.exit.reason, output.exit.code), (ExitReason::Exited, 3));
    assert_eq!(output.stdout_text(), "out\n1000\n/workspace\n");
    assert_eq!(output.stderr.as_ref(), b"err\n");

    let output = place.exec(Command::new(["cat"]).stdin("through").env("X", "y")).await.unwrap();
    assert_eq!(output.stdout_text(), "through");
    let output = place.exec(Command::new(["no-such-program"])).await.unwrap();
    assert_eq!(output.exit.code, 127);
    let output = place.exec(Command::shell("kill -TERM $$")).await.unwrap();
    assert_eq!((output.exit.reason, output.exit.code), (ExitReason::Signal, 128 + 15));
    place.terminate().await.unwrap();
    assert!(!place.is_alive());
    assert_eq!(place.exec(Command::new(["true"])).await.unwrap_err().code, "sandbox_lost");
}

#[tokio::test]
async fn a_folder_seen_copy_on_write_stays_as_it_is() {
    let ground = ground();
    let source = ground.dir.path().join("source");
    std::fs::create_dir_all(source.join("tests/deep")).unwrap();
    std::fs::write(source.join("a.txt"), "old").unwrap();
    std::fs::write(source.join("tests/deep/t.txt"), "kept").unwrap();
    let mut spec = scratch();
    spec.workspace = Workspace::CopyOnWrite(source.clone());
    spec.read_only_paths = vec!["tests/deep/t.txt".into()];
    let place = ground.local.create(spec).await.unwrap();

    let line = "echo new > a.txt && mkdir b && echo more > b/c && cat a.txt b/c && ls -ln";
    let output = place.exec(Command::shell(line)).await.unwrap().checked("writing").unwrap();
    assert!(output.stdout_text().starts_with("new\nmore\n"), "{}", output.text());
    // Control: its neighbour may be written, the protected file may not, and neither may a folder above it go.
    place.exec(Command::shell("echo x > tests/deep/other")).await.unwrap().checked("the control").unwrap();
    for attack in
        ["echo x > tests/deep/t.txt", "rm -f tests/deep/t.txt", "mv tests tests2", "mv tests/deep tests/x", "chmod 777 tests/deep/t.txt"]
    {
        let output = place.exec(Command::shell(attack)).await.unwrap();
        assert!(!output.ok(), "{attack} went well");
    }
    assert!(place.write_file("tests/deep/t.txt", "x".into(), 0o644).await.is_err());
    let text = place.read_file("/workspace/tests/deep/t.txt", 0, 100).await.unwrap();
    assert_eq!(text.as_ref(), b"kept");
    place.terminate().await.unwrap();

    assert_eq!(std::fs::read_to_string(source.join("a.txt")).unwrap(), "old");
    assert!(!source.join("b").exists());
}

#[tokio::test]
async fn toolchains_work_and_files_come_and_go() {
    let ground = ground();
    let place = place(&ground).await;
    for program in ["python3 --version", "node --version", "cargo --version", "git --version"] {
        let output = place.exec(Command::shell(program)).await.unwrap();
        println!("{program}: {} {}", output.exit.code, output.text().trim());
    }
    place.write_file("/workspace/a/b/c.bin", vec![0, 255, 10].into(), 0o640).await.unwrap();
    let stat = place.stat("/workspace/a/b/c.bin").await.unwrap();
    assert_eq!((stat.kind, stat.size_bytes, stat.mode), (FileKind::File, 3, 0o640));
    assert_eq!(place.read_file("a/b/c.bin", 1, 10).await.unwrap().as_ref(), [255, 10]);
    let names: Vec<_> = place.list("/workspace", 10).await.unwrap().into_iter().map(|e| e.path).collect();
    assert_eq!(names, ["/workspace/a"]);
    place.remove("/workspace/a").await.unwrap();
    assert_eq!(place.stat("/workspace/a").await.unwrap_err().kind, domain::Kind::NotFound);
    place.terminate().await.unwrap();
}

#[tokio::test]
async fn a_dialogue_goes_back_and_forth() {
    let ground = ground();
    let place = place(&ground).await;
    let line = "while read word; do echo \"<$word>\"; done; echo bye >&2";
    let mut process = place.spawn(Command::shell(line)).await.unwrap();
    let mut lines = BufReader::new(&mut process.stdout).lines();
    for word in ["one", "two"] {
        process.stdin.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        assert_eq!(lines.next_line().await.unwrap(), Some(format!("<{word}>")));
    }
    process.stdin.shutdown().await.unwrap();
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert_eq!(process.control.wait().await.unwrap().code, 0);

    let mut process = place.spawn(Command::shell("trap 'echo caught; exit 9' INT; echo on; while :; do sleep 0.05; done")).await.unwrap();
    let mut lines = BufReader::new(&mut process.stdout).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("on"));
    process.control.signal(2).await.unwrap();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("caught"));
    assert_eq!(process.control.wait().await.unwrap().code, 9);
}

/// As under `nohup`: what is ignored is inherited, and a program can't trap it any more.
#[test]
fn signals_that_the_server_ignores_work_inside() {
    let line = "trap '' HUP INT QUIT TERM; exec timeout -s KILL 60 \"$0\" --exact basics::a_dialogue_goes_back_and_forth";
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new("/bin/sh").args(["-c", line]).arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_timeout_takes_the_whole_tree_within_a_second() {
    let ground = ground();
    let place = place(&ground).await;
    // Deaf to polite signals, in sessions of their own, and orphaned.
    let line = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; (sleep 97 & sleep 97) & sleep 97' &) ; nohup sleep 97 & sleep 97";
    let started = Instant::now();
    let output = place.exec(Command::shell(line).timeout(Duration::from_millis(300))).await.unwrap();
    let took = started.elapsed();
    assert_eq!(output.exit.reason, ExitReason::Timeout);
    assert!(took < Duration::from_millis(1300), "{took:?}");
    let left = sh(&place, "ps -eo args | grep -c '^[s]leep 97'").await;
    assert_eq!(left.stdout_text().trim(), "0");
}

#[tokio::test]
async fn dropping_a_process_takes_its_tree() {
    let ground = ground();
    let place = place(&ground).await;
    let mut process = place.spawn(Command::shell("(setsid sleep 96 &); echo on; sleep 96")).await.unwrap();
    let mut lines = BufReader::new(&mut process.stdout).lines();
    lines.next_line().await.unwrap();
    let become_ = |count: &'static str| {
        let place = place.clone();
        async move {
            let deadline = Instant::now() + Duration::from_secs(2);
            while sh(&place, "ps -eo args | grep -c '^[s]leep 96'").await.stdout_text().trim() != count {
                assert!(Instant::now() < deadline, "there should be {count}");
            }
        }
    };
    become_("2").await;
    drop(process);
    become_("0").await;
}

#[tokio::test]
async fn output_beyond_the_limit_loses_its_middle() {
    let ground = ground();
    let place = place(&ground).await;
    let command = Command::shell("echo first; yes 0123456789abcdef | head -c 20000000; echo last").output_bytes_max(10_000);
    let output = place.exec(command).await.unwrap();
    let text = output.stdout_text();
    assert!(text.starts_with("first\n") && text.ends_with("last\n"));
    assert_eq!(output.stdout.len(), 10_000);
    assert_eq!(output.stdout_dropped, 20_000_000 + 11 - 10_000);
}

#[tokio::test]
async fn a_stream_held_open_by_others_does_not_hold_the_answer() {
    let ground = ground();
    let place = place(&ground).await;
    let started = Instant::now();
    let output = sh(&place, "sleep 30 & echo done").await;
    assert_eq!((output.stdout_text().as_str(), output.exit.code), ("done\n", 0));
    assert!(started.elapsed() < Duration::from_secs(2));
    // What was left in the background lives on.
    assert!(sh(&place, "pgrep -x sleep").await.ok());
}

#[tokio::test]
async fn only_ordinary_files_are_read_and_nothing_hangs() {
    let ground = ground();
    let place = place(&ground).await;
    sh(&place, "mkfifo pipe; ln -s /etc/passwd link; ln -s ../../../../etc/shadow up").await.checked("set-up").unwrap();
    assert!(place.read_file("link", 0, 4096).await.unwrap().starts_with(b"root:"));
    for path in ["pipe", "/dev/zero", "/dev/tty", "/proc/self/mem", "/proc/1/environ", "/workspace", "up", "/proc/kmsg"] {
        let started = Instant::now();
        assert!(place.read_file(path, 0, 4096).await.is_err(), "{path}");
        assert!(started.elapsed() < Duration::from_secs(1), "{path}");
    }
    for path in ["", "a\0b", &"x/".repeat(3000)] {
        assert_eq!(place.read_file(path, 0, 1).await.unwrap_err().kind, domain::Kind::Invalid);
    }
    // Set-id bits are dropped on the way.
    place.write_file("bits", "x".into(), 0o6755).await.unwrap();
    assert_eq!(place.stat("bits").await.unwrap().mode, 0o755);
    let big = vec![7; 5 << 20];
    place.write_file("big", big.clone().into(), 0o644).await.unwrap();
    assert_eq!(place.read_file("big", 0, 10 << 20).await.unwrap().as_ref(), big);
}

#[tokio::test]
async fn mounts_keep_their_modes() {
    let ground = ground();
    let folder = |name: &str| {
        let path = ground.dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("file"), name).unwrap();
        path
    };
    let (fixed, copied, shared, work) = (folder("fixed"), folder("copied"), folder("shared"), folder("work"));
    let mut spec = scratch();
    spec.workspace = Workspace::Shared(work.clone());
    spec.mounts = [
        (&fixed, "/layer", MountMode::ReadOnly),
        (&copied, "/home/agent/copied", MountMode::CopyOnWrite),
        (&shared, "/data/shared", MountMode::ReadWrite),
    ]
    .map(|(source, target, mode)| Mount { source: source.clone(), target: target.into(), mode })
    .into();
    let place = ground.local.create(spec).await.unwrap();
    assert!(!sh(&place, "echo x > /layer/file").await.ok());
    assert!(!sh(&place, "echo x > /layer/new").await.ok());
    let line = "cat /layer/file; for f in /home/agent/copied/file /data/shared/file file; do echo new > $f || exit 1; done";
    assert_eq!(sh(&place, line).await.checked("writing").unwrap().stdout_text(), "fixed");
    place.terminate().await.unwrap();
    let text = |path: &std::path::Path| std::fs::read_to_string(path.join("file")).unwrap();
    assert_eq!((text(&copied), text(&shared), text(&work)), ("copied".into(), "new\n".into(), "new\n".into()));
}

#[tokio::test]
async fn a_kept_workspace_is_there_again_until_forgotten() {
    let ground = ground();
    let mut spec = scratch();
    spec.workspace = Workspace::Kept;
    let place = ground.local.create(spec.clone()).await.unwrap();
    assert_eq!(ground.local.create(spec.clone()).await.err().unwrap().kind, domain::Kind::Conflict);
    assert_eq!(ground.local.forget(spec.id).await.unwrap_err().kind, domain::Kind::Conflict);
    sh(&place, "echo kept > note").await.checked("writing").unwrap();
    place.terminate().await.unwrap();
    let place = ground.local.create(spec.clone()).await.unwrap();
    assert_eq!(sh(&place, "cat note && echo more >> note").await.checked("reading").unwrap().stdout_text(), "kept\n");
    place.terminate().await.unwrap();
    ground.local.forget(spec.id).await.unwrap();
    let place = ground.local.create(spec).await.unwrap();
    assert!(!sh(&place, "cat note").await.ok());
}
