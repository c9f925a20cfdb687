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
use std::sync::Arc;
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
    /// To home.
    ToHome(ToHome),
    /// From home.
    FromHome(FromHome),
    /// To home and from home: a member as it is now.
    Member(Box<MemberState>),
    /// To any: media and what it needs.
    Media(MediaMessage),
    /// To any: a data packet of a participant, or (no sid) of the server, encoded as clients get it.
    Data {
        /// The sender's sid.
        sid: String,
        /// The channel.
        lane: DataLane,
        /// The packet.
        packet: Arc<[u8]>,
    },
    /// To any: a frame of a data track.
    DataFrame {
        /// The data track's sid.
        sid: String,
        /// The frame as its publisher sent it.
        frame: Arc<[u8]>,
    },
    /// To any: those connected here whose speaking changed.
    Speakers(Vec<proto::SpeakerInfo>),
    /// To any: how the connections here do, by sid.
    Quality(Vec<(String, sfu::Quality)>),
}

/// What a shard says to home.
#[derive(Debug)]
pub enum ToHome {
    /// It opens, and is to be told how the room stands.
    Open,
    /// A client wants in.
    Enter(Box<Entry>),
    /// One who was connected to it is gone.
    Left(Parting),
    /// What the control plane is to hear of one who is connected to it.
    Event(RoomEvent),
    /// The result of a request.
    Answer(RequestId, Result<RoomAnswer, RoomRefusal>),
    /// It is no more, with all who were connected to it.
    Closed,
}

/// What home says to a shard.
#[derive(Debug)]
pub enum FromHome {
    /// How the room stands.
    Welcome(Box<Standing>),
    /// A client is in.
    Admitted(Admission),
    /// A client is not let in.
    Refused(Refusal),
    /// One who is connected to the shard is put out.
    Evict(Parting),
    /// One who was connected to another is gone.
    Left(Parting),
    /// What holds for the room has changed.
    Facts(Box<RoomFacts>),
    /// All other shards.
    Shards(BTreeSet<ShardId>),
    /// A request that concerns one who is connected to the shard, or all.
    Request(RequestId, Box<RoomRequest>),
    /// The room is over.
    Over(Ending),
}

impl ShardMessage {
    /// From home, or from whoever finds that it is no more: the room is over, and its clients may come back to a new one.
    pub fn over() -> Self {
        Self::FromHome(FromHome::Over(Ending(Departure::MediaLost)))
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
        let opens = matches!(message, ShardMessage::ToHome(ToHome::Open));
        if self.shards.is_home() && !self.shards.others.contains(&from) && !opens {
            return;
        }
        match message {
            ShardMessage::Media(message) => {
                self.now = now;
                self.handle_trunk(Trunk::Shard(from), message);
            }
            message => {
                self.begin(now);
                self.hear(from, message);
            }
        }
    }

    fn hear(&mut self, from: ShardId, message: ShardMessage) {
        match message {
            ShardMessage::ToHome(message) if self.shards.is_home() => self.hear_shard(from, message),
            ShardMessage::FromHome(message) if self.shards.home == Some(from) => self.hear_home(message),
            ShardMessage::ToHome(_) | ShardMessage::FromHome(_) => {}
            ShardMessage::Member(state) => self.member_shared(from, *state),
            ShardMessage::Media(message) => self.handle_trunk(Trunk::Shard(from), message),
            ShardMessage::Data { sid, lane, packet } => self.data_shared(sid, lane, &packet),
            ShardMessage::DataFrame { sid, frame } => self.hand_on_frame(&sid, frame.to_vec()),
            ShardMessage::Speakers(speakers) => self.speakers_shared(speakers),
            ShardMessage::Quality(measured) => self.quality_shared(measured),
        }
    }

    /// To home. Where this is home, there is nobody to tell.
    fn tell_home(&mut self, message: ToHome) {
        if let Some(home) = self.shards.home {
            self.out(Output::Shard(home, ShardMessage::ToHome(message)));
        }
    }

    /// From home to a shard.
    fn tell_shard(&mut self, shard: ShardId, message: FromHome) {
        self.out(Output::Shard(shard, ShardMessage::FromHome(message)));
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
        let parting = || Parting { sid: sid.to_owned(), departure };
        if !self.shards.is_home() {
            if origin.shard().is_none() && said_by.is_none() {
                self.tell_home(ToHome::Left(parting()));
            }
            return;
        }
        for shard in self.shards.others.clone() {
            if Some(shard) == said_by {
                continue;
            }
            let message = match origin.shard() == Some(shard) {
                true => FromHome::Evict(parting()),
                false => FromHome::Left(parting()),
            };
            self.tell_shard(shard, message);
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
        match self.shards.is_home() {
            true => self.out(Output::Event(event)),
            false => self.tell_home(ToHome::Event(event)),
        }
    }

    /// The answer to a request, by way of home.
    pub(crate) fn answer(&mut self, id: RequestId, answer: Result<RoomAnswer, RoomRefusal>) {
        match self.shards.is_home() {
            true => self.out(Output::Answer(id, answer)),
            false => self.tell_home(ToHome::Answer(id, answer)),
        }
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
