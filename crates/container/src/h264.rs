//! H.264 (RFC 6184): NAL units behind their lengths, the parameter sets apart (ISO/IEC 14496-15).

use crate::bits::Bits;
use crate::unit::{AccessUnit, LONGEST_UNIT, Malformed, Parameters, append};

const SLICE_IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const ACCESS_UNIT_DELIMITER: u8 = 9;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// Parameter sets of one access unit; libwebrtc sends one of each.
const MOST_SETS: usize = 16;

/// The parameter sets of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H264Parameters {
    /// The sequence parameter set, a NAL unit.
    pub sps: Vec<u8>,
    /// The picture parameter sets, NAL units.
    pub pps: Vec<Vec<u8>>,
    /// Width in pixels, as shown.
    pub width: u16,
    /// Height in pixels, as shown.
    pub height: u16,
}

#[derive(Debug, Default)]
pub(crate) struct H264 {
    data: Vec<u8>,
    /// Where the NAL unit that comes in fragments has its length.
    open: Option<usize>,
    keyframe: bool,
    sps: Option<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

impl H264 {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let (first, rest) = payload.split_first().ok_or(Malformed::Short)?;
        match first & 0x1f {
            1..=23 if self.open.is_some() => Err(Malformed::NoBeginning),
            1..=23 => self.take(payload),
            STAP_A => self.take_aggregated(rest),
            FU_A => self.take_fragment(*first, rest),
            _ => Err(Malformed::Unknown),
        }
    }

    pub(crate) fn finish(&mut self) -> Option<AccessUnit> {
        let Self { data, open, keyframe, sps, pps } = std::mem::take(self);
        if open.is_some() || data.is_empty() {
            return None;
        }
        let parameters = sps.filter(|_| !pps.is_empty()).and_then(|sps| {
            let (width, height) = size(&sps)?;
            Some(Parameters::H264(H264Parameters { sps, pps, width, height }))
        });
        Some(AccessUnit { data, keyframe, parameters })
    }

    fn take(&mut self, nal: &[u8]) -> Result<(), Malformed> {
        let kind = nal.first().ok_or(Malformed::Short)? & 0x1f;
        match kind {
            SPS => self.sps = Some(nal.to_vec()),
            PPS if self.pps.len() < MOST_SETS => self.pps.push(nal.to_vec()),
            PPS => return Err(Malformed::TooLarge),
            ACCESS_UNIT_DELIMITER | FILLER => {}
            _ => {
                self.keyframe |= kind == SLICE_IDR;
                append(&mut self.data, &(nal.len() as u32).to_be_bytes())?;
                append(&mut self.data, nal)?;
            }
        }
        Ok(())
    }

    fn take_aggregated(&mut self, mut rest: &[u8]) -> Result<(), Malformed> {
        while !rest.is_empty() {
            let (length, following) = rest.split_first_chunk::<2>().ok_or(Malformed::Short)?;
            let length = usize::from(u16::from_be_bytes(*length));
            self.take(following.get(..length).ok_or(Malformed::Short)?)?;
            rest = &following[length..];
        }
        Ok(())
    }

    fn take_fragment(&mut self, indicator: u8, rest: &[u8]) -> Result<(), Malformed> {
        let (header, fragment) = rest.split_first().ok_or(Malformed::Short)?;
        let (starts, ends, kind) = (header & 0x80 != 0, header & 0x40 != 0, header & 0x1f);
        if starts {
            self.open = Some(self.data.len());
            self.keyframe |= kind == SLICE_IDR;
            append(&mut self.data, &[0, 0, 0, 0, indicator & 0xe0 | kind])?;
        }
        let open = self.open.ok_or(Malformed::NoBeginning)?;
        append(&mut self.data, fragment)?;
        if ends {
            self.open = None;
            let nal = self.data.split_off(open);
            // Parameter sets may come in fragments, too.
            self.take(&nal[4..])?;
        }
        debug_assert!(self.data.len() <= LONGEST_UNIT);
        Ok(())
    }
}

/// The size of the picture that a sequence parameter set says, cropped (§7.3.2.1.1). `None`: it cannot be read.
fn size(sps: &[u8]) -> Option<(u16, u16)> {
    let rbsp = without_emulation_prevention(sps.get(1..)?);
    let mut bits = Bits::new(&rbsp);
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.exp_golomb()?;
    let mut chroma = 1;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        chroma = bits.exp_golomb()?;
        if chroma == 3 {
            bits.flag()?;
        }
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.flag()?;
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.exp_golomb()?;
    match bits.exp_golomb()? {
        0 => drop(bits.exp_golomb()?),
        1 => {
            bits.flag()?;
            bits.signed_exp_golomb()?;
            bits.signed_exp_golomb()?;
            for _ in 0..bits.exp_golomb().filter(|count| *count < 256)? {
                bits.signed_exp_golomb()?;
            }
        }
        _ => {}
    }
    bits.exp_golomb()?;
    bits.flag()?;
    let width = u64::from(bits.exp_golomb()?) + 1;
    let height = u64::from(bits.exp_golomb()?) + 1;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.flag()?;
    }
    bits.flag()?;
    let fields = if frames_only { 1 } else { 2 };
    let (mut width, mut height) = (width * 16, height * 16 * fields);
    if bits.flag()? {
        let mut crop = || bits.exp_golomb().map(u64::from);
        let (left, right, top, bottom) = (crop()?, crop()?, crop()?, crop()?);
        let (across, down) = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 });
        width = width.checked_sub((left + right) * across)?;
        height = height.checked_sub((top + bottom) * down * fields)?;
    }
    let size = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    (size.0 > 0 && size.1 > 0).then_some(size)
}

fn skip_scaling_list(bits: &mut Bits<'_>, length: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..length {
        if next != 0 {
            next = (last + i64::from(bits.signed_exp_golomb()?)).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// A NAL unit without the bytes that keep it from looking like a start code (§7.4.1).
fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(*byte);
    }
    rbsp
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of Chromium at 640×360, Constrained Baseline.
    const SPS_360: [u8; 16] =
        [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x17, 0xfc, 0xb0, 0x0f, 0x08, 0x84, 0x6a, 0x00];

    #[test]
    fn a_unit_is_put_together_from_every_kind_of_packet() {
        let mut h264 = H264::default();
        let stap = [&[0x78, 0, 16][..], &SPS_360, &[0, 4, 0x68, 0xce, 0x3c, 0x80]].concat();
        h264.push(&stap).expect("parameter sets");
        h264.push(&[0x7c, 0x85, 1, 2]).expect("an IDR begins");
        h264.push(&[0x7c, 0x05, 3]).expect("goes on");
        h264.push(&[0x7c, 0x45, 4]).expect("ends");
        h264.push(&[0x65, 9]).expect("a second slice");
        let unit = h264.finish().expect("a unit");
        assert_eq!(unit.data, [0, 0, 0, 5, 0x65, 1, 2, 3, 4, 0, 0, 0, 2, 0x65, 9]);
        assert!(unit.keyframe);
        let Some(Parameters::H264(parameters)) = unit.parameters else { panic!("no parameters") };
        assert_eq!((parameters.sps.as_slice(), parameters.pps.len()), (&SPS_360[..], 1));
        h264.push(&[0x41, 9]).expect("a P slice");
        let unit = h264.finish().expect("a unit");
        assert_eq!((unit.keyframe, unit.parameters), (false, None));
    }

    #[test]
    fn hostile_packets_are_refused() {
        let mut h264 = H264::default();
        assert_eq!(h264.push(&[0x78, 0, 1, 0x67, 0]), Err(Malformed::Short), "a STAP-A that ends within a length");
        assert_eq!(h264.push(&[0x78, 0, 9, 0x67]), Err(Malformed::Short));
        assert_eq!(h264.push(&[0x7c, 0x05, 1]), Err(Malformed::NoBeginning));
        assert_eq!(h264.push(&[0x7c]), Err(Malformed::Short));
        assert_eq!(h264.push(&[0x79, 0]), Err(Malformed::Unknown), "STAP-B");
        h264.push(&[0x7c, 0x85, 1]).expect("an IDR begins");
        assert_eq!(h264.finish(), None, "and has no end");
    }
}
