//! The signed evidence of a run, as its reader checks it: `astraforge verify`.

use super::house::{EXAMPLE_PROMPT, House, recording, skipped};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Whether it succeeded, and what it printed.
fn verify(house: &House, bundle: &Path, further: &[&str]) -> (bool, String) {
    let output = house.command().arg("verify").arg(bundle).args(further).arg("--data-dir").arg(&house.data).output().expect("verify runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// As somebody would who has the database and not the signing key.
fn tamper(house: &House, statement: &str) {
    let script = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1]); base.executescript(sys.argv[2]); base.commit()";
    let status = Command::new("python3").args(["-c", script]).arg(house.data.join("astraforge.db")).arg(statement).status();
    assert!(status.expect("python3 runs").success(), "{statement}");
}

#[test]
fn evidence_is_checked_without_the_server_and_against_its_log() {
    let Some(house) = House::warm(&recording(&[])) else { return skipped("check evidence") };
    let request = house.request(EXAMPLE_PROMPT);
    let run = house.expect_proven(&request);
    let bundle = house.dir.path().join("run.dsse.json");
    let text = house.get(&format!("/api/runs/{}/evidence/", run["id"].as_str().expect("an id"))).text();
    fs::write(&bundle, &text).expect("the bundle is written");

    let (holds, said) = verify(&house, &bundle, &["--events"]);
    assert!(holds && said.contains("verdict   proven") && said.contains("is the one that was signed"), "{said}");
    let (holds, said) = verify(&house, &bundle, &["--key", "ed25519:00"]);
    assert!(!holds && said.contains("signed with another key"), "{said}");
    let other = house.dir.path().join("changed.json");
    fs::write(&other, text.replacen("eyJ", "eyK", 1)).expect("the bundle is written");
    assert!(!verify(&house, &other, &[]).0);

    let clone = house.dir.path().join("clone");
    let branch = format!("astraforge/{request}");
    let repository = house.data.join("git").join(format!("{}.git", house.link));
    let status = Command::new("git").args(["clone", "--quiet", "--branch", &branch]).arg(&repository).arg(&clone).status();
    assert!(status.expect("git runs").success());
    let (holds, said) = verify(&house, &bundle, &["--repo", &clone.display().to_string()]);
    assert!(holds && said.contains("again     proven"), "{said}");

    // No server's data: nothing is made there.
    let nowhere = house.dir.path().join("nowhere");
    let output = house.command().arg("verify").arg(&bundle).args(["--events", "--data-dir"]).arg(&nowhere).output().expect("verify runs");
    assert!(!output.status.success() && !nowhere.exists(), "{output:?}");

    // Evidence that another installation signed says nothing of this one's log.
    let foreign = house.dir.path().join("foreign");
    let output = house.command().args(["migrate", "--data-dir"]).arg(&foreign).output().expect("migrate runs");
    assert!(output.status.success(), "{output:?}");
    let output = house.command().arg("verify").arg(&bundle).args(["--events", "--data-dir"]).arg(&foreign).output().expect("verify runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("is not this server's key"), "{output:?}");

    // A value of another type, put right again.
    let topic = format!("request:{request}");
    tamper(&house, &format!("update events set kind = cast(kind as blob) where topic = '{topic}' and seq = 2"));
    let (holds, said) = verify(&house, &bundle, &["--events"]);
    assert!(!holds && said.contains("after 0 can't be read"), "{said}");
    tamper(&house, &format!("update events set kind = cast(kind as text) where topic = '{topic}' and seq = 2"));
    assert!(verify(&house, &bundle, &["--events"]).0, "the control: it is what it was");

    // An event other than it was.
    tamper(&house, &format!("update events set payload = replace(payload, 'type', 'Type') where topic = '{topic}' and seq = 2"));
    let (holds, said) = verify(&house, &bundle, &["--events"]);
    assert!(!holds && said.contains("event 2 of") && said.contains("is not what was written"), "{said}");
    // A log that holds by itself but lacks what was signed.
    tamper(
        &house,
        &format!(
            "delete from events where topic = '{topic}' and seq > 1; \
             update topics set seq = 1, hash = (select hash from events where topic = '{topic}' and seq = 1) where topic = '{topic}'"
        ),
    );
    let (holds, said) = verify(&house, &bundle, &["--events"]);
    assert!(!holds && said.contains("which was signed"), "{said}");
    assert!(verify(&house, &bundle, &[]).0, "the control: the bundle itself is as it was");
}
