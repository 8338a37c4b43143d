//! Workspaces, the roles people have in them, and what each role may do.

use crate::{Timestamp, UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    /// Twelve lower-case hex characters; what clients call it by.
    pub uid: String,
    pub name: String,
    pub plan: String,
    /// Runs that alerts may start, over all of its sources.
    pub automatic_runs_per_hour_max: i32,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Member,
    Admin,
    Owner,
}

/// Acts inside a workspace that a role may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// See incidents, runs, merge requests, sandboxes.
    View,
    /// Ask for work: requests, chats, runs, sandboxes, comments; push to a repository, whichever branch.
    Work,
    /// Approve, merge, close, override a verdict.
    Decide,
    /// Repository links, alert sources and their secrets.
    Configure,
    /// Members and their roles.
    Manage,
}

impl Role {
    /// Every member may decide and configure: whoever is on call at night must be able to act without waking somebody.
    pub fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::View | Permission::Work | Permission::Decide | Permission::Configure => true,
            Permission::Manage => self >= Role::Admin,
        }
    }
    pub fn word(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        [Role::Member, Role::Admin, Role::Owner].into_iter().find(|r| r.word() == word)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub workspace: Workspace,
    pub role: Role,
}
