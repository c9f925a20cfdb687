//! VP9 (RFC 9628): the frames of a picture's spatial layers, in a superframe where there are several (VP9 bitstream
//! specification, Annex B).

use crate::bits::Bits;
use crate::unit::{AccessUnit, Malformed, Parameters, append};

/// Frames of a superframe.
const MOST_FRAMES: usize = 8;

/// What a keyframe says of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vp9Parameters {
    /// The VP9 profile, 0 to 3.
    pub profile: u8,
    /// Bits of a sample.
    pub bit_depth: u8,
    /// As `vpcC` has it: 1 is 4:2:0, sited like the luma; 2 is 4:2:2; 3 is 4:4:4.
    pub chroma_subsampling: u8,
    /// Samples use the full range.
    pub full_range: bool,
    /// Width of the largest layer in pixels.
    pub width: u16,
    /// Height of the largest layer in pixels.
    pub height: u16,
}

#[derive(Debug, Default)]
pub(crate) struct Vp9 {
    data: Vec<u8>,
    /// Where each layer's frame begins.
    frames: Vec<usize>,
    /// The size of the largest layer, where a packet says so.
    largest: Option<(u16, u16)>,
}

struct Descriptor {
    begins: bool,
    payload_at: usize,
    largest: Option<(u16, u16)>,
}

impl Vp9 {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let descriptor = descriptor(payload).ok_or(Malformed::Short)?;
        let rest = payload.get(descriptor.payload_at..).filter(|rest| !rest.is_empty()).ok_or(Malformed::Short)?;
        if descriptor.begins {
            if self.frames.len() == MOST_FRAMES {
                return Err(Malformed::TooLarge);
            }
            self.frames.push(self.data.len());
        } else if self.frames.is_empty() {
            return Err(Malformed::NoBeginning);
        }
        self.largest = descriptor.largest.or(self.largest);
        append(&mut self.data, rest)
    }

    pub(crate) fn finish(&mut self) -> Option<AccessUnit> {
        let Self { mut data, frames, largest } = std::mem::take(self);
        let header = header(&data)?;
        let parameters = match header {
            Header::Key(mut parameters) => {
                if let Some((width, height)) = largest {
                    (parameters.width, parameters.height) = (width, height);
                }
                Some(Parameters::Vp9(parameters))
            }
            Header::Inter => None,
        };
        if frames.len() > 1 {
            put_index(&mut data, &frames);
        }
        Some(AccessUnit { data, keyframe: parameters.is_some(), parameters })
    }
}

/// The index that tells the frames of a superframe apart.
fn put_index(data: &mut Vec<u8>, frames: &[usize]) {
    let ends = frames[1..].iter().copied().chain([data.len()]);
    let sizes: Vec<usize> = frames.iter().zip(ends).map(|(begins, ends)| ends - begins).collect();
    // LONGEST_UNIT takes three bytes.
    let marker = 0b1100_0000 | 0b10 << 3 | (frames.len() - 1) as u8;
    data.push(marker);
    for size in sizes {
        data.extend_from_slice(&(size as u32).to_le_bytes()[..3]);
    }
    data.push(marker);
}

fn descriptor(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let mut at = 1;
    let mut byte = || {
        let byte = payload.get(at).copied();
        at += 1;
        byte
    };
    if first & 0x80 != 0 && byte()? & 0x80 != 0 {
        byte()?;
    }
    let flexible = first & 0x10 != 0;
    if first & 0x20 != 0 {
        byte()?;
        if !flexible {
            byte()?;
        }
    }
    if flexible && first & 0x40 != 0 {
        // Up to three references, each saying whether another follows.
        let mut references = 0;
        while byte()? & 0x01 != 0 {
            references += 1;
            if references == 3 {
                return None;
            }
        }
    }
    let mut largest = None;
    if first & 0x02 != 0 {
        let structure = byte()?;
        if structure & 0x10 != 0 {
            for _ in 0..=structure >> 5 {
                let mut number = || Some(u16::from_be_bytes([byte()?, byte()?]));
                largest = Some((number()?, number()?)).filter(|(width, height)| *width > 0 && *height > 0);
            }
        }
        if structure & 0x08 != 0 {
            for _ in 0..byte()? {
                for _ in 0..byte()? >> 2 & 0x03 {
                    byte()?;
                }
            }
        }
    }
    Some(Descriptor { begins: first & 0x08 != 0, payload_at: at, largest })
}

enum Header {
    Key(Vp9Parameters),
    Inter,
}

/// The uncompressed header (§6.2), as far as it says what the stream is.
fn header(frame: &[u8]) -> Option<Header> {
    let mut bits = Bits::new(frame);
    if bits.take(2)? != 2 {
        return None;
    }
    let low = bits.take(1)?;
    let profile = low | bits.take(1)? << 1;
    if profile == 3 {
        bits.take(1)?;
    }
    let shows_existing = bits.flag()?;
    if shows_existing || bits.flag()? {
        return Some(Header::Inter);
    }
    bits.take(2)?;
    if bits.take(24)? != 0x49_83_42 {
        return None;
    }
    let bit_depth = match profile {
        0 | 1 => 8,
        _ if bits.flag()? => 12,
        _ => 10,
    };
    const RGB: u32 = 7;
    let space = bits.take(3)?;
    let (chroma_subsampling, full_range) = if space == RGB {
        if profile % 2 == 1 {
            bits.take(1)?;
        }
        (3, true)
    } else {
        let full = bits.flag()?;
        let subsampling = if profile % 2 == 1 {
            let (across, down) = (bits.flag()?, bits.flag()?);
            bits.take(1)?;
            match (across, down) {
                (true, true) => 1,
                (true, false) => 2,
                (false, _) => 3,
            }
        } else {
            1
        };
        (subsampling, full)
    };
    let width = u16::try_from(bits.take(16)? + 1).ok()?;
    let height = u16::try_from(bits.take(16)? + 1).ok()?;
    let profile = profile as u8;
    Some(Header::Key(Vp9Parameters { profile, bit_depth, chroma_subsampling, full_range, width, height }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyframe's uncompressed header: profile 0, 640×360.
    const KEYFRAME: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xf0, 0x16, 0x70, 0x00];

    #[test]
    fn a_keyframe_says_what_the_stream_is() {
        let mut vp9 = Vp9::default();
        vp9.push(&[&[0x8c, 0x81, 0x02][..], &KEYFRAME].concat()).expect("a frame");
        let unit = vp9.finish().expect("a unit");
        assert_eq!(unit.data, KEYFRAME);
        let Some(Parameters::Vp9(parameters)) = unit.parameters else { panic!("no parameters") };
        assert_eq!((parameters.profile, parameters.width, parameters.height), (0, 640, 360));
        vp9.push(&[0x4c, 0x86, 1, 2]).expect("a frame");
        let unit = vp9.finish().expect("a unit");
        assert_eq!((unit.data.as_slice(), unit.keyframe), (&[0x86, 1, 2][..], false));
    }

    #[test]
    fn spatial_layers_of_a_picture_are_a_superframe() {
        let mut vp9 = Vp9::default();
        // Two layers, 320×180 and 640×360, said with the keyframe; non-flexible mode.
        let structure = [0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68];
        vp9.push(&[&[0xae, 0x81, 0x02, 0x00, 0x00][..], &structure, &KEYFRAME].concat()).expect("the low layer");
        vp9.push(&[0xe8, 0x81, 0x02, 0x02, 0x00, 0x86, 5]).expect("the high layer");
        vp9.push(&[0xe4, 0x81, 0x02, 0x02, 0x00, 6]).expect("and its end");
        let unit = vp9.finish().expect("a unit");
        assert_eq!(unit.data[..13], [&KEYFRAME[..], &[0x86, 5, 6]].concat());
        assert_eq!(unit.data[13..], [0xd1, 10, 0, 0, 3, 0, 0, 0xd1]);
        assert_eq!(unit.parameters.expect("of a keyframe").size(), Some((640, 360)));
    }

    #[test]
    fn hostile_packets_are_refused() {
        let mut vp9 = Vp9::default();
        assert_eq!(vp9.push(&[0x04, 1]), Err(Malformed::NoBeginning));
        assert_eq!(vp9.push(&[0x8c, 0x81]), Err(Malformed::Short));
        assert_eq!(vp9.push(&[0x58, 0x03, 0x03, 0x03, 0x03, 1]), Err(Malformed::Short), "a fourth reference");
        let taken = (0..9).map(|_| vp9.push(&[0x08, 0x82])).collect::<Vec<_>>();
        assert_eq!(taken[8], Err(Malformed::TooLarge));
    }
}
