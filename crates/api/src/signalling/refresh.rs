//! A socket lasts as long as the token it came with. Before that expires, the client can send a newer one.

use model::ErrorCode;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Extension, SocketRef, State, TryData};

use super::connection::{Connection, act};
use crate::access::caller::Caller;
use crate::access::identify;
use crate::access::standing::Proof;
use crate::http::error::{ApiError, ApiResult};
use crate::presentation::time;
use crate::state::AppState;

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
               connection: Extension<Connection>,
               data: TryData<Fresh>,
               ack: AckSender| {
            act(&socket, &connection, data, ack, async |body| refresh(&state, &connection, body).await).await;
        },
    );
}

async fn refresh(state: &AppState, connection: &Connection, body: Fresh) -> ApiResult<Value> {
    let (caller, proof) = renewed(state, &connection.caller(), &body.token).await?;
    let expires = proof.expires();
    connection.renew(state, caller, proof);
    Ok(json!({"expiresAt": time(expires)}))
}

/// The same user on the same device, by another token.
pub(crate) async fn renewed(state: &AppState, known: &Caller, token: &str) -> ApiResult<(Caller, Proof)> {
    let (caller, expires) = identify::by_token_until(state, token, known.device.clone()).await?;
    if caller.user != known.user {
        return Err(ApiError::new(ErrorCode::Forbidden, "the token belongs to another user"));
    }
    Ok((caller, Proof::token(token, expires)))
}
