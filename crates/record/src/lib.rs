//! Recording of a room: raw tracks first, composed later. Nothing is decoded.
//!
//! The parts:
//! - [`folder`]: what a recording is on disk, as types.
//! - [`Recorder`]: packets and events of one room in, fragments and events out. Sans-IO: times come in as arguments, and count
//!   from when the room opened.
//! - [`disk`]: one thread that writes the folders of all recordings.
//!
//! Knows tracks by what `sfu`'s taps say of them; knows neither LiveKit nor calls.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests measure and start programs"))]

mod clock;
pub mod disk;
pub mod folder;
mod recorder;
mod reorder;
mod track;

pub use recorder::{Fragment, Output, Recorder, Write};
pub use track::TrackSource;
