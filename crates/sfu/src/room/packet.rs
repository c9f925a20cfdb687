//! A media packet as the room sees it, and as a subscriber is to get it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::codec::descriptor::{ActivePlace, Targets};
use crate::types::{Codec, PeerKey};

/// What a packet's payload is, exactly enough to find the subscriber's payload type for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// H.264: `packetization-mode` in the top byte, `profile-level-id` below; H.265: `profile-id` in the top byte, `tier-flag` and
    /// `level-id` in the lowest two; VP9: `profile-id`; others 0.
    pub profile: u32,
}

/// Header extensions that travel from publisher to subscriber.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extensions {
    /// −dBov (0 loudest, 127 silence) and voice activity (RFC 6464).
    pub audio_level: Option<(u8, bool)>,
    /// The byte of 3GPP TS 26.114 §7.4.5.
    pub video_orientation: Option<u8>,
    /// 0 unspecified, 1 screen.
    pub video_content_type: Option<u8>,
    /// When the frame was captured, and the sender's estimate of the clock offset.
    #[serde(with = "crate::wire::capture_time")]
    pub capture_time: Option<(SystemTime, Option<i64>)>,
    /// Least and most playout delay in units of 10 ms.
    pub playout_delay: Option<(u16, u16)>,
    /// The dependency descriptor as it was on the wire.
    #[serde(with = "crate::wire::optional_bytes")]
    pub dependency_descriptor: Option<Arc<[u8]>>,
}

/// The publisher's clock by its last sender report (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderClock {
    /// Wall clock of the sender.
    #[serde(with = "crate::wire::wall_clock")]
    pub ntp: SystemTime,
    /// RTP time of the same moment.
    pub rtp: u32,
}

/// One RTP packet of one encoding of a track. Plain data: times count from when the room opened ([`RoomConfig::opened`]).
///
/// [`RoomConfig::opened`]: crate::RoomConfig::opened
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// What it holds.
    pub format: Format,
    /// Who sent it: a new value means a new sequence.
    pub ssrc: u32,
    /// Extended sequence number.
    pub seq: u64,
    /// RTP time.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// When it came in. The room notes it.
    pub arrival: Duration,
    /// When its content was captured, as well as is known. The room works it out from the sender's clock.
    pub captured: Duration,
    /// The payload without header.
    #[serde(with = "crate::wire::bytes")]
    pub payload: Arc<[u8]>,
    /// What travels in the header.
    pub extensions: Extensions,
    /// The sender's clock, once a report has come.
    pub clock: Option<SenderClock>,
}

/// What has to change in a payload or extension for one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// Nothing.
    None,
    /// The VP8 payload descriptor's running numbers.
    Vp8 {
        /// Picture id, where the descriptor has one.
        picture_id: Option<u16>,
        /// TL0PICIDX, where the descriptor has one.
        tl0_pic_idx: Option<u8>,
    },
    /// The frame number of the dependency descriptor.
    FrameNumber(u16),
    /// What tells of layers, where not all are sent.
    Layers {
        /// The frame number of the dependency descriptor, where there is one.
        frame_number: Option<u16>,
        /// The targets that its descriptor calls sent, where it says otherwise.
        active: Option<(ActivePlace, Targets)>,
        /// No higher layer of this picture is sent: it gets the marker bit.
        ends_picture: bool,
    },
    /// Everything goes: a packet that is not for this subscriber came after its place in the numbering had been kept.
    Hollow,
}

/// Where a subscription's packets go: an m-line of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Egress {
    /// The connection.
    pub peer: PeerKey,
    /// The m-line, by the number the connection gave it.
    pub slot: u16,
}

/// One packet for one subscriber.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Where to.
    pub egress: Egress,
    /// What, shared by all who get it.
    pub packet: Arc<Packet>,
    /// Extended sequence number for this subscriber.
    pub seq: u64,
    /// RTP time for this subscriber.
    pub timestamp: u32,
    /// What else to change.
    pub rewrite: Rewrite,
    /// The subscriber's payloads carry no dependency descriptor.
    pub without_descriptor: bool,
}
