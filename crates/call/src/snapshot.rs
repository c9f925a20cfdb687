//! A call as others see it: in responses, events, the journal and the store.

use model::{
    CallId, CallKind, CallMedia, CallStatus, ChannelId, DeviceId, EndReason, ParticipantId, ParticipantStatus,
    RecordingDecline, RecordingFormat, RecordingId, RecordingLayout, RecordingPolicy, RecordingStatus, Timestamp,
    Topology, TransferMode, UserId, VideoQuality,
};
use serde::{Deserialize, Serialize};

use crate::quality::QualitySummary;

/// A call and its participants at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSnapshot {
    /// ID of the call.
    pub id: CallId,
    /// Whether it is between two people or a group's.
    pub kind: CallKind,
    /// The media it was started with.
    pub media: CallMedia,
    /// Whether the media goes between peers or through the SFU.
    pub topology: Topology,
    /// How far the call has come.
    pub status: CallStatus,
    /// The user who called.
    pub initiator: UserId,
    /// The channel that rings, or from which the call was made; `None` for a call outside channels.
    pub channel: Option<ChannelId>,
    /// Whether the channel's members ring and it is the channel's one running call.
    pub in_channel: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the first of those who were called accepted; `None` before.
    pub started_at: Option<Timestamp>,
    /// When two people first had media; `None` before.
    pub connected_at: Option<Timestamp>,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// Why it ended; `None` while it runs.
    pub end_reason: Option<EndReason>,
    /// The user who ended it; `None` while it runs, and where it ended by itself.
    pub ended_by: Option<UserId>,
    /// When the ringing ends by itself.
    pub ring_until: Timestamp,
    /// The most participants it may have.
    pub max_participants: usize,
    /// The client's own JSON.
    pub metadata: serde_json::Value,
    /// The call that is left of two that met, of which this ID is another name; `None` for any other call.
    #[serde(default)]
    pub merged_into: Option<CallId>,
    /// The transfer that is under way, if one is.
    #[serde(default)]
    pub transfer: Option<Transfer>,
    /// The latest recording of it: one that is being made, or that is over.
    #[serde(default)]
    pub recording: Option<RecordingSnapshot>,
    /// Something of it was recorded, or is being recorded.
    #[serde(default)]
    pub is_recorded: bool,
    /// In the order they were added, the caller first.
    pub participants: Vec<ParticipantSnapshot>,
}

impl CallSnapshot {
    /// Seconds from the first moment two had media to the end (or to `now`); `None` before.
    pub fn duration_seconds(&self, now: Timestamp) -> Option<u64> {
        let from = self.connected_at?;
        Some(self.ended_at.unwrap_or(now).since(from).as_secs())
    }

    /// The recording that is being made, if one is.
    pub fn running_recording(&self) -> Option<&RecordingSnapshot> {
        self.recording.as_ref().filter(|recording| recording.status.is_running())
    }

    /// Whether everyone who has been in it agreed to its latest recording.
    pub fn all_agreed_to_recording(&self) -> bool {
        let mut been_there = self.participants.iter().filter(|part| part.joined_at.is_some());
        been_there.all(|part| part.recording_consent.is_some_and(|consent| consent.given))
    }

    /// The part of one user.
    pub fn participant(&self, user: &UserId) -> Option<&ParticipantSnapshot> {
        self.participants.iter().find(|p| &p.user == user)
    }
}

/// A recording of a call, as the call knows it. What becomes of it after it has ended is not the call's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingSnapshot {
    /// Its ID, also the name of its folder.
    pub id: RecordingId,
    /// Its status: starting, recording, paused, processing (ended) or failed.
    pub status: RecordingStatus,
    /// The policy it was started under.
    pub policy: RecordingPolicy,
    /// What became of those who declined.
    pub decline: RecordingDecline,
    /// Who started it; `None`: the policy did.
    pub started_by: Option<UserId>,
    /// Asked for.
    pub started_at: Timestamp,
    /// The media side began.
    pub began_at: Option<Timestamp>,
    /// Stopped or failed.
    pub ended_at: Option<Timestamp>,
    /// Who stopped it, if a person.
    pub ended_by: Option<UserId>,
    /// Why it failed: a stable code.
    pub error: Option<String>,
    /// What it is to become.
    pub options: RecordingOptions,
}

/// What was asked of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingOptions {
    /// How the picture is laid out.
    pub layout: RecordingLayout,
    /// How large the picture is.
    pub resolution: VideoQuality,
    /// The kind of file.
    pub format: RecordingFormat,
    /// No picture at all.
    pub audio_only: bool,
    /// How long it is kept, in days; `None`: as long as the server keeps recordings.
    pub retention_days: Option<u32>,
}

impl Default for RecordingOptions {
    fn default() -> Self {
        Self {
            layout: RecordingLayout::Grid,
            resolution: VideoQuality::P720,
            format: RecordingFormat::Mp4,
            audio_only: false,
            retention_days: None,
        }
    }
}

/// What someone answered when they were asked whether they may be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Yes or no.
    pub given: bool,
    /// When they said so.
    pub at: Timestamp,
}

/// A transfer that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who hands the call over.
    pub by: UserId,
    /// The user who is to take it over.
    pub target: UserId,
    /// Whether the target is asked first.
    pub mode: TransferMode,
    /// Whose side is held for as long as it takes.
    pub held: Vec<UserId>,
}

/// One user's part in a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParticipantSnapshot {
    /// ID of this user's part in this call.
    pub id: ParticipantId,
    /// The user.
    pub user: UserId,
    /// Where the user is between being invited and having left.
    pub status: ParticipantStatus,
    /// The device that took the call; `None` before one did.
    pub device: Option<DeviceId>,
    /// When the user was last invited; for the caller, when they called.
    pub invited_at: Timestamp,
    /// When the user first accepted or joined; `None` before.
    pub joined_at: Option<Timestamp>,
    /// When the user left, declined or was busy; `None` for one who is in the call or rings.
    pub left_at: Option<Timestamp>,
    /// Why they are out of the call; `None` for one who is in it or rings.
    pub left_reason: Option<EndReason>,
    /// Seconds with the call so far, past stays included (not the running one).
    pub seconds: u64,
    /// The microphone is off.
    pub is_muted: bool,
    /// The camera is on.
    pub is_video_enabled: bool,
    /// The screen is shared.
    pub is_screen_sharing: bool,
    /// The preset that the camera was set to.
    pub video_quality: VideoQuality,
    /// The user put the call on hold.
    #[serde(default)]
    pub is_on_hold: bool,
    /// Muted by the host and cannot undo it.
    #[serde(default)]
    pub is_hard_muted: bool,
    /// Whether they agree to be recorded, as far as they were asked: about the latest recording.
    #[serde(default)]
    pub recording_consent: Option<Consent>,
    /// Averages of the connection; `None` before the first report.
    #[serde(default)]
    pub quality: Option<QualitySummary>,
}

/// A channel as the switchboard knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSnapshot {
    /// ID of the channel.
    pub id: ChannelId,
    /// Its members.
    pub members: Vec<UserId>,
    /// The call that runs in it, if one does.
    pub call: Option<CallId>,
}

/// Whether a user can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceState {
    /// No device is connected.
    Offline,
    /// At least one device is connected, and the user is in no call.
    Online,
    /// The user is in a call.
    InCall,
}
