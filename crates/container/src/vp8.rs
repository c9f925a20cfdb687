//! VP8 (RFC 7741): the payload descriptor goes, what remains is the frame.

use crate::unit::{AccessUnit, Malformed, Parameters, append};

#[derive(Debug, Default)]
pub(crate) struct Vp8 {
    frame: Vec<u8>,
}

impl Vp8 {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let at = descriptor(payload).ok_or(Malformed::Short)?;
        let begins = payload[0] & 0x17 == 0x10;
        if self.frame.is_empty() && !begins {
            return Err(Malformed::NoBeginning);
        }
        append(&mut self.frame, &payload[at..])
    }

    pub(crate) fn finish(&mut self) -> Option<AccessUnit> {
        let data = std::mem::take(&mut self.frame);
        // The frame tag (RFC 6386 §9.1): the P bit is 0 in a keyframe.
        let keyframe = data.first()? & 0x01 == 0;
        let parameters = if keyframe { Some(size(&data)?) } else { None };
        Some(AccessUnit { data, keyframe, parameters })
    }
}

/// Where the frame begins in a payload.
fn descriptor(payload: &[u8]) -> Option<usize> {
    let required = *payload.first()?;
    let mut at = 1;
    if required & 0x80 != 0 {
        let extension = *payload.get(at)?;
        at += 1;
        if extension & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
    }
    (at < payload.len()).then_some(at)
}

/// The size that a keyframe's header says (RFC 6386 §9.1).
fn size(frame: &[u8]) -> Option<Parameters> {
    let header = frame.get(3..10).filter(|header| header[..3] == [0x9d, 0x01, 0x2a])?;
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]) & 0x3fff;
    let (width, height) = (number(3), number(5));
    (width > 0 && height > 0).then_some(Parameters::Vp8 { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYFRAME: [u8; 12] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 7, 8];

    #[test]
    fn a_frame_is_what_its_packets_hold_behind_their_descriptors() {
        let mut vp8 = Vp8::default();
        vp8.push(&[&[0x90, 0xe0, 0x81, 0x02, 0x07, 0x20][..], &KEYFRAME].concat()).expect("the start");
        vp8.push(&[0x80, 0x80, 0x15, 1, 2]).expect("the rest");
        let unit = vp8.finish().expect("a frame");
        assert_eq!(unit.data, [&KEYFRAME[..], &[1, 2]].concat());
        assert!(unit.keyframe);
        assert_eq!(unit.parameters, Some(Parameters::Vp8 { width: 640, height: 360 }));
        vp8.push(&[0x10, 0x01, 9]).expect("an interframe");
        let unit = vp8.finish().expect("a frame");
        assert_eq!((unit.data.as_slice(), unit.keyframe, unit.parameters), (&[0x01, 9][..], false, None));
    }

    #[test]
    fn what_has_no_beginning_or_no_end_is_refused() {
        let mut vp8 = Vp8::default();
        assert_eq!(vp8.push(&[0x00, 1]), Err(Malformed::NoBeginning));
        assert_eq!(vp8.push(&[0x90, 0xe0, 0x81]), Err(Malformed::Short));
        vp8.push(&[0x10, 0x02, 0x00, 0x9d]).expect("a keyframe's start");
        assert_eq!(vp8.finish(), None, "without its size");
    }
}
