//! What clients are answered about a call, with the names of those in it.

use ::call::CallSnapshot;
use axum::Json;
use axum::http::request::Parts;
use model::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Call, Participant, schema};
use crate::access::caller::Caller;
use crate::access::room::{RoomAccess, room_access};
use crate::http::error::ApiResult;
use crate::state::AppState;

/// A call.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallAnswer {
    success: bool,
    call: Call,
}

/// The new call, and the way into its room.
#[derive(Serialize, ToSchema)]
pub(crate) struct Initiated {
    success: bool,
    call: Call,
    /// The number of participants, including the caller.
    participants: usize,
    #[serde(flatten)]
    access: RoomAccess,
}

/// The call, the caller as its participant, and the way into its room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    success: bool,
    call: Call,
    participant: Participant,
    #[schema(value_type = schema::CallType)]
    call_type: String,
    #[serde(flatten)]
    access: RoomAccess,
}

/// Accept's and join's answer, for REST and for Socket.IO.
pub(crate) async fn joined(state: &AppState, caller: &Caller, answer: control::Joined, parts: &Parts) -> Joined {
    let shown = state.people.show(&users_of(&answer.call)).await;
    let now = state.handle().now();
    let call = Call::new(&answer.call, &shown, now);
    Joined {
        success: true,
        participant: Participant::new(answer.call.id, &answer.participant, &shown, now),
        call_type: call.call_type.clone(),
        access: room_access(state, (&caller.user, &caller.device), answer.call.id, parts).await,
        call,
    }
}

/// Initiate's answer.
pub(crate) async fn initiated(state: &AppState, caller: &Caller, call: &CallSnapshot, parts: &Parts) -> Initiated {
    Initiated {
        success: true,
        participants: call.participants.len(),
        access: room_access(state, (&caller.user, &caller.device), call.id, parts).await,
        call: call_view(state, call).await,
    }
}

/// Everyone with a part in a call.
pub(crate) fn users_of(call: &CallSnapshot) -> Vec<&UserId> {
    call.participants.iter().map(|part| &part.user).collect()
}

/// A call with the names of those in it.
pub(crate) async fn call_view(state: &AppState, call: &CallSnapshot) -> Call {
    let shown = state.people.show(&users_of(call)).await;
    Call::new(call, &shown, state.handle().now())
}

pub(crate) async fn answer(state: &AppState, call: &CallSnapshot) -> ApiResult<Json<CallAnswer>> {
    Ok(Json(CallAnswer { success: true, call: call_view(state, call).await }))
}
