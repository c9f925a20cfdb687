//! What comes out of the switchboard.

use model::{
    CallId, CallMedia, ChannelId, DeviceId, EndReason, Timestamp, Topology, TopologyReason, TransferMode, UserId,
};

use crate::quality::QualityView;
use crate::snapshot::{CallSnapshot, PresenceState};

/// One thing to carry out. Within a call the order is the order of what happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To the journal, before anything after it is told to anyone.
    Record(Box<Record>),
    /// To devices.
    Deliver(Delivery),
    /// To the media side.
    Room(RoomAct),
    /// Nothing more until then; call `handle_timeout` at that time or give the next command.
    Timeout(Timestamp),
    /// Nothing more and no timer runs.
    Idle,
}

/// A transition, for the journal and from there for the store: the whole call after the change, and the event that caused it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// The event's name in `call_events` (`initiated`, `ringing`, `accepted`, `participant_joined`, …).
    pub event: String,
    /// Who made it happen, if a person.
    pub user: Option<UserId>,
    /// More about it.
    pub payload: serde_json::Value,
    /// The call after it, participants included.
    pub call: CallSnapshot,
}

/// An event for devices of users.
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

/// The events of docs/PROTOCOL.md. Each is an object with `callId`, `at` and its parts.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// `call:incoming`: rings.
    Incoming {
        /// The call, participants included.
        call: Box<CallSnapshot>,
        /// When the ringing ends by itself.
        ring_until: Timestamp,
    },
    /// `call:waiting`: a second call for someone who is in another call.
    Waiting {
        /// The call, participants included.
        call: Box<CallSnapshot>,
        /// When the ringing ends by itself.
        ring_until: Timestamp,
        /// The call the user is in.
        active: CallId,
    },
    /// `call:accepted`: someone took it (to the caller and the others).
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
        /// declined or busy.
        reason: EndReason,
    },
    /// `call:cancelled`: stop ringing, the caller gave up.
    Cancelled {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
    },
    /// `call:missed`: rang out for this user (or the caller gave up).
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
    /// `call:answered-elsewhere`: another device of yours took or declined it.
    AnsweredElsewhere {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// The device that took it.
        device: Option<DeviceId>,
    },
    /// `call:participant-invited`: someone is being rung into a call that is there (to those in it or rung before).
    ParticipantInvited {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
        /// Who invited them.
        by: UserId,
    },
    /// `call:participant-joined`.
    ParticipantJoined {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
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
        /// Cannot unmute themselves.
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
        /// Who hands it over.
        user: UserId,
        /// To whom.
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
        /// Who handed it over.
        user: UserId,
        /// To whom.
        target: UserId,
        /// How.
        mode: TransferMode,
    },
    /// `call:transfer-failed`: the call goes on as it was.
    TransferFailed {
        /// Call.
        call: CallId,
        /// When.
        at: Timestamp,
        /// Who wanted to hand it over.
        user: UserId,
        /// To whom.
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
    /// `call:merged`: both called each other; one of the two calls is left.
    Merged {
        /// The one that is left.
        call: Box<CallSnapshot>,
        /// When.
        at: Timestamp,
        /// The id of the other, which is now another name of it.
        merged: CallId,
        /// The user's device that is in the call.
        device: DeviceId,
    },
    /// `call:quality`: no transition, so in no journal.
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
    /// `presence:changed`: to those who share a channel or a call with the user.
    Presence {
        /// Whose.
        user: UserId,
        /// When.
        at: Timestamp,
        /// What.
        state: PresenceState,
    },
}

/// For the media side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomAct {
    /// Open the call's room.
    Open {
        /// The call; the room has its id for a name.
        call: CallId,
        /// At most so many in it.
        max_participants: usize,
    },
    /// Put this user out of it (left, removed).
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
        /// And keep it so.
        hard: bool,
    },
    /// A hard mute is lifted.
    LiftMute {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
    },
    /// Put this user on hold: nothing goes from them or to them; or resume them.
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
