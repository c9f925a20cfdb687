//! Actions under other verbs, as clients of an Express/Supabase backend send them: `answer`, `reject`, TURN
//! credentials.

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::caller::Caller;
use crate::config::IceServer;
use crate::http::body::{CallPath, OptionalBody};
use crate::http::error::{ApiResult, ErrorBody};
use crate::ice::ice_servers_for;
use crate::ice::turn::client;
use crate::presentation::call_answers::{self, CallAnswer, Joined};
use crate::presentation::call_requests::{Decline, DeclineReason};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(answer)).routes(routes!(reject)).routes(routes!(turn_credentials))
}

/// Credentials for the TURN server, and the complete list for a peer connection.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnCredentials {
    /// TURN user name. Null if there is no TURN server.
    #[schema(required)]
    username: Option<String>,
    /// TURN password.
    #[schema(required)]
    credential: Option<String>,
    /// `turn:` and `turns:` URLs.
    urls: Vec<String>,
    /// STUN and TURN servers.
    ice_servers: Vec<IceServer>,
}

/// Accepts the call, on this device.
#[utoipa::path(post, path = "/api/calls/{id}/answer", operation_id = "answer", tag = "dialects",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Joined), (status = "default", body = ErrorBody)))]
async fn answer(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    parts: Parts,
) -> ApiResult<Json<Joined>> {
    let joined = super::accept(&state, &caller, id).await?;
    Ok(Json(call_answers::joined(&state, &caller, joined, &parts).await))
}

/// Declines a call.
#[utoipa::path(post, path = "/api/calls/{id}/reject", operation_id = "reject", tag = "dialects", request_body = Option<Decline>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn reject(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<Decline>,
) -> ApiResult<Json<CallAnswer>> {
    let busy = body.reason == Some(DeclineReason::Busy);
    let call = state.handle().decline(id, &caller.user, busy).await?;
    call_answers::answer(&state, &call).await
}

/// Returns TURN credentials.
#[utoipa::path(get, path = "/api/calls/turn-credentials", operation_id = "turnCredentials", tag = "dialects",
    responses((status = 200, body = TurnCredentials), (status = "default", body = ErrorBody)))]
async fn turn_credentials(
    State(state): State<AppState>,
    caller: Caller,
    parts: Parts,
) -> ApiResult<Json<TurnCredentials>> {
    let ice_servers = ice_servers_for(&state, Some(client(caller.user.as_str(), &parts)), None, None).await;
    let turn = ice_servers.iter().find(|server| server.username.is_some());
    Ok(Json(TurnCredentials {
        username: turn.and_then(|server| server.username.clone()),
        credential: turn.and_then(|server| server.credential.clone()),
        urls: ice_servers
            .iter()
            .flat_map(|server| &server.urls)
            .filter(|url| url.starts_with("turn"))
            .cloned()
            .collect(),
        ice_servers,
    }))
}
