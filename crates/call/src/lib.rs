//! The switchboard: devices and presence, channels, and every running call with its state machine.
//!
//! Sans-IO. `Switchboard` never opens a socket, reads a clock or touches a database. It takes [`Command`]s and the
//! time, answers each at once, and is drained with [`Switchboard::poll_output`] until that returns [`Output::Timeout`]
//! (or [`Output::Idle`]). It knows nothing about media: the media side reports who is in a call's room with
//! [`Command::MediaJoined`] and [`Command::MediaLeft`].
//!
//! All rules live here and nowhere else: ring, accept, decline, busy, leave, end, reconnect, and the timeouts for
//! ringing and empty calls. Every REST path, Socket.IO event and LiveKit join is a translation to a `Command`.

mod acts;
mod call;
mod change;
mod channels;
mod command;
mod deliver;
mod devices;
mod glare;
mod initiate;
mod media;
mod moderate;
mod output;
mod part;
mod quality;
mod recording;
mod request;
mod restore;
mod rules;
mod snapshot;
mod switchboard;
mod timers;
mod topology;
mod transfer;

pub use command::{Answer, Command, CommandError, InitiateCall, Target};
pub use devices::Ability;
pub use output::{CallEvent, Delivery, Output, Record, RecordingMoment, RoomAct};
pub use quality::{QualityReport, QualitySummary, QualityView};
pub use request::same_request;
pub use snapshot::{
    CallSnapshot, ChannelSnapshot, Consent, ParticipantSnapshot, PresenceState, RecordingOptions, RecordingSnapshot,
    Transfer,
};
pub use switchboard::{Config, Switchboard};
