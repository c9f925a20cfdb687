//! The vocabulary that all other crates share: IDs, units, the enums of a call, stable error codes.
//!
//! Owns no behaviour beyond parsing and printing. Knows no I/O and no clock.

mod calls;
mod code;
mod id;
pub mod recording_folder;
mod recordings;
mod redact;
mod unit;
mod words;

pub use calls::{
    CallKind, CallMedia, CallStatus, EndReason, ParticipantStatus, Permission, QualityBand, Scope, Topology,
    TopologyReason, TransferMode, VideoQuality,
};
pub use code::ErrorCode;
pub use id::{CallId, ChannelId, DeviceId, IdError, NodeId, ParticipantId, RecordingId, RoomName, UserId};
pub use recordings::{
    Recorded, RecordingDecline, RecordingFormat, RecordingLayout, RecordingPolicy, RecordingSpec, RecordingStatus,
};
pub use redact::Secret;
pub use unit::{Bitrate, Timestamp};
