//! The media room: forwarding, layers, bandwidth allocation, speakers.
//!
//! Three rooms of this house:
//! - [`room`]: the pure forwarding core. Sees peers as plain events, replays bit for bit from a seed.
//! - [`peer`]: one WebRTC connection. The only module that names `str0m`.
//! - [`media`]: [`MediaRoom`], a room with its peers; the type a worker thread owns and drives.
//!
//! Sans-IO: `handle_*(now, …)`, then [`MediaRoom::poll_output`] until it says [`Output::Timeout`].
//! Knows nothing of LiveKit, calls or sockets.

mod codec;
mod keyed;
mod media;
mod peer;
pub mod room;
mod types;

pub use media::MediaRoom;
pub use types::*;
