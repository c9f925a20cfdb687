//! VP8 (RFC 7741): the payload descriptor.

/// The running numbers of a VP8 payload descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vp8Numbers {
    /// Picture id, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// The picture id has 15 bits.
    pub long_picture_id: bool,
    /// TL0PICIDX.
    pub tl0_pic_idx: Option<u8>,
}

struct Descriptor {
    starts_partition_zero: bool,
    numbers: Vp8Numbers,
    payload_at: usize,
}

/// The running numbers, `None` where it is no VP8 descriptor.
pub fn numbers(payload: &[u8]) -> Option<Vp8Numbers> {
    parse(payload).map(|descriptor| descriptor.numbers)
}

/// First packet of a keyframe.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    let Some(descriptor) = parse(payload) else { return false };
    // The P bit of the frame header is 0 in a keyframe (RFC 6386 §9.1).
    descriptor.starts_partition_zero && payload.get(descriptor.payload_at).is_some_and(|first| first & 0x01 == 0)
}

fn parse(payload: &[u8]) -> Option<Descriptor> {
    let required = *payload.first()?;
    let mut at = 1;
    let mut numbers = Vp8Numbers::default();
    if required & 0x80 != 0 {
        let extension = *payload.get(at)?;
        at += 1;
        if extension & 0x80 != 0 {
            let first = *payload.get(at)?;
            at += 1;
            if first & 0x80 != 0 {
                let second = *payload.get(at)?;
                at += 1;
                numbers.picture_id = Some(u16::from(first & 0x7f) << 8 | u16::from(second));
                numbers.long_picture_id = true;
            } else {
                numbers.picture_id = Some(u16::from(first));
            }
        }
        if extension & 0x40 != 0 {
            numbers.tl0_pic_idx = Some(*payload.get(at)?);
            at += 1;
        }
        if extension & 0x30 != 0 {
            at += 1;
        }
    }
    let starts_partition_zero = required & 0x10 != 0 && required & 0x07 == 0;
    Some(Descriptor { starts_partition_zero, numbers, payload_at: at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_start_partition_zero_with_p_clear() {
        assert!(starts_keyframe(&[0x10, 0x00]));
        assert!(!starts_keyframe(&[0x10, 0x01]), "an interframe");
        assert!(!starts_keyframe(&[0x00, 0x00]), "not the start of a partition");
        assert!(!starts_keyframe(&[0x11, 0x00]), "partition 1");
        assert!(starts_keyframe(&[0x90, 0xe0, 0x81, 0x02, 0x07, 0x20, 0x00]));
        assert!(!starts_keyframe(&[0x90, 0xe0]), "cut short");
        assert!(!starts_keyframe(&[]));
    }

    #[test]
    fn numbers_are_found_where_they_are() {
        let both = numbers(&[0x90, 0xe0, 0x81, 0x02, 0x07, 0x20, 0x00]);
        assert_eq!(both, Some(Vp8Numbers { picture_id: Some(0x102), long_picture_id: true, tl0_pic_idx: Some(7) }));
        let short = numbers(&[0x90, 0x80, 0x15, 0x00]);
        assert_eq!(short, Some(Vp8Numbers { picture_id: Some(0x15), long_picture_id: false, tl0_pic_idx: None }));
        assert_eq!(numbers(&[0x10, 0x00]), Some(Vp8Numbers::default()));
        assert_eq!(numbers(&[0x90, 0x80]), None);
    }
}
