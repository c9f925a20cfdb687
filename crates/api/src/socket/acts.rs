//! What a client may ask over its socket. Each request gets an acknowledgement.

use model::{CallId, Permission, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Event, Extension, SocketRef, State, TryData};

use super::in_call;
use crate::http::error::{ApiError, ApiResult};
use crate::presentation::call_answers::{call_view, joined};
use crate::signalling::connection::{Connection, act, answer};
use crate::state::AppState;

/// The most users whose presence is asked for at once.
const MOST_USERS: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfCall {
    call_id: String,
    reason: Option<String>,
}

impl OfCall {
    pub fn id(&self) -> ApiResult<CallId> {
        self.call_id.parse().map_err(|error| ApiError::invalid_id("callId", &error))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfUsers {
    user_ids: Vec<String>,
}

/// Registers every act, and an answer to all others.
pub(super) fn listen(socket: &SocketRef) {
    socket.on(
        "call:accept",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<OfCall>,
               ack: AckSender| {
            act(&socket.clone(), &connection.clone(), data, ack, async |body| {
                accept(&socket, &state, &connection, body).await
            })
            .await;
        },
    );
    socket.on(
        "call:decline",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<OfCall>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| decline(&state, &connection, body).await).await;
        },
    );
    socket.on(
        "call:end",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<OfCall>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| end(&state, &connection, body).await).await;
        },
    );
    socket.on(
        "call:leave",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<OfCall>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| leave(&state, &connection, body).await).await;
        },
    );
    in_call::listen(socket);
    socket.on(
        "presence:get",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<OfUsers>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| presence(&state, body).await).await;
        },
    );
    socket.on_fallback(
        async |socket: SocketRef, connection: Extension<Connection>, Event(_): Event, ack: AckSender| {
            let refused = connection
                .count(&socket)
                .err()
                .unwrap_or_else(|| ApiError::invalid("event", "this server has no such event"));
            answer(ack, Err(refused));
        },
    );
}

async fn accept(socket: &SocketRef, state: &AppState, connection: &Connection, body: OfCall) -> ApiResult<Value> {
    let caller = connection.caller();
    caller.require(Permission::CallsJoin)?;
    let answer = state.handle().accept(body.id()?, &caller.user, &caller.device).await?;
    Ok(json!(joined(state, &caller, answer, socket.req_parts()).await))
}

async fn decline(state: &AppState, connection: &Connection, body: OfCall) -> ApiResult<Value> {
    let busy = body.reason.as_deref() == Some("busy");
    let call = state.handle().decline(body.id()?, &connection.caller().user, busy).await?;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn end(state: &AppState, connection: &Connection, body: OfCall) -> ApiResult<Value> {
    let id = body.id()?;
    let reason = body.reason.map(|reason| reason.chars().take(200).collect());
    let call = state.handle().end(id, &connection.caller().user, reason).await?;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn leave(state: &AppState, connection: &Connection, body: OfCall) -> ApiResult<Value> {
    let call = state.handle().leave(body.id()?, &connection.caller().user).await?;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn presence(state: &AppState, body: OfUsers) -> ApiResult<Value> {
    if body.user_ids.len() > MOST_USERS {
        return Err(ApiError::invalid("userIds", "must not exceed 500 users"));
    }
    let ids: Result<Vec<UserId>, _> = body.user_ids.iter().map(UserId::new).collect();
    let ids = ids.map_err(|error| ApiError::invalid_id("userIds", &error))?;
    let presence = state.handle().presence(&ids).await;
    let users: serde_json::Map<String, Value> =
        presence.into_iter().map(|(user, state)| (user.to_string(), json!(state))).collect();
    Ok(json!({"users": users}))
}
