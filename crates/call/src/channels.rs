//! Channels, their members and the one running call of each.

use std::collections::{BTreeMap, BTreeSet};

use model::{CallId, ChannelId, UserId};

use crate::snapshot::ChannelSnapshot;

/// Every channel.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    members: BTreeMap<ChannelId, Vec<UserId>>,
    of_user: BTreeMap<UserId, BTreeSet<ChannelId>>,
    /// Outlives the channel: a running call in a deleted one goes on.
    calls: BTreeMap<ChannelId, CallId>,
}

impl Channels {
    /// Makes a channel or changes its members; doubles are dropped.
    pub fn upsert(&mut self, id: ChannelId, members: Vec<UserId>) {
        self.delete(&id);
        let mut seen = BTreeSet::new();
        let members: Vec<UserId> = members.into_iter().filter(|user| seen.insert(user.clone())).collect();
        for user in &members {
            self.of_user.entry(user.clone()).or_default().insert(id.clone());
        }
        self.members.insert(id, members);
    }

    /// Forgets a channel.
    pub fn delete(&mut self, id: &ChannelId) {
        for user in self.members.remove(id).unwrap_or_default() {
            if let Some(channels) = self.of_user.get_mut(&user) {
                channels.remove(id);
                if channels.is_empty() {
                    self.of_user.remove(&user);
                }
            }
        }
    }

    /// The members, if there is such a channel.
    pub fn members(&self, id: &ChannelId) -> Option<&[UserId]> {
        self.members.get(id).map(Vec::as_slice)
    }

    /// Whether the user is a member.
    pub fn is_member(&self, id: &ChannelId, user: &UserId) -> bool {
        self.of_user.get(user).is_some_and(|channels| channels.contains(id))
    }

    /// The running call of a channel.
    pub fn call(&self, id: &ChannelId) -> Option<CallId> {
        self.calls.get(id).copied()
    }

    /// A channel's call begins.
    pub fn call_began(&mut self, id: &ChannelId, call: CallId) {
        self.calls.entry(id.clone()).or_insert(call);
    }

    /// A channel's call is over.
    pub fn call_ended(&mut self, id: &ChannelId, call: CallId) {
        if self.call(id) == Some(call) {
            self.calls.remove(id);
        }
    }

    /// As others see it.
    pub fn snapshot(&self, id: &ChannelId) -> Option<ChannelSnapshot> {
        let members = self.members(id)?.to_vec();
        Some(ChannelSnapshot { id: id.clone(), members, call: self.call(id) })
    }
}
