//! LiveKit's wire protocol, spoken by a sans-IO room.
//!
//! [`Room`] owns a [`sfu::MediaRoom`], the `Membership` (who is in the room), and a `Session` for each member whose LiveKit
//! client is connected to it. It turns signalling messages into commands for the media room, and the media room's events into
//! signalling messages. It opens no socket, reads no clock and knows nothing about calls.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests begin at some time"))]

mod backups;
mod cascade;
mod data;
mod data_tracks;
mod decode;
mod feedback;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hold;
mod hooks;
mod id;
mod join;
pub mod json;
mod leave;
mod limits;
mod membership;
mod mirror;
mod negotiate;
mod options;
mod pulse;
mod recording;
mod requests;
mod resume;
mod room;
mod rpc;
mod sdp;
mod sections;
mod session;
mod shards;
mod signal;
mod subscriptions;
mod tokens;
mod tracks;
mod trunk;
mod types;
mod updates;

pub use cascade::{CascadeId, CascadeMessage};
pub use decode::{
    LONGEST_JOIN_REQUEST, decode_join_request, decode_query, decode_signal, decode_signal_json, encode_signal,
    encode_signal_json,
};
pub use join::SERVER_VERSION;
pub use livekit_protocol as proto;
pub use livekit_protocol::{SignalRequest, SignalResponse};
pub use membership::grant::is_dependent;
pub use mirror::MemberState;
pub use options::RoomOptions;
pub use recording::RecordingMessage;
pub use requests::{RequestId, RoomAnswer, RoomRefusal, RoomRequest};
pub use room::Room;
pub use sdp::{DescriptionError, check_description};
pub use shards::{FromHome, ShardId, ShardMessage, ToHome};
pub use trunk::MediaMessage;
pub use types::*;
