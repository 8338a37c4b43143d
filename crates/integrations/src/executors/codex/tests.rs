use super::*;
use crate::executors::support::{ScriptedDoors, TOKEN, folder::Folder};
use domain::egress::Peer;
use domain::secret::Secret;
use domain::turn::ModelAccess;
use serde_json::json;

/// What Codex 0.169 printed in real turns, shortened.
const FIRST_TURN: &str = include_str!("transcripts/first_turn.jsonl");
const REFUSED: &str = include_str!("transcripts/refused.jsonl");
const THREAD: &str = "01a20ab9-4809-7df1-bb8b-f60fdf2a6b4b";

fn read(transcript: &str) -> (Stream, Vec<AgentEvent>) {
    let mut stream = Stream::new("/workspace");
    let lines = transcript.lines().enumerate();
    let events = lines.flat_map(|(at, line)| stream.line(line, Duration::from_millis(10 * at as u64))).collect();
    (stream, events)
}

fn exited(code: i32) -> Ended {
    Ended::Exit(Exit { reason: domain::sandbox::ExitReason::Exited, code }, "warning\nlast words\n".into())
}

#[test]
fn a_turn_is_read_into_events() {
    let (stream, events) = read(FIRST_TURN);
    assert_eq!(stream.thread(), THREAD);
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| match event {
            AgentEvent::Message { .. } => "message",
            AgentEvent::CommandStarted { .. } => "started",
            AgentEvent::CommandFinished { .. } => "finished",
            AgentEvent::FileChanged { .. } => "file",
            AgentEvent::Plan { .. } => "plan",
            AgentEvent::Note { .. } => "note",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["note", "message", "started", "finished", "plan", "file", "message"]);
    let AgentEvent::CommandFinished { command, exit_code, duration_ms, output, .. } = &events[3] else { unreachable!() };
    assert_eq!((command.as_str(), *exit_code, *duration_ms), ("grep -n 'return' calc.py", 0, 10));
    assert_eq!(output, "2:    return a - b\n");
    assert_eq!(events[5], AgentEvent::FileChanged { path: "calc.py".into(), diff: String::new() });
    let outcome = outcome(stream, Session::default(), exited(0));
    assert_eq!((outcome.ended, outcome.final_message.as_str()), (TurnEnd::Finished, "It subtracted."));
    assert_eq!(outcome.reported.input_tokens, 19_939);
    assert!(outcome.session.unwrap().contains(THREAD));
}

#[test]
fn usage_is_that_of_the_turn_although_the_thread_is_counted() {
    let before = Session { thread: THREAD.into(), input_tokens: 19_000, cached_input_tokens: 10, output_tokens: 20 };
    let turn = outcome(read(FIRST_TURN).0, before, exited(0));
    assert_eq!((turn.reported.input_tokens, turn.reported.output_tokens), (939, 4));
    let session: Session = serde_json::from_str(&turn.session.unwrap()).unwrap();
    assert_eq!(session.input_tokens, 19_939);
}

#[test]
fn a_refusal_is_told_in_its_own_words_and_an_early_end_is_a_failure() {
    let (stream, events) = read(REFUSED);
    assert!(matches!(&events[0], AgentEvent::Note { .. }));
    assert_eq!(outcome(stream, Session::default(), exited(1)).ended, TurnEnd::Failed("The budget of this run is spent.".into()));
    let TurnEnd::Failed(why) = outcome(read("not json\n").0, Session::default(), exited(0)).ended else { panic!("went well") };
    assert!(why.contains("last words"), "{why}");
}

#[test]
fn reconnecting_is_told_and_not_waited_for_for_ever() {
    let line = r#"{"type":"error","message":"Reconnecting... 1/5 (waiting for network)"}"#;
    let mut stream = Stream::new("/workspace");
    let events = stream.line(line, Duration::from_secs(10));
    assert!(matches!(&events[0], AgentEvent::Retry { message } if message.contains("waiting for network")));
    assert_eq!(stream.given_up(Duration::from_secs(60)), None);
    assert!(stream.given_up(Duration::from_secs(101)).is_some());
    stream.line(r#"{"type":"item.completed","item":{"type":"reasoning","text":"x"}}"#, Duration::from_secs(50));
    assert_eq!(stream.given_up(Duration::from_secs(101)), None);
}

fn turn(folder: &Path, doors: Arc<ScriptedDoors>, session: Option<String>) -> (Turn, mpsc::Receiver<AgentEvent>) {
    let sandbox = Arc::new(Folder::new());
    let (events, receiver) = mpsc::channel(1000);
    let model = ModelAccess {
        doors,
        peer: Peer { sandbox: sandbox.id, run: None, epoch: 1 },
        token: Secret::new(TOKEN),
        model: "mock-model".into(),
        reasoning_effort: Some("low".into()),
    };
    let turn = Turn {
        sandbox,
        model,
        workspace: folder.to_string_lossy().into_owned(),
        prompt: "fix the bug".into(),
        session,
        deadline: Duration::from_secs(60),
        events,
        cancel: watch::channel(false).1,
    };
    (turn, receiver)
}

fn codex(port: u16, home: &Path) -> Codex {
    Codex { prefix: None, port, home: home.to_string_lossy().into_owned() }
}

/// A package whose program keeps what it was given and then does as told.
fn package_that(folder: &Path, does: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let bin = folder.join("package/bin");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join("codex");
    std::fs::write(&program, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > argv\ncat > stdin\nenv > env\n{does}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder.join("package").to_string_lossy().into_owned()
}

#[tokio::test]
async fn the_program_gets_the_prompt_by_stdin_and_the_token_by_environment() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("transcript"), FIRST_TURN).unwrap();
    let package = package_that(folder.path(), "cat transcript");
    let session = json!({"thread": THREAD, "input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0}).to_string();
    let (turn, _events) = turn(folder.path(), ScriptedDoors::new(json!({"steps": []})), Some(session));
    let outcome = codex(LLM_PORT, folder.path()).drive(turn, &package).await.unwrap();
    assert_eq!(outcome.ended, TurnEnd::Finished);
    let kept = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(kept("stdin"), "fix the bug");
    assert!(kept("env").contains(&format!("{TOKEN_VARIABLE}={TOKEN}")));
    let argv = kept("argv");
    assert!(!argv.contains(TOKEN) && !argv.contains("fix the bug"));
    assert!(argv.ends_with(&format!("resume\n{THREAD}\n-\n")), "{argv}");
}

#[tokio::test]
async fn a_silent_program_ends_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let package = package_that(folder.path(), "exec sleep 60");
    let (mut turn, _events) = turn(folder.path(), ScriptedDoors::new(json!({"steps": []})), None);
    turn.deadline = Duration::from_millis(300);
    let outcome = codex(LLM_PORT, folder.path()).drive(turn, &package).await.unwrap();
    assert_eq!(outcome.ended, TurnEnd::Deadline);
    assert_eq!(outcome.session, None);
}

fn prefix() -> &'static str {
    const PREFIX: Option<&str> = option_env!("ASTRAFORGE_CODEX_PREFIX");
    PREFIX.expect("ASTRAFORGE_CODEX_PREFIX must be set when the test is built")
}

/// With the real program: `ASTRAFORGE_CODEX_PREFIX=DIR cargo test -p integrations codex -- --ignored`.
#[tokio::test]
#[ignore = "needs an installed Codex"]
async fn the_real_program_fixes_a_file_and_resumes() {
    let prefix = prefix();
    let package = package(Path::new(prefix)).expect("an installed Codex");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("calc.py"), "def add(a, b):\n    return a - b\n").unwrap();
    for line in ["git init -q .", "git add -A", "git -c user.name=x -c user.email=x@x commit -qm base"] {
        assert!(std::process::Command::new("sh").args(["-c", line]).current_dir(folder.path()).status().unwrap().success());
    }
    let doors = ScriptedDoors::new(json!({"scripts": [
        {"turn": 2, "steps": [{"shell": {"command": "cat calc.py"}}], "final": "Looked again."},
        {"steps": [
            {"say": "I look.", "shell": {"command": "cat calc.py; echo token=$ASTRAFORGE_MODEL_TOKEN."}},
            {"edit": {"path": "calc.py", "old": "a - b", "new": "a + b"}}
        ], "final": "It subtracted."}
    ]}));
    let port = doors.clone().listen().await;
    let home = tempfile::tempdir().unwrap();
    let codex = codex(port, home.path());
    let (first, mut events) = turn(folder.path(), doors.clone(), None);
    let outcome = codex.drive(first, &package.to_string_lossy()).await.unwrap();
    let seen: Vec<AgentEvent> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    assert_eq!(outcome.ended, TurnEnd::Finished, "{seen:#?}");
    assert_eq!(outcome.final_message, "It subtracted.");
    assert!(std::fs::read_to_string(folder.path().join("calc.py")).unwrap().contains("a + b"));
    assert!(
        seen.iter().any(|e| matches!(e, AgentEvent::FileChanged { path, diff } if path == "calc.py" && diff.contains("+    return a + b"))),
        "{seen:#?}"
    );
    assert!(seen.iter().any(|e| matches!(e, AgentEvent::CommandFinished { output, .. } if output.contains("token=."))), "{seen:#?}");
    let first_input = outcome.reported.input_tokens;
    let (second, _events) = turn(folder.path(), doors, outcome.session);
    let outcome = codex.drive(second, &package.to_string_lossy()).await.unwrap();
    assert_eq!((outcome.ended, outcome.final_message.as_str()), (TurnEnd::Finished, "Looked again."));
    assert!(outcome.reported.input_tokens > 0 && outcome.reported.input_tokens < 2 * first_input);
}

/// The whole way: in a real sandbox without network, the model behind its door.
#[tokio::test]
#[ignore = "needs an installed Codex, and root"]
async fn the_real_program_works_in_a_sandbox() {
    use domain::sandbox::{Provisioner, SandboxSpec, WORKSPACE, Workspace};
    let prefix = prefix();
    let codex = build(&Settings { codex_prefix: Some(prefix.into()) });
    assert_eq!(codex.unavailable().await, None);
    let doors = ScriptedDoors::new(json!({"scripts": [
        {"turn": 2, "steps": [], "final": "Looked again."},
        {"steps": [
            {"say": "I look.", "shell": {"command": "cat calc.py; id -u"}},
            {"edit": {"path": "calc.py", "old": "a - b", "new": "a + b"}}
        ], "final": "It subtracted."}
    ]}));
    let data = tempfile::tempdir().unwrap();
    let home = data.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let provisioner = sandbox::testkit::local(data.path(), Some(doors.clone())).unwrap();
    let mut session = None;
    for (number, words) in [(1u128, "It subtracted."), (2, "Looked again.")] {
        let id = domain::SandboxId(uuid::Uuid::from_u128(number));
        let mut mounts = codex.mounts();
        mounts.push(Mount { source: home.clone(), target: AGENT_HOME.into(), mode: MountMode::ReadWrite });
        let spec = SandboxSpec { mounts, ..sandbox::testkit::spec(id, Workspace::Scratch) };
        let place = provisioner.create(spec).await.unwrap();
        place.write_file(&format!("{WORKSPACE}/calc.py"), "def add(a, b):\n    return a - b\n".into(), 0o644).await.unwrap();
        let base = "git init -q . && git add -A && git -c user.name=x -c user.email=x@x commit -qm base";
        place.exec(Command::shell(base)).await.unwrap().checked("git").unwrap();
        let (mut turn, mut events) = turn(Path::new(WORKSPACE), doors.clone(), session.take());
        turn.sandbox = place.clone();
        turn.model.peer = Peer { sandbox: id, run: None, epoch: 1 };
        let outcome = codex.turn(turn).await.unwrap();
        let seen: Vec<AgentEvent> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert_eq!((outcome.ended, outcome.final_message.as_str()), (TurnEnd::Finished, words), "{seen:#?}");
        if number == 1 {
            assert!(
                seen.iter().any(
                    |e| matches!(e, AgentEvent::FileChanged { path, diff } if path == "calc.py" && diff.contains("+    return a + b"))
                ),
                "{seen:#?}"
            );
        }
        session = outcome.session;
        place.terminate().await.unwrap();
    }
}
