//! The few boxes of ISO/IEC 14496-12 that tell where media lies and when it is: `moov`, `moof` and what is in them. It reads slices
//! and allocates no more than what they hold.

/// A box's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Box4 {
    /// The type.
    pub name: [u8; 4],
    /// Bytes before the content.
    pub header: u64,
    /// Bytes in all.
    pub size: u64,
}

impl Box4 {
    /// Reads the head at the start of `bytes`. A box that claims to go on to the end of the file is none: nothing we read has one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let name: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
        let (size, header) = match u32_at(bytes, 0)? {
            1 => (u64_at(bytes, 8)?, 16),
            size => (u64::from(size), 8),
        };
        (size >= header).then_some(Self { name, header, size })
    }
}

/// What the head of a part says about its track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Whether it is a picture.
    pub is_video: bool,
    /// Ticks a second.
    pub timescale: u32,
    /// The sample entry's type: `avc1`, `vp08`, `Opus`.
    pub codec: [u8; 4],
    /// Width and height in pixels; 0 for sound.
    pub size: (u16, u16),
    track: u32,
    defaults: Defaults,
}

/// What samples have where their fragment says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Defaults {
    duration: u32,
    flags: u32,
}

/// One sample, in ticks of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it is shown.
    pub at: u64,
    /// How long.
    pub duration: u32,
    /// Whether it can be decoded without others.
    pub is_key: bool,
}

impl Init {
    /// Reads the content of a `moov`: its first track.
    pub fn parse(moov: &[u8]) -> Option<Self> {
        let trak = child(moov, b"trak")?;
        let mdia = child(trak, b"mdia")?;
        let tkhd = child(trak, b"tkhd")?;
        let track = u32_at(tkhd, if *tkhd.first()? == 1 { 20 } else { 12 })?;
        let mdhd = child(mdia, b"mdhd")?;
        let timescale = u32_at(mdhd, if *mdhd.first()? == 1 { 20 } else { 12 })?;
        let is_video = match child(mdia, b"hdlr")?.get(8..12)? {
            b"vide" => true,
            b"soun" => false,
            _ => return None,
        };
        let stsd = child(child(child(mdia, b"minf")?, b"stbl")?, b"stsd")?;
        let entry = stsd.get(8..)?;
        let codec = Box4::read(entry)?.name;
        let size = if is_video { (u16_at(entry, 32)?, u16_at(entry, 34)?) } else { (0, 0) };
        let defaults = child(moov, b"mvex").and_then(|mvex| trex(mvex, track)).unwrap_or_default();
        (timescale > 0).then_some(Self { is_video, timescale, codec, size, track, defaults })
    }

    /// A time of the track in microseconds.
    pub fn micros(&self, ticks: u64) -> u64 {
        u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(self.timescale)).unwrap_or(u64::MAX)
    }
}

fn trex(mvex: &[u8], track: u32) -> Option<Defaults> {
    let found = children(mvex).filter(|(name, _)| *name == b"trex").find(|(_, trex)| u32_at(trex, 4) == Some(track))?;
    Some(Defaults { duration: u32_at(found.1, 12)?, flags: u32_at(found.1, 20)? })
}

/// The samples of a `moof`. None if it is broken.
pub fn fragment(moof: &[u8], init: &Init) -> Option<Vec<Sample>> {
    let mut samples = Vec::new();
    for (_, traf) in children(moof).filter(|(name, _)| *name == b"traf") {
        let tfhd = child(traf, b"tfhd")?;
        if u32_at(tfhd, 4)? != init.track {
            continue;
        }
        let defaults = of_fragment(tfhd, init.defaults)?;
        let tfdt = child(traf, b"tfdt")?;
        let mut at = if *tfdt.first()? == 1 { u64_at(tfdt, 4)? } else { u64::from(u32_at(tfdt, 4)?) };
        for (_, trun) in children(traf).filter(|(name, _)| *name == b"trun") {
            at = run(trun, at, defaults, &mut samples)?;
        }
    }
    Some(samples)
}

/// What the fragment's header says instead of the track's.
fn of_fragment(tfhd: &[u8], track: Defaults) -> Option<Defaults> {
    let flags = u32_at(tfhd, 0)?;
    let mut at = 8;
    let mut next = |flag: u32, length: usize| {
        (flags & flag != 0).then(|| {
            at += length;
            at - length
        })
    };
    next(0x1, 8);
    next(0x2, 4);
    let duration = next(0x8, 4);
    next(0x10, 4);
    let sample_flags = next(0x20, 4);
    Some(Defaults {
        duration: duration.map_or(Some(track.duration), |at| u32_at(tfhd, at))?,
        flags: sample_flags.map_or(Some(track.flags), |at| u32_at(tfhd, at))?,
    })
}

/// The most samples that a run without a table of them may have.
const UNTABLED: usize = 10_000;
const NOT_SYNC: u32 = 0x1_0000;

/// The samples of a run, from `at` on. When the next run begins.
fn run(trun: &[u8], mut at: u64, defaults: Defaults, samples: &mut Vec<Sample>) -> Option<u64> {
    let flags = u32_at(trun, 0)?;
    let count = usize::try_from(u32_at(trun, 4)?).ok()?;
    let mut offset = 8 + if flags & 0x1 != 0 { 4 } else { 0 };
    let first_flags = if flags & 0x4 != 0 { Some(u32_at(trun, offset)?) } else { None };
    offset += if first_flags.is_some() { 4 } else { 0 };
    let fields: Vec<u32> = [0x100, 0x200, 0x400, 0x800].into_iter().filter(|field| flags & field != 0).collect();
    let entry = fields.len() * 4;
    let room = trun.len().saturating_sub(offset).checked_div(entry).unwrap_or(UNTABLED);
    if count > room {
        return None;
    }
    for number in 0..count {
        let row = offset + number * entry;
        let field = |wanted: u32| {
            fields.iter().position(|field| *field == wanted).and_then(|column| u32_at(trun, row + column * 4))
        };
        let duration = field(0x100).unwrap_or(defaults.duration);
        let own = field(0x400).or(first_flags.filter(|_| number == 0)).unwrap_or(defaults.flags);
        let later = i64::from(field(0x800).unwrap_or(0).cast_signed());
        samples.push(Sample { at: at.saturating_add_signed(later), duration, is_key: own & NOT_SYNC == 0 });
        at = at.checked_add(duration.into())?;
    }
    Some(at)
}

/// The boxes within a box's content.
fn children(mut content: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let head = Box4::read(content)?;
        let size = usize::try_from(head.size).ok()?;
        let inside = content.get(usize::try_from(head.header).ok()?..size)?;
        let name = content.get(4..8)?.try_into().ok()?;
        content = &content[size..];
        Some((name, inside))
    })
}

fn child<'a>(content: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    children(content).find(|(found, _)| *found == name).map(|(_, inside)| inside)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Files made by hand, for what reads them.
#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::fragments::{Fragment, Part};
    use crate::span::{Span, Spans};

    fn make(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).expect("small");
        [&size.to_be_bytes()[..], name, content].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A file with one video track, 640 × 360, and the given fragments.
    pub fn file(timescale: u32, fragments: &[Vec<u8>]) -> Vec<u8> {
        let mut entry = vec![0; 78];
        entry[24..28].copy_from_slice(&[2, 128, 1, 104]);
        let stsd = make(b"stsd", &[words(&[0, 1]), make(b"vp08", &entry)].concat());
        let mdia = [
            make(b"mdhd", &words(&[0, 0, 0, timescale, 0, 0])),
            make(b"hdlr", &[&words(&[0, 0])[..], b"vide", &[0; 16]].concat()),
            make(b"minf", &make(b"stbl", &stsd)),
        ];
        let trak = [make(b"tkhd", &words(&[0, 0, 0, 1, 0, 0])), make(b"mdia", &mdia.concat())];
        let trex = make(b"trex", &words(&[0, 1, 1, 0, 0, 0]));
        let moov = make(b"moov", &[make(b"trak", &trak.concat()), make(b"mvex", &trex)].concat());
        [make(b"ftyp", b"iso5\0\0\0\0"), moov, fragments.concat()].concat()
    }

    /// A fragment of `count` samples, the first a keyframe or not.
    pub fn moof(at: u64, duration: u32, count: u32, key: bool) -> Vec<u8> {
        let first = if key { 0 } else { NOT_SYNC };
        let traf = [
            make(b"tfhd", &words(&[0x02_0028, 1, duration, NOT_SYNC])),
            make(b"tfdt", &[words(&[0x0100_0000]), at.to_be_bytes().to_vec()].concat()),
            make(b"trun", &words(&[0x5, count, 0, first])),
        ];
        [make(b"moof", &make(b"traf", &traf.concat())), make(b"mdat", &[7; 40])].concat()
    }

    /// The index of a part without a file, with fragments of so many milliseconds that all begin with a keyframe.
    pub fn part_of(is_video: bool, fragments: &[(u64, u64)]) -> Part {
        let span = |(from, to): (u64, u64)| Span::new(from * 1_000, to * 1_000);
        let codec = if is_video { *b"vp08" } else { *b"Opus" };
        let size = if is_video { (1_280, 720) } else { (0, 0) };
        Part {
            init: Init { is_video, timescale: 90_000, codec, size, track: 1, defaults: Defaults::default() },
            head: 0..0,
            fragments: fragments
                .iter()
                .map(|times| Fragment { bytes: 0..0, span: span(*times), keys: vec![times.0 * 1_000] })
                .collect(),
            covered: fragments.iter().map(|times| span(*times)).collect::<Spans>(),
            torn: 0,
        }
    }

    #[test]
    fn a_head_tells_what_the_track_is() {
        let bytes = file(90_000, &[]);
        let moov = child(&bytes, b"moov").expect("a head");
        let init = Init::parse(moov).expect("a track");
        assert_eq!((init.is_video, init.timescale, &init.codec, init.size), (true, 90_000, b"vp08", (640, 360)));
    }

    #[test]
    fn samples_take_from_the_fragment_what_the_run_leaves_out() {
        let bytes = file(90_000, &[moof(180_000, 3_000, 3, true)]);
        let init = Init::parse(child(&bytes, b"moov").expect("a head")).expect("a track");
        let samples = fragment(child(&bytes, b"moof").expect("a fragment"), &init).expect("whole");
        let shape: Vec<_> = samples.iter().map(|sample| (sample.at, sample.duration, sample.is_key)).collect();
        assert_eq!(shape, [(180_000, 3_000, true), (183_000, 3_000, false), (186_000, 3_000, false)]);
    }

    #[test]
    fn a_run_that_claims_more_samples_than_it_has_is_broken() {
        let bytes = file(90_000, &[moof(0, 3_000, u32::MAX, true)]);
        let init = Init::parse(child(&bytes, b"moov").expect("a head")).expect("a track");
        assert_eq!(fragment(child(&bytes, b"moof").expect("a fragment"), &init), None);
    }
}
