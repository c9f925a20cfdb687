//! Dependency descriptors, one after the other: what is written anew for a subscriber says the same of the frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sfu::codec::descriptor::{self, LONGEST, Structure};

fuzz_target!(|data: &[u8]| {
    let mut structure: Option<Structure> = None;
    let mut rest = data;
    // Each is preceded by its length, and by a number that decides what is written anew.
    while let [length, seed, following @ ..] = rest {
        let (bytes, following) = following.split_at(usize::from(*length).min(following.len()));
        rest = following;
        let Ok(read) = descriptor::parse(bytes, structure.as_ref()) else { continue };
        let known = read.structure.as_deref().or(structure.as_ref()).expect("nothing can be read without");
        let all = known.all();
        assert_eq!((read.frame.present | read.frame.switch) & !all, 0, "targets that are none");
        assert!(read.active.is_none_or(|active| active & !all == 0), "targets that are none");
        for from in 0..known.targets().len() {
            assert!(known.includes(from, from));
        }
        let number = u16::from_be_bytes([*seed, *length]);
        let active = u32::from(*seed).wrapping_mul(0x0101_0101) & all;
        for asked in [None, Some((read.place, active))] {
            let mut buffer = [0xff; LONGEST];
            let Some(length) = descriptor::rewrite(bytes, number, asked, &mut buffer) else {
                assert!(bytes.len() + 5 > LONGEST, "no room, but there is");
                continue;
            };
            let again = descriptor::parse(&buffer[..length], structure.as_ref()).expect("it could be read before");
            assert_eq!(again.mandatory.number, number);
            assert_eq!((again.mandatory.starts, again.mandatory.ends), (read.mandatory.starts, read.mandatory.ends));
            assert_eq!((again.frame, &again.structure), (read.frame, &read.structure));
            assert_eq!(again.active, asked.map_or(read.active, |(_, active)| Some(active)));
        }
        structure = read.structure.map(|structure| *structure).or(structure);
    }
});
