//! Access units: what a decoder takes at a time, put together from the payloads of its packets.

use crate::av1::{Av1, Av1Parameters};
use crate::h264::{H264, H264Parameters};
use crate::vp8::Vp8;
use crate::vp9::{Vp9, Vp9Parameters};

/// Bytes of an access unit, at most. A keyframe of 4K at its best has a fifth of that.
pub const LONGEST_UNIT: usize = 8 << 20;

/// What can be put into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 (RFC 6184).
    H264,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// AV1 (AOM RTP specification 1.0).
    Av1,
    /// Opus (RFC 7587).
    Opus,
}

impl Codec {
    /// Sound rather than picture.
    pub fn is_audio(self) -> bool {
        matches!(self, Codec::Opus)
    }
}

/// What a decoder has to know before the first access unit, from the stream itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameters {
    /// Parameter sets.
    H264(H264Parameters),
    /// A picture size, in pixels.
    Vp8 {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// What the frame header says.
    Vp9(Vp9Parameters),
    /// The sequence header.
    Av1(Av1Parameters),
    /// Nothing: every packet says for itself.
    Opus,
}

impl Parameters {
    /// Width and height in pixels; `None`: no picture.
    pub fn size(&self) -> Option<(u16, u16)> {
        match self {
            Parameters::H264(parameters) => Some((parameters.width, parameters.height)),
            Parameters::Vp8 { width, height } => Some((*width, *height)),
            Parameters::Vp9(parameters) => Some((parameters.width, parameters.height)),
            Parameters::Av1(parameters) => Some((parameters.width, parameters.height)),
            Parameters::Opus => None,
        }
    }
}

/// One access unit, as the container holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// The bytes.
    pub data: Vec<u8>,
    /// A decoder can start here.
    pub keyframe: bool,
    /// What the unit says of those that follow.
    pub parameters: Option<Parameters>,
}

/// A payload is not what its codec says it would be, or packets before it are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends too early.
    #[error("a payload is cut short")]
    Short,
    /// It goes on with what did not begin.
    #[error("a payload goes on with what has no beginning")]
    NoBeginning,
    /// A kind that no WebRTC sender uses.
    #[error("a payload is of an unknown kind")]
    Unknown,
    /// The access unit would be larger than [`LONGEST_UNIT`].
    #[error("an access unit is too large")]
    TooLarge,
}

/// Puts the access units of one stream together. Takes payloads in order and without gaps: after a gap, [`Depacketizer::reset`].
#[derive(Debug)]
pub struct Depacketizer {
    format: Format,
}

#[derive(Debug)]
enum Format {
    H264(H264),
    Vp8(Vp8),
    Vp9(Vp9),
    Av1(Av1),
    Opus(Vec<u8>),
}

impl Depacketizer {
    /// Nothing yet.
    pub fn new(codec: Codec) -> Self {
        let format = match codec {
            Codec::H264 => Format::H264(H264::default()),
            Codec::Vp8 => Format::Vp8(Vp8::default()),
            Codec::Vp9 => Format::Vp9(Vp9::default()),
            Codec::Av1 => Format::Av1(Av1::default()),
            Codec::Opus => Format::Opus(Vec::new()),
        };
        Self { format }
    }

    /// Takes the next payload of the unit. After an error, [`Depacketizer::reset`].
    pub fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        match &mut self.format {
            Format::H264(format) => format.push(payload),
            Format::Vp8(format) => format.push(payload),
            Format::Vp9(format) => format.push(payload),
            Format::Av1(format) => format.push(payload),
            Format::Opus(data) => append(data, payload),
        }
    }

    /// The unit is complete. `None`: it holds nothing, or what it holds has no end.
    pub fn finish(&mut self) -> Option<AccessUnit> {
        match &mut self.format {
            Format::H264(format) => format.finish(),
            Format::Vp8(format) => format.finish(),
            Format::Vp9(format) => format.finish(),
            Format::Av1(format) => format.finish(),
            Format::Opus(data) if data.is_empty() => None,
            Format::Opus(data) => {
                let data = std::mem::take(data);
                Some(AccessUnit { data, keyframe: true, parameters: Some(Parameters::Opus) })
            }
        }
    }

    /// Forgets the unit that was begun.
    pub fn reset(&mut self) {
        match &mut self.format {
            Format::H264(format) => *format = H264::default(),
            Format::Vp8(format) => *format = Vp8::default(),
            Format::Vp9(format) => *format = Vp9::default(),
            Format::Av1(format) => *format = Av1::default(),
            Format::Opus(data) => data.clear(),
        }
    }
}

/// Adds bytes to a unit, within its limit.
pub(crate) fn append(unit: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Malformed> {
    if unit.len() + bytes.len() > LONGEST_UNIT {
        return Err(Malformed::TooLarge);
    }
    unit.extend_from_slice(bytes);
    Ok(())
}

/// How long an Opus packet plays, in ticks of 48 kHz (RFC 6716 §3.1). 0: it says nothing that could be.
pub fn opus_duration(packet: &[u8]) -> u32 {
    let Some(toc) = packet.first() else { return 0 };
    let config = toc >> 3;
    let frame = match config {
        // SILK: 10, 20, 40 or 60 ms.
        0..=11 => [480, 960, 1_920, 2_880][usize::from(config % 4)],
        // Hybrid: 10 or 20 ms.
        12..=15 => [480, 960][usize::from(config % 2)],
        // CELT: 2.5, 5, 10 or 20 ms.
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 0x03 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).copied().unwrap_or(0) & 0x3f),
    };
    // 120 ms at most.
    let duration = frame * frames;
    if duration > 5_760 { 0 } else { duration }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_packets_say_how_long_they_are() {
        assert_eq!(opus_duration(&[0x78]), 960, "hybrid, 20 ms, one frame");
        assert_eq!(opus_duration(&[0x08 | 1]), 1_920, "SILK, 20 ms, two frames");
        assert_eq!(opus_duration(&[0x83, 0x04]), 480, "CELT, 2.5 ms, four frames");
        assert_eq!(opus_duration(&[0x1b, 0x3f]), 0, "63 frames of 60 ms");
        assert_eq!(opus_duration(&[]), 0);
    }

    #[test]
    fn arbitrary_payloads_are_refused_or_taken_and_do_no_harm() {
        let mut rng = fastrand::Rng::with_seed(7);
        for codec in [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus] {
            let mut depacketizer = Depacketizer::new(codec);
            for _ in 0..100_000 {
                let length = rng.usize(0..40);
                let payload: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
                if depacketizer.push(&payload).is_err() {
                    depacketizer.reset();
                }
                if rng.u8(..) < 100
                    && let Some(unit) = depacketizer.finish()
                    && let Some(parameters) = unit.parameters
                {
                    let _ = crate::init_segment(&parameters);
                }
            }
        }
    }

    #[test]
    fn a_unit_has_a_limit() {
        let mut depacketizer = Depacketizer::new(Codec::Vp8);
        let mut payload = vec![0; 1 << 20];
        payload[0] = 0x10;
        let refused = (0..9).find_map(|_| depacketizer.push(&payload).err());
        assert_eq!(refused, Some(Malformed::TooLarge));
    }
}
