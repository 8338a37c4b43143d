//! Links from workspaces to repositories. The access token is kept as the caller encrypted it.

use crate::value::{At, conflict, found, insert, places, touched};
use crate::{Tx, args};
use domain::repository::Repository;
use domain::{RepositoryId, Result, Timestamp, UserId, WorkspaceId};

const COLUMNS: &str = "id, workspace_id, provider, repository, base_url, default_branch, created_by, created_at, updated_at";

/// `Conflict` when the workspace has a link to it already. `access_token` is cipher text.
pub async fn create(tx: &mut Tx, repository: &Repository, access_token: Option<&[u8]>) -> Result<()> {
    let Repository { id, workspace, provider, repository: name, base_url, default_branch, created_by, created_at, updated_at } = repository;
    let args = args![*id, *workspace, provider, name, base_url, default_branch, *created_by, *created_at, *updated_at, access_token];
    tx.run(insert("repositories", &format!("{COLUMNS}, access_token")), args)
        .await
        .map_err(conflict(format!("this workspace is linked to {provider} repository `{name}` already")))?;
    Ok(())
}

pub async fn get(tx: &mut Tx, id: RepositoryId) -> Result<Repository> {
    found(find(tx, id).await?, "repository link", id)
}

/// The same for one that may have been unlinked since.
pub async fn find(tx: &mut Tx, id: RepositoryId) -> Result<Option<Repository>> {
    let row: Option<Row> = tx.maybe(format!("select {COLUMNS} from repositories where id = $1"), args![id]).await?;
    Ok(row.map(Row::noun))
}

/// Oldest first, over all these workspaces.
pub async fn list(tx: &mut Tx, workspaces: &[WorkspaceId]) -> Result<Vec<Repository>> {
    if workspaces.is_empty() {
        return Ok(vec![]);
    }
    let sql = format!(
        "select {COLUMNS} from repositories where workspace_id in ({}) order by created_at, id limit 1000",
        places(1, workspaces.len())
    );
    let rows: Vec<Row> = tx.all(sql, workspaces.iter().map(|w| (*w).into()).collect()).await?;
    Ok(rows.into_iter().map(Row::noun).collect())
}

/// Every repository of the installation, for tidying.
pub async fn all_ids(tx: &mut Tx) -> Result<Vec<RepositoryId>> {
    let rows: Vec<(uuid::Uuid,)> = tx.all("select id from repositories order by id", args![]).await?;
    Ok(rows.into_iter().map(|(id,)| RepositoryId(id)).collect())
}

/// The encrypted access token; `None` for a repository that needs none.
pub async fn token(tx: &mut Tx, id: RepositoryId) -> Result<Option<Vec<u8>>> {
    let row: Option<(Option<Vec<u8>>,)> = tx.maybe("select access_token from repositories where id = $1", args![id]).await?;
    Ok(found(row, "repository link", id)?.0)
}

pub async fn set_default_branch(tx: &mut Tx, id: RepositoryId, branch: &str, now: Timestamp) -> Result<()> {
    let rows = tx.run("update repositories set default_branch = $2, updated_at = $3 where id = $1", args![id, branch, now]).await?;
    touched(rows, "repository link", id)
}

/// Requests and alert sources that used it stay and lose the link.
pub async fn delete(tx: &mut Tx, id: RepositoryId) -> Result<()> {
    let rows = tx.run("delete from repositories where id = $1", args![id]).await?;
    touched(rows, "repository link", id)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    workspace_id: uuid::Uuid,
    provider: String,
    repository: String,
    base_url: String,
    default_branch: String,
    created_by: Option<i64>,
    created_at: At,
    updated_at: At,
}

impl Row {
    fn noun(self) -> Repository {
        let Row { id, workspace_id, provider, repository, base_url, default_branch, created_by, created_at, updated_at } = self;
        Repository {
            id: RepositoryId(id),
            workspace: WorkspaceId(workspace_id),
            provider,
            repository,
            base_url,
            default_branch,
            created_by: created_by.map(UserId),
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}
