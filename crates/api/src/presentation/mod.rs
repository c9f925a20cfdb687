//! How things look in the API's own JSON, whichever surface shows or takes them: camelCase JSON, times as RFC 3339 in UTC with milliseconds.

mod call;
pub(crate) mod call_answers;
pub(crate) mod call_recording;
pub(crate) mod call_requests;
pub(crate) mod in_call;
mod people;
mod recordings;
mod words;

pub(crate) use call::{AUDIO_MARK, Call, CallEvent, Participant, type_and_metadata};
pub(crate) use people::{Channel, User, presence_of, user_view};
pub(crate) use recordings::{RecordedTrack, Recording, hex};
pub(crate) use words::schema;

use axum::Json;
use model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// RFC 3339.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_rfc3339()
}

/// The request succeeded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    success: bool,
}

impl Done {
    pub const YES: Json<Done> = Json(Done { success: true });
}
