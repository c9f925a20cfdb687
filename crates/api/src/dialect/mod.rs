//! Calls in the styles of other backends: their paths, bodies, words and formats.
//!
//! Each module is one style of client. The LiveKit style needs no module, because its paths are the canonical ones. All
//! of them call the same use cases of [`control::Handle`] as the canonical routes, and show the same snapshots and
//! events. A style is only a translation: the rules of a call are elsewhere. The only state a style keeps is that of
//! its connections ([`crate::signalling::meetings`]).

mod bare;
mod in_body;
mod notices;
mod records;
mod verbs;
mod webrtc;
mod websocket;

use ::call::CallSnapshot;
use control::Joined;
use model::{CallId, Permission};
use socketioxide::SocketIo;
use utoipa_axum::router::OpenApiRouter;

use crate::access::caller::Caller;
use crate::http::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Every operation of every style.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(in_body::routes())
        .merge(verbs::routes())
        .merge(bare::routes())
        .merge(records::routes())
        .merge(websocket::routes())
}

/// Opens the Socket.IO namespace of the style that has one, and starts the task that tells all of them what happens.
pub(crate) fn open(io: &SocketIo, state: &AppState) {
    webrtc::open(io);
    tokio::spawn(notices::carry(state.clone(), state.handle().notices()));
}

/// Takes a call for the caller's device.
async fn accept(state: &AppState, caller: &Caller, call: CallId) -> ApiResult<Joined> {
    caller.require(Permission::CallsJoin)?;
    Ok(state.handle().accept(call, &caller.user, &caller.device).await?)
}

/// Enters a call; for one who is being rung this is accept.
async fn join(state: &AppState, caller: &Caller, call: CallId) -> ApiResult<CallSnapshot> {
    caller.require(Permission::CallsJoin)?;
    Ok(state.handle().join(call, &caller.user, &caller.device).await?.call)
}

/// A call's ID from a body.
fn call_id(text: &str) -> ApiResult<CallId> {
    text.parse().map_err(|error| ApiError::invalid_id("callId", &error))
}
