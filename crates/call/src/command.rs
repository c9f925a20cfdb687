//! What the switchboard is asked, and what it answers.

use model::{
    CallId, CallMedia, ChannelId, DeviceId, ErrorCode, ParticipantId, Timestamp, TransferMode, UserId, VideoQuality,
};

use crate::devices::Ability;
use crate::quality::QualityReport;
use crate::snapshot::{CallSnapshot, ParticipantSnapshot};

/// Whom a new call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// These users and nobody else; `channel` is context only.
    Users {
        /// Those to ring, without the caller and without doubles.
        users: Vec<UserId>,
        /// The channel the call is made from, if any.
        channel: Option<ChannelId>,
        /// Whether the request spoke of one user (`targetUserId`): that makes it one_to_one.
        one_to_one: bool,
    },
    /// All other members of a channel; one running call a channel.
    Channel(ChannelId),
}

/// A request for a new call.
#[derive(Debug, Clone, PartialEq)]
pub struct InitiateCall {
    /// The client's own id: an idempotency key.
    pub id: Option<CallId>,
    /// Who calls, and from which device.
    pub caller: UserId,
    /// The calling device.
    pub device: DeviceId,
    /// Whom.
    pub target: Target,
    /// With what.
    pub media: CallMedia,
    /// How long to ring, if not the configured time (5–180 s).
    pub ring_timeout: Option<std::time::Duration>,
    /// The client's own JSON, at most 16 KiB, kept and handed on.
    pub metadata: serde_json::Value,
}

/// One input. Each names the user it acts for; the edge has verified who that is.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A signalling connection of a device came up (or a second one of the same device).
    DeviceConnected {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
    },
    /// A signalling connection of a device went away.
    DeviceDisconnected {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
    },
    /// What a device says of itself; before or while it is connected, and forgotten when it goes.
    DeviceDeclared {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
        /// Which ways of media it can do; `None`: it does not say.
        media: Option<Ability>,
        /// Whether a second call may knock while one is on.
        call_waiting: bool,
    },
    /// A channel was made, renamed or its members changed.
    ChannelUpserted {
        /// The channel.
        id: ChannelId,
        /// All its members.
        members: Vec<UserId>,
    },
    /// A channel is gone; a running call in it goes on.
    ChannelDeleted {
        /// The channel.
        id: ChannelId,
    },
    /// Start a call.
    Initiate(InitiateCall),
    /// This device takes the call.
    Accept {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// Which device takes it.
        device: DeviceId,
    },
    /// The user does not want it.
    Decline {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// `true`: busy; `false`: declined.
        busy: bool,
    },
    /// The caller gives up while it rings.
    Cancel {
        /// The call.
        call: CallId,
        /// Must be the caller.
        user: UserId,
    },
    /// Enter or re-enter; by one who is being rung it is `Accept`.
    Join {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// From which device.
        device: DeviceId,
    },
    /// Go.
    Leave {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
    },
    /// End it for all; while it rings: by the caller cancel, by one called decline.
    End {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// What the client says of it; kept in the event's payload.
        reason: Option<String>,
    },
    /// Ring more people in.
    Invite {
        /// The call.
        call: CallId,
        /// Who invites.
        user: UserId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// A participant's own media state, as its client says.
    SetMediaState {
        /// The call.
        call: CallId,
        /// Whose.
        user: UserId,
        /// Microphone off.
        is_muted: Option<bool>,
        /// Camera on.
        is_video_enabled: Option<bool>,
        /// Screen shared.
        is_screen_sharing: Option<bool>,
        /// Camera preset.
        video_quality: Option<VideoQuality>,
    },
    /// This user's side is held, or is no longer.
    Hold {
        /// The call.
        call: CallId,
        /// Whose.
        user: UserId,
        /// `true`: held; `false`: resumed.
        on: bool,
    },
    /// Hand the call to someone else.
    Transfer {
        /// The call.
        call: CallId,
        /// Who hands it over.
        user: UserId,
        /// To whom.
        target: UserId,
        /// At once or after a talk.
        mode: TransferMode,
    },
    /// The talk is over: the transferrer goes.
    CompleteTransfer {
        /// The call.
        call: CallId,
        /// The transferrer.
        user: UserId,
    },
    /// The target goes instead.
    CancelTransfer {
        /// The call.
        call: CallId,
        /// The transferrer.
        user: UserId,
    },
    /// The host takes someone out.
    Remove {
        /// The call.
        call: CallId,
        /// Who does.
        by: UserId,
        /// Whether they may as an administrator, without being the host.
        admin: bool,
        /// Whom.
        user: UserId,
    },
    /// The host mutes.
    Mute {
        /// The call.
        call: CallId,
        /// Who does.
        by: UserId,
        /// Whether they may as an administrator, without being the host.
        admin: bool,
        /// Whom; `None`: everyone else.
        user: Option<UserId>,
        /// They cannot unmute themselves.
        hard: bool,
    },
    /// The host lifts hard mutes. Unmutes nobody.
    LiftMute {
        /// The call.
        call: CallId,
        /// Who does.
        by: UserId,
        /// Whether they may as an administrator, without being the host.
        admin: bool,
        /// Whose; `None`: everyone's.
        user: Option<UserId>,
    },
    /// A client reports that peer-to-peer does not connect. Where the media goes through the server already nothing happens.
    MediaFailed {
        /// The call.
        call: CallId,
        /// Whose client.
        user: UserId,
    },
    /// An offer or answer of this user was relayed to another: who signals so brings media without the server. Makes a call that nobody has
    /// media in through the server peer-to-peer.
    PeerSignalled {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
    },
    /// How a participant's client finds the connection.
    Quality {
        /// The call.
        call: CallId,
        /// Whose.
        user: UserId,
        /// Oldest first.
        reports: Vec<QualityReport>,
        /// The server's own view: counts for who has no client that reports.
        by_server: bool,
    },
    /// The media side: what of this user's media it sees.
    MediaSeen {
        /// The call.
        call: CallId,
        /// Whose.
        user: UserId,
        /// No live microphone.
        is_muted: bool,
        /// A live camera.
        is_video_enabled: bool,
        /// A live screen.
        is_screen_sharing: bool,
    },
    /// The media side: this user is in the call's room. Counts as accept where it rings for them. Where it is refused (they left or
    /// declined, the call is over), a `RoomAct` asks the media side to put them out again.
    MediaJoined {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// The device of the token they came with.
        device: DeviceId,
        /// They are there for the others, as agents and recorders are. They are in the call, but keep it going for nobody.
        is_dependent: bool,
    },
    /// The media side: this user has media up (ICE and DTLS done).
    MediaConnected {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
    },
    /// The media side: this user is gone from the room. `clean`: they said goodbye; otherwise the reconnect window opens.
    MediaLeft {
        /// The call.
        call: CallId,
        /// Who.
        user: UserId,
        /// Whether they left on purpose.
        clean: bool,
    },
    /// At start: a call that was running when the process died. `status` etc. as stored.
    Restore(Box<CallSnapshot>),
}

impl Command {
    /// The call it is about, where it is about one that is there.
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

/// What a command came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// The call as it now stands.
    Call(Box<CallSnapshot>),
    /// The call, and the asker's own part in it (accept, join).
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
    /// No such call, or the asker has no part in it (the two are not told apart).
    #[error("no such call")]
    CallNotFound,
    /// No such channel, or the asker is not a member.
    #[error("no such channel")]
    ChannelNotFound,
    /// The call is over.
    #[error("the call is over ({0})")]
    CallOver(model::CallStatus),
    /// Another device of this user has it.
    #[error("answered on another device")]
    AnsweredElsewhere,
    /// Does not fit where the call stands.
    #[error("{0}")]
    InvalidState(&'static str),
    /// Only some may do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The id was used for another request.
    #[error("the call id was used for another request")]
    CallIdConflict,
    /// The channel has a running call.
    #[error("the channel has a running call")]
    ChannelCallActive(CallId),
    /// No room for one more.
    #[error("a call has at most {0} participants")]
    CallFull(usize),
    /// The caller is in another call.
    #[error("already in another call")]
    AlreadyInCall(CallId),
    /// Nobody to call.
    #[error("nobody to call")]
    NobodyToCall,
    /// No way of media that all devices can do.
    #[error("the devices have no way of media in common")]
    NoCommonMedia,
    /// Nobody of that name is in the call.
    #[error("no such participant")]
    ParticipantNotFound,
    /// A feature flag forbids it.
    #[error("{0} is switched off here")]
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
            CommandError::FeatureDisabled(_) => ErrorCode::FeatureDisabled,
        }
    }
}

/// Ids that the switchboard makes from its seed.
pub(crate) fn participant_id(rng: &mut fastrand::Rng) -> ParticipantId {
    ParticipantId(uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid())
}

/// The id of a call whose client chose none: sorts by the time it was made.
pub(crate) fn call_id(rng: &mut fastrand::Rng, now: Timestamp) -> CallId {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let mut random = [0; 10];
    rng.fill(&mut random);
    CallId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}
