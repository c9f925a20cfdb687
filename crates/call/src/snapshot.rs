//! A call as others see it: in responses, events, the journal and the store.

use model::{
    CallId, CallKind, CallMedia, CallStatus, ChannelId, DeviceId, EndReason, ParticipantId, ParticipantStatus,
    Timestamp, Topology, TransferMode, UserId, VideoQuality,
};
use serde::{Deserialize, Serialize};

use crate::quality::QualitySummary;

/// A call and its participants at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSnapshot {
    /// The call.
    pub id: CallId,
    /// one_to_one or group.
    pub kind: CallKind,
    /// With what it was started.
    pub media: CallMedia,
    /// Which way the media goes.
    pub topology: Topology,
    /// Its status.
    pub status: CallStatus,
    /// The caller.
    pub initiator: UserId,
    /// The channel, or the channel it was made from.
    pub channel: Option<ChannelId>,
    /// Whether the channel's members ring and it is the channel's one running call.
    pub in_channel: bool,
    /// Made.
    pub created_at: Timestamp,
    /// First accept.
    pub started_at: Option<Timestamp>,
    /// Two with media.
    pub connected_at: Option<Timestamp>,
    /// Over.
    pub ended_at: Option<Timestamp>,
    /// Why it is over.
    pub end_reason: Option<EndReason>,
    /// Who ended it, if a person.
    pub ended_by: Option<UserId>,
    /// When the ringing ends by itself.
    pub ring_until: Timestamp,
    /// The most participants it may have.
    pub max_participants: usize,
    /// The client's own JSON.
    pub metadata: serde_json::Value,
    /// It was one of two calls that met: the one that is left, of which this id is another name.
    #[serde(default)]
    pub merged_into: Option<CallId>,
    /// A transfer that is under way.
    #[serde(default)]
    pub transfer: Option<Transfer>,
    /// In the order they were added, the caller first.
    pub participants: Vec<ParticipantSnapshot>,
}

impl CallSnapshot {
    /// Seconds from the first moment two had media to the end (or to `now`); `None` before.
    pub fn duration_seconds(&self, now: Timestamp) -> Option<u64> {
        let from = self.connected_at?;
        Some(self.ended_at.unwrap_or(now).since(from).as_secs())
    }

    /// The part of one user.
    pub fn participant(&self, user: &UserId) -> Option<&ParticipantSnapshot> {
        self.participants.iter().find(|p| &p.user == user)
    }
}

/// A transfer that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who hands the call over.
    pub by: UserId,
    /// To whom.
    pub target: UserId,
    /// How.
    pub mode: TransferMode,
    /// Whose side is held for as long as it takes.
    pub held: Vec<UserId>,
}

/// One user's part in a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParticipantSnapshot {
    /// This part.
    pub id: ParticipantId,
    /// Who.
    pub user: UserId,
    /// Their status.
    pub status: ParticipantStatus,
    /// The device that took the call.
    pub device: Option<DeviceId>,
    /// Named.
    pub invited_at: Timestamp,
    /// First accepted or joined.
    pub joined_at: Option<Timestamp>,
    /// Gone.
    pub left_at: Option<Timestamp>,
    /// Why gone.
    pub left_reason: Option<EndReason>,
    /// Seconds with the call so far, past stays included (not the running one).
    pub seconds: u64,
    /// Microphone off.
    pub is_muted: bool,
    /// Camera on.
    pub is_video_enabled: bool,
    /// Screen shared.
    pub is_screen_sharing: bool,
    /// Camera preset.
    pub video_quality: VideoQuality,
    /// Held.
    #[serde(default)]
    pub is_on_hold: bool,
    /// Muted by the host and cannot undo it.
    #[serde(default)]
    pub is_hard_muted: bool,
    /// How good the connection was, where anyone said.
    #[serde(default)]
    pub quality: Option<QualitySummary>,
}

/// A channel as the switchboard knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSnapshot {
    /// The channel.
    pub id: ChannelId,
    /// Its members.
    pub members: Vec<UserId>,
    /// Its running call.
    pub call: Option<CallId>,
}

/// Whether a user can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceState {
    /// No device connected.
    Offline,
    /// At least one device connected.
    Online,
    /// In a call.
    InCall,
}
