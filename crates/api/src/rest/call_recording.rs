//! Recording a call that runs: start, pause, resume, stop, and whether one agrees to it.

use axum::Json;
use axum::extract::State;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{Address, note_on_call};
use crate::access::caller::Caller;
use crate::http::body::{Body, CallPath, OptionalBody};
use crate::http::error::{ApiResult, ErrorBody};
use crate::presentation::call_answers::{CallAnswer, answer};
use crate::presentation::call_recording::{Act, RecordingConsent, StartRecording, carry_out};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(stop))
        .routes(routes!(consent))
}

/// Starts to record the call. For those in it who have the permission `calls:record`, and for administrators. Under the policy `ask`,
/// everyone in the call is asked, and only those who agree are recorded.
#[utoipa::path(post, path = "/api/calls/{id}/recording/start", operation_id = "startRecording", tag = "calls",
    request_body = Option<StartRecording>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn start(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<StartRecording>,
) -> ApiResult<Json<CallAnswer>> {
    let call = crate::presentation::call_recording::start(&state, &caller, id, body).await?;
    note_on_call(&state, &caller, &address, "call.recording_started", id, json!({})).await;
    answer(&state, &call).await
}

/// Pauses the recording: nothing is recorded until it is resumed.
#[utoipa::path(post, path = "/api/calls/{id}/recording/pause", operation_id = "pauseRecording", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn pause(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallAnswer>> {
    let call = carry_out(&state, &caller, id, Act::Pause).await?;
    note_on_call(&state, &caller, &address, "call.recording_paused", id, json!({})).await;
    answer(&state, &call).await
}

/// Resumes the recording.
#[utoipa::path(post, path = "/api/calls/{id}/recording/resume", operation_id = "resumeRecording", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn resume(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallAnswer>> {
    let call = carry_out(&state, &caller, id, Act::Resume).await?;
    note_on_call(&state, &caller, &address, "call.recording_resumed", id, json!({})).await;
    answer(&state, &call).await
}

/// Stops the recording.
#[utoipa::path(post, path = "/api/calls/{id}/recording/stop", operation_id = "stopRecording", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn stop(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallAnswer>> {
    let call = carry_out(&state, &caller, id, Act::Stop).await?;
    note_on_call(&state, &caller, &address, "call.recording_stopped", id, json!({})).await;
    answer(&state, &call).await
}

/// Says whether the caller agrees to be recorded, in a call whose recording asks for consent. Without it, they are not recorded.
#[utoipa::path(post, path = "/api/calls/{id}/recording/consent", operation_id = "consentToRecording", tag = "calls",
    request_body = RecordingConsent,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn consent(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    Body(body): Body<RecordingConsent>,
) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().consent_to_recording(id, &caller.user, body.given).await?;
    answer(&state, &call).await
}
