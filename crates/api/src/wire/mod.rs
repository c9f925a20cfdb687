//! How things look on the wire: camelCase JSON, times as RFC 3339 in UTC with milliseconds.

mod call;
mod people;
mod words;

pub(crate) use call::{AUDIO_MARK, Call, CallEvent, Participant, type_and_metadata};
pub(crate) use people::{Channel, User};
pub(crate) use words::schema;

use model::Timestamp;

/// RFC 3339.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_rfc3339()
}
