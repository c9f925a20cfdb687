//! What comes out of the switchboard.

use std::collections::BTreeSet;

use model::{
    CallId, CallMedia, ChannelId, DeviceId, EndReason, RecordingId, RecordingSpec, Timestamp, Topology, TopologyReason,
    TransferMode, UserId,
};

use crate::quality::QualityView;
use crate::snapshot::{CallSnapshot, ParticipantSnapshot, PresenceState, RecordingSnapshot};

/// One thing to carry out. Within a call, outputs come in the order in which things happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// For the journal. Must be written before anyone hears of anything that follows.
    Record(Box<Record>),
    /// An event for devices.
    Deliver(Delivery),
    /// Something to do to the call's room.
    Room(RoomAct),
    /// Somebody's presence has changed. Comes once for each change, when it happens. Who may know of it is not decided here.
    Presence {
        /// The user whose presence it is.
        user: UserId,
        /// When it changed.
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
    /// When it happened.
    pub at: Timestamp,
    /// The event's name in `call_events` (`initiated`, `ringing`, `accepted`, `participant_joined`, …).
    pub event: String,
    /// The user who caused it; `None` where a timer or the media side did.
    pub user: Option<UserId>,
    /// What else is known of the event: a JSON object, empty where nothing is.
    pub payload: serde_json::Value,
    /// The call after the change, including its participants.
    pub call: CallSnapshot,
}

/// An event for users' devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The user whose devices get it.
    pub user: UserId,
    /// Only this device; `None`: all of the user's.
    pub device: Option<DeviceId>,
    /// All but this device; `None`: no exception.
    pub except: Option<DeviceId>,
    /// The event itself.
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
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who accepted.
        user: UserId,
    },
    /// `call:declined`.
    Declined {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who declined, or was busy.
        user: UserId,
        /// Whether they declined or were busy.
        reason: EndReason,
    },
    /// `call:cancelled`: stop ringing, the caller gave up.
    Cancelled {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
    },
    /// `call:missed`: nobody answered for this user (or the caller gave up).
    Missed {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who called.
        caller: UserId,
        /// The media they called with.
        media: CallMedia,
        /// The channel they called; `None` for a call outside channels.
        channel: Option<ChannelId>,
    },
    /// `call:answered-elsewhere`: another of the user's devices accepted or declined it.
    AnsweredElsewhere {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The device that accepted; `None`: the user declined.
        device: Option<DeviceId>,
    },
    /// `call:participant-invited`: someone is being invited into an existing call (to those in it or being called).
    ParticipantInvited {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who is invited, as they now are in the call.
        participant: Box<ParticipantSnapshot>,
        /// The user who invited them.
        by: UserId,
    },
    /// `call:participant-joined`.
    ParticipantJoined {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who joined, as they now are in the call.
        participant: Box<ParticipantSnapshot>,
    },
    /// `call:participant-left`.
    ParticipantLeft {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who left.
        user: UserId,
        /// Why they left.
        reason: EndReason,
    },
    /// `call:media-state-changed`.
    MediaStateChanged {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user whose media it is.
        user: UserId,
        /// The microphone is off.
        is_muted: bool,
        /// The camera is on.
        is_video_enabled: bool,
        /// The screen is shared.
        is_screen_sharing: bool,
    },
    /// `call:held`, `call:resumed`.
    Held {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user whose side of the call it is.
        user: UserId,
        /// The user who did it.
        by: UserId,
        /// `true`: on hold; `false`: resumed.
        on: bool,
    },
    /// `call:muted`: by the host.
    Muted {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who is muted.
        user: UserId,
        /// The user who did it.
        by: UserId,
        /// Whether they cannot unmute themselves.
        hard: bool,
        /// `false`: a hard mute was lifted.
        muted: bool,
    },
    /// `call:transfer-started`.
    TransferStarted {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who transfers the call.
        user: UserId,
        /// The user who is to take it over.
        target: UserId,
        /// Blind or attended.
        mode: TransferMode,
    },
    /// `call:transferred`.
    Transferred {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who transferred the call.
        user: UserId,
        /// The user who took it over.
        target: UserId,
        /// Blind or attended.
        mode: TransferMode,
    },
    /// `call:transfer-failed`: the call continues as it was.
    TransferFailed {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The user who tried to transfer the call.
        user: UserId,
        /// The user who was to take it over.
        target: UserId,
        /// Blind or attended.
        mode: TransferMode,
        /// Why it failed.
        reason: EndReason,
    },
    /// `call:topology-changed`.
    TopologyChanged {
        /// ID of the call.
        call: CallId,
        /// When it changed.
        at: Timestamp,
        /// The new topology.
        topology: Topology,
        /// Why it changed.
        reason: TopologyReason,
        /// The user's device that is in the call.
        device: DeviceId,
    },
    /// `call:merged`: two people called each other, and one of the two calls remains.
    Merged {
        /// The one that remains.
        call: Box<CallSnapshot>,
        /// When it changed.
        at: Timestamp,
        /// The ID of the other, which is now an alias.
        merged: CallId,
        /// The user's device that is in the call.
        device: DeviceId,
    },
    /// `call:quality`: not a transition, so not in the journal.
    Quality {
        /// ID of the call.
        call: CallId,
        /// When the report came.
        at: Timestamp,
        /// The user whose connection it is about.
        user: UserId,
        /// How good it is.
        view: QualityView,
    },
    /// `call:quality-alert`.
    QualityAlert {
        /// ID of the call.
        call: CallId,
        /// When the alert was raised.
        at: Timestamp,
        /// The user whose connection is poor.
        user: UserId,
        /// Since when it has been poor.
        since: Timestamp,
    },
    /// `recording:asked`: may this user be recorded?
    RecordingAsked {
        /// The call that is recorded.
        call: CallId,
        /// When it was asked.
        at: Timestamp,
        /// The recording.
        recording: Box<RecordingSnapshot>,
    },
    /// `recording:started`, `recording:paused`, `recording:resumed`, `recording:stopped`, `recording:failed`.
    Recording {
        /// The call that is recorded.
        call: CallId,
        /// When it happened.
        at: Timestamp,
        /// Which of them.
        moment: RecordingMoment,
        /// The recording, as it is now.
        recording: Box<RecordingSnapshot>,
        /// Who did it, if a person.
        by: Option<UserId>,
    },
    /// `recording:consent`: someone agrees to be recorded, or does not.
    RecordingConsent {
        /// The call that is recorded.
        call: CallId,
        /// When they said so.
        at: Timestamp,
        /// Who said so.
        user: UserId,
        /// Yes or no.
        given: bool,
    },
    /// `call:ended`.
    Ended {
        /// The call as it ended.
        call: Box<CallSnapshot>,
        /// When it changed.
        at: Timestamp,
        /// Why it ended.
        reason: EndReason,
        /// The user who ended it; `None` where it ended by itself.
        by: Option<UserId>,
    },
}

/// What happens to a recording while a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingMoment {
    /// Media is being written from here on.
    Started,
    /// Not any more, for now.
    Paused,
    /// Media is being written again.
    Resumed,
    /// It is over.
    Stopped,
    /// It is over, and not as it should be.
    Failed,
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
        /// ID of the call.
        call: CallId,
        /// The user to remove.
        user: UserId,
    },
    /// Mute this user's microphone.
    Mute {
        /// ID of the call.
        call: CallId,
        /// The user to mute.
        user: UserId,
        /// Whether to keep them muted.
        hard: bool,
    },
    /// A hard mute is lifted.
    LiftMute {
        /// ID of the call.
        call: CallId,
        /// The user who may unmute themselves again.
        user: UserId,
    },
    /// Put this user on hold, so that no media goes from them or to them; or resume them.
    Hold {
        /// ID of the call.
        call: CallId,
        /// The user to put on hold or to resume.
        user: UserId,
        /// `true`: hold; `false`: resume.
        on: bool,
    },
    /// Begin a recording, or go on with one that was begun: after a restart, or with others taken in.
    Record {
        /// The call.
        call: CallId,
        /// Which, and whom it takes in.
        spec: RecordingSpec,
    },
    /// Write nothing until it is resumed.
    PauseRecording {
        /// The call.
        call: CallId,
        /// The recording to pause.
        id: RecordingId,
    },
    /// Write again.
    ResumeRecording {
        /// The call.
        call: CallId,
        /// The recording to resume.
        id: RecordingId,
    },
    /// Finish it.
    StopRecording {
        /// The call.
        call: CallId,
        /// The recording to finish.
        id: RecordingId,
    },
    /// Whether the room says of itself that it is recorded.
    MarkRecorded {
        /// The call.
        call: CallId,
        /// It is.
        on: bool,
    },
    /// The call is over: delete the room.
    Close {
        /// ID of the call.
        call: CallId,
    },
}
