//! Who is in a room: the people with what they may do and have announced, and what holds for the room itself.
//!
//! Owns the list of [`Member`]s and every decision that needs nothing else: who is let in, who sees whom and how, when a room
//! is empty. It knows no connection and no packet: those are the room's ([`crate::Room`]), which keeps a
//! [`crate::session::Session`] for each member that is connected to it. Pure: time and sids are passed in.

pub(crate) mod admission;
pub(crate) mod grant;
pub(crate) mod member;
mod parting;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use sfu::{ParticipantKey, PlayoutDelay, TrackKey};

use crate::requests::RoomRefusal;
use crate::tracks::Track;
use crate::types::RoomInit;
use admission::Revoked;
use member::Member;
pub(crate) use parting::Departed;

/// Characters of a room's TURN password: 256 bits in base 62, as LiveKit has it.
const TURN_PASSWORD: usize = 43;

/// What holds for a room, whoever is in it.
#[derive(Debug, Clone)]
pub struct RoomFacts {
    pub(crate) sid: String,
    /// When the room opened.
    pub(crate) created: model::Timestamp,
    /// A field of rooms that nothing asks for, here as in LiveKit.
    pub(crate) turn_password: String,
    /// Ends each frame that a server puts into an encrypted stream.
    pub(crate) sif_trailer: Vec<u8>,
    pub(crate) metadata: String,
    /// What a participant publishes together is played in step.
    pub(crate) sync_streams: bool,
    /// How long subscribers should delay video; `None`: as they like.
    pub(crate) playout_delay: Option<PlayoutDelay>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The server records it.
    pub(crate) is_recorded: bool,
    /// The most who take a place; 0: no limit.
    pub(crate) max_participants: usize,
    /// How long it lives before anyone has come.
    pub(crate) empty_timeout: Duration,
    /// How long it lives after everyone has left.
    pub(crate) close_after: Duration,
}

/// The one list of who is in a room, and what holds for all of them.
#[derive(Debug)]
pub(crate) struct Membership {
    name: String,
    pub facts: RoomFacts,
    /// Home has it: this is a copy, and does not say when the room is empty.
    follows: bool,
    pub closed: bool,
    pub revoked: Revoked,
    /// The identities of those on hold, whether they are there or not.
    pub held: BTreeSet<String>,

    pub members: BTreeMap<ParticipantKey, Member>,
    pub identities: BTreeMap<String, ParticipantKey>,
    pub tracks: BTreeMap<TrackKey, Track>,
    pub track_sids: BTreeMap<String, TrackKey>,
    pub departed: VecDeque<Departed>,

    /// Who is told to the others at the end of the turn.
    pub changed: BTreeSet<ParticipantKey>,
    /// Who has gone since the last turn.
    pub farewells: Vec<proto::ParticipantInfo>,
    /// Who said goodbye, and when that is believed.
    pub goodbyes: Vec<(Instant, String)>,
    pub counts_changed: bool,
    /// When the counts were told last.
    pub counts_sent: Option<Instant>,

    /// Somebody has been in it who did not depend on others.
    entered: bool,
    /// Since when nobody is in it but those who depend on others; `None` once that was said, or where somebody is.
    empty_since: Option<Instant>,
}

impl Membership {
    /// Of a room that opens empty.
    pub fn new(now: Instant, init: &RoomInit, rng: &mut fastrand::Rng) -> Self {
        Self {
            name: init.name.clone(),
            facts: RoomFacts {
                sid: crate::id::sid(rng, "RM_"),
                created: init.opened.1,
                sif_trailer: std::iter::repeat_with(|| rng.u8(..)).take(16).collect(),
                turn_password: crate::id::ice_text(rng, TURN_PASSWORD),
                metadata: String::new(),
                sync_streams: false,
                playout_delay: None,
                tags: BTreeMap::new(),
                is_recorded: false,
                max_participants: init.max_participants,
                empty_timeout: init.empty_timeout,
                close_after: init.departure_timeout,
            },
            follows: false,
            closed: false,
            revoked: Revoked::default(),
            held: BTreeSet::new(),
            members: BTreeMap::new(),
            identities: BTreeMap::new(),
            tracks: BTreeMap::new(),
            track_sids: BTreeMap::new(),
            departed: VecDeque::new(),
            changed: BTreeSet::new(),
            farewells: Vec::new(),
            goodbyes: Vec::new(),
            counts_changed: false,
            counts_sent: None,
            entered: false,
            empty_since: Some(now),
        }
    }

    /// One more is in it.
    pub fn insert(&mut self, member: Member) {
        self.identities.insert(member.identity.clone(), member.key);
        self.members.insert(member.key, member);
    }

    /// One less is in it.
    pub fn remove(&mut self, key: ParticipantKey) -> Option<Member> {
        let member = self.members.remove(&key)?;
        if self.identities.get(&member.identity) == Some(&key) {
            self.identities.remove(&member.identity);
        }
        self.changed.remove(&key);
        Some(member)
    }

    /// Who has an identity.
    pub fn known(&self, identity: &str) -> Result<ParticipantKey, RoomRefusal> {
        self.identities.get(identity).copied().ok_or(RoomRefusal::ParticipantNotFound)
    }

    /// A member by its sid.
    pub fn by_sid(&self, sid: &str) -> Option<&Member> {
        self.members.values().find(|member| member.sid == sid)
    }

    /// A member's tracks, announced and published.
    pub fn own_tracks(&self, key: ParticipantKey) -> Vec<TrackKey> {
        self.members.get(&key).map(|member| member.tracks.clone()).unwrap_or_default()
    }

    /// A member's track by its sid.
    pub fn own_track(&self, key: ParticipantKey, sid: &str) -> Option<TrackKey> {
        let track = self.track_sids.get(sid).copied()?;
        (self.tracks.get(&track)?.publisher == key).then_some(track)
    }

    /// The others hear about a member at the end of the turn.
    pub fn mark_changed(&mut self, key: ParticipantKey) {
        if let Some(member) = self.members.get_mut(&key) {
            // Elsewhere it has been counted already.
            member.version += u32::from(member.origin.shard().is_none());
            self.changed.insert(key);
        }
    }

    /// Those who take a place: who depend on others do not.
    pub fn people(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.is_dependent())
    }

    /// Every place is taken.
    pub fn is_full(&self) -> bool {
        self.facts.max_participants != 0 && self.people().count() >= self.facts.max_participants
    }

    /// Somebody came or went.
    pub fn count_changed(&mut self, now: Instant) {
        self.counts_changed = true;
        let is_empty = self.people().next().is_none();
        self.entered |= !is_empty;
        self.empty_since = match is_empty {
            // Those who depend on others come and go meanwhile.
            true if !self.closed && !self.follows => self.empty_since.or(Some(now)),
            _ => None,
        };
    }

    /// It is a copy from now on: its owner is elsewhere.
    pub fn follow(&mut self) {
        self.follows = true;
        self.empty_since = None;
    }

    /// It is over. False where it was before.
    pub fn close(&mut self) -> bool {
        self.empty_since = None;
        !std::mem::replace(&mut self.closed, true)
    }

    /// When it has been empty for as long as it may be.
    pub fn empty_due(&self) -> Option<Instant> {
        let patience = if self.entered { self.facts.close_after } else { self.facts.empty_timeout };
        self.empty_since.map(|since| since + patience)
    }
}

#[cfg(test)]
mod tests;
