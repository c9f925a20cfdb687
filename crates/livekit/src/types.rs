//! The plain data that crosses the boundary of this crate.

use std::time::Instant;

use livekit_protocol as proto;

use crate::cascade::{CascadeId, CascadeMessage};
use crate::options::RoomOptions;
use crate::recording::RecordingMessage;
use crate::requests::{RequestId, RoomAnswer, RoomRefusal};
use crate::shards::{ShardId, ShardMessage};

/// A signalling connection (a WebSocket), numbered by the caller. A number is never reused in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// A client that wants to join. The edge has verified its token and allowed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The token's claims.
    pub claims: auth::LiveKitClaims,
    /// From the query (v0) or the join_request (v1).
    pub client: ClientParameters,
    /// The ICE servers that the client is to use.
    pub ice_servers: Vec<proto::IceServer>,
}

/// What the client says about itself, and how it wants to connect.
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
    /// Options given for this room; they override the defaults below.
    pub options: RoomOptions,
    /// The most participants, not counting dependent ones; 0: no limit.
    pub max_participants: usize,
    /// How long it stays open before anyone joins, until `RoomEvent::Empty`.
    pub empty_timeout: std::time::Duration,
    /// How long a disconnected participant has to resume. Unless set otherwise, also how long the room stays open after everyone has left.
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
    /// Whether to report what happens as [`Output::Hook`].
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
    /// A datagram to send.
    Transmit(sfu::Transmit),
    /// An event for the owner.
    Event(RoomEvent),
    /// To the other room of a cascade.
    Cascade(CascadeId, CascadeMessage),
    /// To another shard of this room.
    Shard(ShardId, ShardMessage),
    /// To a recording of the room.
    Recorded(model::RecordingId, RecordingMessage),
    /// The result of a request.
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
        /// The participant's identity.
        identity: String,
        /// The device that its token was made for; `None`: the token names none.
        device: Option<String>,
        /// See [`crate::is_dependent`].
        is_dependent: bool,
    },
    /// ICE and DTLS are up.
    Connected {
        /// The participant's identity.
        identity: String,
    },
    /// A participant is gone.
    Left {
        /// The participant's identity.
        identity: String,
        /// Whether it left on purpose, or was put out, rather than losing the connection.
        clean: bool,
    },
    /// What a participant publishes changed.
    MediaState {
        /// The participant's identity.
        identity: String,
        /// No live microphone track.
        is_muted: bool,
        /// A live camera track.
        is_video_enabled: bool,
        /// A live screen track.
        is_screen_sharing: bool,
    },
    /// The state of a participant's connection to this server, every few seconds.
    Measured {
        /// The participant's identity.
        identity: String,
        /// The figures.
        stats: sfu::PeerStats,
    },
    /// It has been empty for as long as it may be.
    Empty,
}

/// Why the edge could not read what a client sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not base64url.
    #[error("join_request is not base64url")]
    Base64,
    /// It unpacks to more than the limit.
    #[error("join_request unpacks to more than {0} bytes")]
    TooLarge(usize),
    /// It claims to be gzip, but is not.
    #[error("join_request is not gzip")]
    Gzip,
    /// It is not the expected protobuf (or JSON) message.
    #[error("not a valid message")]
    Message,
}
