//! A repository's life at the HTTP door: linked, cloned and pushed to by a git client, worked on, judged by people, merged.
//!
//! Database, git, sandboxes and sockets are real; only the run itself is written down instead of carried out.

// A test owns the clock and the dice.
#![allow(clippy::disallowed_methods)]

use axum::Router;
use axum::body::Body;
use domain::evidence::{Rule, RuleResult, RuleState, Verdict};
use domain::forge::Proposal;
use domain::git::{FileEdit, Signature};
use domain::merge_request::{Decisions, MergeRequest, MergeRequestStatus};
use domain::request::{LlmChoice, RequestKind, RequestState};
use domain::run::RunStatus;
use domain::secret::Secret;
use domain::{Clock, RepositoryId, RequestId, Timestamp};
use engine::requests::NewRequest;
use engine::{Engine, ModelRoute, Parts, Settings, accounts, requests};
use integrations::{forges, git::Git, harnesses};
use serde_json::{Value, json};
use server::{AppState, ServerConfig};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::workspaces::Numbered;
use store::{Store, StoreConfig};
use uuid::Uuid;

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(Timestamp::now().as_microsecond()).expect("the present is in range")
    }
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn random(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = Uuid::now_v7().into_bytes()[15];
        }
    }
}

struct House {
    dir: tempfile::TempDir,
    engine: Engine,
    app: Router,
    /// `127.0.0.1:port`
    address: String,
}

struct Person {
    key: String,
    user: domain::account::User,
    workspace: String,
}

impl House {
    async fn new() -> House {
        let dir = tempfile::tempdir().expect("a folder");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let engine = engine(&dir.path().join("data"), format!("http://{address}")).await;
        let app = server::router(AppState::new(engine.clone(), ServerConfig::default()));
        let served = app.clone();
        tokio::spawn(async move { axum::serve(listener, served).await });
        House { dir, engine, app, address }
    }

    async fn person(&self, name: &str, is_admin: bool) -> Person {
        let user = accounts::create_user(&self.engine, name, "", &Secret::new("correct horse"), is_admin).await.expect("a user");
        let (_, key) = accounts::create_key(&self.engine, user.id, "test").await.expect("a key");
        let mut tx = self.engine.store.read().await.expect("a view");
        let workspace = store::workspaces::oldest_membership(&mut tx, user.id).await.expect("a query").expect("a workspace").workspace.uid;
        Person { key: key.expose().to_string(), user, workspace }
    }

    async fn call(&self, who: &Person, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request =
            axum::http::Request::builder().method(method).uri(path).header("host", &self.address).header("x-api-key", &who.key);
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = tower::ServiceExt::oneshot(self.app.clone(), request.body(body).expect("a request")).await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 8 << 20).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

async fn engine(data_dir: &Path, public_url: String) -> Engine {
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let provisioner = Arc::new(sandbox::testkit::local(data_dir, None).expect("sandboxes work here"));
    let git: Arc<dyn domain::git::GitHost> = Arc::new(Git::new(data_dir, provisioner.clone(), clock.clone()).expect("a data dir"));
    let means =
        forges::Means { git: git.clone(), clock: clock.clone(), author_name: "AstraForge".into(), author_email: "bot@example.com".into() };
    let script = llm::providers::Settings { script: Some("[]".into()), ..Default::default() };
    let url = format!("sqlite://{}/test.db", data_dir.display());
    Engine::new(Parts {
        store: Store::connect(StoreConfig::new(url)).await.expect("a database"),
        clock,
        provisioners: vec![provisioner],
        executors: Vec::new(),
        forges: forges::open_all(&means),
        alert_sources: Vec::new(),
        harnesses: harnesses::all(),
        scanner: Arc::new(integrations::secret_scan::Scanner),
        git,
        model: ModelRoute {
            provider: llm::providers::build("scripted", script).expect("an empty script"),
            provider_id: "scripted".into(),
            model: "scripted".into(),
            scripted: true,
        },
        sandboxes: Default::default(),
        doors: Default::default(),
        llm: Default::default(),
        egress: Default::default(),
        signer: engine::signing::Signer::derive(b"0123456789abcdef0123456789abcdef"),
        settings: settings(data_dir, public_url),
        shutdown: Default::default(),
    })
}

fn settings(data_dir: &Path, public_url: String) -> Settings {
    Settings {
        data_dir: data_dir.to_path_buf(),
        public_url,
        secret_key: b"0123456789abcdef0123456789abcdef".to_vec(),
        self_hosted: true,
        require_approval: false,
        allow_all_users: true,
        billing_enabled: false,
        quotas_enabled: false,
        default_plan: "self_hosted".into(),
        plan_limits: Default::default(),
        default_provisioner: "local".into(),
        default_executor: "native".into(),
        git_author_name: "AstraForge".into(),
        git_author_email: "bot@example.com".into(),
        workers: 1,
        registries: Vec::new(),
        set_up_env: Default::default(),
    }
}

async fn git(dir: &Path, args: &[&str]) -> Result<String, String> {
    let output = tokio::process::Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(dir)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("no_proxy", "*")
        .output()
        .await
        .expect("git runs");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A folder with one commit, linked as `shop`.
async fn shop(house: &House, owner: &Person) -> Value {
    let source = house.path("source");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("app.py"), "def total(items):\n    return sum(items)\n").expect("a file");
    git(&source, &["init", "-q"]).await.expect("a repository");
    git(&source, &["add", "-A"]).await.expect("added");
    git(&source, &["commit", "-qm", "first"]).await.expect("a commit");
    let body = json!({"provider": "local", "repository": "shop", "workspace_uid": owner.workspace, "source": source});
    let (status, link) = house.call(owner, "POST", "/api/repository-links/", Some(body)).await;
    assert_eq!(status, 201, "{link}");
    link
}

/// What a run leaves behind: a branch with a fix and its merge request.
async fn proposed(house: &House, owner: &Person, link: &Value, verdict: Verdict) -> (RequestId, MergeRequest) {
    let engine = &house.engine;
    let id: RepositoryId = link["id"].as_str().expect("an id").parse().expect("an id");
    let new = NewRequest {
        id: None,
        repository: id,
        workspace: None,
        prompt: "Make total survive an empty cart".into(),
        source: "direct_user".into(),
        sender: String::new(),
        kind: RequestKind::Fix,
        executor: None,
        llm: LlmChoice::default(),
        attachments: Vec::new(),
    };
    let request = requests::create(engine, owner.user.id, new).await.expect("a request");
    let base = engine.git.resolve(id, "main").await.expect("the tip");
    let author = Signature { name: "AstraForge".into(), email: "bot@example.com".into(), at: 1_700_000_000 };
    let edit =
        FileEdit { path: "app.py".into(), content: Some("def total(items):\n    return sum(items or [])\n".into()), executable: false };
    let commit = engine.git.commit_files(id, &base, &[edit], "Fix", &author).await.expect("a commit");
    let mut tx = engine.store.write().await.expect("a transaction");
    let repository = store::repositories::get(&mut tx, id).await.expect("the link");
    let mut run = store::runs::by_request(&mut tx, request.id).await.expect("a query").remove(0);
    run.status = RunStatus::Completed;
    run.verdict = Some(verdict);
    run.record.what_broke = "`total` broke".into();
    if verdict == Verdict::Unproven {
        run.record.rules.push(RuleResult {
            rule: Rule::NoRegression,
            state: RuleState::Broken,
            detail: "1 of 3 other tests fails on the patch".into(),
            code: "regression".into(),
            file: Some("app.py".into()),
            line: Some(2),
            mend: Some("keep the sum of an empty list".into()),
        });
    }
    store::runs::update(&mut tx, &run).await.expect("the run");
    let proposal = Proposal {
        source_branch: request.branch(),
        target_branch: "main".into(),
        commit: commit.clone(),
        previous: None,
        title: "Fix total".into(),
        description: String::new(),
        draft: false,
    };
    let reference = engine.forge("local").expect("a forge").propose(&repository, &proposal).await.expect("proposed").reference;
    let mr = MergeRequest {
        id: engine.clock.fresh(),
        workspace: request.workspace,
        request: request.id,
        run: run.id,
        repository: id,
        incident: None,
        number: store::workspaces::next_number(&mut tx, request.workspace, Numbered::MergeRequest).await.expect("a number"),
        reference,
        title: proposal.title,
        description: proposal.description,
        source_branch: proposal.source_branch,
        target_branch: proposal.target_branch,
        diff: String::from_utf8(engine.git.diff(id, &base, &commit).await.expect("a diff").to_vec()).expect("text"),
        base_commit: base,
        patch_commit: commit,
        status: if verdict == Verdict::Proven { MergeRequestStatus::Open } else { MergeRequestStatus::Draft },
        verdict,
        decisions: Decisions::default(),
        created_at: engine.now(),
        updated_at: engine.now(),
    };
    store::merge_requests::create(&mut tx, &mr).await.expect("a merge request");
    let mut request = store::requests::get(&mut tx, request.id).await.expect("the request");
    request.state = RequestState::MrOpened;
    store::requests::update(&mut tx, &request).await.expect("the request");
    tx.commit().await.expect("committed");
    (request.id, mr)
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_linked_cloned_and_pushed_to() {
    let house = House::new().await;
    let (owner, stranger) = (house.person("ada", true).await, house.person("eve", false).await);
    let link = shop(&house, &owner).await;
    assert_eq!((&link["default_branch"], &link["unavailable"]), (&json!("main"), &Value::Null));
    let clone_url = link["clone_url"].as_str().expect("an address");
    assert_eq!(clone_url, format!("http://{}/git/{}/shop.git", house.address, owner.workspace));

    // The API: duplicates, folders, foreign workspaces, tokens.
    let again = json!({"provider": "local", "repository": "shop", "workspace_uid": owner.workspace});
    assert_eq!(house.call(&owner, "POST", "/api/repository-links/", Some(again)).await.0, 409);
    let folder = json!({"provider": "local", "repository": "etc", "workspace_uid": stranger.workspace, "source": "/etc"});
    let (status, refused) = house.call(&stranger, "POST", "/api/repository-links/", Some(folder)).await;
    assert_eq!((status, refused["source"].is_array()), (400, true), "{refused}");
    let foreign = json!({"provider": "local", "repository": "x", "workspace_uid": owner.workspace});
    let (status, refused) = house.call(&stranger, "POST", "/api/repository-links/", Some(foreign)).await;
    assert_eq!((status, refused["workspace_uid"].is_array()), (400, true), "{refused}");
    let hosted = json!({"provider": "github", "repository": "org/name", "workspace_uid": owner.workspace, "access_token": " ghp_secret "});
    let (status, hosted) = house.call(&owner, "POST", "/api/repository-links/", Some(hosted)).await;
    assert_eq!(status, 201, "{hosted}");
    assert!(!hosted.to_string().contains("ghp_secret") && hosted["unavailable"].is_string());
    let hosted_id: RepositoryId = hosted["id"].as_str().expect("an id").parse().expect("an id");
    let token = engine::repositories::token(&house.engine, hosted_id).await.expect("opens").expect("a token");
    assert_eq!(token.expose(), " ghp_secret ", "kept to the letter");
    let base_url = json!({"provider": "github", "repository": "a/b", "workspace_uid": owner.workspace, "access_token": "t", "base_url": "https://x.example"});
    assert_eq!(house.call(&owner, "POST", "/api/repository-links/", Some(base_url)).await.0, 400);
    let (_, mine) = house.call(&owner, "GET", "/api/repository-links/", None).await;
    let (_, theirs) = house.call(&stranger, "GET", "/api/repository-links/", None).await;
    assert_eq!((mine.as_array().map(Vec::len), theirs.as_array().map(Vec::len)), (Some(2), Some(0)));

    // A git client: with a key, with a stranger's key, with none.
    let with = |key: &str| clone_url.replace("http://", &format!("http://anybody:{key}@"));
    git(house.dir.path(), &["clone", "-q", &with(&owner.key), "clone"]).await.expect("a clone");
    fs::write(house.path("clone/new.txt"), "new\n").expect("a file");
    git(&house.path("clone"), &["add", "-A"]).await.expect("added");
    git(&house.path("clone"), &["commit", "-qm", "second"]).await.expect("a commit");
    git(&house.path("clone"), &["push", "-q", "origin", "HEAD:main"]).await.expect("a push");
    let (_, links) = house.call(&owner, "GET", "/api/repository-links/", None).await;
    let id: RepositoryId = links[0]["id"].as_str().expect("an id").parse().expect("an id");
    let tip = house.engine.git.resolve(id, "main").await.expect("the tip");
    assert!(house.engine.git.files(id, &tip).await.expect("files").contains(&"new.txt".to_string()));
    for refused in [with(&stranger.key), with("nonsense"), clone_url.to_string()] {
        assert!(git(house.dir.path(), &["clone", "-q", &refused, "stolen"]).await.is_err(), "{refused}");
    }

    let path = format!("/api/repository-links/{id}/");
    assert_eq!(house.call(&stranger, "DELETE", &path, None).await.0, 404);
    assert_eq!(house.call(&owner, "DELETE", &path, None).await.0, 204);
    assert!(git(house.dir.path(), &["clone", "-q", &with(&owner.key), "gone"]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_decide_and_the_forge_merges() {
    let house = House::new().await;
    let (owner, stranger) = (house.person("ada", true).await, house.person("eve", false).await);
    let link = shop(&house, &owner).await;
    let (request, mr) = proposed(&house, &owner, &link, Verdict::Unproven).await;
    let at = |act: &str| format!("/api/merge-requests/{}/{act}", mr.id);

    let (status, seen) = house.call(&owner, "GET", &at(""), None).await;
    assert_eq!(status, 200, "{seen}");
    assert_eq!(
        (
            &seen["status"],
            &seen["verdict"],
            &seen["can_merge"],
            &seen["what_broke"],
            &seen["additions"],
            &seen["files_changed"],
            &seen["repository"]
        ),
        (&json!("DRAFT"), &json!("unproven"), &json!(false), &json!("`total` broke"), &json!(1), &json!(1), &json!("shop"))
    );
    assert_eq!(seen["ref"], json!(format!("http://{}/merge-requests/{}", house.address, mr.id)));
    for (method, act, body) in
        [("GET", "", None), ("POST", "approve/", None), ("POST", "merge/", None), ("POST", "override/", Some(json!({"reason": "mine"})))]
    {
        assert_eq!(house.call(&stranger, method, &at(act), body).await.0, 404, "{act}");
    }

    // Unproven: neither approval nor merge, until a person takes responsibility with a reason.
    assert_eq!(house.call(&owner, "POST", &at("approve/"), None).await.0, 409);
    assert_eq!(house.call(&owner, "POST", &at("merge/"), None).await.0, 409);
    assert_eq!(house.call(&owner, "POST", &at("override/"), Some(json!({"reason": " "}))).await.0, 400);
    let (status, seen) = house.call(&owner, "POST", &at("override/"), Some(json!({"reason": "checked by hand"}))).await;
    assert_eq!(
        (status, &seen["override"]["by"], &seen["can_merge"], &seen["status"]),
        (200, &json!("ada"), &json!(true), &json!("OPEN")),
        "{seen}"
    );
    assert_eq!(house.call(&owner, "POST", &at("merge/"), None).await.0, 409, "nobody approved it");

    // Reading along: marks and comments, sent to the agent as one message.
    assert_eq!(house.call(&owner, "POST", &at("reviewed/"), Some(json!({"path": "app.py"}))).await.0, 204);
    let comment = json!({"path": "app.py", "line": 2, "side": "patch", "body": "Why not `or ()`?"});
    assert_eq!(house.call(&owner, "POST", &at("comments/"), Some(comment)).await.0, 201);
    let (status, sent) = house.call(&owner, "POST", &at("comments/send/"), None).await;
    assert_eq!((status, sent["run_id"].is_string()), (202, true), "{sent}");
    assert_eq!(house.call(&owner, "POST", &at("comments/send/"), None).await.0, 409, "all are sent");
    let said = requests::get(&house.engine, owner.user.id, request).await.expect("the request");
    assert!(said.messages.last().expect("a message").message.contains("`app.py`, line 2:\nWhy not"));

    let (status, moved) = house.call(&owner, "POST", &at("approve/"), Some(json!({"patch_commit": mr.base_commit.as_str()}))).await;
    assert_eq!((status, &moved["code"]), (409, &json!("patch_moved")), "somebody looked at another patch");
    let (status, seen) = house.call(&owner, "POST", &at("approve/"), Some(json!({"patch_commit": mr.patch_commit.as_str()}))).await;
    assert_eq!(
        (status, &seen["approved_by"], &seen["reviewed"], &seen["comments"][0]["sent"]),
        (200, &json!("ada"), &json!(["app.py"]), &json!(true))
    );
    let (status, seen) = house.call(&owner, "POST", &at("merge/"), None).await;
    assert_eq!((status, &seen["status"]), (200, &json!("MERGED")), "{seen}");
    let tip = house.engine.git.resolve(mr.repository, "main").await.expect("the tip");
    assert_eq!(seen["merge_commit"], json!(tip.as_str()));
    let merged = house.engine.git.file(mr.repository, &tip, "app.py").await.expect("a file").expect("there");
    assert!(merged.ends_with(b"sum(items or [])\n"));
    let done = requests::get(&house.engine, owner.user.id, request).await.expect("the request");
    assert_eq!(done.request.state, RequestState::Done);
    assert!(done.runs.iter().all(|run| run.status.is_final()), "the follow-up run was stopped");
    assert_eq!(house.call(&owner, "POST", &at("merge/"), None).await.0, 409);
    assert_eq!(house.call(&owner, "POST", &at("close/"), None).await.0, 409);
    assert_eq!(house.call(&owner, "POST", &format!("/api/requests/{request}/execute/"), None).await.0, 409, "it is merged");
    let log = engine::events::after(&house.engine, request, 0).await.expect("events");
    let acts: Vec<_> = log.iter().filter(|e| e.kind == "merge_request").map(|e| e.payload["action"].clone()).collect();
    assert_eq!(acts, ["overridden", "approved", "merged"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_told_what_does_not_hold_without_a_comment() {
    let house = House::new().await;
    let owner = house.person("ada", true).await;
    let link = shop(&house, &owner).await;
    let (request, mr) = proposed(&house, &owner, &link, Verdict::Unproven).await;
    let (status, sent) = house.call(&owner, "POST", &format!("/api/merge-requests/{}/comments/send/", mr.id), None).await;
    assert_eq!((status, sent["run_id"].is_string()), (202, true), "{sent}");
    let said = requests::get(&house.engine, owner.user.id, request).await.expect("the request");
    let message = &said.messages.last().expect("a message").message;
    let told =
        "no_regression: 1 of 3 other tests fails on the patch (`app.py`, line 2)\nWhat would mend it: keep the sum of an empty list\n";
    assert!(message.contains(told) && !message.contains("Comments"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proven_fix_needs_only_approval_and_a_closed_one_stays_out() {
    let house = House::new().await;
    let owner = house.person("ada", true).await;
    let link = shop(&house, &owner).await;
    let (request, mr) = proposed(&house, &owner, &link, Verdict::Proven).await;
    let path = format!("/api/repository-links/{}/", mr.repository);
    assert_eq!(house.call(&owner, "DELETE", &path, None).await.0, 409, "its merge request is open");
    assert_eq!(house.call(&owner, "POST", &format!("/api/merge-requests/{}/override/", mr.id), Some(json!({"reason": "x"}))).await.0, 409);
    let (status, answer) = house.call(&owner, "POST", &format!("/api/chat/{request}/approve/"), None).await;
    assert_eq!((status, &answer["status"]), (202, &json!("queued")));
    let (status, seen) = house.call(&owner, "POST", &format!("/api/merge-requests/{}/close/", mr.id), None).await;
    assert_eq!((status, &seen["status"], &seen["can_merge"]), (200, &json!("CLOSED"), &json!(false)));
    assert_eq!(house.call(&owner, "POST", &format!("/api/merge-requests/{}/merge/", mr.id), None).await.0, 409);
    let tip = house.engine.git.resolve(mr.repository, "main").await.expect("the tip");
    assert_eq!(tip, mr.base_commit, "nothing was merged");
    let (_, list) = house.call(&owner, "GET", "/api/merge-requests/?page=1&page_size=5", None).await;
    assert_eq!((&list["count"], &list["results"][0]["number"]), (&json!(1), &json!(1)));
    assert!(list["results"][0]["diff"].as_str().is_some_and(|diff| diff.contains("+++")), "{list}");
    let (_, brief) = house.call(&owner, "GET", "/api/merge-requests/?brief=true", None).await;
    assert_eq!((&brief[0]["diff"], &brief[0]["additions"]), (&json!(""), &list["results"][0]["additions"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_request_says_where_its_target_branch_is() {
    let house = House::new().await;
    let owner = house.person("ada", true).await;
    let link = shop(&house, &owner).await;
    let (_, mr) = proposed(&house, &owner, &link, Verdict::Proven).await;
    let path = format!("/api/merge-requests/{}/", mr.id);
    let (_, seen) = house.call(&owner, "GET", &path, None).await;
    assert_eq!((&seen["behind_by"], &seen["conflicts"], &seen["can_merge"]), (&json!(0), &json!([]), &json!(true)));

    let push = async |file: &str, text: &str| {
        let edit = FileEdit { path: file.into(), content: Some(text.to_string().into()), executable: false };
        let author = Signature { name: "Ada".into(), email: "ada@example.com".into(), at: 1_700_000_100 };
        let git = &house.engine.git;
        let tip = git.resolve(mr.repository, "main").await.expect("the tip");
        let commit = git.commit_files(mr.repository, &tip, &[edit], "By hand", &author).await.expect("a commit");
        git.set_branch(mr.repository, "main", &commit, Some(Some(&tip))).await.expect("main goes on");
    };
    push("other.py", "x = 1\n").await;
    let (_, seen) = house.call(&owner, "GET", &path, None).await;
    assert_eq!((&seen["behind_by"], &seen["conflicts"], &seen["can_merge"]), (&json!(1), &json!([]), &json!(true)));

    push("app.py", "def total(items):\n    return sum(items, 0)\n").await;
    let (_, seen) = house.call(&owner, "GET", &path, None).await;
    assert_eq!((&seen["behind_by"], &seen["conflicts"], &seen["can_merge"]), (&json!(2), &json!(["app.py"]), &json!(false)));
    let why = seen["cannot_merge_reason"].as_str().expect("a reason");
    assert!(why.contains("conflicts with branch `main` in app.py"), "{why}");
    house.call(&owner, "POST", &format!("{path}approve/"), None).await;
    let (status, refused) = house.call(&owner, "POST", &format!("{path}merge/"), None).await;
    assert_eq!((status, &refused["detail"]), (409, &json!(why)), "the merge says the same");

    house.call(&owner, "POST", &format!("{path}close/"), None).await;
    let (_, seen) = house.call(&owner, "GET", &path, None).await;
    assert_eq!((&seen["behind_by"], &seen["conflicts"]), (&Value::Null, &json!([])), "nothing is to be merged any more");
}
