//! What an incident says, and where it waits for people, while its runs and merge requests go their ways.
//!
//! No worker carries a run out: what became of it is written down.

use crate::alerts::{envelope, event, incidents, linked, source};
use crate::house::{House, Person};
use domain::evidence::Verdict;
use domain::git::Commit;
use domain::merge_request::{Decisions, MergeRequest, MergeRequestStatus};
use domain::run::{Run, RunStatus};
use domain::{Clock, IncidentId, RequestId, WorkerId, limits};
use serde_json::{Value, json};
use store::workspaces::Numbered;
use uuid::Uuid;

/// A person whose source starts runs by itself, and one incident that has a queued run.
struct Scene {
    house: House,
    ann: Person,
    source: Value,
    id: String,
}

impl Scene {
    async fn new() -> Scene {
        let house = House::new().await;
        let ann = house.person("ann").await;
        let repository = linked(&house, &ann).await;
        let source = source(&house, &ann, json!({"automatic_runs": true, "repository_id": repository})).await;
        house.send(envelope(&source, "identity", event("first", |_| {}))).await.is(200);
        let id = incidents(&house, &ann).await[0]["id"].as_str().expect("an id").to_string();
        Scene { house, ann, source, id }
    }

    async fn incident(&self) -> Value {
        self.house.get(&self.ann, &format!("/api/incidents/{}/", self.id)).await.is(200).clone()
    }

    async fn seen_again(&self, release: &str) {
        let body = event(&Uuid::now_v7().simple().to_string(), |event| event["release"] = release.into());
        self.house.send(envelope(&self.source, "identity", body)).await.is(200);
    }

    async fn automatic_runs(&self, on: bool) {
        let path = format!("/api/alert-sources/{}/", self.source["id"].as_str().expect("an id"));
        self.house.send_json("PATCH", &self.ann, &path, json!({"automatic_runs": on})).await.is(200);
    }

    /// Kind and id of what stands in a group of the inbox.
    async fn inbox(&self, group: &str) -> Vec<(String, String)> {
        let inbox = self.house.get(&self.ann, "/api/inbox/").await.is(200).clone();
        let items = inbox[group].as_array().expect("a list");
        assert_eq!(inbox["totals"][group], items.len(), "{inbox}");
        items.iter().map(|item| (item["kind"].as_str().unwrap().to_string(), item["id"].as_str().unwrap().to_string())).collect()
    }

    async fn waits_for_people(&self) -> bool {
        self.inbox("needs_you").await.contains(&("incident".to_string(), self.id.clone()))
    }

    async fn newest_run(&self) -> Run {
        let mut tx = self.house.engine.store.read().await.unwrap();
        let id: IncidentId = self.id.parse().unwrap();
        store::runs::by_incident(&mut tx, id, store::Page::first(1)).await.unwrap().pop().expect("a run")
    }

    /// The newest run ended like this, and its job with it.
    async fn run_becomes(&self, status: RunStatus) {
        let mut run = self.newest_run().await;
        let mut tx = self.house.engine.store.write().await.unwrap();
        run.status = status;
        if status.is_final() {
            store::queue::cancel(&mut tx, &engine::runs::job_key(run.id), self.house.clock.now()).await.unwrap();
        }
        store::runs::update(&mut tx, &run).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What a completed run leaves: a merge request that waits.
    async fn proposed(&self, verdict: Verdict) -> MergeRequest {
        self.run_becomes(RunStatus::Completed).await;
        let run = self.newest_run().await;
        let now = self.house.clock.now();
        let mut tx = self.house.engine.store.write().await.unwrap();
        let mut request = store::requests::get(&mut tx, run.request).await.unwrap();
        let merge_request = MergeRequest {
            id: self.house.engine.clock.fresh(),
            workspace: run.workspace,
            request: run.request,
            run: run.id,
            repository: request.repository.expect("a repository"),
            incident: run.incident,
            number: store::workspaces::next_number(&mut tx, run.workspace, Numbered::MergeRequest).await.unwrap(),
            reference: String::new(),
            title: "Fix it".into(),
            description: String::new(),
            source_branch: request.branch(),
            target_branch: "main".into(),
            base_commit: Commit::parse(&"a".repeat(40)).unwrap(),
            patch_commit: Commit::parse(&"b".repeat(40)).unwrap(),
            diff: String::new(),
            status: if verdict == Verdict::Proven { MergeRequestStatus::Open } else { MergeRequestStatus::Draft },
            verdict,
            decisions: Decisions::default(),
            created_at: now,
            updated_at: now,
        };
        store::merge_requests::create(&mut tx, &merge_request).await.unwrap();
        request.state = domain::request::RequestState::MrOpened;
        store::requests::update(&mut tx, &request).await.unwrap();
        let mut incident = store::incidents::get(&mut tx, self.id.parse().unwrap()).await.unwrap();
        incident.state = domain::incident::IncidentState::FixProposed;
        store::incidents::update(&mut tx, &incident).await.unwrap();
        tx.commit().await.unwrap();
        merge_request
    }

    /// As `merge` leaves it behind, without a forge.
    async fn merged(&self, merge_request: &MergeRequest) {
        let mut merged = merge_request.clone();
        let mut tx = self.house.engine.store.write().await.unwrap();
        merged.status = MergeRequestStatus::Merged;
        merged.decisions.merged_at = Some(self.house.clock.now());
        merged.decisions.releases_without_fix = vec!["shop@1".into()];
        store::merge_requests::update(&mut tx, &merged).await.unwrap();
        let mut incident = store::incidents::get(&mut tx, self.id.parse().unwrap()).await.unwrap();
        incident.state = domain::incident::IncidentState::Resolved;
        store::incidents::update(&mut tx, &incident).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn chat(&self, request: RequestId) {
        self.house.post(&self.ann, "/api/chat/", json!({"request_id": request, "message": "once more"})).await.is(202);
    }
}

#[tokio::test]
async fn a_run_cancelled_before_it_began_hands_its_incident_to_people() {
    let scene = Scene::new().await;
    let one = scene.incident().await;
    assert_eq!((&one["state"], &one["run"]["status"]), (&json!("fixing"), &json!("queued")));
    assert!(!scene.waits_for_people().await, "the control: a run is on its way");
    scene.house.post(&scene.ann, &format!("/api/runs/{}/cancel/", scene.newest_run().await.id), json!({})).await.is(202);
    let one = scene.incident().await;
    assert_eq!((&one["state"], &one["run"]["status"]), (&json!("open"), &json!("cancelled")));
    assert!(one["no_run_reason"].as_str().is_some_and(|why| why.contains("ended without a fix: cancelled")), "{one}");
    assert!(scene.waits_for_people().await);
    scene.house.post(&scene.ann, &format!("/api/incidents/{}/run/", scene.id), json!({})).await.is(202);
    assert_eq!(scene.incident().await["state"], "fixing");
}

#[tokio::test]
async fn a_run_that_waits_to_be_tried_again_can_be_cancelled() {
    let scene = Scene::new().await;
    let (engine, now) = (&scene.house.engine, scene.house.clock.now());
    let worker = WorkerId(scene.house.clock.uuid());
    let claimed = store::queue::claim(&engine.store, worker, engine::jobs::KINDS, now, limits::JOB_LEASE_SECONDS, 4).await.unwrap();
    let lease = claimed.expect("the run's job").lease;
    scene.run_becomes(RunStatus::Running).await;
    let path = format!("/api/runs/{}/", scene.newest_run().await.id);
    let mut tx = engine.store.write().await.unwrap();
    store::queue::retry_later(&mut tx, &lease, now + jiff::SignedDuration::from_secs(60), "a passing failure").await.unwrap();
    tx.commit().await.unwrap();
    scene.house.post(&scene.ann, &format!("{path}cancel/"), json!({})).await.is(202);
    assert_eq!(scene.house.get(&scene.ann, &path).await.is(200)["status"], "cancelled");
    assert_eq!(scene.incident().await["state"], "open");
    scene.house.delete(&scene.ann, &path).await.is(204);
}

#[tokio::test]
async fn a_fix_that_waits_is_not_hidden_by_a_later_run() {
    let scene = Scene::new().await;
    let merge_request = scene.proposed(Verdict::Proven).await;
    scene.chat(merge_request.request).await;
    scene.run_becomes(RunStatus::Failed).await;
    let one = scene.incident().await;
    assert_eq!((&one["state"], &one["run"]["status"]), (&json!("fix_proposed"), &json!("failed")));
    let fix = &one["merge_request"];
    assert_eq!(
        (&fix["status"], &fix["verdict"], &fix["is_ready"], &fix["run_number"]),
        (&json!("OPEN"), &json!("proven"), &json!(true), &json!(1))
    );
    assert_eq!(one["run"]["merge_request_ready"], true);
    assert_eq!(scene.inbox("ready_to_merge").await.len(), 1);
    assert!(!scene.waits_for_people().await);
    // Settled by hand: neither the failed run nor the incident needs anybody.
    assert_eq!(scene.inbox("needs_you").await.len(), 1, "the control: the failed run");
    scene.house.post(&scene.ann, &format!("/api/incidents/{}/resolve/", scene.id), json!({})).await.is(200);
    assert_eq!(scene.inbox("needs_you").await, []);
}

#[tokio::test]
async fn what_came_back_after_a_merge_waits_for_people_whatever_its_last_run_did() {
    for last in [None, Some(RunStatus::Cancelled)] {
        let scene = Scene::new().await;
        let merge_request = scene.proposed(Verdict::Proven).await;
        if let Some(status) = last {
            scene.chat(merge_request.request).await;
            scene.run_becomes(status).await;
        }
        scene.merged(&merge_request).await;
        scene.automatic_runs(false).await;
        scene.seen_again("").await;
        let one = scene.incident().await;
        assert_eq!((&one["state"], &one["merge_request"]["status"]), (&json!("regressed"), &json!("MERGED")), "{one}");
        assert!(one["merge_request"]["recurred_at"].is_string(), "{one}");
        assert!(scene.waits_for_people().await, "after {last:?}");
        let done = scene.house.get(&scene.ann, "/api/inbox/").await.is(200)["done"].clone();
        assert!(done.as_array().is_some_and(|all| all.iter().any(|item| item["state"] == "recurred")), "{done}");
    }
}

#[tokio::test]
async fn a_release_from_before_the_merge_is_no_recurrence_though_another_run_came_later() {
    let scene = Scene::new().await;
    let merge_request = scene.proposed(Verdict::Proven).await;
    scene.house.post(&scene.ann, &format!("/api/incidents/{}/run/", scene.id), json!({})).await.is(202);
    scene.run_becomes(RunStatus::Failed).await;
    scene.merged(&merge_request).await;
    scene.seen_again("shop@1").await;
    assert_eq!(scene.incident().await["state"], "resolved");
    scene.seen_again("").await;
    assert_ne!(scene.incident().await["state"], "resolved", "the control: an alert without a release may be of the newest");
}

#[tokio::test]
async fn no_second_run_begins_beside_one_at_work() {
    let scene = Scene::new().await;
    scene.run_becomes(RunStatus::Running).await;
    scene.house.post(&scene.ann, &format!("/api/incidents/{}/resolve/", scene.id), json!({})).await.is(200);
    scene.seen_again("").await;
    let one = scene.incident().await;
    assert_eq!((&one["state"], &one["no_run_reason"]), (&json!("regressed"), &json!("run 1 still works on it")));
    assert_eq!(one["runs"].as_array().map(Vec::len), Some(1));
    scene.run_becomes(RunStatus::Failed).await;
    scene.seen_again("").await;
    assert_eq!(scene.incident().await["runs"].as_array().map(Vec::len), Some(2), "the control: then the next alert starts one");
}

#[tokio::test]
async fn one_run_at_a_time_works_on_an_incident_whatever_came_after_it() {
    let scene = Scene::new().await;
    let first = scene.newest_run().await;
    scene.run_becomes(RunStatus::Running).await;
    scene.chat(first.request).await;
    let waiting = scene.newest_run().await;
    assert_ne!(waiting.id, first.id, "a follow-up waits behind it");
    scene.house.post(&scene.ann, &format!("/api/runs/{}/cancel/", waiting.id), json!({})).await.is(202);
    let one = scene.incident().await;
    assert_eq!((&one["state"], &one["no_run_reason"]), (&json!("fixing"), &Value::Null), "the first goes on");
    for path in [format!("/api/incidents/{}/run/", scene.id), format!("/api/runs/{}/retry/", waiting.id)] {
        let refused = scene.house.post(&scene.ann, &path, json!({})).await;
        assert!(refused.is_problem(409)["detail"].as_str().is_some_and(|detail| detail.starts_with("run 1 ")), "{path}");
    }
    let source = format!("/api/alert-sources/{}/", scene.source["id"].as_str().expect("an id"));
    scene.house.delete(&scene.ann, &source).await.is_problem(409);
}

#[tokio::test]
async fn a_deleted_request_leaves_the_earlier_ones_fix_in_sight() {
    let scene = Scene::new().await;
    let merge_request = scene.proposed(Verdict::Unproven).await;
    scene.house.post(&scene.ann, &format!("/api/incidents/{}/run/", scene.id), json!({})).await.is(202);
    let second = scene.newest_run().await;
    scene.house.post(&scene.ann, &format!("/api/runs/{}/cancel/", second.id), json!({})).await.is(202);
    assert_eq!(scene.incident().await["state"], "fix_proposed", "the draft waits as before");
    scene.house.delete(&scene.ann, &format!("/api/requests/{}/", second.request)).await.is(204);
    let one = scene.incident().await;
    assert_eq!((&one["request_id"], &one["merge_request"]["id"]), (&json!(merge_request.request), &json!(merge_request.id)), "{one}");
}
