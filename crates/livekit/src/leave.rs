//! How participants leave.

use std::time::Instant;

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::signal_response::Message;
use sfu::ParticipantKey;

use crate::limits::{MOST_DEPARTED, SECOND_THOUGHTS};
use crate::room::Room;
use crate::session::Stage;
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

/// One who is gone, remembered for those who resume.
#[derive(Debug)]
pub(crate) struct Departed {
    pub at: Instant,
    pub info: proto::ParticipantInfo,
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
        let Some(session) = self.sessions.get(&key) else { return };
        let (connection, hidden) = (session.connection(), session.grant.hidden);
        let joined = session.stage == Stage::Active;
        let cascaded = session.is_cascaded();
        let farewell = self.farewell(key, departure.reason());
        if let Some(connection) = connection {
            self.dismiss(connection, departure);
        }
        self.withdraw_all(key);
        self.abandon_rpcs(key);
        self.end_cascades_of(key);
        self.media.leave(self.now, key);
        let session = self.sessions.remove(&key).expect("looked up above, and nothing removes it in between");
        for peer in session.peers.all() {
            self.peers.remove(&peer);
            self.pulses.forget(peer);
            self.out(Output::PeerClosed(peer));
        }
        if self.identities.get(&session.identity) == Some(&key) {
            self.identities.remove(&session.identity);
        }
        self.changed.remove(&key);
        self.renegotiate.remove(&key);
        self.quality.remove(&key);
        self.speaking.remove(&key);
        if let Some(farewell) = farewell.filter(|_| !hidden) {
            self.remember(farewell.clone());
            self.hook_left(farewell.clone(), joined);
            self.farewells.push(farewell);
        }
        self.drop_data_tracks_of(&session);
        self.count_changed();
        if cascaded {
            // Its call, if any, is the other room's.
        } else if departure == Departure::ClientLeft {
            self.goodbyes.push((self.now + SECOND_THOUGHTS, session.identity));
        } else {
            self.event(RoomEvent::Left { identity: session.identity, clean: departure.is_clean() });
        }
    }

    fn dismiss(&mut self, connection: ConnectionId, departure: Departure) {
        if let Some(action) = departure.action() {
            self.send_to(connection, leave(departure.reason(), action));
        }
        self.connections.remove(&connection);
        self.out(Output::Close(connection, departure.close_reason()));
    }

    pub(crate) fn farewell(&mut self, key: ParticipantKey, reason: DisconnectReason) -> Option<proto::ParticipantInfo> {
        self.sessions.get_mut(&key)?.version += 1;
        let mut info = self.info(key)?;
        info.state = proto::participant_info::State::Disconnected.into();
        info.disconnect_reason = reason.into();
        info.tracks.clear();
        info.data_tracks.clear();
        Some(info)
    }

    fn remember(&mut self, info: proto::ParticipantInfo) {
        if self.departed.len() == MOST_DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back(Departed { at: self.now, info });
    }
}
