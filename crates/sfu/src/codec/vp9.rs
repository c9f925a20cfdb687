//! VP9 (RFC 9628): the payload descriptor.

/// First packet of a keyframe's lowest spatial layer.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    let Some(first) = payload.first() else { return false };
    let inter_predicted = first & 0x40 != 0;
    let starts_frame = first & 0x08 != 0;
    starts_frame && !inter_predicted && spatial_layer(payload).is_none_or(|layer| layer == 0)
}

fn spatial_layer(payload: &[u8]) -> Option<u8> {
    let first = *payload.first()?;
    if first & 0x20 == 0 {
        return None;
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    payload.get(at).map(|layers| layers >> 1 & 0x07)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_are_the_base_layer_without_prediction() {
        assert!(starts_keyframe(&[0x08, 0x00]), "no ids, no layers");
        assert!(!starts_keyframe(&[0x48, 0x00]), "predicted");
        assert!(!starts_keyframe(&[0x00, 0x00]), "not the start");
        assert!(starts_keyframe(&[0xa8, 0x81, 0x02, 0x00, 0x00]), "spatial layer 0");
        assert!(!starts_keyframe(&[0xa8, 0x81, 0x02, 0x02, 0x00]), "spatial layer 1");
        assert!(!starts_keyframe(&[]));
    }
}
