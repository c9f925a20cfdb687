//! TURN over a byte stream (RFC 8656 §3.1, RFC 8489 §6.2.2): where one message ends and the next begins, and what kind
//! of stream it is. Keeps at most one message that is not yet whole; whoever reads the stream bounds the time for it.

use crate::channel_data;
use crate::message::{HEADER, MAGIC_COOKIE};

/// The longest frame there can be: a STUN message with the largest length in its header.
pub const LONGEST: usize = HEADER + 0xFFFF;

/// Why a stream cannot be read on; the only thing left is to close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Neither STUN nor ChannelData begins like this.
    #[error("neither STUN nor ChannelData")]
    Unknown,
    /// A STUN message with a length that is no multiple of four.
    #[error("a STUN length is not a multiple of four")]
    Length,
}

/// The length of the frame that `stream` begins with, padding included; `None` until enough of it is there to tell.
pub fn frame_length(stream: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(&first) = stream.first() else { return Ok(None) };
    if !matches!(first, 0x00..=0x03 | 0x40..=0x7F) {
        return Err(FrameError::Unknown);
    }
    let Some(&[_, _, l0, l1]) = stream.first_chunk::<4>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if first >= 0x40 {
        return Ok(Some(channel_data::HEADER + length.next_multiple_of(4)));
    }
    if length % 4 != 0 {
        return Err(FrameError::Length);
    }
    let cookie = stream.get(4..stream.len().min(8)).unwrap_or(&[]);
    if !MAGIC_COOKIE.starts_with(cookie) {
        return Err(FrameError::Unknown);
    }
    Ok(Some(HEADER + length))
}

/// Cuts a stream into frames. [`StreamReader::push`] what was read, then take [`StreamReader::next_frame`] until
/// `None`.
#[derive(Debug, Default)]
pub struct StreamReader {
    buffer: Vec<u8>,
    start: usize,
    broken: Option<FrameError>,
}

impl StreamReader {
    /// A reader that nothing has been read into.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they were read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame, padding included; `None` where more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let rest = &self.buffer[self.start..];
        let length = match frame_length(rest) {
            Ok(Some(length)) if length <= rest.len() => length,
            Ok(_) => return Ok(None),
            Err(error) => {
                self.broken = Some(error);
                self.buffer = Vec::new();
                self.start = 0;
                return Err(error);
            }
        };
        let frame = self.start..self.start + length;
        self.start = frame.end;
        Ok(Some(&self.buffer[frame]))
    }

    /// Bytes of a frame that is not yet whole: a stream that stays here for long is a slow-loris.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }
}

/// What a stream in clear turns out to be by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// A TLS ClientHello.
    Tls,
    /// STUN or TURN, framed as above.
    Turn,
    /// ICE-TCP (RFC 4571 framing before each STUN message).
    IceTcp,
    /// Too early to tell.
    NeedMore,
    /// None of them.
    Unknown,
}

/// Tells the protocols apart that share a port: TLS begins with 0x16; the magic cookie is at byte 4 in TURN, at byte 6
/// in ICE-TCP. Never needs more than ten bytes.
pub fn sniff(stream: &[u8]) -> Sniffed {
    let Some(&first) = stream.first() else { return Sniffed::NeedMore };
    if first == 0x16 {
        return Sniffed::Tls;
    }
    let cookie_at = |at: usize| stream.get(at..at + 4).map(|bytes| bytes == MAGIC_COOKIE);
    match (cookie_at(4), cookie_at(6)) {
        (Some(true), _) if first <= 0x03 => Sniffed::Turn,
        (_, Some(true)) => Sniffed::IceTcp,
        (_, Some(false)) => Sniffed::Unknown,
        (_, None) => Sniffed::NeedMore,
    }
}
