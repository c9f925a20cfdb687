//! What a backend asks of a room: LiveKit's RoomService, as far as it concerns one room, and what calls need.
//!
//! Whoever asks has already been authorized: the edge checks grants. Every request gets one [`Output::Answer`], most of
//! them at once.

use std::collections::VecDeque;
use std::time::Instant;

use livekit_protocol as proto;
use proto::data_packet::Value;
use proto::signal_response::Message;
use proto::{DisconnectReason, TrackSource};

use crate::leave::Departure;
use crate::limits::{LONGEST_ATTRIBUTES, LONGEST_DATA, LONGEST_METADATA, LONGEST_NAME, MOST_NONCES, MOST_WISHES};
use crate::options::RoomOptions;
use crate::room::Room;
use crate::updates::{attributes_are_too_long, merge_attributes};

/// Names a request's answer; chosen by whoever asks, unique among the requests that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomRequest {
    /// Describe it, after changing it so.
    Configure(RoomOptions),
    /// Who is in it, the hidden included.
    Participants,
    /// One who is in it.
    Participant {
        /// The participant's identity.
        identity: String,
    },
    /// Put one out.
    Remove {
        /// The participant's identity.
        identity: String,
        /// Tokens of theirs that began before then (seconds since the epoch) no longer let them in; 0: they still do.
        revoke_before: i64,
    },
    /// Mute one track.
    MuteTrack {
        /// Identity of the publisher.
        identity: String,
        /// The track's sid.
        track_sid: String,
        /// `false` is refused: a microphone is its owner's to open.
        muted: bool,
    },
    /// Mute what a participant publishes from these sources.
    MuteSources {
        /// Identity of the publisher; `None`: everyone's.
        identity: Option<String>,
        /// Identity of the one who is spared; `None`: nobody.
        except: Option<String>,
        /// The sources that are muted.
        sources: Vec<TrackSource>,
    },
    /// Put a participant on hold, or resume it: nothing goes from it or to it meanwhile. Need not be there yet.
    Hold {
        /// The participant's identity.
        identity: String,
        /// `false`: resume.
        on: bool,
    },
    /// Say of the room that it is recorded, or is no longer.
    MarkRecorded(bool),
    /// Change name, metadata, attributes or permissions.
    UpdateParticipant(proto::UpdateParticipantRequest),
    /// Subscribe a participant to tracks, or not.
    UpdateSubscriptions(proto::UpdateSubscriptionsRequest),
    /// Send data.
    SendData(proto::SendDataRequest),
    /// Call a method of a participant; answered when the participant has.
    PerformRpc(proto::PerformRpcRequest),
    /// Close the room.
    Close {
        /// What everyone in it is told.
        reason: DisconnectReason,
    },
    /// Send a participant on to another room.
    Move {
        /// The participant's identity.
        identity: String,
        /// The room where it is to go on.
        destination: Box<proto::Room>,
    },
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomAnswer {
    /// Done.
    Done,
    /// The room as it is now.
    Room(Box<proto::Room>),
    /// Who is in it.
    Participants(Vec<proto::ParticipantInfo>),
    /// One who is in it, as changed.
    Participant(Box<proto::ParticipantInfo>),
    /// The track, as changed.
    Track(Box<proto::TrackInfo>),
    /// What the method gave back.
    Rpc(String),
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomRefusal {
    /// No such room.
    #[error("requested room does not exist")]
    RoomNotFound,
    /// No such participant.
    #[error("participant does not exist")]
    ParticipantNotFound,
    /// No such track of theirs.
    #[error("track is not found")]
    TrackNotFound,
    /// Something in it is wrong.
    #[error("{0}")]
    Invalid(&'static str),
    /// Something in it is too long.
    #[error("{what} {most}")]
    TooLong {
        /// What is too long, in LiveKit's words.
        what: &'static str,
        /// The limit, in bytes.
        most: usize,
    },
    /// A nonce has another length than nonces have.
    #[error("nonce should be 16-bytes or not present, got: {0} bytes")]
    Nonce(usize),
    /// LiveKit can do this, Stoa cannot.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A track is unmuted by its owner only.
    #[error("remote unmute not enabled")]
    RemoteUnmute,
    /// The participant does not serve that at present.
    #[error("RpcError {code}: {message}{}{data}", if data.is_empty() { "" } else { ": " })]
    Rpc {
        /// LiveKit's code of RPC errors.
        code: u32,
        /// What went wrong.
        message: String,
        /// What the method says of it.
        data: String,
    },
    /// Somebody of that identity is there already.
    #[error("participant is in the destination room already")]
    IdentityTaken,
    /// Too much is under way in the room.
    #[error("too many requests are under way")]
    Busy,
    /// The workers are stopping, or the room failed.
    #[error("no media worker can handle this")]
    Unavailable,
}

type Answered = Result<RoomAnswer, RoomRefusal>;

/// Data that was sent already, by its nonce.
#[derive(Debug, Default)]
pub(crate) struct Nonces(VecDeque<Vec<u8>>);

impl Nonces {
    /// False where it was here before.
    fn take(&mut self, nonce: &[u8]) -> bool {
        if nonce.is_empty() {
            return true;
        }
        if self.0.iter().any(|known| known == nonce) {
            return false;
        }
        if self.0.len() == MOST_NONCES {
            self.0.pop_front();
        }
        self.0.push_back(nonce.to_vec());
        true
    }
}

impl Room {
    /// A request of a backend. [`crate::Output::Answer`] follows.
    pub fn handle_request(&mut self, now: Instant, id: RequestId, request: RoomRequest) {
        self.begin(now);
        if let Some(shard) = self.carried_out_by(&request) {
            self.pass_on(shard, id, request);
            return;
        }
        let answer = match request {
            RoomRequest::Configure(options) => self.configure(options),
            RoomRequest::Participants => Ok(RoomAnswer::Participants(self.membership.infos())),
            RoomRequest::Participant { identity } => self.described(&identity),
            RoomRequest::Remove { identity, revoke_before } => self.remove(&identity, revoke_before),
            RoomRequest::MuteTrack { identity, track_sid, muted } => self.mute_one(&identity, &track_sid, muted),
            RoomRequest::MuteSources { ref identity, ref except, ref sources } => {
                if identity.is_none() {
                    self.pass_on_to_all(id, &request);
                }
                self.mute_sources(identity.as_deref(), except.as_deref(), sources)
            }
            RoomRequest::Hold { ref identity, on } => {
                self.pass_on_to_all(id, &request);
                self.hold(identity, on)
            }
            RoomRequest::MarkRecorded(on) => {
                if std::mem::replace(&mut self.membership.facts.is_recorded, on) != on {
                    self.share_facts();
                    self.send_room_update();
                }
                Ok(RoomAnswer::Done)
            }
            RoomRequest::UpdateParticipant(request) => self.update_participant(request),
            RoomRequest::UpdateSubscriptions(request) => self.update_subscriptions(request),
            RoomRequest::SendData(request) => self.send_user_data(request),
            RoomRequest::PerformRpc(request) => match self.perform_rpc(id, request) {
                Ok(()) => return,
                Err(refused) => Err(refused),
            },
            RoomRequest::Close { reason } => {
                self.end(now, Departure::Closed(reason));
                Ok(RoomAnswer::Done)
            }
            RoomRequest::Move { identity, destination } => self.move_away(&identity, *destination),
        };
        self.answer(id, answer);
    }

    fn configure(&mut self, options: RoomOptions) -> Answered {
        options.check()?;
        let is_news = options.metadata.is_some();
        self.apply(options);
        self.share_facts();
        if is_news {
            self.send_room_update();
        }
        Ok(RoomAnswer::Room(Box::new(self.membership.room_info())))
    }

    fn described(&self, identity: &str) -> Answered {
        let info = self.membership.info(self.membership.known(identity)?).ok_or(RoomRefusal::ParticipantNotFound)?;
        Ok(RoomAnswer::Participant(Box::new(info)))
    }

    fn remove(&mut self, identity: &str, revoke_before: i64) -> Answered {
        let key = self.membership.known(identity)?;
        self.membership.revoked.add(identity, revoke_before);
        self.depart(key, Departure::Removed);
        Ok(RoomAnswer::Done)
    }

    fn mute_one(&mut self, identity: &str, track_sid: &str, muted: bool) -> Answered {
        let key = self.membership.known(identity)?;
        let track = self.membership.own_track(key, track_sid).ok_or(RoomRefusal::TrackNotFound)?;
        let info = |room: &Self| room.membership.tracks.get(&track).map(|track| track.info.clone());
        let before = info(self).ok_or(RoomRefusal::TrackNotFound)?;
        if !muted && before.muted {
            return Err(RoomRefusal::RemoteUnmute);
        }
        if muted {
            self.mute_by_server(key, track);
        }
        Ok(RoomAnswer::Track(Box::new(info(self).unwrap_or(before))))
    }

    fn mute_sources(&mut self, identity: Option<&str>, except: Option<&str>, sources: &[TrackSource]) -> Answered {
        let only = identity.map(|identity| self.membership.known(identity)).transpose()?;
        let except = except.and_then(|identity| self.membership.identities.get(identity).copied());
        let meant = self.membership.tracks.values().filter(|track| {
            only.is_none_or(|only| only == track.publisher)
                && Some(track.publisher) != except
                && sources.contains(&track.info.source())
                && !self.is_elsewhere(track.publisher)
        });
        let meant: Vec<_> = meant.map(|track| (track.publisher, track.key)).collect();
        for (publisher, track) in meant {
            self.mute_by_server(publisher, track);
        }
        Ok(RoomAnswer::Done)
    }

    fn update_participant(&mut self, request: proto::UpdateParticipantRequest) -> Answered {
        let key = self.membership.known(&request.identity)?;
        let member = self.membership.members.get_mut(&key).ok_or(RoomRefusal::ParticipantNotFound)?;
        if request.name.len() > LONGEST_NAME {
            return Err(RoomRefusal::TooLong { what: "name length exceeds limits", most: LONGEST_NAME });
        }
        if request.metadata.len() > LONGEST_METADATA {
            return Err(RoomRefusal::TooLong { what: "metadata size exceeds limits", most: LONGEST_METADATA });
        }
        let attributes = merge_attributes(&member.attributes, &request.attributes);
        if attributes_are_too_long(&attributes) {
            return Err(RoomRefusal::TooLong { what: "attribute size exceeds limits", most: LONGEST_ATTRIBUTES });
        }
        member.attributes = attributes;
        if let Some(name) = auth::shown_name(&request.name) {
            member.name = name;
        }
        if !request.metadata.is_empty() {
            member.metadata = request.metadata;
        }
        if let Some(permission) = request.permission {
            self.set_permission(key, &permission);
        }
        self.membership.mark_changed(key);
        let info = self.membership.info(key).ok_or(RoomRefusal::ParticipantNotFound)?;
        self.send(key, Message::Update(proto::ParticipantUpdate { participants: vec![info.clone()] }));
        self.refresh_token(key);
        Ok(RoomAnswer::Participant(Box::new(info)))
    }

    fn update_subscriptions(&mut self, request: proto::UpdateSubscriptionsRequest) -> Answered {
        let key = self.membership.known(&request.identity)?;
        let named: usize = request.participant_tracks.iter().map(|tracks| tracks.track_sids.len()).sum();
        if named + request.track_sids.len() > MOST_WISHES {
            return Err(RoomRefusal::Invalid("too many tracks"));
        }
        let update = proto::UpdateSubscription {
            track_sids: request.track_sids,
            subscribe: request.subscribe,
            participant_tracks: request.participant_tracks,
        };
        self.update_subscription(key, update);
        Ok(RoomAnswer::Done)
    }

    #[allow(deprecated)]
    fn send_user_data(&mut self, request: proto::SendDataRequest) -> Answered {
        if !matches!(request.nonce.len(), 0 | 16) {
            return Err(RoomRefusal::Nonce(request.nonce.len()));
        }
        if request.data.len() > LONGEST_DATA || request.topic.as_ref().is_some_and(|t| t.len() > LONGEST_NAME) {
            return Err(RoomRefusal::Invalid("data exceeds limits"));
        }
        if request.destination_identities.len() + request.destination_sids.len() > MOST_WISHES {
            return Err(RoomRefusal::Invalid("too many destinations"));
        }
        if !self.nonces.take(&request.nonce) {
            return Ok(RoomAnswer::Done);
        }
        let to_all = request.destination_identities.is_empty() && request.destination_sids.is_empty();
        let named = self.membership.members.values().filter(|member| {
            request.destination_identities.contains(&member.identity) || request.destination_sids.contains(&member.sid)
        });
        let destination_identities: Vec<String> = named.map(|member| member.identity.clone()).collect();
        if destination_identities.is_empty() && !to_all {
            return Ok(RoomAnswer::Done);
        }
        let destination_identities = if to_all { Vec::new() } else { destination_identities };
        let user = proto::UserPacket {
            payload: request.data,
            topic: request.topic,
            nonce: request.nonce,
            destination_identities: destination_identities.clone(),
            ..Default::default()
        };
        let packet = proto::DataPacket { destination_identities, value: Some(Value::User(user)), ..Default::default() };
        let reliable = request.kind == i32::from(proto::data_packet::Kind::Reliable);
        self.send_data(self.now, packet, reliable);
        Ok(RoomAnswer::Done)
    }

    /// The client is told where to go on, with a token for it, and starts afresh there with all it publishes.
    fn move_away(&mut self, identity: &str, destination: proto::Room) -> Answered {
        let key = self.membership.known(identity)?;
        let token = self.token_for(key, &destination.name).ok_or(RoomRefusal::Unavailable)?;
        let participant = self.membership.info(key);
        // Native clients take the token from here only.
        self.send(key, Message::RefreshToken(token.clone()));
        let moved =
            proto::RoomMovedResponse { room: Some(destination), token, participant, other_participants: Vec::new() };
        self.send(key, Message::RoomMoved(moved));
        self.depart(key, Departure::Moved);
        Ok(RoomAnswer::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_and_none_counts_always() {
        let mut nonces = Nonces::default();
        assert!(nonces.take(b"") && nonces.take(b""));
        assert!(nonces.take(b"a") && nonces.take(b"b") && !nonces.take(b"a"));
        for n in 0..MOST_NONCES {
            nonces.take(&n.to_be_bytes());
        }
        assert!(nonces.take(b"a"), "the oldest are forgotten");
        assert_eq!(nonces.0.len(), MOST_NONCES);
    }
}
