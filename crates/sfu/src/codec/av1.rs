//! AV1 (RTP payload format for AV1 v1.0): the aggregation header.

/// First packet of a coded video sequence: the N bit.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    payload.len() > 1 && payload[0] & 0x08 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_n_bit_tells() {
        assert!(starts_keyframe(&[0x18, 0x0a]));
        assert!(!starts_keyframe(&[0x10, 0x0a]));
        assert!(!starts_keyframe(&[0x18]), "nothing follows");
        assert!(!starts_keyframe(&[]));
    }
}
