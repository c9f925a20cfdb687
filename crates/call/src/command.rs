//! What the switchboard can be asked, and what it answers.

use model::{
    CallId, CallMedia, ChannelId, DeviceId, ErrorCode, ParticipantId, RecordingId, Timestamp, TransferMode, UserId,
    VideoQuality,
};

use crate::devices::Ability;
use crate::quality::QualityReport;
use crate::snapshot::{CallSnapshot, ParticipantSnapshot, RecordingOptions};

/// Whom a new call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Exactly these users; `channel` is only context.
    Users {
        /// Users to ring, without the caller and without duplicates.
        users: Vec<UserId>,
        /// The channel the call is made from, if any.
        channel: Option<ChannelId>,
        /// Whether the request named a single user (`targetUserId`), which makes the call one_to_one.
        one_to_one: bool,
    },
    /// All other members of a channel. A channel has at most one running call.
    Channel(ChannelId),
}

/// A request for a new call.
#[derive(Debug, Clone, PartialEq)]
pub struct InitiateCall {
    /// The ID that the client chose: an idempotency key.
    pub id: Option<CallId>,
    /// The user who calls.
    pub caller: UserId,
    /// The device they call from.
    pub device: DeviceId,
    /// The user, the users or the channel to call.
    pub target: Target,
    /// The media to start with.
    pub media: CallMedia,
    /// How long to ring, if not the configured time (5–180 s).
    pub ring_timeout: Option<std::time::Duration>,
    /// JSON of the client's own, at most 16 KiB, stored and passed on.
    pub metadata: serde_json::Value,
}

/// One input. Each names the user it acts for, whom the edge has already authenticated.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A device connected for signalling (possibly with a second connection of the same device).
    DeviceConnected {
        /// The user whose device it is.
        user: UserId,
        /// The device.
        device: DeviceId,
    },
    /// A signalling connection of a device closed.
    DeviceDisconnected {
        /// The user whose device it is.
        user: UserId,
        /// The device.
        device: DeviceId,
    },
    /// What a device says about itself, before or while it is connected. Forgotten when the device disconnects.
    DeviceDeclared {
        /// The user whose device it is.
        user: UserId,
        /// The device.
        device: DeviceId,
        /// Which media paths it supports; `None`: it does not say.
        media: Option<Ability>,
        /// Whether a second call may ring during a call (call waiting).
        call_waiting: bool,
    },
    /// A channel was created or renamed, or its members changed.
    ChannelUpserted {
        /// The channel.
        id: ChannelId,
        /// All its members.
        members: Vec<UserId>,
    },
    /// A channel was deleted. A running call in it continues.
    ChannelDeleted {
        /// The channel.
        id: ChannelId,
    },
    /// Start a call.
    Initiate(InitiateCall),
    /// Accept the call on this device.
    Accept {
        /// ID of the call.
        call: CallId,
        /// The user who accepts.
        user: UserId,
        /// The device that accepts.
        device: DeviceId,
    },
    /// Decline the call.
    Decline {
        /// ID of the call.
        call: CallId,
        /// The user who declines.
        user: UserId,
        /// `true`: busy; `false`: declined.
        busy: bool,
    },
    /// Cancel the caller's own call while it rings.
    Cancel {
        /// ID of the call.
        call: CallId,
        /// The user who cancels; must be the caller.
        user: UserId,
    },
    /// Join or rejoin. For someone being called, this is `Accept`.
    Join {
        /// ID of the call.
        call: CallId,
        /// The user who joins.
        user: UserId,
        /// The device they join from.
        device: DeviceId,
    },
    /// Leave the call.
    Leave {
        /// ID of the call.
        call: CallId,
        /// The user who leaves.
        user: UserId,
    },
    /// End it for everyone. While it rings, this is cancel for the caller and decline for anyone being called.
    End {
        /// ID of the call.
        call: CallId,
        /// The user who ends it.
        user: UserId,
        /// The client's own words for why, kept in the event's payload; `None`: it gave none.
        reason: Option<String>,
    },
    /// Invite more people into the call.
    Invite {
        /// ID of the call.
        call: CallId,
        /// The user who invites.
        user: UserId,
        /// The users to invite.
        users: Vec<UserId>,
    },
    /// A participant's own media state, as its client reports it.
    SetMediaState {
        /// ID of the call.
        call: CallId,
        /// The user whose media it is.
        user: UserId,
        /// Whether the microphone is off; `None`: as it was.
        is_muted: Option<bool>,
        /// Whether the camera is on; `None`: as it was.
        is_video_enabled: Option<bool>,
        /// Whether the screen is shared; `None`: as it was.
        is_screen_sharing: Option<bool>,
        /// The preset that the camera is set to; `None`: as it was.
        video_quality: Option<VideoQuality>,
    },
    /// Put this user on hold, or resume them.
    Hold {
        /// ID of the call.
        call: CallId,
        /// The user whose side of the call it is.
        user: UserId,
        /// `true`: held; `false`: resumed.
        on: bool,
    },
    /// Transfer the call to someone else.
    Transfer {
        /// ID of the call.
        call: CallId,
        /// The user who transfers the call.
        user: UserId,
        /// The user who is to take it over.
        target: UserId,
        /// Blind or attended.
        mode: TransferMode,
    },
    /// Complete an attended transfer: the person transferring leaves.
    CompleteTransfer {
        /// ID of the call.
        call: CallId,
        /// The user who transfers the call.
        user: UserId,
    },
    /// Cancel a transfer: the target leaves instead.
    CancelTransfer {
        /// ID of the call.
        call: CallId,
        /// The user who transfers the call.
        user: UserId,
    },
    /// The host removes someone.
    Remove {
        /// ID of the call.
        call: CallId,
        /// The host or administrator.
        by: UserId,
        /// Whether they are an administrator and need not be the host.
        admin: bool,
        /// The user to remove.
        user: UserId,
    },
    /// The host mutes one participant or everyone else.
    Mute {
        /// ID of the call.
        call: CallId,
        /// The host or administrator.
        by: UserId,
        /// Whether they are an administrator and need not be the host.
        admin: bool,
        /// The user to mute; `None`: everyone else.
        user: Option<UserId>,
        /// They cannot unmute themselves.
        hard: bool,
    },
    /// The host lifts hard mutes. This unmutes nobody.
    LiftMute {
        /// ID of the call.
        call: CallId,
        /// The host or administrator.
        by: UserId,
        /// Whether they are an administrator and need not be the host.
        admin: bool,
        /// The user whose hard mute is lifted; `None`: everyone's.
        user: Option<UserId>,
    },
    /// A client reports that peer-to-peer does not connect. If the media already goes through the server, nothing happens.
    MediaFailed {
        /// ID of the call.
        call: CallId,
        /// The user whose client reports it.
        user: UserId,
    },
    /// An offer or answer of this user was relayed to another, so they send media without the server. If nobody has media through the
    /// server, this makes the call peer-to-peer.
    PeerSignalled {
        /// ID of the call.
        call: CallId,
        /// The user whose offer or answer it was.
        user: UserId,
    },
    /// The connection quality that a participant's client reports.
    Quality {
        /// ID of the call.
        call: CallId,
        /// The user whose connection it is about.
        user: UserId,
        /// The reports, the oldest first.
        reports: Vec<QualityReport>,
        /// Measured by the server: counts for participants whose client does not report.
        by_server: bool,
    },
    /// The media side reports what it sees of this user's media.
    MediaSeen {
        /// ID of the call.
        call: CallId,
        /// The user whose media it is.
        user: UserId,
        /// There is no live microphone track.
        is_muted: bool,
        /// There is a live camera track.
        is_video_enabled: bool,
        /// There is a live screen track.
        is_screen_sharing: bool,
    },
    /// The media side reports that this user is in the call's room. If the call still rings for them, this counts as accept. If it is
    /// refused (they left or declined, or the call is over), a `RoomAct` asks the media side to remove them again.
    MediaJoined {
        /// ID of the call.
        call: CallId,
        /// The user who is in the room.
        user: UserId,
        /// The device of the token they came with.
        device: DeviceId,
        /// They are there for the others, as agents and recorders are. They are in the call, but keep it going for nobody.
        is_dependent: bool,
    },
    /// The media side reports that this user's media is connected (ICE and DTLS are done).
    MediaConnected {
        /// ID of the call.
        call: CallId,
        /// The user whose media is connected.
        user: UserId,
    },
    /// The media side reports that this user is gone from the room. `clean`: they left on purpose; otherwise the reconnect window starts.
    MediaLeft {
        /// ID of the call.
        call: CallId,
        /// The user who is gone.
        user: UserId,
        /// `true`: they left on purpose; `false`: the connection was lost.
        clean: bool,
    },
    /// Start to record the call.
    StartRecording {
        /// The call.
        call: CallId,
        /// Someone in it who may record, or an administrator.
        by: UserId,
        /// Whether they are an administrator and need not be in the call.
        admin: bool,
        /// What the recording is to become.
        options: RecordingOptions,
    },
    /// Pause the recording, or resume it.
    PauseRecording {
        /// The call.
        call: CallId,
        /// Someone in it who may record, or an administrator.
        by: UserId,
        /// Whether they are an administrator and need not be in the call.
        admin: bool,
        /// `false`: resume.
        on: bool,
    },
    /// Stop the recording.
    StopRecording {
        /// The call.
        call: CallId,
        /// Someone in it who may record, or an administrator.
        by: UserId,
        /// Whether they are an administrator and need not be in the call.
        admin: bool,
    },
    /// Someone in the call agrees to be recorded, or does not. May be changed for as long as it is recorded.
    RecordingConsent {
        /// The call.
        call: CallId,
        /// Who says so.
        user: UserId,
        /// Yes or no.
        given: bool,
    },
    /// The media side reports that a recording began.
    RecordingBegan {
        /// The call.
        call: CallId,
        /// The recording that began.
        recording: RecordingId,
    },
    /// The media side reports that a recording is complete: it was told to stop it, or stopped by itself.
    RecordingEnded {
        /// The call.
        call: CallId,
        /// The recording that is complete.
        recording: RecordingId,
    },
    /// The media side reports that it could not record, or could not go on.
    RecordingFailed {
        /// The call.
        call: CallId,
        /// The recording that failed.
        recording: RecordingId,
        /// Why: a stable code.
        code: String,
    },
    /// At start: a call that was running when the process died. `status` etc. as stored.
    Restore(Box<CallSnapshot>),
}

impl Command {
    /// The existing call that the command is about, if any.
    pub fn call_id_mut(&mut self) -> Option<&mut CallId> {
        match self {
            Command::Accept { call, .. }
            | Command::Decline { call, .. }
            | Command::Cancel { call, .. }
            | Command::Join { call, .. }
            | Command::Leave { call, .. }
            | Command::End { call, .. }
            | Command::Invite { call, .. }
            | Command::SetMediaState { call, .. }
            | Command::Hold { call, .. }
            | Command::Transfer { call, .. }
            | Command::CompleteTransfer { call, .. }
            | Command::CancelTransfer { call, .. }
            | Command::Remove { call, .. }
            | Command::Mute { call, .. }
            | Command::LiftMute { call, .. }
            | Command::MediaFailed { call, .. }
            | Command::PeerSignalled { call, .. }
            | Command::Quality { call, .. }
            | Command::StartRecording { call, .. }
            | Command::PauseRecording { call, .. }
            | Command::StopRecording { call, .. }
            | Command::RecordingConsent { call, .. }
            | Command::RecordingBegan { call, .. }
            | Command::RecordingEnded { call, .. }
            | Command::RecordingFailed { call, .. }
            | Command::MediaSeen { call, .. }
            | Command::MediaJoined { call, .. }
            | Command::MediaConnected { call, .. }
            | Command::MediaLeft { call, .. } => Some(call),
            Command::DeviceConnected { .. }
            | Command::DeviceDisconnected { .. }
            | Command::DeviceDeclared { .. }
            | Command::ChannelUpserted { .. }
            | Command::ChannelDeleted { .. }
            | Command::Initiate(_)
            | Command::Restore(_) => None,
        }
    }
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Done, with nothing to return.
    Done,
    /// The call after the command.
    Call(Box<CallSnapshot>),
    /// The call, and the asker as its participant (accept, join).
    Joined {
        /// The call.
        call: Box<CallSnapshot>,
        /// The asker.
        participant: Box<ParticipantSnapshot>,
    },
}

/// Why a command was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such call, or the asker is not part of it (the caller cannot tell which).
    #[error("no such call")]
    CallNotFound,
    /// There is no such channel, or the asker is not a member.
    #[error("no such channel")]
    ChannelNotFound,
    /// The call is over.
    #[error("the call is over ({0})")]
    CallOver(model::CallStatus),
    /// Another device of this user has it.
    #[error("the call was answered on another device")]
    AnsweredElsewhere,
    /// The call is not in a state that allows this.
    #[error("{0}")]
    InvalidState(&'static str),
    /// The asker is not allowed to do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The ID was used for a different request.
    #[error("this call ID was used for a different request")]
    CallIdConflict,
    /// The channel has a running call.
    #[error("the channel already has a running call")]
    ChannelCallActive(CallId),
    /// No room for one more.
    #[error("the call is full: it can have at most {0} participants")]
    CallFull(usize),
    /// The caller is in another call.
    #[error("you are already in another call")]
    AlreadyInCall(CallId),
    /// Nobody to call.
    #[error("there is nobody to call")]
    NobodyToCall,
    /// The devices share no media path.
    #[error("the devices share no way to exchange media")]
    NoCommonMedia,
    /// Nobody with that ID is in the call.
    #[error("no such participant")]
    ParticipantNotFound,
    /// The server's policy is not to record.
    #[error("calls are not recorded on this server")]
    RecordingOff,
    /// A recording of the call is being made.
    #[error("the call is already being recorded")]
    AlreadyRecording,
    /// None is.
    #[error("the call is not being recorded")]
    NotRecording,
    /// Recordings of the call were started too often.
    #[error("the recording was started too often: wait a minute")]
    RecordingTooOften,
    /// Nobody is asked for consent: the policy is another.
    #[error("this recording asks nobody for consent")]
    ConsentNotAsked,
    /// A feature flag forbids it.
    #[error("{0} is turned off on this server")]
    FeatureDisabled(&'static str),
}

impl CommandError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            CommandError::CallNotFound => ErrorCode::CallNotFound,
            CommandError::ChannelNotFound => ErrorCode::ChannelNotFound,
            CommandError::CallOver(_) => ErrorCode::CallOver,
            CommandError::AnsweredElsewhere => ErrorCode::AnsweredElsewhere,
            CommandError::InvalidState(_) => ErrorCode::InvalidState,
            CommandError::Forbidden(_) => ErrorCode::Forbidden,
            CommandError::CallIdConflict => ErrorCode::CallIdConflict,
            CommandError::ChannelCallActive(_) => ErrorCode::ChannelCallActive,
            CommandError::CallFull(_) => ErrorCode::CallFull,
            CommandError::AlreadyInCall(_) => ErrorCode::AlreadyInCall,
            CommandError::NobodyToCall => ErrorCode::InvalidRequest,
            CommandError::NoCommonMedia => ErrorCode::NoCommonMedia,
            CommandError::ParticipantNotFound => ErrorCode::ParticipantNotFound,
            CommandError::RecordingOff => ErrorCode::RecordingOff,
            CommandError::AlreadyRecording => ErrorCode::AlreadyRecording,
            CommandError::NotRecording => ErrorCode::NotRecording,
            CommandError::RecordingTooOften => ErrorCode::RateLimited,
            CommandError::ConsentNotAsked => ErrorCode::ConsentNotAsked,
            CommandError::FeatureDisabled(_) => ErrorCode::FeatureDisabled,
        }
    }
}

/// Ids that the switchboard makes from its seed.
pub(crate) fn participant_id(rng: &mut fastrand::Rng) -> ParticipantId {
    ParticipantId(uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid())
}

/// The ID of a call whose client chose none. It sorts by creation time.
pub(crate) fn call_id(rng: &mut fastrand::Rng, now: Timestamp) -> CallId {
    CallId(sorting(rng, now))
}

/// The ID of a recording. It sorts by creation time.
pub(crate) fn recording_id(rng: &mut fastrand::Rng, now: Timestamp) -> RecordingId {
    RecordingId(sorting(rng, now))
}

fn sorting(rng: &mut fastrand::Rng, now: Timestamp) -> uuid::Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let mut random = [0; 10];
    rng.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}
