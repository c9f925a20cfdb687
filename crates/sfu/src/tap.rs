//! What a tap gets of a track: plain data for whoever reads packets without being a subscriber, in this process or
//! elsewhere. Another room, a recorder, a stream.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::room::packet::{Format, Packet};
use crate::types::{Layer, TrackKey};

/// One reader of one track. Unique within the room for its lifetime, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TapId(pub u32);

/// Which encodings of a track a tap takes. It gets them whole: layers inside an encoding are not taken apart, though the demand
/// counts only what the tap asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapLayers {
    /// All of them, as they come.
    All,
    /// Those up to this one, as they come; the lowest where all are above.
    UpTo(Layer),
    /// One at a time, each from a keyframe on: the best that is sent up to these limits, or else the lowest that is sent.
    Best {
        /// The highest it can use.
        max_layer: Layer,
        /// The pixels it needs (0×0: as many as there are).
        width: u32,
        /// See `width`.
        height: u32,
    },
    /// This one and nothing in its place, as it comes.
    Only(Layer),
}

/// What the taps of a track get.
#[derive(Debug, Clone, PartialEq)]
pub enum Tapped {
    /// A packet, in the order of arrival.
    Packet {
        /// The track it is of.
        track: TrackKey,
        /// All taps that get it, shared from packet to packet.
        taps: Arc<[TapId]>,
        /// The packet.
        packet: TapPacket,
    },
    /// What a tap has to know before the packets that follow.
    Event {
        /// The track it is of.
        track: TrackKey,
        /// The tap.
        tap: TapId,
        /// What happened.
        event: TapEvent,
    },
}

/// What a tap is told about its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapEvent {
    /// Packets of an encoding follow: for the first time, after a pause, or in another format than before. Of
    /// [`TapLayers::Best`], it takes the place of the one before.
    Began {
        /// The encoding.
        layer: Layer,
        /// What its packets hold.
        format: Format,
    },
    /// Nothing follows for now: the track is muted, or its publisher does not send it.
    Paused,
    /// The track is over, and so is the tap.
    Ended,
}

/// One packet of a track as a tap gets it. Nothing in it is tied to this process: see [`TapPacket::encode`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TapPacket {
    /// The encoding it is of.
    pub layer: Layer,
    /// A decoder that knows nothing yet can start with it.
    pub starts: bool,
    /// What came in.
    #[serde(with = "crate::wire::shared")]
    pub packet: Arc<Packet>,
}
