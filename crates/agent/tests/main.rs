//! The whole turn: the scripted model behind a door, real files and real commands.

mod support;

use agent::{Limits, TurnContext};
use domain::turn::{AgentEvent, TurnEnd};
use llm::Message;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::folder::Folder;
use tokio::sync::{mpsc, watch};

struct Bench {
    folder: tempfile::TempDir,
    context: TurnContext,
    events: mpsc::Receiver<AgentEvent>,
    cancel: watch::Sender<bool>,
}

/// The scripted model behind the same kind of door as in production.
fn model(script: Value) -> llm::client::ChatClient {
    let sandbox = domain::SandboxId(uuid::Uuid::nil());
    agent::door::client(&domain::turn::ModelAccess {
        doors: support::ScriptedDoors::new(script),
        peer: domain::egress::Peer { sandbox, run: None, epoch: 1 },
        token: domain::secret::Secret::new(support::TOKEN),
        model: "m".into(),
        reasoning_effort: None,
    })
}

async fn bench(script: Value) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("calc.py"), "def add(a, b):\n    return a - b\n").unwrap();
    let (sender, events) = mpsc::channel(1000);
    let (cancel, cancelled) = watch::channel(false);
    let context = TurnContext {
        model: model(script),
        model_name: "m".into(),
        reasoning_effort: None,
        sandbox: Arc::new(Folder::new()),
        workspace: folder.path().to_string_lossy().into_owned(),
        env: Vec::new(),
        instructions: Vec::new(),
        history: Vec::new(),
        prompt: "fix the bug".into(),
        limits: Limits::default(),
        events: sender,
        cancel: cancelled,
    };
    Bench { folder, context, events, cancel }
}

fn drained(mut events: mpsc::Receiver<AgentEvent>) -> Vec<AgentEvent> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

fn tool(name: &str, arguments: Value) -> Value {
    json!({"tool": {"name": name, "arguments": arguments}})
}

#[tokio::test]
async fn a_turn_reads_edits_runs_and_tells() {
    let bench = bench(json!({"steps": [
        tool("write_todos", json!({"todos": [{"content": "fix", "status": "in_progress"}]})),
        tool("glob", json!({"pattern": "*.py"})),
        tool("grep", json!({"pattern": "return a . b"})),
        tool("ls", json!({})),
        {"say": "I read it first.", "tool": {"name": "read_file", "arguments": {"file_path": "calc.py"}}},
        {"edit": {"path": "calc.py", "old": "a - b", "new": "a + b"}},
        {"write": {"path": "tests/test_calc.py", "content": "import calc\nassert calc.add(1, 2) == 3\nprint('fine')\n"}},
        {"shell": {"command": "PYTHONPATH=. python3 tests/test_calc.py; echo bad >&2; exit 3"}}
    ], "final": "It subtracted."}))
    .await;
    let outcome = agent::run(bench.context).await;
    assert_eq!(outcome.ended, TurnEnd::Finished);
    assert_eq!((outcome.final_message.as_str(), outcome.steps), ("It subtracted.", 9));
    assert!(outcome.usage.total() > 100);
    let results: Vec<&str> = outcome
        .history
        .iter()
        .filter_map(|m| match m {
            Message::Tool { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(results[0], "Noted; 1 open.");
    assert_eq!(results[1], "calc.py");
    assert_eq!(results[2], "calc.py:2:    return a - b");
    assert!(results[3].contains("calc.py  32 bytes"), "{}", results[3]);
    assert_eq!(results[4], "    1\tdef add(a, b):\n    2\t    return a - b\n");
    assert!(results[7].contains("fine\n") && results[7].contains("bad\n") && results[7].ends_with("[exit code 3]"), "{}", results[7]);
    let events = drained(bench.events);
    let diffs: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            AgentEvent::FileChanged { path, diff } => Some((path.as_str(), diff.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(diffs[0].0, "calc.py");
    assert!(diffs[0].1.contains("-    return a - b\n+    return a + b"));
    assert_eq!(diffs[1].0, "tests/test_calc.py");
    let at = events.iter().position(|e| matches!(e, AgentEvent::CommandStarted { .. })).unwrap();
    assert!(matches!(&events[at + 1], AgentEvent::CommandOutput { .. }));
    assert!(events.iter().any(|e| matches!(e, AgentEvent::CommandFinished { exit_code: 3, output, .. } if output.contains("fine"))));
    assert!(events.contains(&AgentEvent::Message { text: "I read it first.".into() }));
    let fixed = std::fs::read_to_string(bench.folder.path().join("calc.py")).unwrap();
    assert_eq!(fixed, "def add(a, b):\n    return a + b\n");
}

#[tokio::test]
async fn a_next_turn_goes_on_from_the_history() {
    let script = json!({"scripts": [
        {"turn": 2, "steps": [{"shell": {"command": "echo again"}}], "final": "Second."},
        {"steps": [tool("read_file", json!({"path": "missing"})), tool("nonsense", json!({}))], "final": "First."}
    ]});
    let first = bench(script.clone()).await;
    let outcome = agent::run(first.context).await;
    let Message::Tool { text, .. } = &outcome.history[2] else { panic!("no result") };
    assert!(text.starts_with("Error: ") && text.contains("does not exist"), "{text}");
    let mut second = bench(script).await;
    second.context.history = outcome.history;
    second.context.prompt = "the proof was refused".into();
    let outcome = agent::run(second.context).await;
    assert_eq!(outcome.final_message, "Second.");
    assert_eq!(outcome.ended, TurnEnd::Finished);
}

#[tokio::test]
async fn circles_step_limits_and_final_errors_end_the_turn() {
    let same: Vec<Value> = (0..12).map(|_| json!({"shell": {"command": "true"}})).collect();
    let circles = bench(json!({"steps": same, "final": "x"})).await;
    let TurnEnd::Failed(why) = agent::run(circles.context).await.ended else { panic!("went on") };
    assert!(why.contains("repeated"), "{why}");

    let mut limited = bench(json!({"steps": same, "final": "x"})).await;
    limited.context.limits.steps_max = 2;
    let TurnEnd::Failed(why) = agent::run(limited.context).await.ended else { panic!("went on") };
    assert!(why.contains("after 2 steps"), "{why}");

    let refused = bench(json!({"steps": [{"fail": {"status": 403, "message": "The budget is spent."}}]})).await;
    let outcome = agent::run(refused.context).await;
    let TurnEnd::Failed(why) = outcome.ended else { panic!("went on") };
    assert!(why.contains("The budget is spent."), "{why}");
    assert_eq!(outcome.steps, 0);
}

#[tokio::test]
async fn a_cancel_or_a_deadline_ends_a_running_command_and_leaves_a_whole_history() {
    let script = json!({"steps": [{"shell": {"command": "echo begun; sleep 60"}}], "final": "x"});
    let mut cancelled = bench(script.clone()).await;
    let turn = tokio::spawn(agent::run(cancelled.context));
    while !matches!(cancelled.events.recv().await, Some(AgentEvent::CommandOutput { .. })) {}
    cancelled.cancel.send(true).unwrap();
    let outcome = turn.await.unwrap();
    assert_eq!(outcome.ended, TurnEnd::Cancelled);
    assert!(matches!(outcome.history.last(), Some(Message::Tool { .. })));

    let mut late = bench(script.clone()).await;
    late.context.limits.deadline = Duration::from_millis(300);
    assert_eq!(agent::run(late.context).await.ended, TurnEnd::Deadline);

    let mut slow = bench(script).await;
    slow.context.limits.command_timeout = Duration::from_millis(300);
    let outcome = agent::run(slow.context).await;
    assert_eq!(outcome.ended, TurnEnd::Finished);
    assert!(matches!(&outcome.history[2], Message::Tool { text, .. } if text.contains("[killed after")), "{:?}", outcome.history[2]);
}
