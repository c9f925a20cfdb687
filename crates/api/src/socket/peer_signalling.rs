//! Peer-to-peer signalling over the main namespace: `call:offer`, `call:answer` and `call:ice-candidate` go to the
//! addressed participant of the same call and to nobody else. Their content is opaque. The token says who sent them.

use ::call::CallSnapshot;
use model::{CallKind, UserId};
use serde_json::{Value, json};
use socketioxide::extract::SocketRef;
use tokio::sync::mpsc;

use crate::http::error::{ApiError, ApiResult};
use crate::signalling::connection::Connection;
use crate::signalling::lane::{Lane, Letter};
use crate::signalling::{note_peer, signalling_call};
use crate::state::AppState;

const EVENTS: [&str; 3] = ["call:offer", "call:answer", "call:ice-candidate"];

/// Takes the socket's signalling.
pub(super) fn listen(socket: &SocketRef, state: &AppState, connection: &Connection) {
    let (state, connection) = (state.clone(), connection.clone());
    let lane = Lane::new(move |queue| _ = tokio::spawn(carry(state.clone(), connection.clone(), queue)));
    EVENTS.into_iter().for_each(|event| lane.take(socket, event));
}

async fn carry(state: AppState, connection: Connection, mut queue: mpsc::Receiver<Letter>) {
    while let Some(mut letter) = queue.recv().await {
        let result = match connection.count(&letter.socket) {
            Ok(()) => forward(&state, &connection, &mut letter).await,
            Err(error) => Err(error),
        };
        letter.answer(result);
    }
}

async fn forward(state: &AppState, connection: &Connection, letter: &mut Letter) -> ApiResult<()> {
    let Value::Object(mut payload) = letter.read()? else {
        return Err(ApiError::invalid("payload", "must be an object"));
    };
    let caller = connection.caller();
    let id = payload.get("callId").and_then(Value::as_str).unwrap_or_default();
    let id = id.parse().map_err(|error| ApiError::invalid_id("callId", &error))?;
    let to = match payload.get("to") {
        None | Some(Value::Null) => None,
        Some(Value::String(to)) => Some(UserId::new(to).map_err(|error| ApiError::invalid_id("to", &error))?),
        Some(_) => return Err(ApiError::invalid("to", "must be a user's ID")),
    };
    let call = signalling_call(state, id, &caller.user).await?;
    let to = addressee(&call, &caller.user, to)?;
    payload.insert("from".to_owned(), json!(caller.user));
    let part = call.participant(&to).filter(|part| part.status.is_engaged());
    let part = part.ok_or_else(not_here)?;
    // The device that took the call, if it has a socket; else all: it rings, or its REST client and its socket differ in name.
    let device = part.device.as_ref().filter(|device| state.sockets.has_device(&part.user, device));
    let to = [to];
    if !state.sockets.has(&to) {
        return Err(ApiError::new(model::ErrorCode::InvalidState, "the participant is not connected"));
    }
    state.sockets.emit(&to, device, None, &[(letter.event, Value::Object(payload))]);
    note_peer(state, &call, &caller.user).await;
    Ok(())
}

/// Whom it is for; in a call of two that need not be said.
fn addressee(call: &CallSnapshot, from: &UserId, to: Option<UserId>) -> ApiResult<UserId> {
    if let Some(to) = to {
        return if to == *from { Err(not_here()) } else { Ok(to) };
    }
    let mut others = call.participants.iter().filter(|part| part.user != *from && part.status.is_engaged());
    match (others.next(), others.next()) {
        (Some(other), None) => Ok(other.user.clone()),
        (None, _) if call.kind == CallKind::OneToOne => Err(not_here()),
        _ => Err(ApiError::invalid("to", "must name a participant")),
    }
}

/// One who is not in the call and one who does not exist are not told apart.
fn not_here() -> ApiError {
    ApiError::new(model::ErrorCode::NotFound, "this call has no such participant")
}
