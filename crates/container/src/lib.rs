//! From RTP payloads to media files, without decoding: payloads become access units ([`Depacketizer`]), and access units
//! become fragmented MP4 ([`init_segment`], [`fragment`]).
//!
//! Pure: no I/O, no clock. Payloads come from the network and may hold anything; they are refused, never a panic, and never
//! take more memory than [`LONGEST_UNIT`].
//!
//! The depacketizers are our own. Those of `rtc-rtp` panic on a STAP-A that ends in the middle of a length and put no bound
//! on what they gather; those of str0m are private for VP9 and AV1.

mod av1;
mod bits;
mod fragmented;
mod h264;
mod unit;
mod vp8;
mod vp9;

pub use av1::Av1Parameters;
pub use fragmented::{OPUS_TIMESCALE, Sample, VIDEO_TIMESCALE, WriteError, fragment, init_segment};
pub use h264::H264Parameters;
pub use unit::{AccessUnit, Codec, Depacketizer, LONGEST_UNIT, Malformed, Parameters, opus_duration};
pub use vp9::Vp9Parameters;
