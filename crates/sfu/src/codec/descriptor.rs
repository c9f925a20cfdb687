//! The dependency descriptor (AV1 RTP specification, appendix A): the fields that forwarding reads and writes.
//!
//! The mandatory part is three bytes: start and end of frame, template id, frame number. What follows is bit-packed
//! and carried as it is; only its first flags are read, to tell a new coded sequence.

/// The packet starts a frame whose descriptor brings a template dependency structure: a new coded sequence.
pub fn starts_coded_sequence(descriptor: &[u8]) -> bool {
    let starts_frame = descriptor.first().is_some_and(|first| first & 0x80 != 0);
    let has_structure = descriptor.get(3).is_some_and(|flags| flags & 0x80 != 0);
    starts_frame && has_structure
}

/// The 16-bit frame number.
pub fn frame_number(descriptor: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*descriptor.get(1)?, *descriptor.get(2)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_on_the_first_packet_starts_a_sequence() {
        assert!(starts_coded_sequence(&[0x80, 0x00, 0x01, 0x80]));
        assert!(!starts_coded_sequence(&[0x80, 0x00, 0x01]), "mandatory fields only");
        assert!(!starts_coded_sequence(&[0x40, 0x00, 0x01, 0x80]), "last packet of the frame");
        assert_eq!(frame_number(&[0x80, 0x12, 0x34]), Some(0x1234));
        assert_eq!(frame_number(&[0x80]), None);
    }
}
