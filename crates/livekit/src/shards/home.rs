//! The shard that owns the membership: whom it lets in for the others, and what it hands on.

use sfu::{ParticipantKey, Rights};

use super::{Admission, Ending, Entry, FromHome, Parting, Refusal, ShardId, ShardMessage, Standing, ToHome};
use crate::leave::Departure;
use crate::limits::MOST_PASSED_ON;
use crate::membership::grant::{Grant, kind};
use crate::membership::member::{Member, Origin};
use crate::requests::{RequestId, RoomRefusal, RoomRequest};
use crate::room::Room;
use crate::trunk::Trunk;
use crate::types::{Output, RoomEvent};

impl Room {
    /// What another shard says to home.
    pub(super) fn hear_shard(&mut self, from: ShardId, message: ToHome) {
        match message {
            ToHome::Open => self.shard_opened(from),
            ToHome::Closed => self.shard_closed(from),
            ToHome::Enter(entry) => self.let_in(from, *entry),
            ToHome::Left(Parting { sid, departure }) => {
                if let Some(key) = self.one_of(from, &sid) {
                    self.part(key, departure, Some(from));
                }
            }
            ToHome::Event(event) => {
                let known = self.membership.identities.get(identity(&event));
                let is_there = known.and_then(|key| self.membership.members.get(key));
                if is_there.is_some_and(|member| member.origin == Origin::Shard(from)) {
                    self.out(Output::Event(event));
                }
            }
            ToHome::Answer(id, answer) => {
                if self.shards.asked.remove(&id).is_some() {
                    self.out(Output::Answer(id, answer));
                }
            }
        }
    }

    /// The shard to which a member is connected, if that is another than this one.
    pub fn shard_of(&self, identity: &str) -> Option<ShardId> {
        self.membership.members.get(self.membership.identities.get(identity)?)?.origin.shard()
    }

    fn shard_opened(&mut self, from: ShardId) {
        // One of that number that was there before is no more.
        self.shard_closed(from);
        if self.membership.closed {
            self.tell_shard(from, FromHome::Over(Ending(Departure::Vanished)));
            return;
        }
        let members = self.membership.members.values().map(|member| (member.key, member.origin.shard()));
        let members: Vec<_> = members.collect();
        let members = members.into_iter().filter_map(|(key, at)| self.state_of(key, at)).collect();
        let standing = Standing {
            facts: self.membership.facts.clone(),
            held: self.membership.held.clone(),
            shards: self.shards.others.clone(),
            members,
        };
        self.tell_shard(from, FromHome::Welcome(Box::new(standing)));
        self.shards.others.insert(from);
        self.introduce();
    }

    fn shard_closed(&mut self, shard: ShardId) {
        if !self.shards.others.remove(&shard) {
            return;
        }
        for key in self.all_of(shard) {
            self.part(key, Departure::Lost, Some(shard));
        }
        self.close_trunk(Trunk::Shard(shard));
        let asked = std::mem::take(&mut self.shards.asked);
        for (id, of) in asked {
            match of == shard {
                true => self.out(Output::Answer(id, Err(RoomRefusal::Unavailable))),
                false => drop(self.shards.asked.insert(id, of)),
            }
        }
        self.introduce();
    }

    /// Tells all shards of each other.
    fn introduce(&mut self) {
        for shard in self.shards.others.clone() {
            let mut others = self.shards.others.clone();
            others.remove(&shard);
            self.tell_shard(shard, FromHome::Shards(others));
        }
    }

    fn let_in(&mut self, from: ShardId, entry: Entry) {
        let Entry { ticket, claims, mut client } = entry;
        if let Err(turned) = self.make_place(&claims) {
            self.tell_shard(from, FromHome::Refused(Refusal { ticket, turned }));
            return;
        }
        let grant = Grant::new(&claims.video, kind(&claims.kind));
        let key = self.media.join(self.now, Rights { publish: true, subscribe: false });
        let sid = crate::id::sid(&mut self.rng, "PA_");
        let joined_at = self.timestamp();
        let mut member = Member::new(key, sid.clone(), &claims, grant, &client.info, joined_at);
        member.describe_itself(&mut client);
        member.origin = Origin::Shard(from);
        self.membership.insert(member);
        self.announce(key);
        self.membership.mark_changed(key);
        self.tell_shard(from, FromHome::Admitted(Admission { ticket, sid, joined_at }));
    }

    /// The shard that has to carry out a request, if that is another than this one.
    pub(crate) fn carried_out_by(&self, request: &RoomRequest) -> Option<ShardId> {
        let identity = match request {
            RoomRequest::MuteTrack { identity, .. }
            | RoomRequest::MuteSources { identity: Some(identity), .. }
            | RoomRequest::Move { identity, .. } => identity,
            RoomRequest::UpdateParticipant(request) => &request.identity,
            RoomRequest::UpdateSubscriptions(request) => &request.identity,
            RoomRequest::PerformRpc(request) => &request.destination_identity,
            RoomRequest::Configure(_)
            | RoomRequest::Participants
            | RoomRequest::Participant { .. }
            | RoomRequest::Remove { .. }
            | RoomRequest::MuteSources { identity: None, .. }
            | RoomRequest::Hold { .. }
            | RoomRequest::MarkRecorded(_)
            | RoomRequest::SendData(_)
            | RoomRequest::Close { .. } => return None,
        };
        self.shard_of(identity)
    }

    /// Has another shard carry out a request.
    pub(crate) fn pass_on(&mut self, shard: ShardId, id: RequestId, request: RoomRequest) {
        if self.shards.asked.len() >= MOST_PASSED_ON {
            self.answer(id, Err(RoomRefusal::Busy));
            return;
        }
        self.shards.asked.insert(id, shard);
        self.tell_shard(shard, FromHome::Request(id, Box::new(request)));
    }

    /// Has all other shards carry out a request with this one, which answers it.
    pub(crate) fn pass_on_to_all(&mut self, id: RequestId, request: &RoomRequest) {
        if self.shards.is_home() {
            self.tell_shards(|| ShardMessage::FromHome(FromHome::Request(id, Box::new(request.clone()))));
        }
    }

    /// What holds for the room has changed.
    pub(crate) fn share_facts(&mut self) {
        if self.shards.is_home() && !self.is_alone() {
            let facts = self.membership.facts.clone();
            self.tell_shards(|| ShardMessage::FromHome(FromHome::Facts(Box::new(facts.clone()))));
        }
    }

    /// The room is over: the shards end by themselves, or home is told that this one has.
    pub(crate) fn end_shards(&mut self, departure: Departure) {
        let others = std::mem::take(&mut self.shards.others);
        if !self.shards.is_home() {
            self.tell_home(ToHome::Closed);
            return;
        }
        for shard in others {
            self.tell_shard(shard, FromHome::Over(Ending(departure)));
        }
        for (id, _) in std::mem::take(&mut self.shards.asked) {
            self.out(Output::Answer(id, Err(RoomRefusal::Unavailable)));
        }
    }

    fn one_of(&self, shard: ShardId, sid: &str) -> Option<ParticipantKey> {
        let member = self.membership.by_sid(sid)?;
        (member.origin == Origin::Shard(shard)).then_some(member.key)
    }

    pub(super) fn all_of(&self, shard: ShardId) -> Vec<ParticipantKey> {
        let members = self.membership.members.values();
        members.filter(|member| member.origin == Origin::Shard(shard)).map(|member| member.key).collect()
    }
}

/// Whom an event is about.
fn identity(event: &RoomEvent) -> &str {
    match event {
        RoomEvent::Joined { identity, .. }
        | RoomEvent::Connected { identity }
        | RoomEvent::Left { identity, .. }
        | RoomEvent::MediaState { identity, .. }
        | RoomEvent::Measured { identity, .. } => identity,
        RoomEvent::Empty => "",
    }
}
