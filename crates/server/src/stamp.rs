//! Times on the wire: RFC 3339 with microseconds.

use domain::Timestamp;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// `2026-11-23T08:38:34.793256Z`, as most of the API writes times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(pub Timestamp);

/// `2026-11-23T08:38:34.793256+00:00`, as runs, chat messages, events, `access` and activity write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp00(pub Timestamp);

macro_rules! stamps {
    ($($name:ident: $format:literal;)*) => {$(
        impl From<Timestamp> for $name {
            fn from(at: Timestamp) -> Self { $name(at) }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0.strftime($format))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
                RefOr::T(text.into())
            }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> { Cow::Borrowed(stringify!($name)) }
        }
    )*};
}

stamps! {
    Stamp: "%Y-%m-%dT%H:%M:%S.%6fZ";
    Stamp00: "%Y-%m-%dT%H:%M:%S.%6f+00:00";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_always_there() {
        let at = Timestamp::from_microsecond(1_700_000_000_000_000).expect("in range");
        assert_eq!(Stamp(at).to_string(), "2023-11-14T22:13:20.000000Z");
        assert_eq!(Stamp00(at).to_string(), "2023-11-14T22:13:20.000000+00:00");
    }
}
