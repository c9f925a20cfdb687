//! A room on several workers or nodes: one of its shards is home and owns the membership, and every shard has the sessions and
//! the media of those who are connected to it.
//!
//! Each fact has one writer. Home decides who is let in, who is put out and what holds for the room. What a member shows of
//! itself (its name, tracks, rights as they are carried out) is written where its session is, because negotiation needs an
//! answer at once, and told to home, which tells the others: so all of them see the same in the same order. Media, data and
//! speakers go straight from shard to shard. A room with one shard says none of this.

mod away;
mod feed;
mod home;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use livekit_protocol as proto;
use sfu::{DataLane, ParticipantKey};

use crate::leave::Departure;
use crate::membership::RoomFacts;
use crate::membership::admission::Turned;
use crate::membership::member::Origin;
use crate::mirror::MemberState;
use crate::requests::{RequestId, RoomAnswer, RoomRefusal, RoomRequest};
use crate::room::Room;
use crate::trunk::{MediaMessage, Trunk};
use crate::types::{ClientParameters, ConnectionId, Join, Output, RoomEvent};

/// One shard of a room, by a number that is unique in the room and chosen by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u32);

/// What one shard of a room says to another. Messages between two shards arrive in the order in which they were sent; media
/// and lossy data may be lost.
#[derive(Debug)]
pub enum ShardMessage {
    /// To home: a shard opens. It is told how the room stands.
    Open,
    /// To home: a client wants in.
    Enter(Box<Entry>),
    /// To home: what the control plane is to hear of one who is connected here.
    Event(RoomEvent),
    /// To home: the result of a request.
    Answer(RequestId, Result<RoomAnswer, RoomRefusal>),
    /// To home: the shard is no more, with all who were connected to it.
    Closed,

    /// From home: how the room stands.
    Welcome(Box<Standing>),
    /// From home: the client is in.
    Admitted(Admission),
    /// From home: the client is not let in.
    Refused(Refusal),
    /// From home: one who is connected here is put out.
    Evict(Parting),
    /// From home: what holds for the room has changed.
    Facts(Box<RoomFacts>),
    /// From home: all shards but the one that is told.
    Shards(BTreeSet<ShardId>),
    /// From home: a request that concerns one who is connected here, or all.
    Request(RequestId, Box<RoomRequest>),
    /// From home: the room is over.
    Over(Ending),

    /// To home and from home: a member as it is now.
    Member(Box<MemberState>),
    /// To home and from home: a member is gone.
    Left(Parting),

    /// To any: media and what it needs.
    Media(MediaMessage),
    /// To any: a data packet of a participant, or (no sid) of the server, encoded as clients get it.
    Data {
        /// Who sent it.
        sid: String,
        /// The channel.
        lane: DataLane,
        /// The packet.
        packet: std::sync::Arc<[u8]>,
    },
    /// To any: a frame of a data track.
    DataFrame {
        /// The data track's sid.
        sid: String,
        /// The frame as its publisher sent it.
        frame: std::sync::Arc<[u8]>,
    },
    /// To any: those connected here whose speaking changed.
    Speakers(Vec<proto::SpeakerInfo>),
    /// To any: how the connections here do, by sid.
    Quality(Vec<(String, sfu::Quality)>),
}

impl ShardMessage {
    /// From home, or from whoever finds that it is no more: the room is over, and its clients may come back to a new one.
    pub fn over() -> Self {
        Self::Over(Ending(Departure::MediaLost))
    }
}

/// A client that wants in.
#[derive(Debug)]
pub struct Entry {
    /// Its connection, to name the answer.
    pub(crate) ticket: ConnectionId,
    pub(crate) claims: auth::LiveKitClaims,
    /// What it says of itself.
    pub(crate) client: ClientParameters,
}

/// A client is in.
#[derive(Debug)]
pub struct Admission {
    pub(crate) ticket: ConnectionId,
    pub(crate) sid: String,
    pub(crate) joined_at: model::Timestamp,
}

/// A client is not let in.
#[derive(Debug)]
pub struct Refusal {
    pub(crate) ticket: ConnectionId,
    pub(crate) turned: Turned,
}

/// A member goes.
#[derive(Debug)]
pub struct Parting {
    pub(crate) sid: String,
    pub(crate) departure: Departure,
}

/// A room ends.
#[derive(Debug)]
pub struct Ending(pub(crate) Departure);

/// How a room stands when a shard of it opens.
#[derive(Debug)]
pub struct Standing {
    pub(crate) facts: RoomFacts,
    pub(crate) held: BTreeSet<String>,
    pub(crate) shards: BTreeSet<ShardId>,
    pub(crate) members: Vec<MemberState>,
}

/// This shard among the others.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    /// `None`: this one is home.
    pub home: Option<ShardId>,
    /// The others that are open.
    others: BTreeSet<ShardId>,
    /// Clients that home has not let in yet.
    entering: BTreeMap<ConnectionId, Join>,
    /// At home: requests that another shard answers.
    asked: BTreeMap<RequestId, ShardId>,
}

impl Shards {
    pub fn is_home(&self) -> bool {
        self.home.is_none()
    }
}

impl Room {
    /// What another shard of this room says.
    pub fn handle_shard(&mut self, now: Instant, from: ShardId, message: ShardMessage) {
        if let ShardMessage::Media(message) = message {
            self.now = now;
            self.handle_trunk(Trunk::Shard(from), message);
            return;
        }
        self.begin(now);
        match message {
            ShardMessage::Media(_) => {}
            ShardMessage::Data { sid, lane, packet } => self.data_shared(sid, lane, &packet),
            ShardMessage::DataFrame { sid, frame } => self.hand_on_frame(&sid, frame.to_vec()),
            ShardMessage::Speakers(speakers) => self.speakers_shared(speakers),
            ShardMessage::Quality(measured) => self.quality_shared(measured),
            ShardMessage::Member(state) => self.member_shared(from, *state),
            message if self.shards.is_home() => self.hear_shard(from, message),
            message if self.shards.home == Some(from) => self.hear_home(message),
            _ => {}
        }
    }

    /// Tells the other shards of a member: those that do not know it better.
    pub(crate) fn share(&mut self, key: ParticipantKey) {
        if self.shards.others.is_empty() {
            return;
        }
        let Some(at) = self.membership.members.get(&key).map(|member| member.origin.shard()) else { return };
        let to: Vec<ShardId> = match (self.shards.home, at) {
            (Some(home), None) => vec![home],
            // It is for home to tell.
            (Some(_), Some(_)) => return,
            (None, at) => self.shards.others.iter().copied().filter(|shard| Some(*shard) != at).collect(),
        };
        let Some(state) = self.state_of(key, at) else { return };
        for shard in to {
            self.out(Output::Shard(shard, ShardMessage::Member(Box::new(state.clone()))));
        }
    }

    /// Tells the other shards of a member that goes, but the one that said so.
    pub(crate) fn share_parting(&mut self, sid: &str, origin: Origin, departure: Departure, said_by: Option<ShardId>) {
        let to: Vec<ShardId> = match (self.shards.home, origin.shard()) {
            (Some(home), None) => vec![home],
            (Some(_), Some(_)) => return,
            (None, _) => self.shards.others.iter().copied().collect(),
        };
        for shard in to.into_iter().filter(|shard| Some(*shard) != said_by) {
            let parting = Parting { sid: sid.to_owned(), departure };
            let message = match origin.shard() == Some(shard) {
                true => ShardMessage::Evict(parting),
                false => ShardMessage::Left(parting),
            };
            self.out(Output::Shard(shard, message));
        }
    }

    /// To every other shard.
    pub(crate) fn tell_shards(&mut self, message: impl Fn() -> ShardMessage) {
        for shard in self.shards.others.clone() {
            self.out(Output::Shard(shard, message()));
        }
    }

    /// Nobody else has a part of this room.
    pub(crate) fn is_alone(&self) -> bool {
        self.shards.others.is_empty()
    }

    /// A member is connected to another shard.
    pub(crate) fn is_elsewhere(&self, key: ParticipantKey) -> bool {
        self.membership.members.get(&key).is_some_and(|member| member.origin.shard().is_some())
    }

    /// An event for the owner: home tells it.
    pub(crate) fn event(&mut self, event: RoomEvent) {
        self.out(match self.shards.home {
            None => Output::Event(event),
            Some(home) => Output::Shard(home, ShardMessage::Event(event)),
        });
    }

    /// The answer to a request, by way of home.
    pub(crate) fn answer(&mut self, id: RequestId, answer: Result<RoomAnswer, RoomRefusal>) {
        self.out(match self.shards.home {
            None => Output::Answer(id, answer),
            Some(home) => Output::Shard(home, ShardMessage::Answer(id, answer)),
        });
    }

    /// What home says of a member elsewhere, or a shard says of one of its own.
    fn member_shared(&mut self, from: ShardId, state: MemberState) {
        let at = state.at.unwrap_or(from);
        let known = self.membership.by_sid(&state.info.sid).map(|member| (member.key, member.origin));
        match (known, self.shards.home) {
            (Some((key, origin)), _) if origin == Origin::Shard(at) => self.match_state(Trunk::Shard(at), key, state),
            // Home has put it out meanwhile, or it is one of ours.
            (Some(_), _) | (None, None) => {}
            (None, Some(home)) if home == from => {
                let key = self.mirror(at, &state.info);
                self.match_state(Trunk::Shard(at), key, state);
            }
            (None, Some(_)) => {}
        }
    }
}
