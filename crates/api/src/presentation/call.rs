//! Calls, their participants and their event log.

use ::call::{CallSnapshot, ParticipantSnapshot};
use control::StoredEvent;
use model::{
    CallId, CallKind, CallMedia, CallStatus, EndReason, ParticipantStatus, QualityBand, Timestamp, Topology,
    TransferMode, UserId, VideoQuality,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::call_recording::CallRecording;
use super::{schema, time};
use crate::people::Shown;

/// Kept in a call's metadata, and never shown, where the client's word for its type was `audio`: answers echo it.
pub(crate) const AUDIO_MARK: &str = "stoa.type";

/// A call.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    /// A UUID. Also the name of the call's room.
    id: String,
    #[schema(value_type = schema::CallKind)]
    kind: CallKind,
    /// The word the call was started with. `audio` means the same as `voice`.
    #[serde(rename = "type")]
    #[schema(value_type = schema::CallType)]
    pub call_type: String,
    #[schema(value_type = schema::CallMedia)]
    media: CallMedia,
    #[schema(value_type = schema::Topology)]
    topology: Topology,
    #[schema(value_type = schema::CallStatus)]
    status: CallStatus,
    /// The user who started the call.
    initiator_id: String,
    /// The channel it belongs to.
    #[schema(required)]
    channel_id: Option<String>,
    #[schema(value_type = schema::Time)]
    created_at: String,
    /// When someone first accepted.
    #[schema(required, value_type = Option<schema::Time>)]
    started_at: Option<String>,
    /// When two people first had media.
    #[schema(required, value_type = Option<schema::Time>)]
    connected_at: Option<String>,
    #[schema(required, value_type = Option<schema::Time>)]
    ended_at: Option<String>,
    /// Seconds from `connectedAt` to the end, or until now.
    #[schema(required)]
    duration: Option<u64>,
    #[schema(required, value_type = Option<schema::EndReason>)]
    end_reason: Option<EndReason>,
    /// The user who ended it, if a person did.
    #[schema(required)]
    ended_by: Option<String>,
    /// When the ringing times out.
    #[schema(value_type = schema::Time)]
    ring_until: String,
    max_participants: usize,
    /// The transfer in progress, if any.
    #[schema(required)]
    transfer: Option<Transfer>,
    /// Whether anything of it was recorded, or is being recorded now.
    is_recorded: bool,
    /// The recording that is being made, if one is. Everyone in the call is shown it.
    #[schema(required)]
    recording: Option<CallRecording>,
    /// The client's own data.
    metadata: Value,
    /// The caller comes first.
    participants: Vec<Participant>,
}

impl Call {
    pub fn new(call: &CallSnapshot, shown: &Shown, now: Timestamp) -> Self {
        let (call_type, metadata) = type_and_metadata(call);
        Self {
            id: call.id.to_string(),
            kind: call.kind,
            call_type,
            media: call.media,
            topology: call.topology,
            status: call.status,
            initiator_id: call.initiator.to_string(),
            channel_id: call.channel.as_ref().map(ToString::to_string),
            created_at: time(call.created_at),
            started_at: call.started_at.map(time),
            connected_at: call.connected_at.map(time),
            ended_at: call.ended_at.map(time),
            duration: call.duration_seconds(now),
            end_reason: call.end_reason,
            ended_by: call.ended_by.as_ref().map(UserId::to_string),
            ring_until: time(call.ring_until),
            max_participants: call.max_participants,
            transfer: call.transfer.as_ref().map(|transfer| Transfer {
                user_id: transfer.by.to_string(),
                target_user_id: transfer.target.to_string(),
                mode: transfer.mode,
            }),
            is_recorded: call.is_recorded,
            recording: call.running_recording().map(CallRecording::from),
            metadata,
            participants: call.participants.iter().map(|part| Participant::new(call.id, part, shown, now)).collect(),
        }
    }
}

/// The word the call was started with, and the client's own metadata.
pub(crate) fn type_and_metadata(call: &CallSnapshot) -> (String, Value) {
    let mut metadata = call.metadata.clone();
    let word = metadata.as_object_mut().and_then(|object| object.remove(AUDIO_MARK));
    let word = word.as_ref().and_then(Value::as_str).unwrap_or(call.media.as_str()).to_owned();
    (word, metadata)
}

/// One participant of a call.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Participant {
    id: String,
    call_id: String,
    user_id: String,
    /// The name that people see.
    name: String,
    #[schema(required)]
    avatar_url: Option<String>,
    /// Whether they signed in with just a name: nobody has checked who they are.
    is_guest: bool,
    #[schema(value_type = schema::ParticipantStatus)]
    status: ParticipantStatus,
    /// The device that accepted the call.
    #[schema(required)]
    device_id: Option<String>,
    #[schema(value_type = schema::Time)]
    invited_at: String,
    #[schema(required, value_type = Option<schema::Time>)]
    joined_at: Option<String>,
    #[schema(required, value_type = Option<schema::Time>)]
    left_at: Option<String>,
    #[schema(required, value_type = Option<schema::EndReason>)]
    left_reason: Option<EndReason>,
    /// Seconds they spent in the call.
    duration: u64,
    is_muted: bool,
    is_video_enabled: bool,
    is_screen_sharing: bool,
    #[schema(value_type = schema::VideoQuality)]
    video_quality: VideoQuality,
    /// Whether their side is on hold.
    is_on_hold: bool,
    /// Whether the host muted them so that they cannot unmute themselves.
    is_hard_muted: bool,
    /// Whether they agree to be recorded. Null if they were not asked, or have yet to answer.
    #[schema(required)]
    recording_consent_given: Option<bool>,
    /// When they said so.
    #[schema(required, value_type = Option<schema::Time>)]
    recording_consent_at: Option<String>,
    /// The connection quality last reported.
    #[schema(required, value_type = Option<schema::QualityBand>)]
    connection_quality: Option<QualityBand>,
}

/// The transfer in progress, if any.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CallTransfer)]
pub(crate) struct Transfer {
    /// The user transferring the call.
    user_id: String,
    target_user_id: String,
    #[schema(value_type = schema::TransferMode)]
    mode: TransferMode,
}

impl Participant {
    pub fn new(call: CallId, part: &ParticipantSnapshot, shown: &Shown, now: Timestamp) -> Self {
        let person = shown.of(&part.user);
        Self {
            id: part.id.to_string(),
            call_id: call.to_string(),
            user_id: part.user.to_string(),
            name: person.name,
            avatar_url: person.avatar_url,
            is_guest: person.is_guest,
            status: part.status,
            device_id: part.device.as_ref().map(ToString::to_string),
            invited_at: time(part.invited_at),
            joined_at: part.joined_at.map(time),
            left_at: part.left_at.map(time),
            left_reason: part.left_reason,
            duration: seconds_in(part, now),
            is_muted: part.is_muted,
            is_video_enabled: part.is_video_enabled,
            is_screen_sharing: part.is_screen_sharing,
            video_quality: part.video_quality,
            is_on_hold: part.is_on_hold,
            is_hard_muted: part.is_hard_muted,
            recording_consent_given: part.recording_consent.map(|consent| consent.given),
            recording_consent_at: part.recording_consent.map(|consent| time(consent.at)),
            connection_quality: part.quality.map(|quality| quality.band),
        }
    }
}

/// Seconds they spent in the call. `seconds` has the stays that are over; for one who has never been away the running one starts
/// at `joined_at`.
fn seconds_in(part: &ParticipantSnapshot, now: Timestamp) -> u64 {
    match (part.status, part.joined_at) {
        (ParticipantStatus::Connected | ParticipantStatus::Connecting, Some(joined)) if part.seconds == 0 => {
            now.since(joined).as_secs()
        }
        _ => part.seconds,
    }
}

/// An entry of a call's event log.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallEvent {
    /// Increases with each entry.
    id: String,
    #[schema(value_type = schema::Time)]
    at: String,
    event: String,
    /// The user who caused it, if a person did.
    #[schema(required)]
    user_id: Option<String>,
    payload: Value,
}

impl From<StoredEvent> for CallEvent {
    fn from(event: StoredEvent) -> Self {
        Self {
            id: event.id.to_string(),
            at: time(event.at),
            event: event.event,
            user_id: event.user.map(|user| user.to_string()),
            payload: event.payload,
        }
    }
}
