//! People who sign in, and the keys they give their programs.

use crate::{ApiKeyId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub email: String,
    pub is_admin: bool,
    pub access: Access,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub status: AccessStatus,
    pub identity_provider: String,
    pub approved_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub waitlist_notified_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessStatus {
    Pending,
    Approved,
    Blocked,
}

impl AccessStatus {
    pub fn word(self) -> &'static str {
        match self {
            AccessStatus::Pending => "pending",
            AccessStatus::Approved => "approved",
            AccessStatus::Blocked => "blocked",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        [AccessStatus::Pending, AccessStatus::Approved, AccessStatus::Blocked].into_iter().find(|s| s.word() == word)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub user: UserId,
    pub name: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub is_active: bool,
}
