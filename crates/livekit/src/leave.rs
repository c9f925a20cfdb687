//! How participants leave.

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::signal_response::Message;
use sfu::ParticipantKey;

use crate::membership::member::Stage;
use crate::room::Room;
use crate::session::Session;
use crate::shards::ShardId;
use crate::types::{ConnectionId, Output, RoomEvent};

/// Why a participant goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It said so.
    ClientLeft,
    /// The same identity came again.
    Duplicate,
    /// Put out.
    Removed,
    /// The room was closed, for this reason.
    Closed(DisconnectReason),
    /// It is to go on in another room.
    Moved,
    /// The server stops.
    ServerShutdown,
    /// Its signalling was lost for too long.
    Lost,
    /// Its media connection is dead.
    MediaLost,
    /// Server and client no longer agree on what is published.
    OutOfStep,
    /// It sent what is not acceptable.
    Offence(&'static str),
    /// Asked for by a test: gone without a word.
    Vanished,
}

impl Departure {
    fn reason(self) -> DisconnectReason {
        match self {
            Departure::ClientLeft => DisconnectReason::ClientInitiated,
            Departure::Duplicate => DisconnectReason::DuplicateIdentity,
            Departure::Removed | Departure::Offence(_) => DisconnectReason::ParticipantRemoved,
            Departure::Closed(reason) => reason,
            Departure::Moved => DisconnectReason::Migration,
            Departure::ServerShutdown => DisconnectReason::ServerShutdown,
            Departure::Lost | Departure::Vanished => DisconnectReason::ConnectionTimeout,
            Departure::MediaLost => DisconnectReason::MediaFailure,
            Departure::OutOfStep => DisconnectReason::StateMismatch,
        }
    }

    /// What the client is told to do, where it is told anything.
    fn action(self) -> Option<Action> {
        match self {
            Departure::ClientLeft | Departure::Lost | Departure::Vanished => None,
            Departure::Duplicate | Departure::Removed | Departure::Closed(_) | Departure::Offence(_) => {
                Some(Action::Disconnect)
            }
            Departure::ServerShutdown | Departure::MediaLost | Departure::OutOfStep | Departure::Moved => {
                Some(Action::Reconnect)
            }
        }
    }

    fn is_clean(self) -> bool {
        match self {
            Departure::ClientLeft | Departure::Removed | Departure::Closed(_) | Departure::Moved => true,
            Departure::Duplicate
            | Departure::ServerShutdown
            | Departure::Lost
            | Departure::MediaLost
            | Departure::OutOfStep
            | Departure::Offence(_)
            | Departure::Vanished => false,
        }
    }

    fn close_reason(self) -> &'static str {
        match self {
            Departure::ClientLeft => "client left",
            Departure::Duplicate => "duplicate identity",
            Departure::Removed => "removed",
            Departure::Closed(DisconnectReason::RoomClosed) => "room closed",
            Departure::Closed(_) => "room deleted",
            Departure::Moved => "moved",
            Departure::ServerShutdown => "server shutdown",
            Departure::Lost => "connection lost",
            Departure::MediaLost => "media connection lost",
            Departure::OutOfStep => "state mismatch",
            Departure::Offence(what) => what,
            Departure::Vanished => "",
        }
    }
}

/// A Leave message.
pub(crate) fn leave(reason: DisconnectReason, action: Action) -> Message {
    Message::Leave(proto::LeaveRequest {
        can_reconnect: action != Action::Disconnect,
        reason: reason.into(),
        action: action.into(),
        regions: None,
    })
}

impl Room {
    /// Takes a participant out; everything it had ends, everyone is told.
    pub(crate) fn depart(&mut self, key: ParticipantKey, departure: Departure) {
        self.part(key, departure, None);
    }

    /// The same, where another shard may have said so.
    pub(crate) fn part(&mut self, key: ParticipantKey, departure: Departure, said_by: Option<ShardId>) {
        let Some(member) = self.membership.members.get(&key) else { return };
        let hidden = member.grant.hidden;
        let joined = member.stage == Stage::Active;
        let farewell = self.membership.farewell(key, departure.reason());
        if let Some(connection) = self.sessions.get(&key).and_then(Session::connection) {
            self.dismiss(connection, departure);
        }
        self.withdraw_all(key);
        self.abandon_rpcs(key);
        self.end_cascades_of(key);
        self.media.leave(self.now, key);
        self.close_session(key);
        let member = self.membership.remove(key).expect("looked up above, and nothing removes it in between");
        self.renegotiate.remove(&key);
        self.quality.remove(&key);
        self.speaking.remove(&key);
        if let Some(farewell) = farewell.filter(|_| !hidden) {
            self.hook_left(farewell.clone(), joined);
            self.membership.take_leave(self.now, farewell);
        }
        self.drop_data_tracks_of(&member);
        self.membership.count_changed(self.now);
        self.share_parting(&member.sid, member.origin, departure, said_by);
        match departure {
            // Its call, if any, is the other room's; or home tells of it.
            _ if member.is_forwarded() || !self.shards.is_home() => {}
            Departure::ClientLeft => self.membership.say_goodbye(self.now, member.identity),
            _ => self.event(RoomEvent::Left { identity: member.identity, clean: departure.is_clean() }),
        }
    }

    fn close_session(&mut self, key: ParticipantKey) {
        let Some(session) = self.sessions.remove(&key) else { return };
        for peer in session.peers.all() {
            self.peers.remove(&peer);
            self.pulses.forget(peer);
            self.out(Output::PeerClosed(peer));
        }
    }

    fn dismiss(&mut self, connection: ConnectionId, departure: Departure) {
        if let Some(action) = departure.action() {
            self.send_to(connection, leave(departure.reason(), action));
        }
        self.connections.remove(&connection);
        self.out(Output::Close(connection, departure.close_reason()));
    }
}
