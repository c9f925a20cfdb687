//! Actions during a call over a socket: hold, transfer, mute, the media path, quality; and what a device says about
//! itself.

use model::{CallId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Extension, SocketRef, State, TryData};

use super::acts::OfCall;
use crate::access::audit::{Address, note_on_call};
use crate::http::error::{ApiError, ApiResult};
use crate::http::origin::client_address;
use crate::presentation::call_answers::call_view;
use crate::presentation::call_recording::{self, Act, RecordingConsent, StartRecording};
use crate::presentation::in_call::{Mute, QualityReports, Transfer, acting, start_transfer, take_reports};
use crate::signalling::connection::{Connection, Says, act};
use crate::state::AppState;

/// What an act takes besides its call.
#[derive(Deserialize)]
struct With<T> {
    #[serde(flatten)]
    call: OfCall,
    #[serde(flatten)]
    rest: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whom {
    user_id: String,
    #[serde(flatten)]
    mute: Mute,
}

/// What happens to a call by its id alone.
#[derive(Clone, Copy)]
enum Plain {
    Hold,
    Resume,
    TransferComplete,
    TransferCancel,
    MediaFailed,
    Recording(Act),
}

const PLAIN: [(&str, Plain); 8] = [
    ("call:hold", Plain::Hold),
    ("call:resume", Plain::Resume),
    ("call:transfer-complete", Plain::TransferComplete),
    ("call:transfer-cancel", Plain::TransferCancel),
    ("call:media-failed", Plain::MediaFailed),
    ("recording:pause", Plain::Recording(Act::Pause)),
    ("recording:resume", Plain::Recording(Act::Resume)),
    ("recording:stop", Plain::Recording(Act::Stop)),
];

/// Registers them.
pub(super) fn listen(socket: &SocketRef) {
    for (event, plain) in PLAIN {
        socket.on(
            event,
            move |socket: SocketRef,
                  state: State<AppState>,
                  connection: Extension<Connection>,
                  data: TryData<OfCall>,
                  ack: AckSender| async move {
                let carry_out = async |body: OfCall| carry_out(&state, &connection, plain, body.id()?).await;
                act(&socket, &connection, data, ack, carry_out).await;
            },
        );
    }
    socket.on(
        "call:transfer",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<With<Transfer>>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| transfer(&state, &connection, body).await).await;
        },
    );
    socket.on(
        "call:mute",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<With<Whom>>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| mute(&state, &connection, &socket, body).await).await;
        },
    );
    socket.on(
        "recording:start",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<With<StartRecording>>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| record(&state, &connection, body).await).await;
        },
    );
    socket.on(
        "recording:consent",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<With<RecordingConsent>>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| consent(&state, &connection, body).await).await;
        },
    );
    socket.on(
        "call:quality",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<With<QualityReports>>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| quality(&state, &connection, body).await).await;
        },
    );
    socket.on(
        "device:set",
        async |socket: SocketRef,
               state: State<AppState>,
               connection: Extension<Connection>,
               data: TryData<Says>,
               ack: AckSender| {
            let set = async |says: Says| {
                says.declare(&state, &connection.caller()).await?;
                Ok(json!({}))
            };
            act(&socket, &connection, data, ack, set).await;
        },
    );
}

async fn carry_out(state: &AppState, connection: &Connection, plain: Plain, id: CallId) -> ApiResult<Value> {
    let caller = connection.caller();
    let (handle, user) = (state.handle(), &caller.user);
    let call = match plain {
        Plain::Hold => handle.hold(id, user, true).await?,
        Plain::Resume => handle.hold(id, user, false).await?,
        Plain::TransferComplete => handle.complete_transfer(id, user).await?,
        Plain::TransferCancel => handle.cancel_transfer(id, user).await?,
        Plain::Recording(act) => call_recording::carry_out(state, &caller, id, act).await?,
        Plain::MediaFailed => handle.media_failed(id, user).await?,
    };
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn transfer(state: &AppState, connection: &Connection, body: With<Transfer>) -> ApiResult<Value> {
    let call = start_transfer(state, &connection.caller(), body.call.id()?, body.rest).await?;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn mute(state: &AppState, connection: &Connection, socket: &SocketRef, body: With<Whom>) -> ApiResult<Value> {
    let user = UserId::new(&body.rest.user_id).map_err(|error| ApiError::invalid_id("userId", &error))?;
    let hard = body.rest.mute.hard.unwrap_or(false);
    let (id, caller) = (body.call.id()?, connection.caller());
    let call = state.handle().mute(id, acting(&caller), Some(user.clone()), hard).await?;
    let address = Address(client_address(socket.req_parts(), &state.config).to_string());
    note_on_call(state, &caller, &address, "call.muted", id, json!({"userId": user, "hard": hard})).await;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn record(state: &AppState, connection: &Connection, body: With<StartRecording>) -> ApiResult<Value> {
    let call = call_recording::start(state, &connection.caller(), body.call.id()?, body.rest).await?;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn consent(state: &AppState, connection: &Connection, body: With<RecordingConsent>) -> ApiResult<Value> {
    let (id, caller) = (body.call.id()?, connection.caller());
    let call = state.handle().consent_to_recording(id, &caller.user, body.rest.given).await?;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn quality(state: &AppState, connection: &Connection, body: With<QualityReports>) -> ApiResult<Value> {
    take_reports(state, &connection.caller(), body.call.id()?, body.rest).await?;
    Ok(json!({}))
}
