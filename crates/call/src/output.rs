//! What comes out of the switchboard.

use std::collections::BTreeSet;

use model::{
    CallId, CallMedia, ChannelId, DeviceId, EndReason, Timestamp, Topology, TopologyReason, TransferMode, UserId,
};

use crate::quality::QualityView;
use crate::snapshot::{CallSnapshot, ParticipantSnapshot, PresenceState};

/// One thing to carry out. Within a call, outputs come in the order in which things happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// For the journal. Must be written before anyone hears of anything that follows.
    Record(Box<Record>),
    /// For devices.
    Deliver(Delivery),
    /// For the media side.
    Room(RoomAct),
    /// Somebody's presence has changed. Comes once for each change, when it happens. Who may know of it is not decided here.
    Presence {
        /// Whose.
        user: UserId,
        /// When.
        at: Timestamp,
        /// What it is now.
        state: PresenceState,
        /// Those who share a call with the user: one that runs or rings, or that changed just now and may be over.
        beside: BTreeSet<UserId>,
    },
    /// Nothing more until then. Call `handle_timeout` at that time, or pass in the next command.
    Timeout(Timestamp),
    /// Nothing more, and no timer is running.
    Idle,
}

/// A transition, for the journal and from there for the store: the whole call after the change, and the event that caused it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// The event's name in `call_events` (`initiated`, `ringing`, `accepted`, `participant_joined`, …).
    pub event: String,
    /// The user who caused it, if a person did.
    pub user: Option<UserId>,
    /// Details.
    pub payload: serde_json::Value,
    /// The call after the change, including its participants.
    pub call: CallSnapshot,
}

/// An event for users' devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Whose.
    pub user: UserId,
    /// Only this device; `None`: all of the user's.
    pub device: Option<DeviceId>,
    /// All but this device.
    pub except: Option<DeviceId>,
    /// What.
    pub event: CallEvent,
}

/// The events of docs/PROTOCOL.md. Each is an object with `callId`, `at` and its parts. An event has everything that its receivers
/// are shown, except names: nobody has to ask the switchboard what it means.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// `call:incoming`: a call rings.
    Incoming {
        /// The call, including its participants.
        call: Box<CallSnapshot>,
        /// When the ringing times out.
        ring_until: Timestamp,
        /// The caller's presence.
        caller: PresenceState,
    },
    /// `call:waiting`: a second call for someone who is in another call.
    Waiting {
        /// The call, including its participants.
        call: Box<CallSnapshot>,
        /// When the ringing times out.
        ring_until: Timestamp,
        /// The caller's presence.
        caller: PresenceState,
        /// The call the user is in.
        active: CallId,
    },
    /// `call:accepted`: someone accepted (to the caller and the others).
    Accepted {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
    },
    /// `call:declined`.
    Declined {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
        /// Declined or busy.
        reason: EndReason,
    },
    /// `call:cancelled`: stop ringing, the caller gave up.
    Cancelled {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
    },
    /// `call:missed`: nobody answered for this user (or the caller gave up).
    Missed {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who called.
        caller: UserId,
        /// With what.
        media: CallMedia,
        /// Where.
        channel: Option<ChannelId>,
    },
    /// `call:answered-elsewhere`: another of the user's devices accepted or declined it.
    AnsweredElsewhere {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// The device that accepted it.
        device: Option<DeviceId>,
    },
    /// `call:participant-invited`: someone is being invited into an existing call (to those in it or being called).
    ParticipantInvited {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who, as they now are in the call.
        participant: Box<ParticipantSnapshot>,
        /// Who invited them.
        by: UserId,
    },
    /// `call:participant-joined`.
    ParticipantJoined {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who, as they now are in the call.
        participant: Box<ParticipantSnapshot>,
    },
    /// `call:participant-left`.
    ParticipantLeft {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
        /// Why.
        reason: EndReason,
    },
    /// `call:media-state-changed`.
    MediaStateChanged {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Whose.
        user: UserId,
        /// Microphone off.
        is_muted: bool,
        /// Camera on.
        is_video_enabled: bool,
        /// Screen shared.
        is_screen_sharing: bool,
    },
    /// `call:held`, `call:resumed`.
    Held {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Whose side.
        user: UserId,
        /// Who did it.
        by: UserId,
        /// `false`: resumed.
        on: bool,
    },
    /// `call:muted`: by the host.
    Muted {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who is muted.
        user: UserId,
        /// Who did it.
        by: UserId,
        /// Whether they cannot unmute themselves.
        hard: bool,
        /// `false`: a hard mute was lifted.
        muted: bool,
    },
    /// `call:transfer-started`.
    TransferStarted {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// The person transferring.
        user: UserId,
        /// The target.
        target: UserId,
        /// How.
        mode: TransferMode,
    },
    /// `call:transferred`.
    Transferred {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// The person who transferred.
        user: UserId,
        /// The target.
        target: UserId,
        /// How.
        mode: TransferMode,
    },
    /// `call:transfer-failed`: the call continues as it was.
    TransferFailed {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// The person who tried to transfer.
        user: UserId,
        /// The target.
        target: UserId,
        /// How.
        mode: TransferMode,
        /// Why not.
        reason: EndReason,
    },
    /// `call:topology-changed`.
    TopologyChanged {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// The new one.
        topology: Topology,
        /// Why.
        reason: TopologyReason,
        /// The user's device that is in the call.
        device: DeviceId,
    },
    /// `call:merged`: two people called each other, and one of the two calls remains.
    Merged {
        /// The one that remains.
        call: Box<CallSnapshot>,
        /// When.
        at: Timestamp,
        /// The ID of the other, which is now an alias.
        merged: CallId,
        /// The user's device that is in the call.
        device: DeviceId,
    },
    /// `call:quality`: not a transition, so not in the journal.
    Quality {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Whose connection.
        user: UserId,
        /// How good.
        view: QualityView,
    },
    /// `call:quality-alert`.
    QualityAlert {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Whose connection.
        user: UserId,
        /// Poor since.
        since: Timestamp,
    },
    /// `call:ended`.
    Ended {
        /// The call as it ended.
        call: Box<CallSnapshot>,
        /// When.
        at: Timestamp,
        /// Why.
        reason: EndReason,
        /// Who, if a person.
        by: Option<UserId>,
    },
}

/// For the media side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomAct {
    /// Open the call's room.
    Open {
        /// The call. The room is named after its ID.
        call: CallId,
        /// The most participants in it.
        max_participants: usize,
    },
    /// Remove this user from it (they left or were removed).
    Remove {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
    },
    /// Mute this user's microphone.
    Mute {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// Whether to keep them muted.
        hard: bool,
    },
    /// A hard mute is lifted.
    LiftMute {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
    },
    /// Put this user on hold, so that no media goes from them or to them; or resume them.
    Hold {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// `false`: resume.
        on: bool,
    },
    /// The call is over: delete the room.
    Close {
        /// The call.
        call: CallId,
    },
}
