//! Every way in which a call can change, with its name and payload in the event log.
//!
//! A change is decided by the rules, applied by `Call::apply`, and announced by `deliver`. It is a fact, not a request.

use model::{
    CallId, CallStatus, DeviceId, EndReason, ParticipantId, Timestamp, Topology, TopologyReason, TransferMode, UserId,
};
use serde_json::{Value, json};

use crate::devices::Ability;
use crate::part::MediaState;
use crate::recording::RecordingChange;

/// One transition of one call.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The call was made; its parts are as the constructor left them.
    Initiated { by: UserId },
    /// Devices of these users were told.
    Rang { users: Vec<UserId>, device: Option<DeviceId> },
    /// One who was being rung took it.
    Accepted { user: UserId, device: DeviceId, ability: Option<Ability> },
    /// One who was not being rung came in: late, or again after leaving. `id` is used where there is no part yet.
    Joined { user: UserId, device: DeviceId, ability: Option<Ability>, id: ParticipantId },
    /// Someone who lost the connection asks to come back, and the reconnect window starts again.
    Returned { user: UserId, device: DeviceId },
    /// The media side has them in the room.
    EnteredRoom { user: UserId, device: DeviceId, is_dependent: bool },
    /// Media flows.
    MediaUp { user: UserId },
    /// Two have media.
    Connected,
    /// The media side lost them; the window is open until then.
    Lost { user: UserId, until: Timestamp },
    /// Out, by their own wish or not.
    Left { user: UserId, reason: EndReason, exit: Exit },
    /// Does not want it.
    Declined { user: UserId, busy: bool },
    /// Rang out for these.
    Missed { users: Vec<UserId> },
    /// More are rung in.
    Invited { by: UserId, newcomers: Vec<Newcomer> },
    /// Someone's microphone, camera or screen.
    Media { user: UserId, state: MediaState },
    /// Someone's side is held or resumed.
    Held { user: UserId, by: UserId, on: bool },
    /// Muted by the host.
    Muted { users: Vec<UserId>, by: UserId, hard: bool },
    /// Hard mutes lifted.
    MuteLifted { users: Vec<UserId>, by: UserId },
    /// Put out by the host; a ring is withdrawn.
    Removed { user: UserId, by: UserId },
    /// Handed to someone else, who is rung.
    TransferStarted { by: UserId, target: Newcomer, mode: TransferMode, held: Vec<UserId> },
    /// An attended transfer was completed before the target answered: it goes on as a blind one.
    TransferReleased { by: UserId },
    /// The target has the call, the transferrer is out.
    Transferred,
    /// The call goes on as it was. A target still ringing stops.
    TransferFailed { reason: EndReason, by: Option<UserId> },
    /// The media goes another way.
    Topology { topology: Topology, reason: TopologyReason, by: Option<UserId> },
    /// A connection has been poor for too long.
    QualityAlert { user: UserId, since: Timestamp },
    /// The recording of the call changes.
    Recording(RecordingChange),
    /// Running again after a restart of the server.
    Restored,
    /// The call ended.
    Ended(Ending),
}

/// Which way someone left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Said so; the media side is yet to be told.
    Asked,
    /// Left the room itself.
    Room,
    /// A window ran out.
    Expired,
}

/// One who is rung into a call that is already there.
#[derive(Debug, Clone)]
pub(crate) struct Newcomer {
    pub id: ParticipantId,
    pub user: UserId,
    /// Too many calls ring there already.
    pub busy: bool,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub status: CallStatus,
    pub reason: EndReason,
    pub by: Option<UserId>,
    /// The moment it counts as over; before now where the end is known only later.
    pub at: Timestamp,
    /// What the client said of it.
    pub note: Option<String>,
    /// It met another call and became one with it.
    pub merged_into: Option<CallId>,
}

impl Ending {
    /// An end that no person made.
    pub fn new(status: CallStatus, reason: EndReason, at: Timestamp) -> Self {
        Self { status, reason, by: None, at, note: None, merged_into: None }
    }
}

impl Change {
    /// The name in the event log.
    pub fn event(&self) -> &'static str {
        match self {
            Change::Initiated { .. } => "initiated",
            Change::Rang { .. } => "ringing",
            Change::Accepted { .. } => "accepted",
            Change::Joined { .. } => "participant_joined",
            Change::Returned { .. } => "participant_returned",
            Change::EnteredRoom { .. } => "media_joined",
            Change::MediaUp { .. } => "media_connected",
            Change::Connected => "connected",
            Change::Lost { .. } => "participant_disconnected",
            Change::Left { .. } => "participant_left",
            Change::Declined { .. } => "declined",
            Change::Missed { .. } => "missed",
            Change::Invited { .. } => "invited",
            Change::Media { .. } => "media_state_changed",
            Change::Held { on: true, .. } => "held",
            Change::Held { on: false, .. } => "resumed",
            Change::Muted { .. } => "muted",
            Change::MuteLifted { .. } => "mute_lifted",
            Change::Removed { .. } => "participant_removed",
            Change::TransferStarted { .. } => "transfer_started",
            Change::TransferReleased { .. } => "transfer_released",
            Change::Transferred => "transferred",
            Change::TransferFailed { .. } => "transfer_failed",
            Change::Topology { .. } => "topology_changed",
            Change::QualityAlert { .. } => "quality_alert",
            Change::Recording(change) => change.event(),
            Change::Restored => "restored",
            Change::Ended(_) => "ended",
        }
    }

    /// The person who made it happen, if one did.
    pub fn actor(&self) -> Option<&UserId> {
        match self {
            Change::Initiated { by }
            | Change::Invited { by, .. }
            | Change::Held { by, .. }
            | Change::Muted { by, .. }
            | Change::MuteLifted { by, .. }
            | Change::Removed { by, .. }
            | Change::TransferStarted { by, .. }
            | Change::TransferReleased { by } => Some(by),
            Change::TransferFailed { by, .. } | Change::Topology { by, .. } => by.as_ref(),
            Change::Recording(change) => change.actor(),
            Change::Accepted { user, .. }
            | Change::Joined { user, .. }
            | Change::Returned { user, .. }
            | Change::EnteredRoom { user, .. }
            | Change::MediaUp { user }
            | Change::Declined { user, .. }
            | Change::Media { user, .. } => Some(user),
            Change::Left { user, exit, .. } => match exit {
                Exit::Asked | Exit::Room => Some(user),
                Exit::Expired => None,
            },
            Change::Ended(ending) => ending.by.as_ref(),
            Change::Rang { .. }
            | Change::Connected
            | Change::Lost { .. }
            | Change::Missed { .. }
            | Change::Transferred
            | Change::QualityAlert { .. }
            | Change::Restored => None,
        }
    }

    /// More about it, for the event log.
    pub fn payload(&self) -> Value {
        match self {
            Change::Initiated { .. }
            | Change::Connected
            | Change::Transferred
            | Change::TransferReleased { .. }
            | Change::Restored => json!({}),
            Change::Recording(change) => change.payload(),
            Change::Rang { users, .. } | Change::Missed { users } => json!({ "users": users }),
            Change::Accepted { user, device, .. }
            | Change::Joined { user, device, .. }
            | Change::Returned { user, device }
            | Change::EnteredRoom { user, device, .. } => json!({ "user": user, "device": device }),
            Change::MediaUp { user } => json!({ "user": user }),
            Change::Lost { user, until } => json!({ "user": user, "until": until.to_rfc3339() }),
            Change::Left { user, reason, .. } => json!({ "user": user, "reason": reason }),
            Change::Declined { user, busy } => {
                json!({ "user": user, "reason": if *busy { EndReason::Busy } else { EndReason::Declined } })
            }
            Change::Invited { newcomers, .. } => {
                json!({ "users": newcomers.iter().map(|newcomer| &newcomer.user).collect::<Vec<_>>() })
            }
            Change::Media { user, state } => json!({
                "user": user,
                "isMuted": state.is_muted,
                "isVideoEnabled": state.is_video_enabled,
                "isScreenSharing": state.is_screen_sharing,
                "videoQuality": state.video_quality,
            }),
            Change::Held { user, .. } | Change::Removed { user, .. } => json!({ "user": user }),
            Change::Muted { users, hard, .. } => json!({ "users": users, "hard": hard }),
            Change::MuteLifted { users, .. } => json!({ "users": users }),
            Change::TransferStarted { target, mode, .. } => json!({ "target": target.user, "mode": mode }),
            Change::TransferFailed { reason, .. } => json!({ "reason": reason }),
            Change::Topology { topology, reason, .. } => json!({ "topology": topology, "reason": reason }),
            Change::QualityAlert { user, since } => json!({ "user": user, "since": since.to_rfc3339() }),
            Change::Ended(ending) => {
                let mut payload = json!({ "status": ending.status, "reason": ending.reason });
                if let Some(note) = &ending.note {
                    payload["note"] = Value::from(note.as_str());
                }
                if let Some(call) = ending.merged_into {
                    payload["mergedInto"] = json!(call);
                }
                payload
            }
        }
    }
}
