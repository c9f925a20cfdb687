//! What clients ask during a call, in the API's own JSON, whether over REST or over a socket.

use ::call::{CallSnapshot, QualityReport};
use control::{Acting, QualitySample, QualitySource};
use model::{CallId, Permission, Timestamp, TransferMode, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::schema;
use crate::access::caller::Caller;
use crate::http::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Quality reports in one request.
const MOST_REPORTS: usize = 60;
/// Milliseconds, for jitter and round trip: more is no measurement.
const LONGEST_MS: f64 = 600_000.0;
/// The longest name of a codec, in bytes.
const LONGEST_CODEC: usize = 64;

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

/// Starts a transfer.
pub(crate) async fn start_transfer(
    state: &AppState,
    caller: &Caller,
    id: CallId,
    body: Transfer,
) -> ApiResult<CallSnapshot> {
    caller.require(Permission::CallsCreate)?;
    let target = UserId::new(body.target_user_id).map_err(|error| ApiError::invalid_id("targetUserId", &error))?;
    let mode = body.mode.unwrap_or(TransferMode::Blind);
    Ok(state.handle().transfer(id, &caller.user, target, mode).await?)
}

/// Takes a client's measurements.
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

/// The host, or an administrator, who need not be one.
pub(crate) fn acting(caller: &Caller) -> Acting<'_> {
    Acting { user: &caller.user, admin: caller.may(Permission::Admin) }
}
