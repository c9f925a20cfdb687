//! A shard that is not home: it asks home to let clients in, and follows what home says.

use std::time::Instant;

use livekit_protocol as proto;
use sfu::{ParticipantKey, Rights};

use super::{Admission, Ending, Entry, FromHome, Parting, Refusal, ShardId, Standing, ToHome};
use crate::leave::Departure;
use crate::membership::RoomFacts;
use crate::membership::admission::Turned;
use crate::membership::member::{Member, Origin};
use crate::room::Room;
use crate::trunk::Trunk;
use crate::types::{ClientParameters, ConnectionId, Join, Output, RoomEvent, RoomInit};

impl Room {
    /// Another shard of a room that is at home elsewhere. Until home has said how the room stands, nobody is let in.
    pub fn new_shard(now: Instant, init: RoomInit, home: ShardId) -> Self {
        let mut room = Self::open(now, RoomInit { hooks: false, ..init });
        room.membership.follow();
        room.shards.home = Some(home);
        room.shards.others.insert(home);
        room.tell_home(ToHome::Open);
        room
    }

    /// What home says to another shard.
    pub(super) fn hear_home(&mut self, message: FromHome) {
        match message {
            FromHome::Welcome(standing) => self.welcomed(*standing),
            FromHome::Admitted(admission) => self.admitted(admission),
            FromHome::Refused(Refusal { ticket, turned }) => {
                if self.shards.entering.remove(&ticket).is_some() {
                    self.turn_away(ticket, turned);
                }
            }
            FromHome::Evict(Parting { sid, departure }) | FromHome::Left(Parting { sid, departure }) => {
                if let Some(key) = self.membership.by_sid(&sid).map(|member| member.key) {
                    self.part(key, departure, self.shards.home);
                }
            }
            FromHome::Facts(facts) => {
                self.take_facts(*facts);
                self.send_room_update();
            }
            FromHome::Shards(shards) => {
                let gone: Vec<_> = self.shards.others.difference(&shards).copied().collect();
                self.shards.others = shards;
                self.shards.others.extend(self.shards.home);
                for shard in gone {
                    if !self.shards.others.contains(&shard) {
                        self.close_trunk(Trunk::Shard(shard));
                    }
                }
            }
            FromHome::Request(id, request) => self.handle_request(self.now, id, *request),
            FromHome::Over(Ending(departure)) => {
                self.end(self.now, departure);
                self.out(Output::Event(RoomEvent::Empty));
            }
        }
    }

    /// A client wants in: home decides.
    pub(crate) fn ask_in(&mut self, connection: ConnectionId, join: Join) {
        if self.membership.closed {
            self.turn_away(connection, Turned::Closed);
            return;
        }
        let client = ClientParameters {
            info: join.client.info.clone(),
            metadata: join.client.metadata.clone(),
            attributes: join.client.attributes.clone(),
            ..ClientParameters::default()
        };
        let entry = Entry { ticket: connection, claims: join.claims.clone(), client };
        self.shards.entering.insert(connection, join);
        self.tell_home(ToHome::Enter(Box::new(entry)));
    }

    /// A client that home has not let in yet is gone. False: there is none such.
    pub(crate) fn forget_entering(&mut self, connection: ConnectionId) -> bool {
        self.shards.entering.remove(&connection).is_some()
    }

    /// The room is over: whoever waits to be let in is not.
    pub(crate) fn turn_all_away(&mut self) {
        for (connection, _) in std::mem::take(&mut self.shards.entering) {
            self.turn_away(connection, Turned::Closed);
        }
    }

    /// One who is connected to another shard.
    pub(super) fn mirror(&mut self, at: ShardId, info: &proto::ParticipantInfo) -> ParticipantKey {
        let key = self.media.join(self.now, Rights { publish: true, subscribe: false });
        let joined_at = model::Timestamp(info.joined_at_ms);
        self.membership.insert(Member::described(key, info.sid.clone(), Origin::Shard(at), info, joined_at));
        self.membership.count_changed(self.now);
        key
    }

    fn admitted(&mut self, admission: Admission) {
        let Admission { ticket, sid, joined_at } = admission;
        match self.shards.entering.remove(&ticket) {
            Some(join) => {
                // Whoever had its identity before: the new one must not hear of its own end.
                self.tell_changes();
                self.enter(ticket, join, sid, joined_at);
            }
            // It did not wait.
            None => self.tell_home(ToHome::Left(Parting { sid, departure: Departure::Lost })),
        }
    }

    fn welcomed(&mut self, standing: Standing) {
        let Standing { facts, held, shards, members } = standing;
        let Some(home) = self.shards.home else { return };
        self.take_facts(facts);
        self.membership.held = held;
        self.shards.others = shards;
        self.shards.others.insert(home);
        for state in members {
            self.member_shared(home, state);
        }
    }

    fn take_facts(&mut self, facts: RoomFacts) {
        self.media.set_playout_delay(facts.playout_delay);
        let marked = facts.is_recorded != self.membership.facts.is_recorded;
        self.membership.facts = facts;
        if marked {
            self.send_room_update();
        }
    }
}
