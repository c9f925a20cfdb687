//! The plain data that crosses the boundary of this crate.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Bitrate;

use serde::{Deserialize, Serialize};

use crate::tap::Tapped;

/// A participant of one room. Unique within the room for its lifetime, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantKey(pub u32);

/// A published track. Unique within the room for its lifetime, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackKey(pub u32);

/// One WebRTC connection of a participant (one, or two where publishing and subscribing are apart).
/// Unique within the room for its lifetime, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey(pub u32);

/// The identification of an m-line (RFC 8843).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MidName(pub String);

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// The codec of a track's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Codec {
    /// Opus (RFC 7587).
    Opus,
    /// Redundant audio around Opus (RFC 2198).
    Red,
    /// VP8 (RFC 7741).
    Vp8,
    /// H.264 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
    /// VP9 (RFC 9628).
    Vp9,
    /// AV1 (AOM RTP specification).
    Av1,
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
}

impl Codec {
    /// Audio or video.
    pub fn kind(self) -> Kind {
        match self {
            Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma => Kind::Audio,
            Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 => Kind::Video,
        }
    }

    /// Its RTP clock rate, in ticks per second.
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus | Codec::Red => 48_000,
            Codec::Pcmu | Codec::Pcma => 8_000,
            Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 => 90_000,
        }
    }
}

/// A picture size that a subscriber can get, from small to large: a separate encoding (simulcast), or a spatial layer inside the only
/// encoding, of which the highest is `High`. A single encoding without layers is `High`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// rid `q`, or two spatial layers below the highest.
    Low,
    /// rid `h`, or one spatial layer below the highest.
    Medium,
    /// rid `f`, or the only encoding.
    High,
}

/// All layers, from small to large.
pub const LAYERS: [Layer; 3] = [Layer::Low, Layer::Medium, Layer::High];

/// What a participant may do in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Publish tracks.
    pub publish: bool,
    /// Receive tracks.
    pub subscribe: bool,
}

/// A layer as its publisher announced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSpec {
    /// The layer.
    pub layer: Layer,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The bitrate that the publisher plans to send.
    pub bitrate: Bitrate,
}

/// A track that a participant wants to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackSpec {
    /// Audio or video.
    pub kind: Kind,
    /// A shared screen: sharpness matters more than motion.
    pub screen: bool,
    /// Starts muted.
    pub muted: bool,
    /// Video only. Empty if the publisher did not say.
    pub layers: Vec<LayerSpec>,
}

/// What a subscriber wants from a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackPreference {
    /// Send nothing for now.
    pub disabled: bool,
    /// The most it can use, by name or…
    pub max_layer: Layer,
    /// …by the pixels it shows (0×0: unknown).
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// The most frames per second it can use (0: unknown), if the encoding has temporal layers.
    pub frame_rate: u32,
    /// Higher is served first.
    pub priority: u32,
}

impl Default for TrackPreference {
    fn default() -> Self {
        Self { disabled: false, max_layer: Layer::High, width: 0, height: 0, frame_rate: 0, priority: 0 }
    }
}

/// How a connection is set up.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// What this connection is for.
    pub role: PeerRole,
    /// Local ICE ufrag; the worker demultiplexes first packets by it.
    pub ice_ufrag: String,
    /// Local ICE password.
    pub ice_pwd: String,
    /// Addresses to announce.
    pub candidates: Vec<LocalCandidate>,
    /// ICE-lite (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// Offer or accept RED (RFC 2198) for audio.
    pub red: bool,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerRole {
    /// Both ways, the client offers.
    Both,
    /// From the client, the client offers.
    Publisher,
    /// To the client, the server offers.
    Subscriber,
}

/// An address to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalCandidate {
    /// UDP or TCP (RFC 6544, passive).
    pub transport: Transport,
    /// Address and port.
    pub addr: SocketAddr,
}

/// What carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP with RFC 4571 framing. The caller handles the frame's two length bytes.
    Tcp,
}

/// One datagram (or one RFC 4571 frame without its length).
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// UDP or TCP.
    pub transport: Transport,
    /// From.
    pub source: SocketAddr,
    /// To: the address of the candidate at which it arrived.
    pub destination: SocketAddr,
    /// The bytes.
    pub contents: &'a [u8],
}

/// One m-line of a remote offer, as far as its negotiation concerns the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedMedia {
    /// The m-line.
    pub mid: MidName,
    /// Audio or video.
    pub kind: Kind,
    /// The client sends on it.
    pub sends: bool,
    /// The client receives on it.
    pub receives: bool,
    /// `a=msid`: stream id and track id.
    pub msid: Option<(String, String)>,
    /// Simulcast rids it sends, in their order.
    pub rids: Vec<String>,
    /// The SSRC it sends with, where it says so: not where it sends by rid.
    pub ssrc: Option<u32>,
}

/// The result of a remote offer.
#[derive(Debug, Clone)]
pub struct Negotiated {
    /// The answer, as the stack made it: msid and direction of m-lines that carry nothing are the caller's to rewrite.
    pub answer: String,
    /// The m-lines of the offer, in order.
    pub media: Vec<OfferedMedia>,
}

/// Why a description was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// Not SDP, or SDP that this stack cannot take.
    #[error("unacceptable session description: {0}")]
    Sdp(String),
    /// More m-lines than allowed.
    #[error("more than {0} m-lines")]
    TooManyMedia(usize),
    /// No such connection.
    #[error("no such connection")]
    UnknownPeer,
    /// An answer without an offer, or to an older one.
    #[error("no offer is outstanding")]
    NoOffer,
}

/// Which data channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataLane {
    /// Label `_reliable`, ordered.
    Reliable,
    /// Label `_lossy`, unordered, no retransmission.
    Lossy,
    /// Label `_data_track`.
    Track,
}

/// What a room tells its owner.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaEvent {
    /// ICE and DTLS are up.
    PeerConnected(PeerKey),
    /// ICE lost the other side, which may come back (ICE restart).
    PeerDisconnected(PeerKey),
    /// The connection is dead: closed or failed.
    PeerClosed(PeerKey),
    /// The connection now also has another local ICE ufrag (ICE restart), by which the worker demultiplexes.
    IceUfrag(PeerKey, String),
    /// A data channel is open.
    DataOpen(PeerKey, DataLane),
    /// A message on a data channel.
    Data(PeerKey, DataLane, Vec<u8>),
    /// First media of a track has arrived (its codec is now known).
    TrackStarted {
        /// The track.
        track: TrackKey,
        /// What it holds.
        codec: Codec,
    },
    /// The first packet of an encoding has arrived. Said again where that may be a new one.
    EncodingStarted {
        /// The track.
        track: TrackKey,
        /// The encoding.
        layer: Layer,
        /// What its packets come with.
        ssrc: u32,
    },
    /// A subscription needs an m-line: `subscriber` should get `track`.
    SubscriptionWanted {
        /// The subscriber.
        subscriber: ParticipantKey,
        /// The track.
        track: TrackKey,
    },
    /// A subscription is over; its m-line, if it had one, is free.
    SubscriptionEnded {
        /// The subscriber.
        subscriber: ParticipantKey,
        /// The track.
        track: TrackKey,
        /// The m-line it had.
        mid: Option<MidName>,
    },
    /// First packet of a subscription went out.
    SubscriptionStarted {
        /// The subscriber.
        subscriber: ParticipantKey,
        /// The track.
        track: TrackKey,
    },
    /// The server paused a subscription for lack of bandwidth, or resumed it.
    StreamState {
        /// The subscriber.
        subscriber: ParticipantKey,
        /// The track.
        track: TrackKey,
        /// Paused.
        paused: bool,
    },
    /// Which layers of a track anyone wants (dynacast): `None` nobody, otherwise the highest. Of audio only where it is sent on demand: as a
    /// backup, or from elsewhere.
    LayerDemand {
        /// The track.
        track: TrackKey,
        /// The highest layer wanted.
        highest: Option<Layer>,
    },
    /// The speakers changed: the loudest first, each with a level from 0.0 to 1.0; those who fell silent have 0.0.
    Speakers(Vec<Speaker>),
    /// A subscriber needs a keyframe of a track whose packets come from elsewhere.
    KeyframeWanted {
        /// The track.
        track: TrackKey,
        /// In this encoding.
        layer: Layer,
    },
    /// Connection quality of participants, every 5 s.
    Quality(Vec<(ParticipantKey, Quality)>),
}

/// A speaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speaker {
    /// The participant.
    pub participant: ParticipantKey,
    /// 0.0 (silent) to 1.0.
    pub level: f32,
    /// Still speaking.
    pub active: bool,
}

/// Connection quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Good enough not to be noticed.
    Excellent,
    /// Sometimes noticeable.
    Good,
    /// Disturbing.
    Poor,
    /// Nothing arrives.
    Lost,
}

/// What a room wants done.
#[derive(Debug)]
pub enum Output {
    /// A datagram to send.
    Transmit(Transmit),
    /// An event for the owner.
    Event(MediaEvent),
    /// For taps of a track.
    Tapped(Tapped),
    /// Nothing more until then.
    Timeout(Instant),
}

/// A datagram to send.
#[derive(Debug)]
pub struct Transmit {
    /// The connection that sends it.
    pub peer: PeerKey,
    /// UDP or TCP.
    pub transport: Transport,
    /// From this local candidate.
    pub source: SocketAddr,
    /// To.
    pub destination: SocketAddr,
    /// The bytes.
    pub contents: Vec<u8>,
}

/// Counters of a room since it opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomStats {
    /// RTP packets in.
    pub packets_in: u64,
    /// RTP packets forwarded out.
    pub packets_out: u64,
    /// RTP payload bytes out.
    pub bytes_out: u64,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests: u64,
    /// Packets dropped before forwarding, whatever the cause.
    pub packets_dropped: u64,
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PeerStats {
    /// ICE and DTLS are up.
    pub connected: bool,
    /// The path in use is TCP.
    pub tcp: bool,
    /// Round trip, where known.
    pub rtt: Option<std::time::Duration>,
    /// Share of the client's packets that were recently lost, 0.0 to 1.0.
    pub loss_up: Option<f32>,
    /// Share of the packets to the client that were recently lost, 0.0 to 1.0.
    pub loss_down: Option<f32>,
    /// The estimated bandwidth of the path to the client.
    pub estimate: Option<Bitrate>,
    /// Bytes received since it opened.
    pub bytes_in: u64,
    /// Bytes sent since it opened.
    pub bytes_out: u64,
}

/// How long subscribers are asked to hold video back before it is shown: the playout-delay header extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutDelay {
    least: u16,
    most: u16,
}

impl PlayoutDelay {
    /// What the extension can say: twelve bits of 10 ms.
    const LONGEST: u16 = 0xfff;

    /// At least and at most so long. `None`: that is no range, or longer than the extension can say.
    pub fn new(least: Duration, most: Duration) -> Option<Self> {
        let units = |time: Duration| u16::try_from(time.as_millis() / 10).ok().filter(|units| *units <= Self::LONGEST);
        Some(Self { least: units(least)?, most: units(most)? }).filter(|delay| delay.least <= delay.most)
    }

    /// In units of 10 ms.
    #[cfg(feature = "webrtc")]
    pub(crate) fn units(self) -> (u16, u16) {
        (self.least, self.most)
    }
}

/// How a room is set up.
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// Seed for all randomness in the pure core.
    pub seed: u64,
    /// The bandwidth assumed for a subscriber before any measurement.
    pub initial_bitrate: Bitrate,
    /// Bandwidth estimation towards subscribers.
    pub bandwidth_estimation: bool,
    /// When it opened. The times of its packets count from here.
    pub opened: Instant,
    /// The IP addresses of this host, for the shell.
    pub local: Arc<[IpAddr]>,
}
