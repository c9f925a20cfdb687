//! What goes out to devices: the call core's events, and changes to presence and channels.

use std::sync::Arc;

use call::{CallEvent, PresenceState};
use model::{ChannelId, DeviceId, Timestamp, UserId};

use crate::directory::Channel;

/// One event for the devices of these users, who are all told the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The users whose devices get it, each once.
    pub users: Vec<UserId>,
    /// Only this device; `None`: all of the users'.
    pub device: Option<DeviceId>,
    /// All but this device; `None`: no exception.
    pub except: Option<DeviceId>,
    /// What is said.
    pub body: NoticeBody,
}

impl Notice {
    /// To all devices of these users.
    pub(crate) fn to(users: Vec<UserId>, body: NoticeBody) -> Self {
        Self { users, device: None, except: None, body }
    }

    /// Takes the users of another notice that says the same to all their devices. Gives it back if it does not.
    pub(crate) fn join(&mut self, other: Notice) -> Option<Notice> {
        let is_whole = |notice: &Notice| notice.device.is_none() && notice.except.is_none();
        let is_same = is_whole(self) && is_whole(&other) && self.body == other.body;
        if !is_same || other.users.iter().any(|user| self.users.contains(user)) {
            return Some(other);
        }
        self.users.extend(other.users);
        None
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub enum NoticeBody {
    /// An event of a call.
    Call(Box<CallEvent>),
    /// `presence:changed`, one for each; shared by the notices to other recipients.
    Presence(Vec<Arc<PresenceChange>>),
    /// `channel:changed`: the channel was made, or is not as it was.
    ChannelChanged(Arc<Channel>),
    /// `channel:deleted`: there is no such channel any more.
    ChannelDeleted(ChannelId),
}

/// Someone's presence has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// The user whose presence it is.
    pub user: UserId,
    /// When others are told.
    pub at: Timestamp,
    /// What it is now.
    pub state: PresenceState,
}
