//! VP9 (RFC 9628): the payload descriptor.

/// What the payload descriptor says of a packet's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// First packet of the frame of one spatial layer.
    pub starts: bool,
    /// Last packet of it.
    pub ends: bool,
    /// It refers to earlier pictures.
    pub inter_picture: bool,
    /// Picture id, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// The picture id has 15 bits.
    pub long_picture_id: bool,
    /// Where the packet says so.
    pub layers: Option<Layers>,
}

/// The layers a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// From this picture on, pictures of higher temporal layers refer to none before it.
    pub switching_up: bool,
}

/// First packet of a keyframe's lowest spatial layer.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    parse(payload).is_some_and(|descriptor| {
        let lowest = descriptor.layers.is_none_or(|layers| layers.spatial == 0);
        descriptor.starts && !descriptor.inter_picture && lowest
    })
}

/// Reads the descriptor. `None`: it is cut short.
pub fn parse(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let mut at = 1;
    let (mut picture_id, mut long_picture_id) = (None, false);
    if first & 0x80 != 0 {
        let high = *payload.get(at)?;
        at += 1;
        picture_id = Some(u16::from(high & 0x7f));
        if high & 0x80 != 0 {
            picture_id = Some(u16::from(high & 0x7f) << 8 | u16::from(*payload.get(at)?));
            long_picture_id = true;
            at += 1;
        }
    }
    let layers = if first & 0x20 != 0 {
        let byte = *payload.get(at)?;
        Some(Layers { spatial: byte >> 1 & 0x07, temporal: byte >> 5, switching_up: byte & 0x10 != 0 })
    } else {
        None
    };
    Some(Descriptor {
        starts: first & 0x08 != 0,
        ends: first & 0x04 != 0,
        inter_picture: first & 0x40 != 0,
        picture_id,
        long_picture_id,
        layers,
    })
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

    #[test]
    fn layers_and_picture_ids_are_found_where_they_are() {
        let layers = Layers { spatial: 2, temporal: 1, switching_up: true };
        let long = parse(&[0xec, 0x81, 0x02, 0x34, 0x00]).expect("whole");
        assert_eq!((long.picture_id, long.long_picture_id, long.layers), (Some(0x102), true, Some(layers)));
        assert_eq!((long.starts, long.ends, long.inter_picture), (true, true, true));
        let short = parse(&[0xa0, 0x15, 0x02]).expect("whole");
        assert_eq!((short.picture_id, short.long_picture_id), (Some(0x15), false));
        assert_eq!(parse(&[0x00]).and_then(|bare| bare.layers), None);
        for cut in [&[][..], &[0x80], &[0x80, 0x81], &[0xa0, 0x15], &[0x20]] {
            assert_eq!(parse(cut), None, "{cut:?}");
        }
    }
}
