//! The media room: forwarding, layers, bandwidth allocation, speakers.
//!
//! The parts:
//! - [`room`]: the pure forwarding core. Sees peers as plain events and replays bit for bit from a seed.
//! - [`codec`]: the little that forwarding needs to know about each codec.
//! - [`TapPacket`]: packets for whoever reads a track without being a subscriber: other rooms, recorders.
//! - `peer`: one WebRTC connection. The only module that uses `str0m`.
//! - `media`: [`MediaRoom`], a room with its peers; the type that a worker thread owns and drives.
//!
//! Sans-IO: call `handle_*(now, …)`, then [`MediaRoom::poll_output`] until it returns [`Output::Timeout`]. Knows
//! nothing about LiveKit, calls or sockets.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests start at a real instant"))]

pub mod codec;
mod keyed;
#[cfg(feature = "webrtc")]
mod media;
#[cfg(feature = "webrtc")]
mod peer;
pub mod room;
mod tap;
mod types;
mod wire;

#[cfg(feature = "webrtc")]
pub use media::MediaRoom;
pub use tap::*;
pub use types::*;
pub use wire::WireError;
