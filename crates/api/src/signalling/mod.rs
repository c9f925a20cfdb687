//! Connections over which clients signal, of every surface: Socket.IO's transport and what a socket may do, the meetings of raw
//! WebSockets and of meshes, and who may signal in a call.

pub(crate) mod connection;
pub(crate) mod lane;
pub(crate) mod meetings;
pub(crate) mod pace;
pub(crate) mod refresh;
pub(crate) mod registry;
pub(crate) mod transport;

use ::call::{CallSnapshot, CommandError};
use control::ControlError;
use model::{CallId, ErrorCode, Topology, UserId};

use crate::http::error::{ApiError, ApiResult};
use crate::state::AppState;

/// The call, if this user may signal in it now: it rings for them or they are in it.
pub(crate) async fn signalling_call(state: &AppState, call: CallId, user: &UserId) -> ApiResult<CallSnapshot> {
    let call = state.handle().call(call, user).await?;
    let engaged = call.participant(user).is_some_and(|part| part.status.is_engaged());
    if call.status.is_over() {
        return Err(ControlError::from(CommandError::CallOver(call.status)).into());
    }
    if !engaged {
        return Err(ApiError::new(ErrorCode::InvalidState, "you are not in the call"));
    }
    Ok(call)
}

/// Who signals to peers brings media without the server; refused where they only ring, which is no fault.
pub(crate) async fn note_peer(state: &AppState, call: &CallSnapshot, user: &UserId) {
    if call.topology == Topology::Sfu
        && let Err(error) = state.handle().peer_signalled(call.id, user).await
    {
        tracing::debug!(%error, call = %call.id, "a user signalled without being in the call");
    }
}
