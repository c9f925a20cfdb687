//! One LiveKit client that is connected to this room: its signalling, its WebRTC connections, what was negotiated and what it
//! wishes to get. Who it is to the others is its [`crate::membership::member::Member`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use livekit_protocol as proto;
use sfu::{MidName, ParticipantKey, PeerKey, TrackKey, TrackPreference};

use crate::data::Mailbox;
use crate::data_tracks::DataHandles;
use crate::sections::MediaSections;
use crate::types::{ClientParameters, ConnectionId};

/// The signalling connection of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signalling {
    /// Up.
    Connected(ConnectionId),
    /// Down; the client may resume.
    Lost {
        /// When it was lost.
        since: Instant,
        /// When the session ends unless it is resumed.
        until: Instant,
    },
}

/// The WebRTC connections of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    /// One for both ways.
    Single(PeerKey),
    /// One each way.
    Dual {
        /// From the client; the client offers.
        publisher: PeerKey,
        /// To the client; the server offers.
        subscriber: PeerKey,
    },
}

impl Peers {
    /// Where the client's offers go.
    pub fn publisher(self) -> PeerKey {
        match self {
            Peers::Single(peer) | Peers::Dual { publisher: peer, .. } => peer,
        }
    }

    /// Where media and data for the client go.
    pub fn subscriber(self) -> PeerKey {
        match self {
            Peers::Single(peer) | Peers::Dual { subscriber: peer, .. } => peer,
        }
    }

    /// Every one.
    pub fn all(self) -> impl Iterator<Item = PeerKey> {
        let (first, second) = match self {
            Peers::Single(peer) => (Some(peer), None),
            Peers::Dual { publisher, subscriber } => (Some(publisher), Some(subscriber)),
        };
        [first, second].into_iter().flatten()
    }
}

/// Negotiation towards a client.
#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    /// The m-lines the server sends on.
    pub sections: MediaSections,
    /// One connection: the client's first offer is here. Until then nothing is asked for, for it brings m-lines anyway.
    pub offered: bool,
    /// One connection: the client was asked for an offer then, with so many lines more.
    pub asked: Option<(Instant, u32, u32)>,
    /// Two connections: the server's last offer.
    pub offer: Option<ServerOffer>,
    /// One connection: the offer of the join, until then or until the client is known to have applied it.
    pub held_offer: Option<(Instant, proto::SessionDescription)>,
    /// Number of the server's last offer; also its version.
    pub offers: u32,
    /// Two connections: restart ICE with the next offer.
    pub restart_ice: bool,
    /// m-lines of the client's last offer that send and have no track yet.
    pub unclaimed: Vec<sfu::OfferedMedia>,
}

impl Negotiation {
    pub fn for_client(info: &proto::ClientInfo) -> Self {
        let reuse = info.sdk == i32::from(proto::client_info::Sdk::Js);
        Self { sections: MediaSections::new(reuse), ..Self::default() }
    }
}

/// An offer of the server.
#[derive(Debug, Clone)]
pub(crate) struct ServerOffer {
    /// As the stack made it.
    pub sdp: String,
    /// What the client has been told about each m-line.
    pub told: Vec<(MidName, TrackKey)>,
    /// The answer is out.
    pub outstanding: Option<Outstanding>,
}

/// Who waits for the answer to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outstanding {
    /// The stack.
    Stack,
    /// Nobody: only msids changed.
    Text,
}

/// One client's connection to this room.
#[derive(Debug)]
pub(crate) struct Session {
    /// The member that it is the session of.
    pub key: ParticipantKey,
    /// The token's grant and what it says of the room, for fresh ones.
    pub token_grant: auth::VideoGrant,
    pub token_room: Option<serde_json::Map<String, serde_json::Value>>,
    /// When the token expires, in seconds since the epoch.
    pub token_expires: u64,
    /// When a fresh token is due.
    pub refresh_at: Instant,
    pub client: ClientParameters,
    pub signalling: Signalling,
    pub peers: Peers,
    /// Its media connection has died: until then it may say why.
    pub media_dead: Option<Instant>,
    /// Cut its signalling at the next resume (a test's wish).
    pub cut_at_resume: bool,
    /// When a message came last.
    pub heard: Instant,
    /// The client is one that pings.
    pub pinged: bool,

    pub negotiation: Negotiation,
    /// Subscriptions the client asked for or against.
    pub wishes: BTreeMap<TrackKey, bool>,
    pub preferences: BTreeMap<TrackKey, TrackPreference>,
    /// What the media room was told to subscribe to.
    pub subscribed: BTreeSet<TrackKey>,
    /// Subscriptions that are fed from another codec than the track's first, with the media room's track of it.
    pub fed: BTreeMap<TrackKey, TrackKey>,
    /// Tracks the publisher withholds from this one.
    pub denied: BTreeSet<TrackKey>,

    pub mailbox: Mailbox,
    pub data_handles: DataHandles,
}

impl Session {
    /// Its WebSocket, where it has one.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self.signalling {
            Signalling::Connected(connection) => Some(connection),
            Signalling::Lost { .. } => None,
        }
    }

    /// Redundant audio can be decoded there.
    pub fn takes_red(info: &proto::ClientInfo) -> bool {
        let browser = info.browser.to_ascii_lowercase();
        !browser.contains("firefox") && !browser.contains("safari")
    }

    /// The client finds a track in a stream that is not named by it: not before protocol 10, and not in Firefox.
    pub fn takes_synced_streams(&self) -> bool {
        self.client.info.protocol > 9 && !self.client.info.browser.to_ascii_lowercase().contains("firefox")
    }

    /// The client applies its own offer only after the join response, and would drop an answer that was here first.
    pub fn applies_offer_late(&self) -> bool {
        self.client.info.sdk == i32::from(proto::client_info::Sdk::Go)
    }

    /// The client copes with an ICE-lite server.
    pub fn takes_ice_lite(client: &ClientParameters) -> bool {
        !client.disable_ice_lite && !client.info.browser.to_ascii_lowercase().contains("firefox")
    }
}
