//! What goes out to devices: the call core's events, and changes to presence and channels.

use std::sync::Arc;

use call::{CallEvent, PresenceState};
use model::{ChannelId, DeviceId, Timestamp, UserId};

use crate::directory::Channel;

/// One event for the devices of one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Whose.
    pub user: UserId,
    /// Only this device.
    pub device: Option<DeviceId>,
    /// All but this device.
    pub except: Option<DeviceId>,
    /// What.
    pub body: NoticeBody,
}

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub enum NoticeBody {
    /// An event of a call.
    Call(Box<CallEvent>),
    /// `presence:changed`, one for each; shared by the notices to all recipients.
    Presence(Vec<Arc<PresenceChange>>),
    /// `channel:changed`; shared by the notices to all its members.
    ChannelChanged(Arc<Channel>),
    /// `channel:deleted`.
    ChannelDeleted(ChannelId),
}

/// How someone now is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// Who.
    pub user: UserId,
    /// When others are told.
    pub at: Timestamp,
    /// How.
    pub state: PresenceState,
}
