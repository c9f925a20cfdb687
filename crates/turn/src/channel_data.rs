//! ChannelData messages (RFC 8656 §12.4): four bytes before the payload.

use std::ops::Range;

/// The length of the header.
pub const HEADER: usize = 4;

/// The channels that a client may bind. RFC 8656 stops at 0x4FFF; clients of RFC 5766 go on to 0x7FFF.
pub const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7FFF;

/// Channel and payload of a datagram or frame; `None` where the length in the header goes beyond it. What follows the
/// payload is padding.
pub fn parse(bytes: &[u8]) -> Option<(u16, Range<usize>)> {
    let header = bytes.first_chunk::<HEADER>()?;
    let channel = u16::from_be_bytes([header[0], header[1]]);
    let end = HEADER + usize::from(u16::from_be_bytes([header[2], header[3]]));
    (CHANNELS.contains(&channel) && end <= bytes.len()).then_some((channel, HEADER..end))
}

/// The header before a payload of this length.
pub(crate) fn header(channel: u16, length: u16) -> [u8; HEADER] {
    let [c0, c1] = channel.to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    [c0, c1, l0, l1]
}
