//! Who is in which channel and who is online: what the switchboard's thread needs at hand to know whom to tell.
//!
//! Channels belong to the store and are held here as last written. Presence belongs to the switchboard; this keeps what
//! others were last told about it. Each change goes to everyone who may see it, so
//! changes are sent together, in rounds. A change that is undone before its round is never sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use call::{CallSnapshot, PresenceState, Switchboard};
use model::{ChannelId, Timestamp, UserId};

use crate::directory::Channel;
use crate::notice::PresenceChange;

/// Up to so many users online, everyone sees everyone: a small community's list of people is of use only with presence. Beyond
/// it a change is told to those who share a channel or a call, or the messages would grow with the square of the users.
const ALL_SEE_ALL: usize = 1_000;

/// Longer than the switchboard waits before it takes a user without devices for offline.
const WATCHED_FOR: Duration = Duration::from_secs(60);
/// The shortest time between two rounds of changes. The first change after a pause is sent at once.
const ROUND: Duration = Duration::from_millis(250);
/// The most changes in one round; the rest wait for the next. Far fewer than a socket may have waiting, or its client would be
/// cut off as slow. Few enough not to make its queue grow, because a queue keeps the memory it once took.
const MOST_CHANGES: usize = 32;

/// Channels, and the presence that others know of.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    channels: BTreeMap<ChannelId, Channel>,
    of_user: HashMap<UserId, BTreeSet<ChannelId>>,
    /// Everyone who is not offline.
    present: BTreeMap<UserId, PresenceState>,
    /// Users whose change has not been sent yet, each with what others were last told.
    untold: BTreeMap<UserId, PresenceState>,
    /// When others were last told anything.
    told_at: Option<Timestamp>,
    /// Users of whom a device came or went, and when: the switchboard lets a moment pass before it takes one for offline.
    moved: BTreeMap<UserId, Timestamp>,
}

impl Roster {
    /// Makes or replaces a channel; its running call stays. Gives what was there before.
    pub(crate) fn put_channel(&mut self, mut channel: Channel) -> Option<Channel> {
        let before = self.remove_channel(&channel.id);
        channel.active_call = before.as_ref().and_then(|before| before.active_call);
        for member in &channel.members {
            self.of_user.entry(member.clone()).or_default().insert(channel.id.clone());
        }
        self.channels.insert(channel.id.clone(), channel);
        before
    }

    /// Takes a channel out.
    pub(crate) fn remove_channel(&mut self, id: &ChannelId) -> Option<Channel> {
        let channel = self.channels.remove(id)?;
        for member in &channel.members {
            if let Some(channels) = self.of_user.get_mut(member) {
                channels.remove(id);
                if channels.is_empty() {
                    self.of_user.remove(member);
                }
            }
        }
        Some(channel)
    }

    /// A channel.
    pub(crate) fn channel(&self, id: &ChannelId) -> Option<&Channel> {
        self.channels.get(id)
    }

    /// A user's channels, oldest first.
    pub(crate) fn channels_of(&self, user: &UserId) -> Vec<Channel> {
        let ids = self.of_user.get(user).into_iter().flatten();
        let mut channels: Vec<Channel> = ids.filter_map(|id| self.channels.get(id)).cloned().collect();
        channels.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        channels
    }

    /// Whether the user is a member of the call's channel and the call is the channel's.
    pub(crate) fn sees_in_channel(&self, call: &CallSnapshot, user: &UserId) -> bool {
        let mine = self.of_user.get(user);
        call.in_channel && call.channel.as_ref().is_some_and(|id| mine.is_some_and(|mine| mine.contains(id)))
    }

    /// A call's newest state. Gives the channel if its running call is now another.
    pub(crate) fn note_call(&mut self, call: &CallSnapshot) -> Option<&Channel> {
        let channel = self.channels.get_mut(call.channel.as_ref().filter(|_| call.in_channel)?)?;
        let before = channel.active_call;
        if !call.status.is_over() {
            channel.active_call = Some(call.id);
        } else if before == Some(call.id) {
            channel.active_call = None;
        }
        (channel.active_call != before).then_some(&*channel)
    }

    /// Notes that a device of the user came or went.
    pub(crate) fn watch(&mut self, user: &UserId, now: Timestamp) {
        self.moved.insert(user.clone(), now);
    }

    /// Those whose presence may change without a call or a command of theirs.
    pub(crate) fn watched(&mut self, now: Timestamp) -> Vec<UserId> {
        self.moved.retain(|_, since| now.since(*since) < WATCHED_FOR);
        self.moved.keys().cloned().collect()
    }

    /// Takes over a user's presence.
    pub(crate) fn note_presence(&mut self, user: &UserId, state: PresenceState) {
        let before = match state {
            PresenceState::Offline => self.present.remove(user),
            PresenceState::Online | PresenceState::InCall => self.present.insert(user.clone(), state),
        };
        let before = before.unwrap_or(PresenceState::Offline);
        if before == state {
            return;
        }
        let known = *self.untold.entry(user.clone()).or_insert(before);
        if known == state {
            self.untold.remove(user);
        }
    }

    /// When the next round is due; `None`: nothing has changed.
    pub(crate) fn round_at(&self) -> Option<Timestamp> {
        (!self.untold.is_empty()).then(|| self.told_at.map_or(Timestamp(0), |told| told + ROUND))
    }

    /// The changes to send now, by recipient.
    pub(crate) fn round(
        &mut self,
        now: Timestamp,
        switchboard: &Switchboard,
    ) -> Vec<(UserId, Vec<Arc<PresenceChange>>)> {
        if self.round_at().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut told: BTreeMap<UserId, Vec<Arc<PresenceChange>>> = BTreeMap::new();
        for _ in 0..MOST_CHANGES {
            let Some((user, _)) = self.untold.pop_first() else { break };
            let state = self.present.get(&user).copied().unwrap_or(PresenceState::Offline);
            let audience = self.audience(&user, switchboard);
            let change = Arc::new(PresenceChange { user, at: now, state });
            for other in audience {
                told.entry(other).or_default().push(Arc::clone(&change));
            }
        }
        // A round that nobody received does not delay the next one.
        if !told.is_empty() {
            self.told_at = Some(now);
        }
        told.into_iter().collect()
    }

    /// Who may know this user's presence, of those who are there.
    pub(crate) fn audience(&self, user: &UserId, switchboard: &Switchboard) -> BTreeSet<UserId> {
        let mut audience: BTreeSet<UserId> = if self.present.len() <= ALL_SEE_ALL {
            self.present.keys().cloned().collect()
        } else {
            let channels = self.of_user.get(user).into_iter().flatten().filter_map(|id| self.channels.get(id));
            let mates = channels.flat_map(|channel| channel.members.iter().cloned());
            let calls = switchboard.active_calls(user).into_iter();
            mates.chain(calls.flat_map(|call| call.participants).map(|part| part.user)).collect()
        };
        audience.retain(|other| other != user && self.present.contains_key(other));
        audience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).expect("a name")
    }

    fn channel(id: &str, members: &[&str]) -> Channel {
        Channel {
            id: ChannelId::new(id).expect("an id"),
            name: id.to_owned(),
            members: members.iter().map(|name| user(name)).collect(),
            active_call: None,
            created_at: Timestamp(0),
        }
    }

    fn switchboard() -> Switchboard {
        Switchboard::new(call::Config::default(), 1)
    }

    #[test]
    fn members_come_and_go_with_the_channel() {
        let mut roster = Roster::default();
        assert_eq!(roster.put_channel(channel("c", &["a", "b"])), None);
        assert!(roster.put_channel(channel("c", &["b", "x"])).is_some());
        assert!(roster.channels_of(&user("a")).is_empty());
        assert_eq!(roster.channels_of(&user("x")).len(), 1);
        roster.remove_channel(&ChannelId::new("c").unwrap());
        assert!(roster.channels_of(&user("b")).is_empty());
    }

    #[test]
    fn in_a_small_place_all_see_all_and_in_a_large_one_mates_do() {
        let mut roster = Roster::default();
        roster.put_channel(channel("c", &["a", "b", "gone"]));
        for name in ["a", "b", "stranger"] {
            roster.note_presence(&user(name), PresenceState::Online);
        }
        assert_eq!(roster.audience(&user("a"), &switchboard()), [user("b"), user("stranger")].into());
        for n in 0..ALL_SEE_ALL {
            roster.note_presence(&user(&format!("u{n}")), PresenceState::Online);
        }
        assert_eq!(roster.audience(&user("a"), &switchboard()), [user("b")].into());
    }

    /// Whom a round told of what.
    fn told(roster: &mut Roster, at: i64) -> Vec<String> {
        let round = roster.round(Timestamp(at), &switchboard());
        let lines = round.into_iter().map(|(other, changes)| {
            let changes: Vec<String> =
                changes.iter().map(|change| format!("{} {:?}", change.user, change.state)).collect();
            format!("{other}: {}", changes.join(", "))
        });
        lines.collect()
    }

    #[test]
    fn changes_are_told_at_once_after_a_while_and_otherwise_together() {
        use PresenceState::{InCall, Online};
        let mut roster = Roster::default();
        roster.note_presence(&user("stranger"), Online);
        assert_eq!(told(&mut roster, 1_000), Vec::<String>::new(), "nobody is there to be told");
        for name in ["a", "b"] {
            roster.note_presence(&user(name), Online);
        }
        assert_eq!(told(&mut roster, 1_001), ["a: b Online", "b: a Online", "stranger: a Online, b Online"]);
        for name in ["a", "b"] {
            roster.note_presence(&user(name), InCall);
        }
        assert_eq!(roster.round_at(), Some(Timestamp(1_251)));
        assert_eq!(told(&mut roster, 1_250), Vec::<String>::new(), "not yet");
        assert_eq!(told(&mut roster, 1_251), ["a: b InCall", "b: a InCall", "stranger: a InCall, b InCall"]);
        assert_eq!((roster.round_at(), told(&mut roster, 9_000)), (None, Vec::new()), "told once");
    }

    #[test]
    fn what_is_over_before_it_is_told_never_is() {
        use PresenceState::{InCall, Offline, Online};
        let mut roster = Roster::default();
        for name in ["a", "stranger"] {
            roster.note_presence(&user(name), Online);
        }
        told(&mut roster, 1_000);
        for state in [InCall, Online, InCall, Online] {
            roster.note_presence(&user("a"), state);
        }
        assert_eq!(roster.round_at(), None);
        for state in [InCall, Online, Offline] {
            roster.note_presence(&user("a"), state);
        }
        assert_eq!(told(&mut roster, 2_000), ["stranger: a Offline"], "as it is, not as it was");
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_told_in_several_rounds() {
        let mut roster = Roster::default();
        roster.note_presence(&user("stranger"), PresenceState::Online);
        told(&mut roster, 0);
        for n in 0..MOST_CHANGES + 1 {
            roster.note_presence(&user(&format!("u{n:03}")), PresenceState::Online);
        }
        let of_stranger = |round: Vec<(UserId, Vec<Arc<PresenceChange>>)>| {
            round.into_iter().find(|(other, _)| *other == user("stranger")).map(|(_, changes)| changes.len())
        };
        let first = roster.round(Timestamp(1_000), &switchboard());
        assert_eq!(of_stranger(first), Some(MOST_CHANGES));
        let second = roster.round(Timestamp(1_250), &switchboard());
        assert_eq!(of_stranger(second), Some(1));
        assert_eq!(roster.round_at(), None);
    }
}
