//! Who is in which channel and who is online: what the switchboard's thread needs at hand to know whom to tell.
//!
//! Channels belong to the store and are held here as last written. Presence belongs to the switchboard, which announces
//! each change once; here is decided who hears of it, and when. A change waits for others, so that several are told
//! together. One that is undone while it waits is never told. Those who share a channel or a call with the user wait a
//! quarter of a second. Strangers, who see each other in a small place, hear as soon of who has come, and of everything else later: a
//! short call is over by then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use call::{CallSnapshot, PresenceState, Switchboard};
use model::{ChannelId, Timestamp, UserId};

use crate::directory::Channel;
use crate::notice::PresenceChange;

/// Up to so many users online, everyone sees everyone: a small community's list of people is of use only with presence. Beyond
/// it a change is told to those who share a channel or a call, or the messages would grow with the square of the users.
const ALL_SEE_ALL: usize = 1_000;

/// How long a change waits for others before it is told to those who share a channel or a call with the user; and the time
/// between two rounds while there is more than one has room for.
const ROUND: Duration = Duration::from_millis(250);
/// How long it waits before strangers are told.
const STRANGERS_ROUND: Duration = Duration::from_secs(2);
/// The most changes in one round; the rest wait for the next. Far fewer than a socket may have waiting, or its client would be
/// cut off as slow. Few enough not to make its queue grow, because a queue keeps the memory it once took.
const MOST_CHANGES: usize = 32;

/// Channels, and the presence that others know of.
#[derive(Debug)]
pub(crate) struct Roster {
    channels: BTreeMap<ChannelId, Channel>,
    of_user: HashMap<UserId, BTreeSet<ChannelId>>,
    /// Everyone who is not offline.
    present: HashMap<UserId, PresenceState>,
    /// What is yet to be told to those who share a channel or a call with the user. With each change, those who shared a call.
    for_mates: Round,
    /// Who has come, and what is yet to be told of anyone else, to the others. With each change, those who share no channel but have
    /// heard of it.
    arrivals: Round,
    for_strangers: Round,
}

/// Changes that wait to be told together.
#[derive(Debug)]
struct Round {
    wait: Duration,
    untold: BTreeMap<UserId, Untold>,
    due: Option<Timestamp>,
}

/// A change of one user's presence that waits.
#[derive(Debug)]
struct Untold {
    /// What others were last told.
    told: PresenceState,
    /// Users whom this concerns.
    others: BTreeSet<UserId>,
}

/// Changes, and whom they are told to.
type Announcement = (Vec<UserId>, Vec<Arc<PresenceChange>>);

impl Default for Roster {
    fn default() -> Self {
        Self {
            channels: BTreeMap::new(),
            of_user: HashMap::new(),
            present: HashMap::new(),
            for_mates: Round::every(ROUND),
            arrivals: Round::every(ROUND),
            for_strangers: Round::every(STRANGERS_ROUND),
        }
    }
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

    /// Takes over a change of a user's presence. `beside`: those who share a call with the user.
    pub(crate) fn note_presence(
        &mut self,
        user: &UserId,
        at: Timestamp,
        state: PresenceState,
        mut beside: BTreeSet<UserId>,
    ) {
        let before = match state {
            PresenceState::Offline => self.present.remove(user),
            PresenceState::Online | PresenceState::InCall => self.present.insert(user.clone(), state),
        };
        let before = before.unwrap_or(PresenceState::Offline);
        let comes = before == PresenceState::Offline && !self.for_strangers.untold.contains_key(user);
        let strangers = match comes || self.arrivals.untold.contains_key(user) {
            true => &mut self.arrivals,
            false => &mut self.for_strangers,
        };
        // Who has heard what the strangers have not hears how it goes on, whatever they are told.
        beside.extend(strangers.untold.get(user).into_iter().flat_map(|waits| waits.others.iter().cloned()));
        strangers.note(user, at, (before, state), BTreeSet::new());
        self.for_mates.note(user, at, (before, state), beside);
    }

    /// When the next round is due; `None`: there is nothing to tell.
    pub(crate) fn round_at(&self) -> Option<Timestamp> {
        [self.for_mates.due, self.arrivals.due, self.for_strangers.due].into_iter().flatten().min()
    }

    /// The changes to tell now. Each recipient is in one group, with everything they are told.
    pub(crate) fn round(&mut self, now: Timestamp) -> Vec<Announcement> {
        let mut changes = Vec::new();
        let mut told: BTreeMap<UserId, Vec<usize>> = BTreeMap::new();
        for (user, beside) in self.for_mates.take(now) {
            let mut audience: BTreeSet<&UserId> = self.mates(&user).map(|(mate, _)| mate).collect();
            audience.extend(beside.iter().filter(|other| self.present.contains_key(*other)));
            audience.into_iter().for_each(|other| told.entry(other.clone()).or_default().push(changes.len()));
            changes.push(self.change(&user, now));
            for strangers in [&mut self.arrivals, &mut self.for_strangers] {
                if let Some(waits) = strangers.untold.get_mut(&user) {
                    waits.others.clone_from(&beside);
                }
            }
        }
        let is_small = self.present.len() <= ALL_SEE_ALL;
        let for_strangers = self.arrivals.take(now).into_iter().chain(self.for_strangers.take(now));
        for (user, know) in for_strangers.filter(|_| is_small) {
            let mates: HashSet<&UserId> = self.mates(&user).map(|(mate, _)| mate).collect();
            let is_told = |other: &&UserId| **other != user && !mates.contains(other) && !know.contains(*other);
            let audience = self.present.keys().filter(is_told);
            audience.for_each(|other| told.entry(other.clone()).or_default().push(changes.len()));
            changes.push(self.change(&user, now));
        }
        let mut groups: BTreeMap<Vec<usize>, Vec<UserId>> = BTreeMap::new();
        told.into_iter().for_each(|(user, which)| groups.entry(which).or_default().push(user));
        let shared = |which: Vec<usize>| which.into_iter().map(|at| Arc::clone(&changes[at])).collect();
        groups.into_iter().map(|(which, users)| (users, shared(which))).collect()
    }

    fn change(&self, user: &UserId, at: Timestamp) -> Arc<PresenceChange> {
        let state = self.present.get(user).copied().unwrap_or(PresenceState::Offline);
        Arc::new(PresenceChange { user: user.clone(), at, state })
    }

    /// Everyone whose presence this user may see and who is not offline, each once.
    pub(crate) fn visible(&self, user: &UserId, switchboard: &Switchboard) -> Vec<(UserId, PresenceState)> {
        if self.present.len() <= ALL_SEE_ALL {
            let others = self.present.iter().filter(|(other, _)| *other != user);
            return others.map(|(other, state)| (other.clone(), *state)).collect();
        }
        let mut seen: Vec<(UserId, PresenceState)> =
            self.mates(user).map(|(mate, state)| (mate.clone(), state)).collect();
        let calls = switchboard.active_calls(user);
        for other in calls.iter().flat_map(|call| &call.participants).map(|part| &part.user) {
            if other != user
                && let Some(state) = self.present.get(other)
                && !seen.iter().any(|(known, _)| known == other)
            {
                seen.push((other.clone(), *state));
            }
        }
        seen
    }

    /// Those who share a channel with the user and are there, each once.
    fn mates<'a>(&'a self, user: &UserId) -> impl Iterator<Item = (&'a UserId, PresenceState)> {
        let ids = self.of_user.get(user).into_iter().flatten();
        let channels: Vec<&Channel> = ids.filter_map(|id| self.channels.get(id)).collect();
        let is_one = channels.len() == 1;
        let mut seen: HashSet<&UserId> = HashSet::new();
        let user = user.clone();
        let others = channels.into_iter().flat_map(|channel| &channel.members).filter(move |other| **other != user);
        let others = others.filter(move |other| is_one || seen.insert(*other));
        others.filter_map(|other| Some((other, *self.present.get(other)?)))
    }
}

impl Round {
    fn every(wait: Duration) -> Self {
        Self { wait, untold: BTreeMap::new(), due: None }
    }

    fn note(
        &mut self,
        user: &UserId,
        at: Timestamp,
        (before, now): (PresenceState, PresenceState),
        others: BTreeSet<UserId>,
    ) {
        let told = self.untold.remove(user).map_or(before, |waits| waits.told);
        if told != now {
            self.untold.insert(user.clone(), Untold { told, others });
            self.due.get_or_insert(at + self.wait);
        } else if self.untold.is_empty() {
            self.due = None;
        }
    }

    /// The users whose changes are told now.
    fn take(&mut self, now: Timestamp) -> Vec<(UserId, BTreeSet<UserId>)> {
        let mut taken = Vec::new();
        if self.due.is_none_or(|due| due > now) {
            return taken;
        }
        while taken.len() < MOST_CHANGES
            && let Some((user, waits)) = self.untold.pop_first()
        {
            taken.push((user, waits.others));
        }
        self.due = (!self.untold.is_empty()).then(|| now + ROUND);
        taken
    }
}

#[cfg(test)]
mod tests {
    use PresenceState::{InCall, Offline, Online};

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

    /// A place where these are there, and everyone knows.
    fn place(there: &[&str]) -> Roster {
        let mut roster = Roster::default();
        there.iter().for_each(|name| note(&mut roster, name, 0, Online, &[]));
        quiet(&mut roster);
        roster
    }

    fn note(roster: &mut Roster, name: &str, at: i64, state: PresenceState, beside: &[&str]) {
        roster.note_presence(&user(name), Timestamp(at), state, beside.iter().map(|name| user(name)).collect());
    }

    /// Everything that waits is told.
    fn quiet(roster: &mut Roster) {
        while let Some(at) = roster.round_at() {
            roster.round(at);
        }
    }

    /// Who was told of what, up to a moment.
    fn told(roster: &mut Roster, until: i64) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(at) = roster.round_at().filter(|at| at.0 <= until) {
            for (users, changes) in roster.round(at) {
                let changes: Vec<String> =
                    changes.iter().map(|change| format!("{} {:?}", change.user, change.state)).collect();
                let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
                lines.push(format!("{} {}: {}", at.0, users.join("+"), changes.join(", ")));
            }
        }
        lines.sort();
        lines
    }

    /// Whom the user sees.
    fn visible(roster: &Roster, name: &str) -> BTreeSet<UserId> {
        roster.visible(&user(name), &switchboard()).into_iter().map(|(user, _)| user).collect()
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
        let mut roster = place(&["a", "b", "stranger"]);
        roster.put_channel(channel("c", &["a", "b", "gone"]));
        roster.put_channel(channel("d", &["a", "b"]));
        assert_eq!(visible(&roster, "a"), [user("b"), user("stranger")].into());
        note(&mut roster, "a", 1_000, InCall, &[]);
        assert_eq!(told(&mut roster, 9_000), ["1250 b: a InCall", "3000 stranger: a InCall"]);
        for n in 0..ALL_SEE_ALL {
            note(&mut roster, &format!("u{n}"), 10_000, Online, &[]);
        }
        assert_eq!(roster.visible(&user("a"), &switchboard()), [(user("b"), Online)], "once");
        quiet(&mut roster);
        note(&mut roster, "a", 1_000_000, Online, &["stranger", "somebody offline"]);
        assert_eq!(told(&mut roster, i64::MAX), ["1000250 b+stranger: a Online"], "and those beside the user");
    }

    #[test]
    fn a_short_call_reaches_those_in_it_and_no_stranger() {
        let mut roster = place(&["a", "b", "s", "t"]);
        note(&mut roster, "a", 1_000, InCall, &["b"]);
        note(&mut roster, "b", 1_100, InCall, &["a"]);
        assert_eq!(told(&mut roster, 2_400), ["1250 a: b InCall", "1250 b: a InCall"]);
        note(&mut roster, "a", 2_500, Online, &["b"]);
        note(&mut roster, "b", 2_500, Online, &["a"]);
        assert_eq!(told(&mut roster, i64::MAX), ["2750 a: b Online", "2750 b: a Online"]);
    }

    #[test]
    fn strangers_hear_of_a_long_call_in_two_rounds_and_those_in_it_once() {
        let mut roster = place(&["a", "b", "s", "t"]);
        note(&mut roster, "a", 1_000, InCall, &["b"]);
        note(&mut roster, "b", 1_100, InCall, &["a"]);
        assert_eq!(told(&mut roster, 60_000), ["1250 a: b InCall", "1250 b: a InCall", "3000 s+t: a InCall, b InCall"]);
        note(&mut roster, "a", 61_000, Online, &["b"]);
        note(&mut roster, "b", 61_000, Online, &["a"]);
        assert_eq!(
            told(&mut roster, i64::MAX),
            ["61250 a: b Online", "61250 b: a Online", "63000 s+t: a Online, b Online"]
        );
    }

    #[test]
    fn one_who_heard_only_the_beginning_hears_the_rest() {
        let mut roster = place(&["b", "s"]);
        note(&mut roster, "a", 1_000, Online, &[]);
        assert_eq!(told(&mut roster, 1_299), ["1250 b+s: a Online"], "who comes is soon seen by everyone");
        note(&mut roster, "a", 1_300, InCall, &["b"]);
        assert_eq!(told(&mut roster, 1_600), ["1550 b: a InCall"]);
        // The next call is with another, and b is a stranger again.
        note(&mut roster, "a", 1_700, Online, &["s"]);
        assert_eq!(told(&mut roster, i64::MAX), ["1950 b+s: a Online"]);
    }

    #[test]
    fn what_is_over_before_it_is_told_never_is() {
        let mut roster = place(&["a", "stranger"]);
        for state in [InCall, Online, InCall, Online] {
            note(&mut roster, "a", 1_000, state, &["stranger"]);
        }
        assert_eq!(roster.round_at(), None);
        for state in [InCall, Online, Offline] {
            note(&mut roster, "a", 2_000, state, &["stranger"]);
        }
        assert_eq!(told(&mut roster, i64::MAX), ["2250 stranger: a Offline"], "as it is, not as it was");
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_told_in_several_rounds() {
        let mut roster = place(&["stranger"]);
        for n in 0..MOST_CHANGES + 1 {
            note(&mut roster, &format!("u{n:03}"), 1_000, Online, &[]);
        }
        let of_stranger = |round: Vec<Announcement>| {
            let mine = round.into_iter().find(|(users, _)| users.contains(&user("stranger")));
            mine.map(|(_, changes)| changes.len())
        };
        roster.for_mates = Round::every(ROUND);
        let (first, second) = (Timestamp(1_250), Timestamp(1_500));
        assert_eq!((roster.round_at(), of_stranger(roster.round(first))), (Some(first), Some(MOST_CHANGES)));
        assert_eq!((roster.round_at(), of_stranger(roster.round(second))), (Some(second), Some(1)));
        assert_eq!(roster.round_at(), None);
    }
}
