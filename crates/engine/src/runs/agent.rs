//! The steps that think: one turn of an executor in a sandbox of its own, from the failing test to the patch.
//!
//! The agent's word counts for nothing later: what this leaves behind is a diff.

use super::drive::Work;
use crate::{events, llm, prompt};
use domain::egress::{EgressPolicy, Peer};
use domain::event::STAGE_AGENT;
use domain::git::Commit;
use domain::run::{Step, StepState};
use domain::sandbox::{Command, Mount, MountMode, Sandbox, SandboxLimits, SandboxSpec, WORKSPACE, Workspace};
use domain::turn::{AgentEvent, ModelAccess, Turn, TurnEnd, TurnOutcome};
use domain::{Error, Result, limits};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Home inside the agent's sandbox; kept between the turns of a run, so that a CLI can resume its session.
const HOME: &str = "/home/agent";

pub async fn step(work: &mut Work) -> Result<()> {
    if work.run.record.agent_turns >= limits::AGENT_TURNS_PER_RUN_MAX {
        return Err(Error::conflict(format!("the agent had its {} turns", limits::AGENT_TURNS_PER_RUN_MAX)));
    }
    if work.run.record.agent_turns == 0 {
        check_model(work)?;
    }
    let before = work.run.record.usage;
    let base = work.run.record.base_commit.clone().ok_or_else(|| Error::internal("prepare left no base commit"))?;
    let sandbox = create_sandbox(work, &base).await?;
    let outcome = turn_in(work, &sandbox, &base).await;
    let ended = sandbox.terminate().await;
    llm::revoke(&work.engine, work.run.id).await?;
    let (outcome, patch) = outcome?;
    ended?;
    work.run.record.usage = llm::usage(&work.engine, work.run.id).await?;
    keep(work, outcome, patch).await?;
    for step in [Step::Reproduce, Step::Patch] {
        if work.run.record.step_mut(step).state != StepState::Done {
            let summary = if step == Step::Patch { patch_summary(work) } else { "a failing test was asked for first".to_string() };
            let since = if step == Step::Patch { before } else { work.run.record.usage };
            work.finish(step, summary, since).await?;
        }
    }
    Ok(())
}

fn patch_summary(work: &Work) -> String {
    let stat = domain::diff::stat(&work.run.record.patch);
    format!("{} files, +{} −{}", stat.files, stat.additions, stat.deletions)
}

/// Ends a run that no model can carry out before anything is made for it.
pub fn check_model(work: &Work) -> Result<()> {
    match work.engine.model.provider.refuses(&brief(work, &[])) {
        Some(reason) => Err(Error::conflict(reason)),
        None => Ok(()),
    }
}

async fn create_sandbox(work: &mut Work, base: &Commit) -> Result<Arc<dyn Sandbox>> {
    let executor = work.engine.executor(&work.run.executor)?;
    if let Some(reason) = executor.unavailable().await {
        return Err(Error::conflict(format!("executor `{}` can't be used here: {reason}", executor.id())));
    }
    work.log.status("provisioning", format!("creating a {} sandbox", work.provisioner.id())).await;
    let layer = super::prepare::layer(work);
    let home = super::homes::of(&work.engine, work.run.id);
    tokio::fs::create_dir_all(&home).await.map_err(|e| Error::unavailable("the run's home could not be made").because(e))?;
    let mut mounts = layer.mounts;
    mounts.extend(executor.mounts());
    mounts.push(Mount { source: home, target: HOME.into(), mode: MountMode::ReadWrite });
    let spec = SandboxSpec {
        id: work.engine.clock.fresh(),
        run: Some(work.run.id),
        epoch: 1,
        workspace: Workspace::CopyOnWrite(work.engine.git.checkout(work.repository.id, base, true).await?),
        mounts,
        read_only_paths: Vec::new(),
        limits: SandboxLimits::default(),
        egress: EgressPolicy::deny_all(),
        env: layer.env,
        hostname: "workspace".into(),
    };
    let sandbox = work.provisioner.create(spec).await?;
    work.run.record.guarantees = sandbox.guarantees();
    work.run.record.sandbox_mode = work.provisioner.id().to_string();
    work.log.status("workspace", format!("{} is ready; the repository is at {}", sandbox.reference(), base.short())).await;
    Ok(sandbox)
}

async fn turn_in(work: &mut Work, sandbox: &Arc<dyn Sandbox>, base: &Commit) -> Result<(TurnOutcome, String)> {
    apply_earlier(work, sandbox).await?;
    let executor = work.engine.executor(&work.run.executor)?;
    let token = llm::issue(&work.engine, work.run.id, sandbox.id(), sandbox.epoch()).await?;
    let prompt = brief(work, &earlier(work).await?);
    let (sender, receiver) = mpsc::channel(256);
    let turn = Turn {
        sandbox: sandbox.clone(),
        model: ModelAccess {
            doors: work.engine.doors()?,
            peer: Peer { sandbox: sandbox.id(), run: Some(work.run.id), epoch: sandbox.epoch() },
            token,
            model: work.run.model.clone(),
            reasoning_effort: work.request.llm.reasoning_effort.clone(),
        },
        workspace: WORKSPACE.into(),
        prompt,
        session: work.run.record.session.clone(),
        deadline: Duration::from_secs(limits::AGENT_TURN_SECONDS_MAX),
        events: sender,
        cancel: work.cancel.clone(),
    };
    work.log.status(STAGE_AGENT, format!("{} works", executor.label())).await;
    let acting = executor.turn(turn);
    let telling = tell(work, receiver);
    let (outcome, told) = tokio::join!(acting, telling);
    told?;
    let outcome = outcome?;
    match &outcome.ended {
        TurnEnd::Finished => {}
        TurnEnd::Cancelled => return Err(Error::unavailable("the run was asked to stop")),
        TurnEnd::Deadline => {
            return Err(Error::conflict(format!("the agent was still at work after {} minutes", limits::AGENT_TURN_SECONDS_MAX / 60)));
        }
        TurnEnd::Failed(why) => return Err(Error::conflict(format!("{} failed: {why}", executor.label()))),
    }
    let patch = collect(sandbox, base).await?;
    Ok((outcome, patch))
}

/// The work of an earlier turn or run is put back, so that the agent goes on instead of starting over.
async fn apply_earlier(work: &Work, sandbox: &Arc<dyn Sandbox>) -> Result<()> {
    if work.run.record.patch.is_empty() {
        return Ok(());
    }
    let apply =
        Command::new(["git", "apply", "--whitespace=nowarn", "-"]).stdin(work.run.record.patch.clone()).timeout(Duration::from_secs(60));
    sandbox.exec(apply).await?.checked("putting the earlier patch back")?;
    Ok(())
}

/// What was tried on the same fault before, newest first, without this request's own runs.
async fn earlier(work: &Work) -> Result<Vec<prompt::Attempt>> {
    let Some(incident) = work.request.incident else { return Ok(Vec::new()) };
    let mut tx = work.engine.store.read().await?;
    let runs = store::runs::by_incident(&mut tx, incident, store::Page::first(20)).await?;
    let mut attempts: Vec<prompt::Attempt> = Vec::new();
    for run in runs.into_iter().filter(|run| run.request != work.request.id && run.status.is_final()).take(prompt::ATTEMPTS_MAX) {
        let merge_request = store::merge_requests::by_request(&mut tx, run.request).await?.filter(|mr| mr.run == run.id);
        attempts.push(prompt::Attempt { run, merge_request });
    }
    Ok(attempts)
}

fn brief(work: &Work, earlier: &[prompt::Attempt]) -> String {
    let nonce = work.engine.clock.token_hex(8);
    prompt::of(&prompt::Brief {
        request: &work.request,
        alert: work.alert(),
        suspect: work.run.record.suspect.as_ref(),
        earlier,
        messages: &work.messages,
        language: &super::prepare::test_framework(work),
        nonce: &nonce,
        has_earlier_patch: !work.run.record.patch.is_empty(),
        mend: work.run.record.mend.as_deref(),
    })
}

/// Turns what the agent does into events, and moves from `reproduce` to `patch` when it first touches the product.
async fn tell(work: &mut Work, mut receiver: mpsc::Receiver<AgentEvent>) -> Result<()> {
    while let Some(event) = receiver.recv().await {
        let live = match &event {
            AgentEvent::CommandStarted { command, .. } => Some(format!("running {}", first_line(command))),
            AgentEvent::FileChanged { path, .. } => Some(format!("editing {path}")),
            AgentEvent::Message { .. } | AgentEvent::Thinking { .. } => Some("thinking".to_string()),
            _ => None,
        };
        if let AgentEvent::FileChanged { path, .. } = &event
            && work.run.record.step_mut(Step::Reproduce).state == StepState::Working
            && !super::prepare::looks_like_a_test(work, path)
        {
            let before = work.run.record.usage;
            work.finish(Step::Reproduce, "a failing test was written first".into(), before).await?;
            work.begin(Step::Patch).await?;
        }
        let (kind, fields) = wire(event);
        work.log.write(kind, fields).await;
        if let Some(line) = live.filter(|line| *line != work.run.live_line) {
            work.say_live(&line);
            work.save_live().await?;
        }
    }
    Ok(())
}

fn first_line(command: &str) -> String {
    let line = command.lines().next().unwrap_or_default();
    line.chars().take(120).collect()
}

/// The one table from what agents do to the words on the wire.
fn wire(event: AgentEvent) -> (&'static str, serde_json::Value) {
    match event {
        AgentEvent::Message { text } => ("assistant_message", json!({"stage": "chat", "message": text})),
        AgentEvent::Thinking { text } => ("thinking", json!({"message": text})),
        AgentEvent::CommandStarted { id, command, cwd } => ("command", json!({"call_id": id, "command": command, "cwd": cwd})),
        AgentEvent::CommandOutput { id, text } => ("log", json!({"call_id": id, "message": text})),
        AgentEvent::CommandFinished { id, command, exit_code, duration_ms, output } => (
            "command_finished",
            json!({"call_id": id, "command": command, "exit_code": exit_code, "duration_ms": duration_ms, "output": output}),
        ),
        AgentEvent::FileChanged { path, diff } => ("file_change", json!({"path": path, "diff": diff})),
        AgentEvent::Tool { name, summary } => ("tool", json!({"name": name, "message": summary})),
        AgentEvent::Plan { items } => ("plan", json!({"items": items})),
        AgentEvent::Retry { message } => ("status", json!({"stage": "retry", "message": message})),
        AgentEvent::Note { text } => ("status", json!({"stage": "agent", "message": text})),
    }
}

/// The whole difference to the base, as git sees it inside. It is only data: what counts is what it makes of our own copy of the base.
async fn collect(sandbox: &Arc<dyn Sandbox>, base: &Commit) -> Result<String> {
    let line = format!(
        "git add -A && git -c core.quotepath=off diff --cached --binary --full-index --no-ext-diff --no-textconv --no-renames {base} --"
    );
    let diff =
        Command::shell(line).env("GIT_OPTIONAL_LOCKS", "0").timeout(Duration::from_secs(120)).output_bytes_max(limits::DIFF_BYTES_MAX * 4);
    let output = sandbox.exec(diff).await?;
    if output.stdout_dropped > 0 {
        return Err(Error::limit(format!("the agent's change is larger than {} bytes", limits::DIFF_BYTES_MAX * 4)));
    }
    let output = output.checked("reading the agent's change")?;
    String::from_utf8(output.stdout.to_vec())
        .map_err(|_| Error::invalid("the agent's change is not UTF-8 text; binary files must be added as such"))
}

async fn keep(work: &mut Work, mut outcome: TurnOutcome, patch: String) -> Result<()> {
    let secrets = llm::run_secrets(&work.engine, work.run.id);
    if secrets.iter().any(|secret| patch.contains(secret.as_str())) {
        return Err(Error::conflict("the agent wrote this run's own model token into the patch; nothing of it was kept"));
    }
    outcome.final_message = events::without(&outcome.final_message, &secrets);
    let record = &mut work.run.record;
    record.agent_turns += 1;
    record.patch = patch;
    record.session = outcome.session;
    record.mend = None;
    if !outcome.final_message.is_empty() {
        record.final_message = outcome.final_message;
    }
    let added = domain::diff::stat(&work.run.record.patch);
    let message = if added.files == 0 {
        "the agent changed no file".to_string()
    } else {
        format!("{} files changed, +{} −{}", added.files, added.additions, added.deletions)
    };
    if added.files == 0 {
        return Err(Error::conflict(format!("{message}: {}", first_line(&work.run.record.final_message))));
    }
    let fields =
        json!({"stage": "diff", "message": message, "additions": added.additions, "deletions": added.deletions, "files": added.files});
    work.save_with("status", fields).await
}
