//! H.264 (RFC 6184): where a decoder can start.

const SPS: u8 = 7;
const STAP_A: u8 = 24;

/// The packet holds a sequence parameter set.
///
/// Chrome, Firefox and libwebrtc send SPS and PPS before every IDR, most often in one STAP-A. An IDR alone does not do:
/// it may have overtaken its SPS, and whoever starts with it would never get that.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    let Some(first) = payload.first() else { return false };
    match first & 0x1f {
        SPS => true,
        STAP_A => aggregated_types(&payload[1..]).any(|kind| kind == SPS),
        _ => false,
    }
}

fn aggregated_types(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let unit = rest.get(2..2 + length)?;
        rest = &rest[2 + length..];
        Some(unit.first()? & 0x1f)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_by_packetization() {
        assert!(starts_keyframe(&[0x67, 0x42]), "a bare SPS");
        assert!(!starts_keyframe(&[0x65, 0x88]), "an IDR whose SPS came before, or is still to come");
        assert!(!starts_keyframe(&[0x41, 0x9a]), "a P slice");
        assert!(starts_keyframe(&[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce]), "STAP-A with SPS and PPS");
        assert!(!starts_keyframe(&[0x78, 0, 2, 0x41, 0x42, 0, 2, 0x41, 0xce]), "STAP-A of P slices");
        assert!(!starts_keyframe(&[0x7c, 0x85, 0x88]), "FU-A, start of an IDR");
        assert!(!starts_keyframe(&[0x7c, 0x05, 0x88]), "FU-A, middle of an IDR");
        assert!(!starts_keyframe(&[0x78, 0, 9, 0x67]), "STAP-A cut short");
        assert!(!starts_keyframe(&[]));
    }
}
