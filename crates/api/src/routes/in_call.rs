//! Actions during a call: hold, transfer, mute, remove, the media path, quality.

use ::call::QualityReport;
use axum::Json;
use axum::extract::{Path, State};
use control::{Acting, QualitySample, QualitySource};
use model::{CallId, Permission, Timestamp, TransferMode, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ring::{CallAnswer, answer};
use crate::audit::{Address, note_on_call};
use crate::body::{Body, CallPath, OptionalBody};
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;
use crate::wire::{schema, time};

/// Quality reports in one request.
const MOST_REPORTS: usize = 60;
/// Milliseconds, for jitter and round trip: more is no measurement.
const LONGEST_MS: f64 = 600_000.0;
/// The longest name of a codec, in bytes.
const LONGEST_CODEC: usize = 64;

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

/// Whom to transfer to, and how.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transfer {
    pub target_user_id: String,
    /// By default `blind`.
    #[schema(value_type = Option<schema::TransferMode>)]
    pub mode: Option<TransferMode>,
}

/// How to mute.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct Mute {
    /// Whether they cannot unmute themselves until the mute is lifted.
    pub hard: Option<bool>,
}

/// Why peer-to-peer does not connect, for the log.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct MediaFailed {
    reason: Option<String>,
}

/// What a client measured, oldest first. At most 60 reports.
#[derive(Deserialize, ToSchema)]
pub(crate) struct QualityReports {
    pub reports: Vec<Report>,
}

/// One measurement, over the seconds since the last one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Packet loss in percent, 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    packet_loss: Option<f64>,
    #[schema(minimum = 0, maximum = 600_000)]
    jitter_ms: Option<f64>,
    #[schema(minimum = 0, maximum = 600_000)]
    round_trip_ms: Option<f64>,
    /// Bits per second.
    bitrate_up: Option<u64>,
    bitrate_down: Option<u64>,
    frame_width: Option<u32>,
    frame_height: Option<u32>,
    #[schema(minimum = 0, maximum = 1_000)]
    frames_per_second: Option<f64>,
    frames_dropped: Option<u64>,
    #[schema(max_length = 64)]
    audio_codec: Option<String>,
    #[schema(max_length = 64)]
    video_codec: Option<String>,
}

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    success: bool,
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

/// The same for a socket.
pub(crate) async fn start_transfer(
    state: &AppState,
    caller: &Caller,
    id: CallId,
    body: Transfer,
) -> ApiResult<::call::CallSnapshot> {
    caller.require(Permission::CallsCreate)?;
    let target = UserId::new(body.target_user_id).map_err(|error| ApiError::invalid_id("targetUserId", &error))?;
    let mode = body.mode.unwrap_or(TransferMode::Blind);
    Ok(state.handle().transfer(id, &caller.user, target, mode).await?)
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
    let reason: String = body.reason.unwrap_or_default().chars().take(super::ring::LONGEST_REASON).collect();
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
    Ok(Json(Done { success: true }))
}

/// The same for a socket.
pub(crate) async fn take_reports(state: &AppState, caller: &Caller, id: CallId, body: QualityReports) -> ApiResult<()> {
    if body.reports.is_empty() || body.reports.len() > MOST_REPORTS {
        return Err(ApiError::invalid("reports", "1 to 60 reports"));
    }
    let at = state.handle().now();
    let samples = body.reports.into_iter().map(|report| sample(report, caller, at)).collect::<ApiResult<Vec<_>>>()?;
    Ok(state.handle().report_quality(id, &caller.user, samples).await?)
}

fn sample(report: Report, caller: &Caller, at: Timestamp) -> ApiResult<QualitySample> {
    let within = |field: &'static str, value: Option<f64>, most: f64| match value {
        Some(value) if !(0.0..=most).contains(&value) => {
            Err(ApiError::invalid(field, format!("must be from 0 to {most}")))
        }
        value => Ok(value),
    };
    for (field, codec) in [("audioCodec", &report.audio_codec), ("videoCodec", &report.video_codec)] {
        if codec.as_ref().is_some_and(|codec| codec.len() > LONGEST_CODEC) {
            return Err(ApiError::invalid(field, "must not exceed 64 bytes"));
        }
    }
    let numbers = QualityReport {
        packet_loss: within("packetLoss", report.packet_loss, 100.0)?,
        jitter_ms: within("jitterMs", report.jitter_ms, LONGEST_MS)?,
        round_trip_ms: within("roundTripMs", report.round_trip_ms, LONGEST_MS)?,
    };
    Ok(QualitySample {
        at,
        user: caller.user.clone(),
        source: QualitySource::Client,
        band: numbers.band(),
        report: numbers,
        bitrate_up: report.bitrate_up,
        bitrate_down: report.bitrate_down,
        frame_width: report.frame_width,
        frame_height: report.frame_height,
        frames_per_second: within("framesPerSecond", report.frames_per_second, 1_000.0)?,
        frames_dropped: report.frames_dropped,
        audio_codec: report.audio_codec,
        video_codec: report.video_codec,
    })
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

/// The host, or an administrator, who need not be one.
pub(crate) fn acting(caller: &Caller) -> Acting<'_> {
    Acting { user: &caller.user, admin: caller.may(Permission::Admin) }
}

fn ids((call, user): &(String, String)) -> ApiResult<(CallId, UserId)> {
    let call = call.parse().map_err(|error| ApiError::invalid_id("id", &error))?;
    let user = UserId::new(user).map_err(|error| ApiError::invalid_id("userId", &error))?;
    Ok((call, user))
}
