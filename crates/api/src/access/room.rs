//! The way into a call's room: a pass for one device of one user, and where to go with it.

use auth::CallPass;
use axum::http::request::Parts;
use model::{CallId, DeviceId, UserId};
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
    pub room_name: String,
    pub token: String,
    pub livekit_url: String,
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
    let config = &state.config;
    let pass = CallPass { call, user, device, name: &person.name, ttl: config.call_pass_ttl };
    let (token, expires) = auth::mint_call_pass(config.livekit_keys.own(), &pass, state.handle().now());
    RoomAccess {
        call_id: call.to_string(),
        room_name: call.to_string(),
        token,
        livekit_url: livekit_url(parts, config),
        ice_servers: ice_servers_for(state, Some(client(user.as_str(), parts)), Some(call), None).await,
        expires_at: time(expires),
    }
}
