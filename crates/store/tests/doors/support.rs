//! A fresh database per test, and what tests put into it.

use domain::account::{Access, AccessStatus};
use domain::alert::Alert;
use domain::evidence::Verdict;
use domain::git::Commit;
use domain::incident::{Incident, IncidentState};
use domain::merge_request::{Decisions, MergeRequest, MergeRequestStatus};
use domain::repository::Repository;
use domain::request::{LlmChoice, Request, RequestKind, RequestState};
use domain::run::{Run, RunRecord, RunStatus};
use domain::sightings::Sightings;
use domain::source::Source;
use domain::workspace::Workspace;
use domain::*;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::accounts::NewUser;
use store::testkit::Postgres;
use store::{Store, StoreConfig, Tx};
use uuid::Uuid;

/// A test as two: `NAME::sqlite` and `NAME::postgres`.
#[macro_export]
macro_rules! both {
    ($(#[$doc:meta])* async fn $name:ident($bed:ident: Bed) $body:block) => {
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            async fn check($bed: $crate::support::Bed) $body
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                check($crate::support::sqlite().await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                match $crate::support::postgres().await {
                    Ok(bed) => check(bed).await,
                    Err(reason) => eprintln!("skipped on PostgreSQL: {reason}"),
                }
            }
        }
    };
}

pub struct Bed {
    pub store: Store,
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Bed {
    pub async fn write(&self) -> Tx {
        self.store.write().await.expect("the test database can be written")
    }
    /// The same database as another process would open it.
    pub async fn again(&self) -> Store {
        Store::connect(StoreConfig::new(&self.url)).await.expect("the test database opens twice")
    }
    /// Past the store, as somebody with the database's password could.
    pub async fn meddle(&self, sql: &'static str) {
        if self.url.starts_with("sqlite") {
            let pool = sqlx::SqlitePool::connect(&self.url).await.expect("the file opens");
            sqlx::query(sql).execute(&pool).await.expect("meddling works");
        } else {
            let pool = sqlx::PgPool::connect(&self.url).await.expect("the server answers");
            sqlx::query(sql).execute(&pool).await.expect("meddling works");
        }
    }
}

pub async fn sqlite() -> Bed {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("astraforge.db").display());
    let store = Store::connect(StoreConfig::new(&url)).await.expect("a new SQLite file opens");
    Bed { store, url, _folder: Some(folder) }
}

pub async fn postgres() -> Result<Bed, String> {
    static POSTGRES: OnceLock<Result<Postgres, String>> = OnceLock::new();
    let url = POSTGRES.get_or_init(Postgres::start).as_ref().map_err(Clone::clone)?.database().await?;
    let config = StoreConfig { connections_max: 4, acquire_timeout: Duration::from_secs(30), ..StoreConfig::new(&url) };
    let store = Store::connect(config).await.map_err(|e| format!("{e:?}"))?;
    Ok(Bed { store, url, _folder: None })
}

/// Ids in the order they were asked for.
pub fn id<T: From<Uuid>>() -> T {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    T::from(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(NEXT.fetch_add(1, Ordering::Relaxed))))
}

/// So many seconds, with a fraction, after a moment of our choice.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(1_790_000_000_123_456 + seconds * 1_000_000).expect("a time within range")
}

pub async fn user(tx: &mut Tx, name: &str) -> UserId {
    let access = Access {
        status: AccessStatus::Approved,
        identity_provider: "password".into(),
        approved_at: Some(at(0)),
        updated_at: at(0),
        waitlist_notified_at: None,
    };
    let new = NewUser {
        username: name.into(),
        email: format!("{name}@example.com"),
        password_hash: "$argon2id$…".into(),
        is_admin: false,
        access,
        created_at: at(0),
    };
    store::accounts::create(tx, &new).await.expect("a free name").id
}

pub fn workspace(name: &str) -> Workspace {
    let id: WorkspaceId = id();
    let uid = id.to_string().chars().rev().filter(|c| *c != '-').take(12).collect();
    Workspace {
        id,
        uid,
        name: name.into(),
        plan: "self_hosted".into(),
        automatic_runs_per_hour_max: 20,
        created_by: None,
        created_at: at(0),
    }
}

/// A user with a workspace.
pub async fn home(tx: &mut Tx, name: &str) -> (UserId, Workspace) {
    let user = user(tx, name).await;
    let workspace = workspace(name);
    store::workspaces::create(tx, &workspace, user).await.expect("a new workspace");
    (user, workspace)
}

pub fn repository(workspace: &Workspace, name: &str) -> Repository {
    Repository {
        id: id(),
        workspace: workspace.id,
        provider: "local".into(),
        repository: name.into(),
        base_url: String::new(),
        default_branch: "main".into(),
        created_by: None,
        created_at: at(1),
        updated_at: at(1),
    }
}

pub fn source(workspace: &Workspace, number: i64) -> Source {
    Source {
        id: id(),
        workspace: workspace.id,
        name: "checkout".into(),
        kind: "sentry_sdk".into(),
        project_number: number,
        public_key: "0123".into(),
        token_hash: String::new(),
        repository: None,
        automatic_runs: true,
        executor: None,
        runs_per_hour_max: 6,
        events_total: 0,
        last_event_at: None,
        last_event_title: None,
        created_at: at(number),
    }
}

pub fn incident(source: &Source, number: i64, fingerprint: &str) -> Incident {
    Incident {
        id: id(),
        workspace: source.workspace,
        source: source.id,
        number,
        fingerprint: fingerprint.into(),
        title: "KeyError: 'total'".into(),
        kind: "KeyError".into(),
        culprit: "checkout.cart in total".into(),
        level: "error".into(),
        platform: "python".into(),
        state: IncidentState::Open,
        first_seen: at(number),
        last_seen: at(number),
        times_seen: 1,
        users_seen: 0,
        sightings: Some(Sightings { since: at(number), span_seconds: 30, counts: vec![1, 0, 2] }),
        release: "1.0".into(),
        environment: "production".into(),
        request: None,
        no_run_reason: String::new(),
        alert: Alert { event_id: "e1".into(), title: "nul \0 inside".into(), ..Alert::default() },
        created_at: at(number),
        updated_at: at(number),
    }
}

pub fn request(workspace: &Workspace, seconds: i64) -> Request {
    Request {
        id: id(),
        workspace: workspace.id,
        user: None,
        repository: None,
        incident: None,
        source: "direct_user".into(),
        sender: String::new(),
        kind: RequestKind::Fix,
        state: RequestState::Received,
        title: format!("Fix number {seconds}"),
        prompt: "  Fix it\n".into(),
        executor: Some("codex".into()),
        llm: LlmChoice { model: Some("small".into()), ..LlmChoice::default() },
        attachments: vec![],
        created_at: at(seconds),
        updated_at: at(seconds),
    }
}

pub fn run(request: &Request, number: i64) -> Run {
    let record = RunRecord { patch: "diff --git a/ä b/ä\n".into(), final_message: "done \0".into(), ..RunRecord::default() };
    Run {
        id: id(),
        request: request.id,
        workspace: request.workspace,
        incident: request.incident,
        number,
        status: RunStatus::Queued,
        step: None,
        live_line: String::new(),
        live_since: None,
        executor: "codex".into(),
        model: "small".into(),
        verdict: None,
        error: String::new(),
        record,
        created_at: at(number),
        started_at: None,
        finished_at: None,
    }
}

pub fn commit(digit: char) -> Commit {
    Commit::parse(&digit.to_string().repeat(40)).expect("forty hex digits")
}

pub fn merge_request(run: &Run, repository: RepositoryId, number: i64) -> MergeRequest {
    MergeRequest {
        id: id(),
        workspace: run.workspace,
        request: run.request,
        run: run.id,
        repository,
        incident: run.incident,
        number,
        reference: "local://shop/1".into(),
        title: "Fix the total".into(),
        description: "…".into(),
        source_branch: format!("astraforge/{}", run.request),
        target_branch: "main".into(),
        base_commit: commit('a'),
        patch_commit: commit('b'),
        diff: "diff".into(),
        status: MergeRequestStatus::Open,
        verdict: Verdict::Proven,
        decisions: Decisions::default(),
        created_at: at(number),
        updated_at: at(number),
    }
}
