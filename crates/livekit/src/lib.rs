//! LiveKit's wire protocol, spoken by a sans-IO room.
//!
//! [`Room`] owns a [`sfu::MediaRoom`] and one `Session` a participant, turns signalling messages into the media room's
//! commands and its events into signalling messages. It opens no socket, reads no clock, knows no call.

mod room;
mod types;

pub use livekit_protocol::{SignalRequest, SignalResponse};
pub use room::Room;
pub use types::*;
