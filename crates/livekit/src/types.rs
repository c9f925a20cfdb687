//! What crosses the border of this crate.

use std::time::Instant;

use livekit_protocol as proto;

use crate::options::RoomOptions;
use crate::relay::{RelayId, RelayMessage};
use crate::requests::{RequestId, RoomAnswer, RoomRefusal};

/// A signalling connection (a WebSocket), numbered by the shell, never used again in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// A client that wants in. The token has been verified and the edge has decided that it may.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The token's claims.
    pub claims: auth::LiveKitClaims,
    /// From the query (v0) or the join_request (v1).
    pub client: ClientParameters,
    /// The host the client spoke to, for ICE servers it should be given.
    pub ice_servers: Vec<proto::IceServer>,
}

/// What the client said of itself and how it wants to connect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientParameters {
    /// SDK, version, browser, protocol, capabilities…
    pub info: proto::ClientInfo,
    /// /rtc/v1: one peer connection. Otherwise two.
    pub single_peer_connection: bool,
    /// Subscribe to everything.
    pub auto_subscribe: bool,
    /// The client will send TrackSetting.
    pub adaptive_stream: bool,
    /// The client cannot take an ICE-lite server.
    pub disable_ice_lite: bool,
    /// Subscribe to every data track.
    pub auto_subscribe_data_tracks: bool,
    /// A resume of this participant sid, with its reason.
    pub reconnect: Option<(String, i32)>,
    /// The offer that came with the join (v1).
    pub publisher_offer: Option<proto::SessionDescription>,
    /// AddTrack requests that came with the join (v1).
    pub add_track_requests: Vec<proto::AddTrackRequest>,
    /// Attributes that the client sets at join.
    pub attributes: std::collections::HashMap<String, String>,
    /// Metadata that the client sets at join.
    pub metadata: String,
    /// SyncState that came with a v1 reconnect.
    pub sync_state: Option<proto::SyncState>,
}

/// How a room is set up.
#[derive(Debug, Clone)]
pub struct RoomInit {
    /// Its name.
    pub name: String,
    /// What was said of this one; it goes before what follows.
    pub options: RoomOptions,
    /// At most so many participants, dependent ones apart; 0: no limit.
    pub max_participants: usize,
    /// How long it lives before anyone came, until `RoomEvent::Empty`.
    pub empty_timeout: std::time::Duration,
    /// How long a lost participant may take to resume; unless said otherwise, also how long the room lives after everyone left.
    pub departure_timeout: std::time::Duration,
    /// Prefix of every ICE ufrag of this room's peers (says which worker and room).
    pub ufrag_prefix: String,
    /// Addresses to announce.
    pub candidates: Vec<sfu::LocalCandidate>,
    /// The media room's settings.
    pub media: sfu::RoomConfig,
    /// Seed for sids and ICE credentials.
    pub seed: u64,
    /// Signs the fresh tokens of connected clients; none: they get none.
    pub token_key: Option<auth::LiveKitKey>,
    /// Say what happens as [`Output::Hook`].
    pub hooks: bool,
    /// Wall clock at `Instant` zero of this room, in ms, for protocol timestamps.
    pub opened: (Instant, model::Timestamp),
}

/// What a room wants done.
#[derive(Debug)]
pub enum Output {
    /// To this WebSocket.
    Signal(ConnectionId, Box<proto::SignalResponse>),
    /// Close this WebSocket.
    Close(ConnectionId, &'static str),
    /// Route first packets with this ufrag to this peer.
    PeerOpened(sfu::PeerKey, String),
    /// Forget this peer's routes.
    PeerClosed(sfu::PeerKey),
    /// Send this.
    Transmit(sfu::Transmit),
    /// Know this.
    Event(RoomEvent),
    /// To the other room of a relay.
    Relay(RelayId, RelayMessage),
    /// What came of a request.
    Answer(RequestId, Result<RoomAnswer, RoomRefusal>),
    /// Tell the operator's backend.
    Hook(Box<proto::WebhookEvent>),
    /// Nothing more until then.
    Timeout(Instant),
}

/// What a room tells its owner.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomEvent {
    /// A participant's signalling is up, or it is there in another way than before.
    Joined {
        /// Who.
        identity: String,
        /// The token's attributes.
        device: Option<String>,
        /// See [`crate::is_dependent`].
        is_dependent: bool,
    },
    /// ICE and DTLS are up.
    Connected {
        /// Who.
        identity: String,
    },
    /// A participant is gone.
    Left {
        /// Who.
        identity: String,
        /// Said goodbye rather than lost.
        clean: bool,
    },
    /// What a participant publishes changed.
    MediaState {
        /// Who.
        identity: String,
        /// No live microphone track.
        is_muted: bool,
        /// A live camera track.
        is_video_enabled: bool,
        /// A live screen track.
        is_screen_sharing: bool,
    },
    /// How a participant's connection to here does, every few seconds.
    Measured {
        /// Who.
        identity: String,
        /// The figures.
        stats: sfu::PeerStats,
    },
    /// Nobody is in it any more, for as long as it may be empty.
    Empty,
}

/// Why the edge could not read what a client sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not base64url.
    #[error("join_request is not base64url")]
    Base64,
    /// Unpacks past the limit.
    #[error("join_request unpacks past {0} bytes")]
    TooLarge(usize),
    /// Not gzip though it says so.
    #[error("join_request is not gzip")]
    Gzip,
    /// Not the protobuf (or JSON) message it should be.
    #[error("not a valid message")]
    Message,
}
