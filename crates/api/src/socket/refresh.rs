//! A socket lasts as long as the token it came with. Before that expires, the client can send a newer one.

use model::ErrorCode;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Extension, SocketRef, State, TryData};

use super::Seat;
use super::acts::act;
use crate::caller::{self, Caller};
use crate::error::{ApiError, ApiResult};
use crate::standing::Proof;
use crate::state::AppState;
use crate::wire::time;

#[derive(Deserialize)]
struct Fresh {
    token: String,
}

/// Registers `auth:refresh`, in whichever namespace.
pub(crate) fn listen(socket: &SocketRef) {
    socket.on(
        "auth:refresh",
        async |socket: SocketRef,
               state: State<AppState>,
               seat: Extension<Seat>,
               data: TryData<Fresh>,
               ack: AckSender| {
            act(&socket, &seat, data, ack, async |body| refresh(&state, &seat, body).await).await;
        },
    );
}

async fn refresh(state: &AppState, seat: &Seat, body: Fresh) -> ApiResult<Value> {
    let (caller, proof) = renewed(state, &seat.caller(), &body.token).await?;
    let expires = proof.expires();
    if let Some(number) = seat.0.number.get() {
        state.standings.renew(*number, proof);
    }
    seat.0.caller.store(caller.into());
    Ok(json!({"expiresAt": time(expires)}))
}

/// The same user on the same device, by another token.
pub(crate) async fn renewed(state: &AppState, known: &Caller, token: &str) -> ApiResult<(Caller, Proof)> {
    let (caller, expires) = caller::by_token_until(state, token, known.device.clone()).await?;
    if caller.user != known.user {
        return Err(ApiError::new(ErrorCode::Forbidden, "the token belongs to another user"));
    }
    Ok((caller, Proof::token(token, expires)))
}
