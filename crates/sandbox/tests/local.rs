//! Sandboxes of the `local` kind, for real: what they do, and what they keep from doing.

use domain::SandboxId;
use domain::sandbox::{Command, ExitReason, FileKind, Provisioner, Sandbox, SandboxSpec, Workspace};
use sandbox::local::Local;
use sandbox::testkit;
use std::sync::Arc;
use tempfile::TempDir;

struct Ground {
    local: Local,
    dir: TempDir,
}

fn ground() -> Ground {
    let dir = tempfile::tempdir().unwrap();
    Ground { local: testkit::local(&dir.path().join("data"), None).unwrap(), dir }
}

fn scratch() -> SandboxSpec {
    testkit::spec(SandboxId(uuid::Uuid::now_v7()), Workspace::Scratch)
}

async fn place(ground: &Ground) -> Arc<dyn Sandbox> {
    ground.local.create(scratch()).await.unwrap()
}

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
    for attack in ["echo x > tests/deep/t.txt", "rm -f tests/deep/t.txt", "mv tests tests2", "mv tests/deep tests/x", "chmod 777 tests/deep/t.txt"] {
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
