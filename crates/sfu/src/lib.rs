//! The media room: forwarding, layers, bandwidth allocation, speakers.
//!
//! Rooms of this house:
//! - [`room`]: the pure forwarding core. Sees peers as plain events, replays bit for bit from a seed.
//! - [`codec`]: the little of each codec that forwarding needs.
//! - `peer`: one WebRTC connection. The only module that names `str0m`.
//! - `media`: [`MediaRoom`], a room with its peers; the type a worker thread owns and drives.
//!
//! Sans-IO: `handle_*(now, …)`, then [`MediaRoom::poll_output`] until it says [`Output::Timeout`].
//! Knows nothing of LiveKit, calls or sockets.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests start at a real instant"))]

pub mod codec;
mod keyed;
#[cfg(feature = "webrtc")]
mod media;
#[cfg(feature = "webrtc")]
mod peer;
pub mod room;
mod types;

#[cfg(feature = "webrtc")]
pub use media::MediaRoom;
pub use types::*;
