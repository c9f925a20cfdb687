//! LiveKit's endpoints: the signalling WebSocket (`rtc`) and the server API (`twirp`).

pub(crate) mod rtc;
pub(crate) mod twirp;

use std::borrow::Cow;

use axum::Router;
use model::IdError;

use crate::state::AppState;

/// All of them.
pub(crate) fn router(state: &AppState) -> Router {
    rtc::router(state).merge(twirp::router(state))
}

/// Why a text names no room, in LiveKit's words.
fn no_room_name(error: &IdError) -> Cow<'static, str> {
    match error {
        IdError::Empty => "no room name".into(),
        IdError::TooLong(longest) => format!("room name length exceeds limits: max length {longest}").into(),
        IdError::Control | IdError::NotUuid => "the room name contains control characters".into(),
    }
}
