//! Proposed changes: one per repository and source branch, so a follow-up updates and never duplicates.

use crate::value::{Arg, At, Doc, Page, conflict, doc, found, insert, places, touched, update as update_sql, word};
use crate::{Tx, args};
use domain::evidence::Verdict;
use domain::git::Commit;
use domain::merge_request::{Decisions, MergeRequest, MergeRequestStatus};
use domain::{IncidentId, MergeRequestId, RepositoryId, RequestId, Result, RunId, WorkspaceId};

const COLUMNS: &str = "id, workspace_id, request_id, run_id, repository_id, incident_id, number, reference, title, description, source_branch, target_branch, base_commit, patch_commit, diff, status, verdict, decisions, created_at, updated_at";

/// `Conflict` when the branch has a merge request already.
pub async fn create(tx: &mut Tx, merge_request: &MergeRequest) -> Result<()> {
    tx.run(insert("merge_requests", COLUMNS), args_of(merge_request))
        .await
        .map_err(conflict(format!("branch `{}` has a merge request already", merge_request.source_branch)))?;
    Ok(())
}

/// In a write transaction it is held against other writers until the end.
pub async fn get(tx: &mut Tx, id: MergeRequestId) -> Result<MergeRequest> {
    let sql = tx.locked(format!("select {COLUMNS} from merge_requests where id = $1"));
    found(tx.maybe::<Row>(sql, args![id]).await?, "merge request", id)?.noun()
}

pub async fn by_branch(tx: &mut Tx, repository: RepositoryId, source_branch: &str) -> Result<Option<MergeRequest>> {
    let sql = tx.locked(format!("select {COLUMNS} from merge_requests where repository_id = $1 and source_branch = $2"));
    tx.maybe::<Row>(sql, args![repository, source_branch]).await?.map(Row::noun).transpose()
}

pub async fn by_request(tx: &mut Tx, request: RequestId) -> Result<Option<MergeRequest>> {
    let sql = tx.locked(format!("select {COLUMNS} from merge_requests where request_id = $1 order by created_at desc limit 1"));
    tx.maybe::<Row>(sql, args![request]).await?.map(Row::noun).transpose()
}

/// Newest first.
pub async fn by_incident(tx: &mut Tx, incident: IncidentId) -> Result<Vec<MergeRequest>> {
    let sql = format!("select {COLUMNS} from merge_requests where incident_id = $1 order by created_at desc, id desc limit 1000");
    tx.all::<Row>(sql, args![incident]).await?.into_iter().map(Row::noun).collect()
}

pub async fn update(tx: &mut Tx, merge_request: &MergeRequest) -> Result<()> {
    let rows = tx.run(update_sql("merge_requests", COLUMNS), args_of(merge_request)).await?;
    touched(rows, "merge request", merge_request.id)
}

/// Newest first.
pub async fn list(tx: &mut Tx, workspaces: &[WorkspaceId], page: Page) -> Result<Vec<MergeRequest>> {
    if workspaces.is_empty() {
        return Ok(vec![]);
    }
    let within = places(1, workspaces.len());
    let sql =
        format!("select {COLUMNS} from merge_requests where workspace_id in ({within}) order by created_at desc, id desc{}", page.clause());
    tx.all::<Row>(sql, workspaces.iter().map(|w| (*w).into()).collect()).await?.into_iter().map(Row::noun).collect()
}

fn args_of(merge_request: &MergeRequest) -> Vec<Arg> {
    let MergeRequest {
        id,
        workspace,
        request,
        run,
        repository,
        incident,
        number,
        reference,
        title,
        description,
        source_branch,
        target_branch,
        base_commit,
        patch_commit,
        diff,
        status,
        verdict,
        decisions,
        created_at,
        updated_at,
    } = merge_request;
    args![
        *id,
        *workspace,
        *request,
        *run,
        *repository,
        *incident,
        *number,
        reference,
        title,
        description,
        source_branch,
        target_branch,
        base_commit.as_str(),
        patch_commit.as_str(),
        diff,
        status.word(),
        verdict.word(),
        doc(decisions),
        *created_at,
        *updated_at,
    ]
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    workspace_id: uuid::Uuid,
    request_id: uuid::Uuid,
    run_id: uuid::Uuid,
    repository_id: uuid::Uuid,
    incident_id: Option<uuid::Uuid>,
    number: i64,
    reference: String,
    title: String,
    description: String,
    source_branch: String,
    target_branch: String,
    base_commit: String,
    patch_commit: String,
    diff: String,
    status: String,
    verdict: String,
    decisions: Doc<Decisions>,
    created_at: At,
    updated_at: At,
}

impl Row {
    fn noun(self) -> Result<MergeRequest> {
        let Row {
            id,
            workspace_id,
            request_id,
            run_id,
            repository_id,
            incident_id,
            number,
            reference,
            title,
            description,
            source_branch,
            target_branch,
            base_commit,
            patch_commit,
            diff,
            status,
            verdict,
            decisions,
            created_at,
            updated_at,
        } = self;
        let commit = |column, text: &str| word(column, text, |text| Commit::parse(text).ok());
        Ok(MergeRequest {
            id: MergeRequestId(id),
            workspace: WorkspaceId(workspace_id),
            request: RequestId(request_id),
            run: RunId(run_id),
            repository: RepositoryId(repository_id),
            incident: incident_id.map(IncidentId),
            number,
            reference,
            title,
            description,
            source_branch,
            target_branch,
            base_commit: commit("merge_requests.base_commit", &base_commit)?,
            patch_commit: commit("merge_requests.patch_commit", &patch_commit)?,
            diff,
            status: word("merge_requests.status", &status, MergeRequestStatus::parse)?,
            verdict: word("merge_requests.verdict", &verdict, Verdict::parse)?,
            decisions: decisions.0,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        })
    }
}
