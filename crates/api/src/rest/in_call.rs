//! Actions during a call: hold, transfer, mute, remove, the media path, quality.

use axum::Json;
use axum::extract::{Path, State};
use control::{QualitySample, QualitySource};
use model::{CallId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{Address, note_on_call};
use crate::access::caller::Caller;
use crate::http::body::{Body, CallPath, OptionalBody};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::Done;
use crate::presentation::call_answers::{CallAnswer, answer};
use crate::presentation::call_requests::LONGEST_REASON;
use crate::presentation::in_call::{Mute, QualityReports, Transfer, acting, start_transfer, take_reports};
use crate::presentation::{schema, time};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(hold))
        .routes(routes!(resume))
        .routes(routes!(transfer))
        .routes(routes!(complete_transfer))
        .routes(routes!(cancel_transfer))
        .routes(routes!(remove))
        .routes(routes!(mute, lift_mute))
        .routes(routes!(mute_all, lift_mute_all))
        .routes(routes!(media_failed))
        .routes(routes!(report_quality, quality))
}

/// Why peer-to-peer does not connect, for the log.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct MediaFailed {
    reason: Option<String>,
}

/// The quality of a call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallQuality {
    call_id: String,
    /// Averages by participant. Participants who never reported are left out.
    participants: Vec<ParticipantQuality>,
    /// The latest raw reports, at most 1,000, oldest first.
    reports: Vec<StoredReport>,
}

/// Averages of one participant's reports.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParticipantQuality {
    user_id: String,
    /// The band of the last report.
    #[schema(value_type = schema::QualityBand)]
    band: model::QualityBand,
    reports: u64,
    #[schema(required)]
    packet_loss: Option<f64>,
    #[schema(required)]
    jitter_ms: Option<f64>,
    #[schema(required)]
    round_trip_ms: Option<f64>,
}

/// A raw report.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredReport {
    #[schema(value_type = schema::Time)]
    at: String,
    user_id: String,
    /// `client` or `server`.
    source: &'static str,
    #[schema(required, value_type = Option<schema::QualityBand>)]
    band: Option<model::QualityBand>,
    #[schema(required)]
    packet_loss: Option<f64>,
    #[schema(required)]
    jitter_ms: Option<f64>,
    #[schema(required)]
    round_trip_ms: Option<f64>,
    #[schema(required)]
    bitrate_up: Option<u64>,
    #[schema(required)]
    bitrate_down: Option<u64>,
}

/// Puts the caller's side of the call on hold.
#[utoipa::path(post, path = "/api/calls/{id}/hold", operation_id = "hold", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn hold(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().hold(id, &caller.user, true).await?;
    answer(&state, &call).await
}

/// Takes the caller's side of the call off hold.
#[utoipa::path(post, path = "/api/calls/{id}/resume", operation_id = "resume", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn resume(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().hold(id, &caller.user, false).await?;
    answer(&state, &call).await
}

/// Transfers the call to someone else.
#[utoipa::path(post, path = "/api/calls/{id}/transfer", operation_id = "transfer", tag = "calls", request_body = Transfer,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn transfer(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    Body(body): Body<Transfer>,
) -> ApiResult<Json<CallAnswer>> {
    let call = start_transfer(&state, &caller, id, body).await?;
    answer(&state, &call).await
}

/// Completes an attended transfer: the person transferring leaves the call to the others.
#[utoipa::path(post, path = "/api/calls/{id}/transfer/complete", operation_id = "completeTransfer", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn complete_transfer(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().complete_transfer(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Cancels a transfer. The target leaves the call.
#[utoipa::path(post, path = "/api/calls/{id}/transfer/cancel", operation_id = "cancelTransfer", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn cancel_transfer(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().cancel_transfer(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Removes someone from the call, or stops ringing them. For the host and administrators.
#[utoipa::path(delete, path = "/api/calls/{id}/participants/{userId}", operation_id = "removeParticipant", tag = "calls",
    params(("id" = String, Path, description = "The call"), ("userId" = String, Path, description = "The user")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    Path(path): Path<(String, String)>,
) -> ApiResult<Json<CallAnswer>> {
    let (id, user) = ids(&path)?;
    let call = state.handle().remove(id, acting(&caller), user.clone()).await?;
    note_on_call(&state, &caller, &address, "call.participant_removed", id, json!({"userId": user})).await;
    answer(&state, &call).await
}

/// Mutes someone. For the host and administrators.
#[utoipa::path(post, path = "/api/calls/{id}/participants/{userId}/mute", operation_id = "muteParticipant", tag = "calls",
    request_body = Option<Mute>,
    params(("id" = String, Path, description = "The call"), ("userId" = String, Path, description = "The user")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn mute(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    Path(path): Path<(String, String)>,
    OptionalBody(body): OptionalBody<Mute>,
) -> ApiResult<Json<CallAnswer>> {
    let (id, user) = ids(&path)?;
    let hard = body.hard.unwrap_or(false);
    let call = state.handle().mute(id, acting(&caller), Some(user.clone()), hard).await?;
    note_on_call(&state, &caller, &address, "call.muted", id, json!({"userId": user, "hard": hard})).await;
    answer(&state, &call).await
}

/// Lifts a hard mute. This does not unmute the user.
#[utoipa::path(delete, path = "/api/calls/{id}/participants/{userId}/mute", operation_id = "liftMute", tag = "calls",
    params(("id" = String, Path, description = "The call"), ("userId" = String, Path, description = "The user")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn lift_mute(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    Path(path): Path<(String, String)>,
) -> ApiResult<Json<CallAnswer>> {
    let (id, user) = ids(&path)?;
    let call = state.handle().lift_mute(id, acting(&caller), Some(user.clone())).await?;
    note_on_call(&state, &caller, &address, "call.mute_lifted", id, json!({"userId": user})).await;
    answer(&state, &call).await
}

/// Mutes everyone else. For the host and administrators.
#[utoipa::path(post, path = "/api/calls/{id}/mute-all", operation_id = "muteAll", tag = "calls", request_body = Option<Mute>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn mute_all(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<Mute>,
) -> ApiResult<Json<CallAnswer>> {
    let hard = body.hard.unwrap_or(false);
    let call = state.handle().mute(id, acting(&caller), None, hard).await?;
    note_on_call(&state, &caller, &address, "call.all_muted", id, json!({"hard": hard})).await;
    answer(&state, &call).await
}

/// Lifts every hard mute. This unmutes nobody.
#[utoipa::path(delete, path = "/api/calls/{id}/mute-all", operation_id = "liftMuteAll", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn lift_mute_all(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().lift_mute(id, acting(&caller), None).await?;
    note_on_call(&state, &caller, &address, "call.all_mutes_lifted", id, json!({})).await;
    answer(&state, &call).await
}

/// Reports that peer-to-peer does not connect. From then on, the call's media goes through the server.
#[utoipa::path(post, path = "/api/calls/{id}/media-failed", operation_id = "mediaFailed", tag = "calls",
    request_body = Option<MediaFailed>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn media_failed(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<MediaFailed>,
) -> ApiResult<Json<CallAnswer>> {
    let reason: String = body.reason.unwrap_or_default().chars().take(LONGEST_REASON).collect();
    tracing::debug!(call = %id, reason = reason.escape_debug().to_string(), "a client cannot connect peer-to-peer");
    let call = state.handle().media_failed(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Reports what the caller's client measured.
#[utoipa::path(post, path = "/api/calls/{id}/quality", operation_id = "reportQuality", tag = "calls",
    request_body = QualityReports,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Done), (status = "default", body = ErrorBody)))]
async fn report_quality(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    Body(body): Body<QualityReports>,
) -> ApiResult<Json<Done>> {
    take_reports(&state, &caller, id, body).await?;
    Ok(Done::YES)
}

/// Returns the quality of a call.
#[utoipa::path(get, path = "/api/calls/{id}/quality", operation_id = "callQuality", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallQuality), (status = "default", body = ErrorBody)))]
async fn quality(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallQuality>> {
    let (call, samples) = state.handle().quality_of(id, &caller.user).await?;
    let of_part = |part: &::call::ParticipantSnapshot| {
        part.quality.map(|quality| ParticipantQuality {
            user_id: part.user.to_string(),
            band: quality.band,
            reports: quality.reports,
            packet_loss: quality.packet_loss,
            jitter_ms: quality.jitter_ms,
            round_trip_ms: quality.round_trip_ms,
        })
    };
    Ok(Json(CallQuality {
        call_id: call.id.to_string(),
        participants: call.participants.iter().filter_map(of_part).collect(),
        reports: samples.into_iter().map(StoredReport::from).collect(),
    }))
}

impl From<QualitySample> for StoredReport {
    fn from(sample: QualitySample) -> Self {
        Self {
            at: time(sample.at),
            user_id: sample.user.to_string(),
            source: match sample.source {
                QualitySource::Client => "client",
                QualitySource::Server => "server",
            },
            band: sample.band,
            packet_loss: sample.report.packet_loss,
            jitter_ms: sample.report.jitter_ms,
            round_trip_ms: sample.report.round_trip_ms,
            bitrate_up: sample.bitrate_up,
            bitrate_down: sample.bitrate_down,
        }
    }
}

fn ids((call, user): &(String, String)) -> ApiResult<(CallId, UserId)> {
    let call = call.parse().map_err(|error| ApiError::invalid_id("id", &error))?;
    let user = UserId::new(user).map_err(|error| ApiError::invalid_id("userId", &error))?;
    Ok((call, user))
}
