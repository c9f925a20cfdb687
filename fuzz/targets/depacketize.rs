//! RTP payloads of any content: they become access units that a container can hold, or are refused.
#![no_main]

use container::{Codec, Depacketizer, Sample};
use libfuzzer_sys::fuzz_target;

const CODECS: [Codec; 5] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus];

fuzz_target!(|data: &[u8]| {
    let Some((codec, mut rest)) = data.split_first() else { return };
    let mut depacketizer = Depacketizer::new(CODECS[usize::from(*codec) % CODECS.len()]);
    let mut samples = Vec::new();
    // Each payload is preceded by its length; the top bit ends the access unit.
    while let [length, high, following @ ..] = rest {
        let size = usize::from(*length) | usize::from(high & 0x07) << 8;
        let (payload, following) = following.split_at(size.min(following.len()));
        rest = following;
        if depacketizer.push(payload).is_err() {
            depacketizer.reset();
        }
        if high & 0x80 == 0 {
            continue;
        }
        let Some(unit) = depacketizer.finish() else { continue };
        assert!(!unit.data.is_empty(), "a unit of nothing");
        if let Some(parameters) = unit.parameters {
            assert!(parameters.size().is_none_or(|(width, height)| width > 0 && height > 0), "a picture of nothing");
            let _ = container::init_segment(&parameters);
        }
        samples.push(Sample { duration: 1, keyframe: unit.keyframe, data: unit.data });
    }
    let media: usize = samples.iter().map(|sample| sample.data.len()).sum();
    let fragment = container::fragment(1, 0, &samples).expect("any sample can be written");
    assert!(fragment.len() > media);
});
