//! One user's part in one call: its states, and what it says about itself. Decides nothing about the call.

use model::{CallMedia, DeviceId, EndReason, ParticipantId, ParticipantStatus, Timestamp, UserId, VideoQuality};

use crate::devices::Ability;
use crate::quality::Quality;
use crate::snapshot::{Consent, ParticipantSnapshot};

/// One user's part.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub id: ParticipantId,
    pub user: UserId,
    /// Named, the last time: the ringing is counted from here.
    pub invited_at: Timestamp,
    pub joined_at: Option<Timestamp>,
    /// Milliseconds of the stays that are over.
    pub past: u64,
    pub media: MediaState,
    pub is_on_hold: bool,
    pub is_hard_muted: bool,
    /// What they said when they were asked about the latest recording.
    pub consent: Option<Consent>,
    pub quality: Quality,
    pub state: PartState,
}

/// The state of the part.
#[derive(Debug, Clone)]
pub(crate) enum PartState {
    /// Named, no device told.
    Invited,
    /// A device was told.
    Ringing,
    /// In the call (the caller from the start).
    Joined(Stay),
    /// Not, or no longer.
    Gone { at: Timestamp, how: Gone, device: Option<DeviceId> },
}

/// Being in the call.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    pub device: DeviceId,
    /// Since when it counts; the caller's stay does not before the first accept.
    pub from: Option<Timestamp>,
    pub connection: Connection,
    /// What the device said that it can do.
    pub ability: Option<Ability>,
    /// It is there for the others, as agents and recorders are.
    pub is_dependent: bool,
}

impl Stay {
    /// As it begins. Who comes is taken for somebody until the media side says otherwise.
    pub fn new(device: DeviceId, from: Option<Timestamp>, connection: Connection, ability: Option<Ability>) -> Self {
        Self { device, from, connection, ability, is_dependent: false }
    }
}

/// What the media side says of someone in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Nothing yet.
    Absent { since: Timestamp },
    /// In the room, media on its way.
    InRoom,
    /// Media flows.
    Up,
    /// Fell out of the room and may come back.
    Lost { since: Timestamp, until: Timestamp },
}

/// How someone came to be out of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Left(EndReason),
    Declined,
    Busy,
}

/// What the user's client says of its own media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MediaState {
    pub is_muted: bool,
    pub is_video_enabled: bool,
    pub is_screen_sharing: bool,
    pub video_quality: VideoQuality,
}

impl MediaState {
    /// How a client starts in a call of this kind.
    pub fn at_start(media: CallMedia) -> Self {
        Self {
            is_muted: false,
            is_video_enabled: media == CallMedia::Video,
            is_screen_sharing: false,
            video_quality: VideoQuality::P720,
        }
    }
}

impl Part {
    /// A part of someone who was just named.
    pub fn invited(id: ParticipantId, user: UserId, at: Timestamp, media: CallMedia) -> Self {
        Self {
            id,
            user,
            invited_at: at,
            joined_at: None,
            past: 0,
            media: MediaState::at_start(media),
            is_on_hold: false,
            is_hard_muted: false,
            consent: None,
            quality: Quality::default(),
            state: PartState::Invited,
        }
    }

    /// Whether a ring is on its way to the user or has reached them.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, PartState::Invited | PartState::Ringing)
    }

    /// The stay of one who is in the call.
    pub fn stay(&self) -> Option<&Stay> {
        match &self.state {
            PartState::Joined(stay) => Some(stay),
            PartState::Invited | PartState::Ringing | PartState::Gone { .. } => None,
        }
    }

    /// The same, to change it.
    pub fn stay_mut(&mut self) -> Option<&mut Stay> {
        match &mut self.state {
            PartState::Joined(stay) => Some(stay),
            PartState::Invited | PartState::Ringing | PartState::Gone { .. } => None,
        }
    }

    /// Whether the user is in the call, a lost connection included.
    pub fn is_joined(&self) -> bool {
        self.stay().is_some()
    }

    /// Pending or joined: the call concerns the user now.
    pub fn is_engaged(&self) -> bool {
        self.is_pending() || self.is_joined()
    }

    /// Whether the user has media.
    pub fn is_up(&self) -> bool {
        self.stay().is_some_and(|stay| stay.connection == Connection::Up)
    }

    /// Whether the user is in the call, and not for the others only.
    pub fn counts(&self) -> bool {
        self.stay().is_some_and(|stay| !stay.is_dependent)
    }

    /// Whether the user takes one of the call's places, or is to take one. Who is there for the others takes none.
    pub fn takes_place(&self) -> bool {
        self.is_pending() || self.counts()
    }

    /// Enters the call.
    pub fn join(&mut self, now: Timestamp, device: DeviceId, connection: Connection, ability: Option<Ability>) {
        self.joined_at.get_or_insert(now);
        self.is_on_hold = false;
        self.quality.begin_stay();
        self.state = PartState::Joined(Stay::new(device, Some(now), connection, ability));
    }

    /// Is out of the call from now on. A stay that was lost counts up to the loss.
    pub fn leave(&mut self, at: Timestamp, how: Gone) {
        let device = match &self.state {
            PartState::Joined(stay) => {
                let end = match stay.connection {
                    Connection::Lost { since, .. } => since,
                    Connection::Absent { .. } | Connection::InRoom | Connection::Up => at,
                };
                let stayed = stay.from.map_or(0, |from| end.since(from).as_millis() as u64);
                self.past = self.past.saturating_add(stayed);
                Some(stay.device.clone())
            }
            PartState::Gone { device, .. } => device.clone(),
            PartState::Invited | PartState::Ringing => None,
        };
        self.is_on_hold = false;
        self.state = PartState::Gone { at, how, device };
    }

    /// The status of the part, as one word.
    pub fn status(&self) -> ParticipantStatus {
        match &self.state {
            PartState::Invited => ParticipantStatus::Invited,
            PartState::Ringing => ParticipantStatus::Ringing,
            PartState::Joined(stay) => match stay.connection {
                Connection::Absent { .. } | Connection::InRoom => ParticipantStatus::Connecting,
                Connection::Up => ParticipantStatus::Connected,
                Connection::Lost { .. } => ParticipantStatus::Disconnected,
            },
            PartState::Gone { how, .. } => match how {
                Gone::Left(_) => ParticipantStatus::Left,
                Gone::Declined => ParticipantStatus::Declined,
                Gone::Busy => ParticipantStatus::Busy,
            },
        }
    }

    /// As others see it.
    pub fn snapshot(&self) -> ParticipantSnapshot {
        let (device, left_at, left_reason) = match &self.state {
            PartState::Invited | PartState::Ringing => (None, None, None),
            PartState::Joined(stay) => (Some(stay.device.clone()), None, None),
            PartState::Gone { at, how, device } => (device.clone(), Some(*at), Some(how.reason())),
        };
        ParticipantSnapshot {
            id: self.id,
            user: self.user.clone(),
            status: self.status(),
            device,
            invited_at: self.invited_at,
            joined_at: self.joined_at,
            left_at,
            left_reason,
            seconds: self.past / 1_000,
            is_muted: self.media.is_muted,
            is_video_enabled: self.media.is_video_enabled,
            is_screen_sharing: self.media.is_screen_sharing,
            video_quality: self.media.video_quality,
            is_on_hold: self.is_on_hold,
            is_hard_muted: self.is_hard_muted,
            recording_consent: self.consent,
            quality: self.quality.summary(),
        }
    }

    /// From the store, in a call that still runs. Who had been in the call counts as lost at `seen` and may come back until `until`.
    pub fn restored(stored: ParticipantSnapshot, lost: Connection) -> Self {
        let left_at = stored.left_at.unwrap_or(stored.invited_at);
        let device = stored.device;
        let gone = |how| PartState::Gone { at: left_at, how, device: device.clone() };
        let state = match stored.status {
            ParticipantStatus::Invited => PartState::Invited,
            ParticipantStatus::Ringing => PartState::Ringing,
            ParticipantStatus::Connecting | ParticipantStatus::Connected | ParticipantStatus::Disconnected => {
                let device = device.clone().unwrap_or_else(DeviceId::unnamed);
                let from = stored.joined_at.map(|at| at + std::time::Duration::from_secs(stored.seconds));
                PartState::Joined(Stay::new(device, from, lost, None))
            }
            ParticipantStatus::Left => gone(Gone::Left(stored.left_reason.unwrap_or(EndReason::Completed))),
            ParticipantStatus::Declined => gone(Gone::Declined),
            ParticipantStatus::Busy => gone(Gone::Busy),
        };
        Self {
            id: stored.id,
            user: stored.user,
            invited_at: stored.invited_at,
            joined_at: stored.joined_at,
            past: stored.seconds.saturating_mul(1_000),
            media: MediaState {
                is_muted: stored.is_muted,
                is_video_enabled: stored.is_video_enabled,
                is_screen_sharing: stored.is_screen_sharing,
                video_quality: stored.video_quality,
            },
            is_on_hold: stored.is_on_hold,
            is_hard_muted: stored.is_hard_muted,
            consent: stored.recording_consent,
            quality: Quality::restored(stored.quality),
            state,
        }
    }
}

impl Gone {
    /// The word for it.
    pub fn reason(self) -> EndReason {
        match self {
            Gone::Left(reason) => reason,
            Gone::Declined => EndReason::Declined,
            Gone::Busy => EndReason::Busy,
        }
    }
}
