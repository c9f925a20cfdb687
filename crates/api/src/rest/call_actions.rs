//! Actions on a call: start, accept, decline, join, leave, end, invite.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::Permission;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::caller::Caller;
use crate::http::body::{Body, CallPath, OptionalBody};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::call_answers::{CallAnswer, Initiated, Joined, answer, initiated, joined};
use crate::presentation::call_requests::{Decline, DeclineReason, End, Initiate, LONGEST_REASON, start, user_ids};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(initiate))
        .routes(routes!(accept))
        .routes(routes!(join))
        .routes(routes!(decline))
        .routes(routes!(cancel))
        .routes(routes!(leave))
        .routes(routes!(end))
        .routes(routes!(invite))
}

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invite {
    user_ids: Vec<String>,
}

/// Starts a call.
#[utoipa::path(post, path = "/api/calls/initiate", operation_id = "initiate", tag = "calls", request_body = Initiate,
    responses((status = 201, body = Initiated), (status = "default", body = ErrorBody)))]
pub(crate) async fn initiate(
    State(state): State<AppState>,
    caller: Caller,
    parts: Parts,
    Body(body): Body<Initiate>,
) -> ApiResult<(StatusCode, Json<Initiated>)> {
    let call = start(&state, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(initiated(&state, &caller, &call, &parts).await)))
}

/// Accepts the call, on this device.
#[utoipa::path(post, path = "/api/calls/{id}/accept", operation_id = "accept", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Joined), (status = "default", body = ErrorBody)))]
async fn accept(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    parts: Parts,
) -> ApiResult<Json<Joined>> {
    caller.require(Permission::CallsJoin)?;
    let answer = state.handle().accept(id, &caller.user, &caller.device).await?;
    Ok(Json(joined(&state, &caller, answer, &parts).await))
}

/// Joins or rejoins a running call. For someone being called, this is `accept`.
#[utoipa::path(post, path = "/api/calls/{id}/join", operation_id = "join", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Joined), (status = "default", body = ErrorBody)))]
async fn join(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    parts: Parts,
) -> ApiResult<Json<Joined>> {
    caller.require(Permission::CallsJoin)?;
    let answer = state.handle().join(id, &caller.user, &caller.device).await?;
    Ok(Json(joined(&state, &caller, answer, &parts).await))
}

/// Declines a call.
#[utoipa::path(post, path = "/api/calls/{id}/decline", operation_id = "decline", tag = "calls", request_body = Option<Decline>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn decline(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<Decline>,
) -> ApiResult<Json<CallAnswer>> {
    let busy = body.reason == Some(DeclineReason::Busy);
    let call = state.handle().decline(id, &caller.user, busy).await?;
    answer(&state, &call).await
}

/// Cancels the caller's own call while it rings.
#[utoipa::path(post, path = "/api/calls/{id}/cancel", operation_id = "cancel", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn cancel(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().cancel(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Leaves a call.
#[utoipa::path(post, path = "/api/calls/{id}/leave", operation_id = "leave", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn leave(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().leave(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Ends a call for everyone. While it rings, this is `cancel` for the caller and `decline` for anyone being called.
#[utoipa::path(post, path = "/api/calls/{id}/end", operation_id = "end", tag = "calls", request_body = Option<End>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn end(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<End>,
) -> ApiResult<Json<CallAnswer>> {
    let reason = body.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    let call = state.handle().end(id, &caller.user, reason).await?;
    answer(&state, &call).await
}

/// Invites more people into the call.
#[utoipa::path(post, path = "/api/calls/{id}/invite", operation_id = "invite", tag = "calls", request_body = Invite,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn invite(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    Body(body): Body<Invite>,
) -> ApiResult<Json<CallAnswer>> {
    caller.require(Permission::CallsCreate)?;
    let users = user_ids("userIds", &body.user_ids)?;
    if users.is_empty() {
        return Err(ApiError::invalid("userIds", "must name at least one user"));
    }
    state.people.prepare(&users);
    let call = state.handle().invite(id, &caller.user, users).await?;
    answer(&state, &call).await
}
