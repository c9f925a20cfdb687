//! AV1 (AOM RTP specification 1.0): OBUs with their sizes, without temporal delimiters (AV1 in ISOBMFF).

use crate::bits::{Bits, leb128, put_leb128};
use crate::unit::{AccessUnit, Malformed, Parameters, append};

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// What the sequence header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Av1Parameters {
    /// The sequence header OBU, with its size.
    pub sequence_header: Vec<u8>,
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx[0]`.
    pub level: u8,
    /// `seq_tier[0]`.
    pub high_tier: bool,
    /// More than 8 bits.
    pub high_bitdepth: bool,
    /// 12 bits.
    pub twelve_bit: bool,
    /// No colour.
    pub monochrome: bool,
    /// Half the chroma samples across.
    pub subsampling_x: bool,
    /// Half the chroma samples down.
    pub subsampling_y: bool,
    /// `chroma_sample_position`.
    pub chroma_sample_position: u8,
    /// Largest width in pixels.
    pub width: u16,
    /// Largest height in pixels.
    pub height: u16,
}

#[derive(Debug, Default)]
pub(crate) struct Av1 {
    data: Vec<u8>,
    /// An OBU whose rest comes with the next packet.
    partial: Vec<u8>,
    is_partial: bool,
    parameters: Option<Av1Parameters>,
}

impl Av1 {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let (aggregation, mut rest) = payload.split_first().ok_or(Malformed::Short)?;
        let (mut continues, goes_on, count) = (aggregation & 0x80 != 0, aggregation & 0x40 != 0, aggregation >> 4 & 3);
        if continues != self.is_partial {
            return Err(Malformed::NoBeginning);
        }
        let mut element = 0_usize;
        while !rest.is_empty() {
            element += 1;
            let length = if element == usize::from(count) {
                rest.len()
            } else {
                let (length, took) = leb128(rest).ok_or(Malformed::Short)?;
                rest = &rest[took..];
                length
            };
            let bytes = rest.get(..length).ok_or(Malformed::Short)?;
            rest = &rest[length..];
            let is_last = rest.is_empty();
            if continues || (is_last && goes_on) {
                append(&mut self.partial, bytes)?;
                self.is_partial = is_last && goes_on;
                continues = false;
                if !self.is_partial {
                    let whole = std::mem::take(&mut self.partial);
                    self.take(&whole)?;
                }
            } else {
                self.take(bytes)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Option<AccessUnit> {
        let Self { data, partial: _, is_partial, parameters } = std::mem::take(self);
        if is_partial || data.is_empty() {
            return None;
        }
        // A sequence header comes with every keyframe, and with nothing else.
        Some(AccessUnit { data, keyframe: parameters.is_some(), parameters: parameters.map(Parameters::Av1) })
    }

    fn take(&mut self, obu: &[u8]) -> Result<(), Malformed> {
        let Some(header) = obu.first().copied() else { return Ok(()) };
        let kind = header >> 3 & 0x0f;
        let mut body_at = 1 + usize::from(header & 0x04 != 0);
        let mut body = obu.get(body_at..).ok_or(Malformed::Short)?;
        if header & 0x02 != 0 {
            let (size, took) = leb128(body).ok_or(Malformed::Short)?;
            body = body.get(took..took + size).ok_or(Malformed::Short)?;
        }
        if matches!(kind, TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
            return Ok(());
        }
        body_at = body_at.min(2);
        let mut whole = vec![header | 0x02];
        whole.extend_from_slice(&obu[1..body_at]);
        put_leb128(&mut whole, body.len());
        append(&mut whole, body)?;
        if kind == SEQUENCE_HEADER {
            self.parameters = sequence_header(&whole, body);
        }
        append(&mut self.data, &whole)
    }
}

/// What a sequence header OBU says (AV1 bitstream specification §5.5).
fn sequence_header(whole: &[u8], body: &[u8]) -> Option<Av1Parameters> {
    let bits = &mut Bits::new(body);
    let profile = bits.take(3)?;
    bits.flag()?;
    let reduced = bits.flag()?;
    let (level, high_tier) = if reduced { (bits.take(5)?, false) } else { operating_points(bits)? };
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    let width = u16::try_from(bits.take(width_bits)? + 1).ok()?;
    let height = u16::try_from(bits.take(height_bits)? + 1).ok()?;
    if !reduced && bits.flag()? {
        bits.take(7)?;
    }
    bits.take(3)?;
    if !reduced {
        skip_tools(bits)?;
    }
    bits.take(3)?;
    let high_bitdepth = bits.flag()?;
    let twelve_bit = profile == 2 && high_bitdepth && bits.flag()?;
    let monochrome = profile != 1 && bits.flag()?;
    let colour = if bits.flag()? { bits.take(24)? } else { 0x02_02_02 };
    let (mut subsampling_x, mut subsampling_y, mut chroma_sample_position) = (true, true, 0);
    const SRGB: u32 = 0x01_0d_00;
    if monochrome {
        bits.flag()?;
    } else if colour == SRGB {
        (subsampling_x, subsampling_y) = (false, false);
    } else {
        bits.flag()?;
        (subsampling_x, subsampling_y) = match profile {
            0 => (true, true),
            1 => (false, false),
            _ if twelve_bit => {
                let x = bits.flag()?;
                (x, x && bits.flag()?)
            }
            _ => (true, false),
        };
        if subsampling_x && subsampling_y {
            chroma_sample_position = bits.take(2)? as u8;
        }
    }
    Some(Av1Parameters {
        sequence_header: whole.to_vec(),
        profile: profile as u8,
        level: level as u8,
        high_tier,
        high_bitdepth,
        twelve_bit,
        monochrome,
        subsampling_x,
        subsampling_y,
        chroma_sample_position,
        width,
        height,
    })
}

/// Level and tier of the first operating point; the others are passed over.
fn operating_points(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.exp_golomb()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            bits.take(32)?;
            bits.take(10)?;
        }
    }
    let display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        let level = bits.take(5)?;
        let high_tier = level > 7 && bits.flag()?;
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.take(delay_bits)?;
            bits.take(delay_bits)?;
            bits.flag()?;
        }
        if display_delay && bits.flag()? {
            bits.take(4)?;
        }
        first.get_or_insert((level, high_tier));
    }
    first
}

fn skip_tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.take(4)?;
    let order_hint = bits.flag()?;
    if order_hint {
        bits.take(2)?;
    }
    let may_force = bits.flag()? || bits.flag()?;
    if may_force && !bits.flag()? {
        bits.flag()?;
    }
    if order_hint {
        bits.take(3)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of libaom at 640×360, profile 0, level 2.1, in one operating point; without a size.
    const HEADER: [u8; 11] = [0x08, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xff, 0xbc, 0xfe, 0xd2, 0x01];

    #[test]
    fn obus_get_their_sizes_and_delimiters_go() {
        let mut av1 = Av1::default();
        // Three elements: a delimiter, padding, and a frame that goes on in the next packet.
        av1.push(&[0x70, 1, 0x10, 2, 0x7a, 0, 0x30, 1, 2]).expect("the start");
        av1.push(&[0x90, 3, 4]).expect("the rest");
        let unit = av1.finish().expect("a unit");
        assert_eq!((unit.data.as_slice(), unit.keyframe), (&[0x32, 4, 1, 2, 3, 4][..], false));
    }

    #[test]
    fn a_sequence_header_makes_a_keyframe() {
        let mut av1 = Av1::default();
        let mut payload = vec![0x28, HEADER.len() as u8];
        payload.extend_from_slice(&HEADER);
        payload.extend_from_slice(&[0x30, 9]);
        av1.push(&payload).expect("a keyframe");
        let unit = av1.finish().expect("a unit");
        assert!(unit.keyframe);
        let Some(Parameters::Av1(parameters)) = unit.parameters else { panic!("no parameters") };
        assert_eq!(parameters.sequence_header[..2], [0x0a, HEADER.len() as u8 - 1]);
    }

    #[test]
    fn hostile_packets_are_refused() {
        let mut av1 = Av1::default();
        assert_eq!(av1.push(&[0x80, 1, 2]), Err(Malformed::NoBeginning));
        assert_eq!(av1.push(&[0x20, 9, 2]), Err(Malformed::Short));
        assert_eq!(av1.push(&[0x00, 0x80]), Err(Malformed::Short));
        assert_eq!(av1.push(&[0x10, 0x32, 9, 1]), Err(Malformed::Short), "an OBU shorter than it says");
        av1.push(&[0x50, 0x30, 1]).expect("a start");
        assert_eq!(av1.finish(), None, "without an end");
        // More elements than a byte counts.
        av1.push(&[0; 1_000]).expect("empty elements");
        assert_eq!(av1.finish(), None, "nothing in them");
    }
}
