//! What is running right now, for administrators.

use ::call::CallSnapshot;
use axum::Json;
use axum::extract::State;
use model::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::Admin;
use crate::http::body::CallPath;
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::Call;
use crate::presentation::call_answers::call_view;
use crate::state::AppState;

/// The most calls that are shown; how many there are is told nonetheless.
const MOST_SHOWN: usize = 500;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(connections)).routes(routes!(call_connections))
}

/// Who is connected.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connections {
    /// Open Socket.IO connections.
    sockets: usize,
    /// Calls that are ringing or running.
    active_calls: usize,
    /// The newest of those calls, at most 500.
    calls: Vec<CallConnections>,
    /// Open media rooms, of calls and others.
    rooms: Vec<RoomConnections>,
}

/// Who is connected in a call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallConnections {
    call: Call,
    /// Participants in the call's media room.
    in_room: usize,
    /// Open Socket.IO connections of each participant.
    sockets: Vec<UserSockets>,
}

/// A user's open sockets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserSockets {
    user_id: String,
    sockets: usize,
}

/// A media room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomConnections {
    name: String,
    participants: usize,
}

/// Lists who is connected, across the whole server.
#[utoipa::path(get, path = "/api/debug/connections", operation_id = "connections", tag = "admin",
    responses((status = 200, body = Connections), (status = "default", body = ErrorBody)))]
async fn connections(State(state): State<AppState>, _: Admin) -> ApiResult<Json<Connections>> {
    let (active_calls, newest) = state.handle().running_calls(MOST_SHOWN).await?;
    let rooms = rooms(&state).await;
    let mut calls = Vec::with_capacity(newest.len());
    for call in &newest {
        calls.push(view(&state, call, &rooms).await);
    }
    Ok(Json(Connections { sockets: state.sockets.count(None), active_calls, calls, rooms }))
}

/// Lists who is connected in one running call.
#[utoipa::path(get, path = "/api/debug/connections/{callId}", operation_id = "callConnections", tag = "admin",
    params(("callId" = String, Path, format = Uuid, description = "The call")),
    responses((status = 200, body = CallConnections), (status = "default", body = ErrorBody)))]
async fn call_connections(
    State(state): State<AppState>,
    _: Admin,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallConnections>> {
    let call = state.handle().running_call(id).await?;
    let call = call.ok_or_else(|| ApiError::new(ErrorCode::CallNotFound, "no such call is running"))?;
    let rooms = rooms(&state).await;
    Ok(Json(view(&state, &call, &rooms).await))
}

async fn rooms(state: &AppState) -> Vec<RoomConnections> {
    let rooms = state.handle().media().rooms().await;
    rooms.into_iter().map(|(name, participants)| RoomConnections { name: name.to_string(), participants }).collect()
}

async fn view(state: &AppState, call: &CallSnapshot, rooms: &[RoomConnections]) -> CallConnections {
    let name = call.id.to_string();
    let in_room = rooms.iter().find(|room| room.name == name).map_or(0, |room| room.participants);
    let sockets = call
        .participants
        .iter()
        .map(|part| UserSockets { user_id: part.user.to_string(), sockets: state.sockets.count(Some(&part.user)) })
        .collect();
    CallConnections { call: call_view(state, call).await, in_room, sockets }
}
