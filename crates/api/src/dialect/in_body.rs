//! Actions whose body names the call, as clients of an nself-chat backend send them, and `POST /api/calls`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::{CallId, ParticipantStatus, Timestamp, VideoQuality};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::call_id;
use crate::access::caller::Caller;
use crate::http::body::Body;
use crate::http::error::{ApiResult, ErrorBody};
use crate::presentation::call_answers::{CallAnswer, Initiated, answer, initiated};
use crate::presentation::call_requests::{DeclineReason, Initiate, LONGEST_REASON, start};
use crate::presentation::{schema, time};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_call))
        .routes(routes!(accept_named))
        .routes(routes!(decline_named))
        .routes(routes!(end_named))
}

/// The call to accept.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedCall {
    call_id: String,
}

/// The call to decline, and why.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedDecline {
    call_id: String,
    reason: Option<DeclineReason>,
}

/// The call to end.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedEnd {
    call_id: String,
    reason: Option<String>,
    /// Accepted but ignored: the server measures the duration itself.
    #[serde(rename = "duration")]
    #[allow(dead_code)]
    duration: Option<f64>,
}

/// The caller as a participant, with the names of the table's columns.
#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedRow {
    success: bool,
    participant: ParticipantRow,
}

/// One participant of a call.
#[derive(Serialize, ToSchema)]
#[schema(as = ParticipantRow)]
pub(crate) struct ParticipantRow {
    id: String,
    call_id: String,
    user_id: String,
    #[schema(value_type = schema::ParticipantStatus)]
    status: ParticipantStatus,
    #[schema(value_type = schema::Time)]
    invited_at: String,
    #[schema(required, value_type = Option<schema::Time>)]
    joined_at: Option<String>,
    #[schema(required, value_type = Option<schema::Time>)]
    left_at: Option<String>,
    /// Seconds they spent in the call.
    duration: u64,
    is_muted: bool,
    is_video_enabled: bool,
    is_screen_sharing: bool,
    #[schema(value_type = schema::VideoQuality)]
    video_quality: VideoQuality,
}

impl ParticipantRow {
    fn new(call: CallId, part: &::call::ParticipantSnapshot) -> Self {
        let at = |moment: Option<Timestamp>| moment.map(time);
        Self {
            id: part.id.to_string(),
            call_id: call.to_string(),
            user_id: part.user.to_string(),
            status: part.status,
            invited_at: time(part.invited_at),
            joined_at: at(part.joined_at),
            left_at: at(part.left_at),
            duration: part.seconds,
            is_muted: part.is_muted,
            is_video_enabled: part.is_video_enabled,
            is_screen_sharing: part.is_screen_sharing,
            video_quality: part.video_quality,
        }
    }
}

/// Starts a call. The same as `initiate`.
#[utoipa::path(post, path = "/api/calls", operation_id = "createCall", tag = "calls", request_body = Initiate,
    responses((status = 201, body = Initiated), (status = "default", body = ErrorBody)))]
async fn create_call(
    State(state): State<AppState>,
    caller: Caller,
    parts: Parts,
    Body(body): Body<Initiate>,
) -> ApiResult<(StatusCode, Json<Initiated>)> {
    let call = start(&state, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(initiated(&state, &caller, &call, &parts).await)))
}

/// Accepts the call named in the body, on this device.
#[utoipa::path(post, path = "/api/calls/accept", operation_id = "acceptNamed", tag = "dialects", request_body = NamedCall,
    responses((status = 200, body = AcceptedRow), (status = "default", body = ErrorBody)))]
async fn accept_named(
    State(state): State<AppState>,
    caller: Caller,
    Body(body): Body<NamedCall>,
) -> ApiResult<Json<AcceptedRow>> {
    let joined = super::accept(&state, &caller, call_id(&body.call_id)?).await?;
    Ok(Json(AcceptedRow { success: true, participant: ParticipantRow::new(joined.call.id, &joined.participant) }))
}

/// Declines the call named in the body.
#[utoipa::path(post, path = "/api/calls/decline", operation_id = "declineNamed", tag = "dialects", request_body = NamedDecline,
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn decline_named(
    State(state): State<AppState>,
    caller: Caller,
    Body(body): Body<NamedDecline>,
) -> ApiResult<Json<CallAnswer>> {
    let busy = body.reason == Some(DeclineReason::Busy);
    let call = state.handle().decline(call_id(&body.call_id)?, &caller.user, busy).await?;
    answer(&state, &call).await
}

/// Ends the call named in the body.
#[utoipa::path(post, path = "/api/calls/end", operation_id = "endNamed", tag = "dialects", request_body = NamedEnd,
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn end_named(
    State(state): State<AppState>,
    caller: Caller,
    Body(body): Body<NamedEnd>,
) -> ApiResult<Json<CallAnswer>> {
    let reason = body.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    let call = state.handle().end(call_id(&body.call_id)?, &caller.user, reason).await?;
    answer(&state, &call).await
}
