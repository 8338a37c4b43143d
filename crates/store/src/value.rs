//! What goes into a query and comes out of a column, alike on both databases.
//!
//! Times are `timestamptz` on PostgreSQL and microseconds since 1970 on SQLite: both sort, and both keep exactly what
//! the clock gives. (jiff-sqlx would write SQLite's as text with a fraction of varying length, which does not sort.) Documents are TEXT on both, because `jsonb` reorders keys and refuses `\u0000`.

use domain::{
    AlertId, AlertSourceId, ApiKeyId, CommentId, Error, IncidentId, JobId, MergeRequestId, RepositoryId, RequestId, Result, RunId,
    SandboxId, Timestamp, UserId, WorkerId, WorkspaceId,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef, types::Oid};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

/// One bound value; `None` is a NULL of that type.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Int(Option<i64>),
    Real(Option<f64>),
    Bool(bool),
    Text(Option<String>),
    Uuid(Option<Uuid>),
    Bytes(Option<Vec<u8>>),
    At(Option<At>),
}

/// The values of one query, in order.
#[macro_export]
#[doc(hidden)]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::value::Arg::from($value)),*] };
}

macro_rules! into_arg {
    ($($kind:ident: $($from:ty => |$value:ident| $into:expr),+;)*) => {$($(
        impl From<$from> for Arg {
            fn from($value: $from) -> Arg { Arg::$kind(Some($into)) }
        }
        impl From<Option<$from>> for Arg {
            fn from(value: Option<$from>) -> Arg { Arg::$kind(value.map(|$value: $from| $into)) }
        }
    )+)*};
}

into_arg! {
    Int: i64 => |v| v, i32 => |v| i64::from(v), u32 => |v| i64::from(v), UserId => |v| v.0;
    Real: f64 => |v| v;
    Text: &str => |v| clean(v), String => |v| clean(&v), &String => |v| clean(v);
    Uuid: Uuid => |v| v, WorkspaceId => |v| v.0, ApiKeyId => |v| v.0, RepositoryId => |v| v.0, AlertSourceId => |v| v.0, IncidentId => |v| v.0,
        AlertId => |v| v.0, RequestId => |v| v.0, RunId => |v| v.0, MergeRequestId => |v| v.0, CommentId => |v| v.0, SandboxId => |v| v.0,
        JobId => |v| v.0, WorkerId => |v| v.0;
    Bytes: Vec<u8> => |v| v, &[u8] => |v| v.to_vec();
    At: Timestamp => |v| At::from(v);
}

impl From<bool> for Arg {
    fn from(value: bool) -> Arg {
        Arg::Bool(value)
    }
}

/// PostgreSQL's text has no NUL; both databases shall keep the same.
fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_string() }
}

/// A document for a TEXT column.
pub(crate) fn doc<T: Serialize>(value: &T) -> Arg {
    Arg::Text(Some(serde_json::to_string(value).expect("our own types have string keys only")))
}

/// A document out of a TEXT column.
#[derive(Debug)]
pub(crate) struct Doc<T>(pub T);

impl<T> Type<Sqlite> for Doc<T> {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }
}
impl<T> Type<Postgres> for Doc<T> {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }
}
impl<'r, T: DeserializeOwned> Decode<'r, Sqlite> for Doc<T> {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Doc(serde_json::from_str(<&str as Decode<Sqlite>>::decode(value)?)?))
    }
}
impl<'r, T: DeserializeOwned> Decode<'r, Postgres> for Doc<T> {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Doc(serde_json::from_str(<&str as Decode<Postgres>>::decode(value)?)?))
    }
}

/// A time, cut to microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At(i64);

impl From<Timestamp> for At {
    fn from(value: Timestamp) -> At {
        At(value.as_microsecond())
    }
}
impl From<At> for Timestamp {
    fn from(value: At) -> Timestamp {
        Timestamp::from_microsecond(value.0).expect("only timestamps are ever stored")
    }
}

pub(crate) fn time(value: Option<At>) -> Option<Timestamp> {
    value.map(Timestamp::from)
}

/// 2000-01-01, from where PostgreSQL counts.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

impl Type<Sqlite> for At {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}
impl Encode<'_, Sqlite> for At {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Sqlite>>::encode_by_ref(&self.0, buffer)
    }
}
impl<'r> Decode<'r, Sqlite> for At {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(At(<i64 as Decode<Sqlite>>::decode(value)?))
    }
}
impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }
}
impl Encode<'_, Postgres> for At {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Postgres>>::encode(self.0 - POSTGRES_EPOCH, buffer)
    }
}
impl<'r> Decode<'r, Postgres> for At {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(At(<i64 as Decode<Postgres>>::decode(value)? + POSTGRES_EPOCH))
    }
}

/// A stored word as the enum it stands for.
pub(crate) fn word<T>(column: &str, word: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    parse(word).ok_or_else(|| Error::internal(format!("the database holds `{word}` in {column}, which this version does not know")))
}

/// `$first, $first+1, …`, `count` of them.
pub(crate) fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// `insert into TABLE (COLUMNS) values ($1, …)`.
pub(crate) fn insert(table: &str, columns: &str) -> String {
    format!("insert into {table} ({columns}) values ({})", places(1, columns.split(',').count()))
}

/// `update TABLE set a = $1, b = $2, … where a = $1`: the first column is the key.
pub(crate) fn update(table: &str, columns: &str) -> String {
    let names: Vec<&str> = columns.split(',').map(str::trim).collect();
    let sets: Vec<String> = names.iter().enumerate().skip(1).map(|(at, name)| format!("{name} = ${}", at + 1)).collect();
    format!("update {table} set {} where {} = $1", sets.join(", "), names[0])
}

/// The columns of a joined query, each with its table's short name.
pub(crate) fn of(table: &str, columns: &str) -> String {
    columns.split(',').map(|name| format!("{table}.{}", name.trim())).collect::<Vec<_>>().join(", ")
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub offset: i64,
    pub limit: i64,
}

impl Page {
    /// The longest list anybody gets at once.
    pub const LIMIT_MAX: i64 = 1_000;

    pub fn first(limit: i64) -> Page {
        Page { offset: 0, limit }
    }
    /// `limit … offset …`: numbers of ours, not text from outside.
    pub(crate) fn clause(self) -> String {
        format!(" limit {} offset {}", self.limit.clamp(0, Self::LIMIT_MAX), self.offset.max(0))
    }
}

impl Default for Page {
    fn default() -> Self {
        Page::first(Self::LIMIT_MAX)
    }
}

/// Gives a conflict the words of the noun.
pub(crate) fn conflict(message: impl Into<String>) -> impl FnOnce(Error) -> Error {
    let message = message.into();
    move |error| if error.kind == domain::Kind::Conflict { Error::conflict(message).because(error) } else { error }
}

/// `NotFound` with the noun and the id.
pub(crate) fn found<T>(row: Option<T>, noun: &str, id: impl std::fmt::Display) -> Result<T> {
    row.ok_or_else(|| Error::not_found(format!("there is no {noun} `{id}`")))
}

/// The same for a change that should have touched one row.
pub(crate) fn touched(rows: u64, noun: &str, id: impl std::fmt::Display) -> Result<()> {
    found((rows > 0).then_some(()), noun, id)
}
