//! Requests, runs, merge requests, evidence, the model's books, sandboxes, layers and the activity over them.

use crate::both;
use crate::support::*;
use domain::event::request_topic;
use domain::evidence::Verdict;
use domain::merge_request::MergeRequestStatus;
use domain::request::{Attachment, ChatMessage, RequestState};
use domain::run::{Run, RunStatus, Step};
use domain::sandbox::SessionStatus;
use domain::usage::Usage;
use domain::{Kind, RepositoryId, SandboxId, Timestamp, UserId, WorkspaceId};
use serde_json::json;
use store::activity::{self, ActivityKind};
use store::evidence::{self, Bundle};
use store::layers::{self, Layer, LayerState};
use store::llm::{self, Grant, RunToken};
use store::sandboxes::{self, Artifact, Scope, Session, Snapshot};
use store::{Page, events, incidents, merge_requests, requests, runs, sources};
use uuid::Uuid;

both! {
    async fn requests_are_talked_about(bed: Bed) {
        let mut tx = bed.write().await;
        let (user, home) = home(&mut tx, "ada").await;
        let mut old = domain::request::Request { user: Some(user), ..request(&home, 1) };
        let new = request(&home, 2);
        requests::create(&mut tx, &old).await.unwrap();
        requests::create(&mut tx, &new).await.unwrap();
        assert_eq!(requests::list(&mut tx, &[home.id], Page::default()).await.unwrap(), [new.clone(), old.clone()]);
        assert_eq!(requests::list(&mut tx, &[], Page::default()).await.unwrap(), []);
        old.state = RequestState::Executing;
        old.attachments = vec![Attachment { name: "a.png".into(), ..Attachment::default() }];
        requests::update(&mut tx, &old).await.unwrap();
        assert_eq!(requests::get(&mut tx, old.id).await.unwrap(), old);
        requests::set_state(&mut tx, old.id, RequestState::Failed, at(9)).await.unwrap();
        assert_eq!(requests::find(&mut tx, old.id).await.unwrap().unwrap().state, RequestState::Failed);
        assert_eq!(requests::find(&mut tx, id()).await.unwrap(), None);
        assert_eq!(requests::update(&mut tx, &request(&home, 3)).await.unwrap_err().kind, Kind::NotFound);

        let said: Vec<ChatMessage> = [("user", "Please"), ("assistant", "Done")]
            .map(|(role, message)| ChatMessage { role: role.into(), message: message.into(), attachments: vec![], run: Some(id()), created_at: at(1) })
            .to_vec();
        for message in &said {
            requests::add_message(&mut tx, old.id, message).await.unwrap();
        }
        assert_eq!(requests::messages(&mut tx, old.id).await.unwrap(), said);
        assert_eq!(requests::messages(&mut tx, new.id).await.unwrap(), []);
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(requests::create(&mut tx, &old).await.unwrap_err().kind, Kind::Conflict);
    }
}

both! {
    async fn a_deleted_request_takes_everything_with_it(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let source = source(&home, 1);
        sources::create(&mut tx, &source, None).await.unwrap();
        let mut incident = incident(&source, 1, "f");
        let request = request(&home, 1);
        incident.request = Some(request.id);
        incidents::create(&mut tx, &incident).await.unwrap();
        let request = domain::request::Request { incident: Some(incident.id), ..request };
        requests::create(&mut tx, &request).await.unwrap();
        assert_eq!(incidents::by_request(&mut tx, request.id).await.unwrap().as_ref(), Some(&incident));
        let run = run(&request, 1);
        runs::create(&mut tx, &run).await.unwrap();
        evidence::put(&mut tx, &bundle(&run, "d", "{}")).await.unwrap();
        llm::create_token(&mut tx, &token(&run, "t")).await.unwrap();
        let mr = merge_request(&run, id(), 1);
        merge_requests::create(&mut tx, &mr).await.unwrap();
        let topic = request_topic(request.id);
        events::append(&mut tx, &topic, "log", &json!({}), at(1)).await.unwrap();
        events::append(&mut tx, "request:other", "log", &json!({}), at(1)).await.unwrap();

        requests::delete(&mut tx, request.id).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(runs::get(&mut tx, run.id).await.unwrap_err().kind, Kind::NotFound);
        assert_eq!(merge_requests::get(&mut tx, mr.id).await.unwrap_err().kind, Kind::NotFound);
        assert_eq!(evidence::by_run(&mut tx, run.id).await.unwrap(), None);
        assert_eq!(llm::token(&mut tx, "t", at(0)).await.unwrap(), None);
        assert_eq!(events::last(&mut tx, &topic).await.unwrap(), None);
        assert_eq!(events::verify(&mut tx, "request:other").await.unwrap(), 1);
        assert_eq!(incidents::get(&mut tx, incident.id).await.unwrap().request, None);
        assert_eq!(requests::delete(&mut tx, request.id).await.unwrap_err().kind, Kind::NotFound);
    }
}

both! {
    async fn runs_keep_their_record(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let request = request(&home, 1);
        requests::create(&mut tx, &request).await.unwrap();
        let mut first = run(&request, 1);
        let second = Run { started_at: Some(at(20)), status: RunStatus::Running, ..run(&request, 2) };
        let third = Run { started_at: Some(at(30)), finished_at: Some(at(31)), status: RunStatus::Completed, ..run(&request, 3) };
        for run in [&first, &second, &third] {
            runs::create(&mut tx, run).await.unwrap();
        }
        assert_eq!(runs::get(&mut tx, first.id).await.unwrap(), first);
        assert_eq!(runs::list(&mut tx, &[home.id], Page::first(2)).await.unwrap(), [third.clone(), second.clone()]);
        assert_eq!(runs::by_request(&mut tx, request.id).await.unwrap(), [first.clone(), second.clone(), third.clone()]);
        assert_eq!(runs::active(&mut tx).await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(runs::active_of(&mut tx, request.id).await.unwrap().len(), 2);
        assert_eq!(runs::last_number(&mut tx, home.id).await.unwrap(), 3);
        assert_eq!(runs::last_number(&mut tx, id::<WorkspaceId>()).await.unwrap(), 0);

        first.status = RunStatus::Failed;
        first.step = Some(Step::Prove);
        first.verdict = Some(Verdict::NotApplicable);
        first.record.usage = Usage { calls: 2, cost_usd: Some(0.25), ..Usage::default() };
        first.record.reports.insert("z".into(), json!({"b": 1, "a": 2}));
        runs::update(&mut tx, &first).await.unwrap();
        runs::set_live(&mut tx, first.id, "pytest -q", Some(at(5))).await.unwrap();
        first.live_line = "pytest -q".into();
        first.live_since = Some(at(5));
        assert_eq!(runs::get(&mut tx, first.id).await.unwrap(), first);

        let rows = runs::summaries(&mut tx, &[home.id], Page::default()).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [first.id, third.id, second.id]);
        assert_eq!((rows[0].request_title.as_str(), rows[0].diff_chars, rows[0].usage, rows[0].step), ("Fix number 1", 19, first.record.usage, Some(Step::Prove)));
        assert_eq!(runs::summaries_of(&mut tx, request.id).await.unwrap(), rows);
        runs::delete(&mut tx, third.id).await.unwrap();
        assert_eq!(runs::delete(&mut tx, third.id).await.unwrap_err().kind, Kind::NotFound);
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(runs::create(&mut tx, &run(&request, 1)).await.unwrap_err().kind, Kind::Conflict, "numbers are given once");
    }
}

both! {
    async fn two_writers_of_a_run_take_turns(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let request = request(&home, 1);
        requests::create(&mut tx, &request).await.unwrap();
        let run = run(&request, 1);
        runs::create(&mut tx, &run).await.unwrap();
        tx.commit().await.unwrap();
        let writers: Vec<_> = (0..10).map(|_| {
            let (store, id) = (bed.store.clone(), run.id);
            tokio::spawn(async move {
                let mut tx = store.write().await.unwrap();
                let mut run = runs::get(&mut tx, id).await.unwrap();
                run.record.agent_turns += 1;
                runs::update(&mut tx, &run).await.unwrap();
                tx.commit().await.unwrap();
            })
        }).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let mut tx = bed.store.read().await.unwrap();
        assert_eq!(runs::get(&mut tx, run.id).await.unwrap().record.agent_turns, 10);
    }
}

both! {
    async fn a_branch_has_one_merge_request(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let request = request(&home, 1);
        requests::create(&mut tx, &request).await.unwrap();
        let run = run(&request, 1);
        runs::create(&mut tx, &run).await.unwrap();
        let repository: RepositoryId = id();
        let mut mr = merge_request(&run, repository, 1);
        merge_requests::create(&mut tx, &mr).await.unwrap();
        mr.status = MergeRequestStatus::Merged;
        mr.verdict = Verdict::Unproven;
        mr.decisions.approved_commit = Some(commit('b'));
        mr.decisions.reviewed = vec!["a.py".into()];
        merge_requests::update(&mut tx, &mr).await.unwrap();
        assert_eq!(merge_requests::get(&mut tx, mr.id).await.unwrap(), mr);
        assert_eq!(merge_requests::by_branch(&mut tx, repository, &mr.source_branch).await.unwrap().as_ref(), Some(&mr));
        assert_eq!(merge_requests::by_branch(&mut tx, repository, "main").await.unwrap(), None);
        assert_eq!(merge_requests::by_request(&mut tx, request.id).await.unwrap().as_ref(), Some(&mr));
        assert_eq!(merge_requests::by_incident(&mut tx, id()).await.unwrap(), []);
        assert_eq!(merge_requests::list(&mut tx, &[home.id], Page::default()).await.unwrap(), [mr]);
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(merge_requests::create(&mut tx, &merge_request(&run, repository, 2)).await.unwrap_err().kind, Kind::Conflict);
    }
}

both! {
    async fn a_bundle_is_kept_to_the_byte(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let request = request(&home, 1);
        requests::create(&mut tx, &request).await.unwrap();
        let run = run(&request, 1);
        runs::create(&mut tx, &run).await.unwrap();
        evidence::put(&mut tx, &bundle(&run, "d1", "{ \"b\": 1,\n\"a\": 2 }")).await.unwrap();
        let second = bundle(&run, "d2", "{\"z\":1, \"ä\":\"\\u0000\"}\n");
        evidence::put(&mut tx, &second).await.unwrap();
        assert_eq!(evidence::by_run(&mut tx, run.id).await.unwrap().as_ref(), Some(&second));
        assert_eq!(evidence::by_digest(&mut tx, "d2").await.unwrap().as_ref(), Some(&second));
        assert_eq!(evidence::by_digest(&mut tx, "d1").await.unwrap(), None);
    }
}

both! {
    async fn tokens_end_and_open_grants_count_as_spent(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let request = request(&home, 1);
        requests::create(&mut tx, &request).await.unwrap();
        let run = run(&request, 1);
        runs::create(&mut tx, &run).await.unwrap();
        let good = token(&run, "t1");
        llm::create_token(&mut tx, &good).await.unwrap();
        assert_eq!(llm::token(&mut tx, "t1", at(99)).await.unwrap(), Some(good));
        assert_eq!(llm::token(&mut tx, "t1", at(100)).await.unwrap(), None);
        assert_eq!(llm::token(&mut tx, "t2", at(0)).await.unwrap(), None);
        assert_eq!(llm::revoke_tokens(&mut tx, run.id).await.unwrap(), 1);
        assert_eq!(llm::revoke_tokens(&mut tx, run.id).await.unwrap(), 0);
        assert_eq!(llm::token(&mut tx, "t1", at(0)).await.unwrap(), None);

        assert_eq!(llm::spent(&mut tx, run.id).await.unwrap(), llm::Spent::default());
        let grants = [("patch", 1000), ("patch", 500), ("reproduce", 50)].map(|(step, tokens)| Grant {
            id: id(), run: run.id, step: step.into(), model: "small".into(), tokens, granted_at: at(1),
        });
        for grant in &grants {
            llm::grant(&mut tx, grant).await.unwrap();
        }
        let usage = Usage { calls: 1, input_tokens: 300, cached_input_tokens: 100, output_tokens: 40, cost_usd: Some(0.5) };
        llm::settle(&mut tx, grants[0].id, &usage, at(2)).await.unwrap();
        llm::settle(&mut tx, grants[0].id, &usage, at(3)).await.unwrap();
        llm::settle(&mut tx, grants[2].id, &Usage { cost_usd: None, ..usage }, at(3)).await.unwrap();
        let spent = llm::spent(&mut tx, run.id).await.unwrap();
        let sum = Usage { calls: 2, input_tokens: 600, cached_input_tokens: 200, output_tokens: 80, cost_usd: Some(0.5) };
        assert_eq!((spent.settled, spent.open_grants, spent.open_tokens), (sum, 1, 500));
        assert_eq!((spent.tokens(), spent.calls()), (1180, 3));
        assert_eq!(llm::spent_in_step(&mut tx, run.id, "patch").await.unwrap().settled, usage);
        assert_eq!(llm::settle(&mut tx, id::<Uuid>(), &usage, at(2)).await.unwrap_err().kind, Kind::NotFound);
    }
}

both! {
    async fn sandbox_sessions_are_listed_used_and_expire(bed: Bed) {
        let mut tx = bed.write().await;
        let (ada, home) = home(&mut tx, "ada").await;
        let idle = session(ada, Some(home.id), 0);
        let mut busy = Session { last_activity_at: Some(at(0)), workspace: None, ..session(ada, None, 1) };
        let old = Session { expires_at: Some(at(300)), idle_timeout_sec: 9999, ..session(ada, Some(home.id), 2) };
        let gone = Session { status: SessionStatus::Terminated, ..session(ada, Some(home.id), 3) };
        for session in [&idle, &busy, &old, &gone] {
            sandboxes::create(&mut tx, session).await.unwrap();
        }
        sandboxes::touch(&mut tx, busy.id, at(250), true).await.unwrap();
        busy = Session { last_activity_at: Some(at(250)), last_heartbeat_at: Some(at(250)), updated_at: at(250), ..busy };
        assert_eq!(sandboxes::get(&mut tx, busy.id).await.unwrap(), busy);
        assert_eq!(sandboxes::expired(&mut tx, at(299)).await.unwrap(), []);
        assert_eq!(sandboxes::expired(&mut tx, at(301)).await.unwrap(), [idle.clone(), old.clone()]);
        assert_eq!(sandboxes::active(&mut tx).await.unwrap().len(), 3);
        assert_eq!(sandboxes::count_active(&mut tx, ada).await.unwrap(), 3);
        assert_eq!(sandboxes::count_active(&mut tx, home.id).await.unwrap(), 2);

        let snapshots = [1, 2].map(|seconds| Snapshot {
            id: id(), sandbox: idle.id, label: "one".into(), s3_key: String::new(), archive_path: "/x".into(), size_bytes: 726,
            include_paths: vec!["/workspace".into()], exclude_paths: vec![], created_at: at(seconds),
        });
        for snapshot in &snapshots {
            sandboxes::create_snapshot(&mut tx, snapshot).await.unwrap();
        }
        let artifact = Artifact {
            id: id(), sandbox: idle.id, filename: "a.txt".into(), content_type: "text/plain".into(), size_bytes: 3,
            storage_path: "/workspace/a.txt".into(), download_url: String::new(), created_at: at(1),
        };
        sandboxes::create_artifact(&mut tx, &artifact).await.unwrap();
        assert_eq!(sandboxes::snapshot(&mut tx, snapshots[0].id).await.unwrap(), snapshots[0]);
        assert_eq!(sandboxes::snapshots(&mut tx, idle.id).await.unwrap(), [snapshots[1].clone(), snapshots[0].clone()]);
        assert_eq!(sandboxes::artifacts(&mut tx, idle.id).await.unwrap(), [artifact]);

        let mine = sandboxes::list(&mut tx, Scope::User(ada), Page::default()).await.unwrap();
        assert_eq!(mine.iter().map(|l| l.session.id).collect::<Vec<_>>(), [gone.id, old.id, busy.id, idle.id]);
        let first = sandboxes::listed(&mut tx, idle.id).await.unwrap();
        assert_eq!(mine[3], first);
        assert_eq!((first.workspace_uid.as_ref(), first.artifacts_count), (Some(&home.uid), 1));
        assert_eq!(first.snapshots, [snapshots[1].id, snapshots[0].id]);
        assert_eq!((&mine[2].workspace_uid, mine[2].snapshots.len()), (&None, 0));
        assert_eq!(sandboxes::list(&mut tx, home.id, Page::first(1)).await.unwrap(), mine[..1]);

        sandboxes::delete_snapshot(&mut tx, snapshots[0].id).await.unwrap();
        assert_eq!(sandboxes::snapshot(&mut tx, snapshots[0].id).await.unwrap_err().kind, Kind::NotFound);
        let mut changed = Session { status: SessionStatus::Failed, epoch: 3, cpu_seconds: 1.5, ..idle.clone() };
        changed.metadata.insert("latest_snapshot_id".into(), json!(snapshots[1].id.to_string()));
        sandboxes::update(&mut tx, &changed).await.unwrap();
        assert_eq!(sandboxes::find(&mut tx, idle.id).await.unwrap(), Some(changed));
        sandboxes::delete(&mut tx, idle.id).await.unwrap();
        assert_eq!(sandboxes::find(&mut tx, idle.id).await.unwrap(), None);
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(sandboxes::create(&mut tx, &busy).await.unwrap_err().kind, Kind::Conflict);
    }
}

both! {
    async fn layers_are_listed_least_recently_used_first(bed: Bed) {
        let mut tx = bed.write().await;
        let layer = |digest: &str, used| Layer {
            digest: digest.into(), repository: None, path: "/x".into(), state: LayerState::Building, size_bytes: 1, created_at: at(0), last_used_at: at(used),
        };
        let (mut a, b) = (layer("a", 1), layer("b", 2));
        layers::put(&mut tx, &a).await.unwrap();
        layers::put(&mut tx, &b).await.unwrap();
        assert_eq!(layers::list(&mut tx).await.unwrap(), [a.clone(), b.clone()]);
        a.state = LayerState::Ready;
        layers::put(&mut tx, &a).await.unwrap();
        layers::touch(&mut tx, "a", at(9)).await.unwrap();
        a.last_used_at = at(9);
        assert_eq!(layers::get(&mut tx, "a").await.unwrap(), Some(a.clone()));
        assert_eq!(layers::list(&mut tx).await.unwrap(), [b, a]);
        layers::delete(&mut tx, "a").await.unwrap();
        assert_eq!(layers::get(&mut tx, "a").await.unwrap(), None);
    }
}

both! {
    async fn activity_tells_of_everything_newest_first(bed: Bed) {
        let mut tx = bed.write().await;
        let (ada, home) = home(&mut tx, "ada").await;
        let (first, second) = (request(&home, 1), request(&home, 2));
        requests::create(&mut tx, &first).await.unwrap();
        requests::create(&mut tx, &second).await.unwrap();
        let run = Run { started_at: Some(at(4)), ..run(&first, 3) };
        runs::create(&mut tx, &run).await.unwrap();
        let mr = merge_request(&run, id(), 5);
        merge_requests::create(&mut tx, &mr).await.unwrap();
        let sandbox = Session { cpu_seconds: 2.5, storage_bytes: 7, ..session(ada, Some(home.id), 6) };
        sandboxes::create(&mut tx, &sandbox).await.unwrap();

        let all = activity::list(&mut tx, &[home.id], Page::default()).await.unwrap();
        let shown: Vec<_> = all.iter().map(|a| (a.kind, a.id, a.at, a.ordinal)).collect();
        assert_eq!(shown, [
            (ActivityKind::Sandbox, sandbox.id.0, at(6), 1),
            (ActivityKind::Merge, mr.id.0, at(5), 1),
            (ActivityKind::Run, run.id.0, at(4), 1),
            (ActivityKind::Request, second.id.0, at(2), 2),
            (ActivityKind::Request, first.id.0, at(1), 1),
        ]);
        assert_eq!((all[0].cpu_seconds, all[0].storage_bytes, all[0].request), (2.5, 7, None));
        assert_eq!((all[2].title.as_str(), all[2].request, all[2].state.as_str()), ("Fix number 1", Some(first.id), "queued"));
        assert_eq!(activity::list(&mut tx, &[home.id], Page { offset: 1, limit: 2 }).await.unwrap(), all[1..3]);
        assert_eq!(activity::list(&mut tx, &[], Page::default()).await.unwrap(), []);
        let counts = activity::counts(&mut tx, &[home.id, id()]).await.unwrap();
        assert_eq!((counts.requests, counts.runs, counts.merges, counts.sandboxes, counts.total()), (2, 1, 1, 1, 5));
    }
}

fn bundle(run: &Run, digest: &str, envelope: &str) -> Bundle {
    Bundle { run: run.id, digest: digest.into(), envelope: envelope.into(), created_at: at(1) }
}

fn token(run: &Run, hash: &str) -> RunToken {
    RunToken { token_hash: hash.into(), run: run.id, sandbox: id::<SandboxId>(), epoch: 2, created_at: at(0), expires_at: at(100) }
}

fn session(user: UserId, workspace: Option<WorkspaceId>, seconds: i64) -> Session {
    let now: Timestamp = at(seconds);
    Session {
        id: id(),
        user,
        workspace,
        mode: "local".into(),
        image: "host".into(),
        cpu: String::new(),
        memory: String::new(),
        ephemeral_storage: String::new(),
        restore_snapshot: None,
        status: SessionStatus::Ready,
        reference: "local://x".into(),
        control_endpoint: "local://x".into(),
        workspace_path: "/workspace".into(),
        artifact_base_url: String::new(),
        idle_timeout_sec: 300,
        max_lifetime_sec: 3600,
        last_activity_at: None,
        last_heartbeat_at: None,
        expires_at: Some(at(3600)),
        error_message: String::new(),
        metadata: serde_json::Map::new(),
        cpu_seconds: 0.0,
        storage_bytes: 0,
        epoch: 1,
        created_at: now,
        updated_at: now,
    }
}
