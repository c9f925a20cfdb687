//! Actions during a call over a socket: hold, transfer, mute, the media path, quality; and what a device says about
//! itself.

use model::{CallId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Extension, SocketRef, State, TryData};

use super::acts::{OfCall, act};
use super::{Says, Seat};
use crate::audit::{Address, note_on_call};
use crate::error::{ApiError, ApiResult};
use crate::origin::client_address;
use crate::routes::call_view;
use crate::routes::in_call::{Mute, QualityReports, Transfer, acting, start_transfer, take_reports};
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
}

const PLAIN: [(&str, Plain); 5] = [
    ("call:hold", Plain::Hold),
    ("call:resume", Plain::Resume),
    ("call:transfer-complete", Plain::TransferComplete),
    ("call:transfer-cancel", Plain::TransferCancel),
    ("call:media-failed", Plain::MediaFailed),
];

/// Registers them.
pub(super) fn listen(socket: &SocketRef) {
    for (event, plain) in PLAIN {
        socket.on(
            event,
            move |socket: SocketRef,
                  state: State<AppState>,
                  seat: Extension<Seat>,
                  data: TryData<OfCall>,
                  ack: AckSender| async move {
                let carry_out = async |body: OfCall| carry_out(&state, &seat, plain, body.id()?).await;
                act(&socket, &seat, data, ack, carry_out).await;
            },
        );
    }
    socket.on(
        "call:transfer",
        async |socket: SocketRef,
               state: State<AppState>,
               seat: Extension<Seat>,
               data: TryData<With<Transfer>>,
               ack: AckSender| {
            act(&socket, &seat, data, ack, async |body| transfer(&state, &seat, body).await).await;
        },
    );
    socket.on(
        "call:mute",
        async |socket: SocketRef,
               state: State<AppState>,
               seat: Extension<Seat>,
               data: TryData<With<Whom>>,
               ack: AckSender| {
            act(&socket, &seat, data, ack, async |body| mute(&state, &seat, &socket, body).await).await;
        },
    );
    socket.on(
        "call:quality",
        async |socket: SocketRef,
               state: State<AppState>,
               seat: Extension<Seat>,
               data: TryData<With<QualityReports>>,
               ack: AckSender| {
            act(&socket, &seat, data, ack, async |body| quality(&state, &seat, body).await).await;
        },
    );
    socket.on(
        "device:set",
        async |socket: SocketRef,
               state: State<AppState>,
               seat: Extension<Seat>,
               data: TryData<Says>,
               ack: AckSender| {
            let set = async |says: Says| {
                says.declare(&state, &seat.caller()).await?;
                Ok(json!({}))
            };
            act(&socket, &seat, data, ack, set).await;
        },
    );
}

async fn carry_out(state: &AppState, seat: &Seat, plain: Plain, id: CallId) -> ApiResult<Value> {
    let caller = seat.caller();
    let (handle, user) = (state.handle(), &caller.user);
    let call = match plain {
        Plain::Hold => handle.hold(id, user, true).await?,
        Plain::Resume => handle.hold(id, user, false).await?,
        Plain::TransferComplete => handle.complete_transfer(id, user).await?,
        Plain::TransferCancel => handle.cancel_transfer(id, user).await?,
        Plain::MediaFailed => handle.media_failed(id, user).await?,
    };
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn transfer(state: &AppState, seat: &Seat, body: With<Transfer>) -> ApiResult<Value> {
    let call = start_transfer(state, &seat.caller(), body.call.id()?, body.rest).await?;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn mute(state: &AppState, seat: &Seat, socket: &SocketRef, body: With<Whom>) -> ApiResult<Value> {
    let user = UserId::new(&body.rest.user_id).map_err(|error| ApiError::invalid_id("userId", &error))?;
    let hard = body.rest.mute.hard.unwrap_or(false);
    let (id, caller) = (body.call.id()?, seat.caller());
    let call = state.handle().mute(id, acting(&caller), Some(user.clone()), hard).await?;
    let address = Address(client_address(socket.req_parts(), &state.config).to_string());
    note_on_call(state, &caller, &address, "call.muted", id, json!({"userId": user, "hard": hard})).await;
    Ok(json!({"call": call_view(state, &call).await}))
}

async fn quality(state: &AppState, seat: &Seat, body: With<QualityReports>) -> ApiResult<Value> {
    take_reports(state, &seat.caller(), body.call.id()?, body.rest).await?;
    Ok(json!({}))
}
