//! Typed ids. A `RunId` can't be passed where a `RequestId` is meant.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident: $noun:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self { Self(value) }
        }
        impl From<$name> for Uuid {
            fn from(value: $name) -> Uuid { value.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl FromStr for $name {
            type Err = crate::Error;
            /// A malformed id names nothing, so it is "not found" rather than "invalid".
            fn from_str(text: &str) -> Result<Self, crate::Error> {
                Uuid::parse_str(text).map(Self).map_err(|_| {
                    let shown: String = text.chars().take(64).collect();
                    crate::Error::not_found(format!("there is no {} `{shown}`", $noun))
                })
            }
        }
    )*};
}

ids! {
    WorkspaceId: "workspace";
    ApiKeyId: "API key";
    RepositoryId: "repository link";
    AlertSourceId: "alert source";
    IncidentId: "incident";
    AlertId: "alert event";
    RequestId: "request";
    RunId: "run";
    MergeRequestId: "merge request";
    CommentId: "comment";
    SandboxId: "sandbox session";
    JobId: "job";
    WorkerId: "worker";
}

/// Users are numbered: the contract's clients read an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub i64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
