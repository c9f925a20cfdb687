//! The little that forwarding needs to know about each codec: where a keyframe starts, and which running numbers to
//! rewrite.
//!
//! Nothing here looks at pictures. Payloads that cannot be parsed (end-to-end encrypted ones) are opaque, never an
//! error.

pub(crate) mod av1;
pub mod bits;
pub mod descriptor;
pub(crate) mod h264;
pub(crate) mod h265;
pub(crate) mod red;
pub(crate) mod vp8;
pub mod vp9;

use crate::types::Codec;

/// A subscriber that knows nothing yet can start decoding with this packet.
///
/// `descriptor` is the packet's dependency descriptor, which works where the payload is encrypted.
pub fn starts_keyframe(codec: Codec, payload: &[u8], descriptor: Option<&[u8]>) -> bool {
    match codec {
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma => true,
        Codec::Vp8 => vp8::starts_keyframe(payload),
        Codec::H264 => h264::starts_keyframe(payload),
        Codec::H265 => h265::starts_keyframe(payload),
        Codec::Vp9 => match descriptor {
            Some(descriptor) => descriptor::starts_coded_sequence(descriptor),
            None => vp9::starts_keyframe(payload),
        },
        Codec::Av1 => match descriptor {
            Some(descriptor) => descriptor::starts_coded_sequence(descriptor),
            None => av1::starts_keyframe(payload),
        },
    }
}

/// The newest block of redundant audio (RFC 2198); empty where the payload is malformed.
pub fn newest_of_red(payload: &[u8]) -> &[u8] {
    red::primary(payload).map_or(&[], |(_, block)| &payload[block])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arbitrary_bytes_are_opaque_and_harmless() {
        let mut rng = fastrand::Rng::with_seed(1);
        let audio = [Codec::Opus, Codec::Red, Codec::Pcmu, Codec::Pcma];
        let video = [Codec::Vp8, Codec::H264, Codec::H265, Codec::Vp9, Codec::Av1];
        for _ in 0..200_000 {
            let length = rng.usize(0..24);
            let payload: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
            let cut = rng.usize(0..=payload.len());
            for codec in audio.into_iter().chain(video) {
                starts_keyframe(codec, &payload, None);
                starts_keyframe(codec, &payload, Some(&payload[..cut]));
            }
            vp8::numbers(&payload);
            let _ = descriptor::parse(&payload, None);
            vp9::parse(&payload);
            if let Some((_, block)) = red::primary(&payload) {
                assert!(!payload[block].is_empty());
            }
        }
    }
}
