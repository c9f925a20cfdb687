//! H.265 (RFC 7798): where a decoder can start.

const VPS: u8 = 32;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;
/// Of a NAL unit, and of what holds several of them or a part of one (§1.1.4, §4.4).
const HEADER: usize = 2;

/// The packet holds a video parameter set.
///
/// It comes first of all that a decoder starts with: SPS and PPS refer to it, and browsers send the three before every picture that
/// can be decoded by itself. Whoever started later, with an SPS that has overtaken its VPS, would never get that.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    let Some(kind) = kind(payload) else { return false };
    match kind {
        VPS => true,
        AGGREGATION => aggregated_types(&payload[HEADER..]).any(|kind| kind == VPS),
        FRAGMENTATION => payload.get(HEADER).is_some_and(|part| part & 0x80 != 0 && part & 0x3f == VPS),
        _ => false,
    }
}

/// The type of a NAL unit; `None`: its header is cut short.
fn kind(unit: &[u8]) -> Option<u8> {
    unit.get(..HEADER).map(|header| header[0] >> 1 & 0x3f)
}

/// Without the DONL fields, which no browser asks for (`sprop-max-don-diff`).
fn aggregated_types(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let unit = rest.get(2..2 + length)?;
        rest = &rest[2 + length..];
        kind(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_by_packetization() {
        assert!(starts_keyframe(&[0x40, 0x01, 0x0c]), "a bare VPS");
        assert!(!starts_keyframe(&[0x42, 0x01, 0x01]), "an SPS whose VPS came before, or is still to come");
        assert!(!starts_keyframe(&[0x44, 0x01, 0xc1]), "a PPS");
        assert!(!starts_keyframe(&[0x26, 0x01, 0xaf]), "an IDR whose parameter sets came before");
        assert!(!starts_keyframe(&[0x02, 0x01, 0xd0]), "a trailing picture");
        let all = [0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 3, 0x42, 0x01, 0x01, 0, 3, 0x44, 0x01, 0xc1];
        assert!(starts_keyframe(&all), "an aggregation of VPS, SPS and PPS");
        assert!(
            starts_keyframe(&[0x60, 0x01, 0, 3, 0x4e, 0x01, 5, 0, 3, 0x40, 0x01, 0x0c]),
            "a message before the VPS"
        );
        assert!(
            !starts_keyframe(&[0x60, 0x01, 0, 3, 0x02, 0x01, 0xd0, 0, 3, 0x02, 0x01, 0xd1]),
            "of trailing pictures"
        );
        assert!(!starts_keyframe(&[0x60, 0x01, 0, 9, 0x40, 0x01]), "an aggregation cut short");
        assert!(starts_keyframe(&[0x62, 0x01, 0xa0, 0x0c]), "the first part of a VPS");
        assert!(!starts_keyframe(&[0x62, 0x01, 0x20, 0x0c]), "the middle of a VPS");
        assert!(!starts_keyframe(&[0x62, 0x01, 0x93, 0xaf]), "the first part of an IDR");
        for cut in [&[][..], &[0x40], &[0x60, 0x01], &[0x60, 0x01, 0, 1, 0x40], &[0x62, 0x01]] {
            assert!(!starts_keyframe(cut), "{cut:?}");
        }
    }
}
