//! LiveKit's wire protocol, spoken by a sans-IO room.
//!
//! [`Room`] owns a [`sfu::MediaRoom`] and one `Session` a participant, turns signalling messages into the media room's
//! commands and its events into signalling messages. It opens no socket, reads no clock, knows no call.

mod decode;
mod room;
mod types;

pub use decode::{
    LONGEST_JOIN_REQUEST, decode_join_request, decode_query, decode_signal, decode_signal_json, encode_signal,
    encode_signal_json,
};
pub use livekit_protocol::{SignalRequest, SignalResponse};
pub use room::Room;
pub use types::*;
