//! The way into a call's room: a pass for one device of one user, and where to go with it.

use auth::CallPass;
use axum::http::request::Parts;
use model::{CallId, DeviceId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::IceServer;
use crate::http::origin::livekit_url;
use crate::ice::ice_servers_for;
use crate::ice::turn::client;
use crate::presentation::{schema, time};
use crate::state::AppState;

/// What lets a LiveKit client into the call's room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Connection)]
pub(crate) struct RoomAccess {
    call_id: String,
    room_name: String,
    token: String,
    livekit_url: String,
    ice_servers: Vec<IceServer>,
    /// When the token expires.
    #[schema(value_type = schema::Time)]
    expires_at: String,
}

/// The way into a call's room for one device of one user.
pub(crate) async fn room_access(
    state: &AppState,
    (user, device): (&UserId, &DeviceId),
    call: CallId,
    parts: &Parts,
) -> RoomAccess {
    let person = state.people.show(&[user]).await.of(user);
    let (token, expires) = pass(state, (user, device), call, &person.name);
    RoomAccess {
        call_id: call.to_string(),
        room_name: call.to_string(),
        token,
        livekit_url: livekit_url(parts, &state.config),
        ice_servers: ice_servers_for(state, Some(client(user.as_str(), parts)), Some(call), None).await,
        expires_at: time(expires),
    }
}

/// The token for a call's room, and when it expires.
pub(crate) fn pass(
    state: &AppState,
    (user, device): (&UserId, &DeviceId),
    call: CallId,
    name: &str,
) -> (String, Timestamp) {
    let pass = CallPass { call, user, device, name, ttl: state.config.call_pass_ttl };
    auth::mint_call_pass(state.config.livekit_keys.own(), &pass, state.handle().now())
}
