//! What is in a part: the index of a fragmented MP4 file with one track, read without decoding anything. It owns where fragments
//! lie and which times they cover. A torn end is left out; a file that makes no sense is an error, never a panic.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use crate::boxes::{self, Box4, Init, Sample};
use crate::span::{Micros, Span, Spans};

/// A recording lasts no longer than this; what claims to lie beyond is broken.
pub const LONGEST: Micros = 48 * 3_600 * 1_000_000;
/// The largest box of headers that is read into memory.
const HEADERS: u64 = 4 << 20;
/// Gaps that are shorter are no gaps: the next frame is only late.
const JOINED: Micros = 250_000;

/// The index of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the file's head says.
    pub init: Init,
    /// The bytes that come before the first fragment.
    pub head: Range<u64>,
    /// In the order of the file.
    pub fragments: Vec<Fragment>,
    /// When there are samples, in times of the recording.
    pub covered: Spans,
    /// Bytes at the end that are not a whole fragment.
    pub torn: u64,
}

/// One `moof` with its `mdat`, and whatever stands before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Where it lies in the file.
    pub bytes: Range<u64>,
    /// From its first sample to the end of its last.
    pub span: Span,
    /// When its keyframes begin.
    pub keys: Vec<Micros>,
}

/// Why a part cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is no head that tells what the track is.
    #[error("it has no head")]
    NoHead,
    /// There is a head, and no whole fragment with samples.
    #[error("it has no media")]
    Empty,
}

impl Part {
    /// Reads the index of a file.
    pub fn read(path: &Path) -> Result<Self, PartError> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        Self::index(&mut file, size)
    }

    fn index(file: &mut (impl Read + Seek), size: u64) -> Result<Self, PartError> {
        let mut init = None;
        let mut head = 0..0;
        let mut fragments: Vec<Fragment> = Vec::new();
        let mut covered = Spans::default();
        let mut samples: Option<Vec<Sample>> = None;
        let (mut at, mut whole) = (0, 0);
        while let Some(found) = box_at(file, at, size)? {
            match &found.name {
                b"moov" if init.is_none() => {
                    init = Init::parse(&body(file, &found)?);
                    whole = found.end;
                    head = 0..found.end;
                }
                b"moof" => {
                    let Some(init) = &init else { return Err(PartError::NoHead) };
                    samples = boxes::fragment(&body(file, &found)?, init);
                }
                b"mdat" => {
                    if let (Some(samples), Some(init)) = (samples.take(), &init) {
                        fragments.extend(fragment(&samples, init, whole..found.end, &mut covered));
                        whole = found.end;
                    }
                }
                // An index at the end, say.
                _ if samples.is_none() => whole = found.end,
                _ => {}
            }
            at = found.end;
        }
        let init = init.ok_or(PartError::NoHead)?;
        if fragments.is_empty() {
            return Err(PartError::Empty);
        }
        Ok(Self { init, head, fragments, covered, torn: size - whole })
    }

    /// Whether this is a picture.
    pub fn is_video(&self) -> bool {
        self.init.is_video
    }

    /// The fragments that are needed to decode what is within `span`: a picture from the last keyframe before it, sound from a little
    /// earlier, so that the decoder has settled.
    pub fn needed(&self, span: Span) -> Option<Range<usize>> {
        let end = self.fragments.partition_point(|fragment| fragment.span.from < span.to);
        let reached = self.fragments[..end].partition_point(|fragment| fragment.span.from <= span.from);
        let first = if self.is_video() {
            let before = |fragment: &Fragment| fragment.keys.first().is_some_and(|key| *key <= span.from);
            match self.fragments[..reached].iter().rposition(before) {
                Some(first) => first,
                // Whatever comes before the first keyframe cannot be decoded.
                None => self.fragments[..end].iter().position(|fragment| !fragment.keys.is_empty())?,
            }
        } else {
            reached.saturating_sub(2)
        };
        (first < end).then_some(first..end)
    }

    /// When the last picture begins that is not after `at`, among the given fragments.
    pub fn shown_at(&self, path: &Path, needed: &Range<usize>, at: Micros) -> io::Result<Option<Micros>> {
        let mut file = File::open(path)?;
        let Some(fragment) = self.fragments[needed.clone()].iter().rfind(|fragment| fragment.span.from <= at) else {
            return Ok(None);
        };
        let mut from = fragment.bytes.start;
        while let Some(found) = box_at(&mut file, from, fragment.bytes.end)? {
            if &found.name == b"moof" {
                let samples = boxes::fragment(&body(&mut file, &found)?, &self.init).unwrap_or_default();
                let starts = samples.iter().map(|sample| self.init.micros(sample.at));
                return Ok(starts.filter(|start| *start <= at).max());
            }
            from = found.end;
        }
        Ok(None)
    }
}

/// What a fragment's samples cover. None if it has no samples, or claims a time at which there can be no recording.
fn fragment(samples: &[Sample], init: &Init, bytes: Range<u64>, covered: &mut Spans) -> Option<Fragment> {
    let spans = samples.iter().map(|sample| {
        let from = init.micros(sample.at);
        // A sample that claims to last longer is the last one before a gap.
        let to = init.micros(sample.at.saturating_add(sample.duration.into()));
        Span::new(from, to.min(from.saturating_add(1_000_000)))
    });
    let span = spans.clone().reduce(Span::hull)?;
    if span.is_empty() || span.to > LONGEST {
        return None;
    }
    for one in spans {
        covered.add(one, JOINED);
    }
    let keys = samples.iter().filter(|sample| sample.is_key).map(|sample| init.micros(sample.at)).collect();
    Some(Fragment { bytes, span, keys })
}

/// A box of the top level.
struct Found {
    name: [u8; 4],
    body: u64,
    end: u64,
}

/// The box at `at`; none if it is not whole.
fn box_at(file: &mut (impl Read + Seek), at: u64, size: u64) -> io::Result<Option<Found>> {
    let mut bytes = [0; 16];
    let there = size.saturating_sub(at).min(16);
    if there < 8 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    let there = &mut bytes[..usize::try_from(there).expect("at most 16")];
    file.read_exact(there)?;
    let Some(Box4 { name, header, size: length }) = Box4::read(there) else { return Ok(None) };
    let end = at.checked_add(length).filter(|end| *end <= size);
    Ok(end.map(|end| Found { name, body: at + header, end }))
}

fn body(file: &mut (impl Read + Seek), found: &Found) -> io::Result<Vec<u8>> {
    let length = found.end - found.body;
    if length > HEADERS {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a box of headers is too large"));
    }
    file.seek(SeekFrom::Start(found.body))?;
    let mut bytes = vec![0; usize::try_from(length).expect("at most 4 MiB")];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::tests::{file, moof, part_of};
    use proptest::prelude::*;
    use std::io::Cursor;

    fn index(bytes: Vec<u8>) -> Result<Part, PartError> {
        let size = bytes.len() as u64;
        Part::index(&mut Cursor::new(bytes), size)
    }

    /// Two fragments of a second each from 90 s on, keyframe first, then one a minute later.
    fn late() -> Vec<u8> {
        file(
            90_000,
            &[
                moof(90 * 90_000, 3_000, 30, true),
                moof(91 * 90_000, 3_000, 30, false),
                moof(150 * 90_000, 3_000, 30, true),
            ],
        )
    }

    #[test]
    fn times_count_from_the_start_of_the_recording_and_gaps_stay_open() {
        let part = index(late()).expect("a part");
        let spans: Vec<_> = part.covered.iter().map(|span| (span.from / 1_000, span.to / 1_000)).collect();
        assert_eq!(spans, [(90_000, 92_000), (150_000, 151_000)]);
        assert_eq!((part.init.is_video, part.torn), (true, 0));
    }

    #[test]
    fn a_picture_is_decoded_from_the_keyframe_before_it() {
        let part = index(late()).expect("a part");
        let needed = |from: u64, to: u64| part.needed(Span::new(from * 1_000, to * 1_000));
        assert_eq!(needed(90_500, 90_900), Some(0..1));
        assert_eq!(needed(91_500, 91_900), Some(0..2));
        assert_eq!(needed(91_500, 150_500), Some(0..3));
        assert_eq!(needed(150_000, 150_900), Some(2..3));
        assert_eq!(needed(0, 90_000), None);
        assert_eq!(needed(0, 90_001), Some(0..1));
    }

    #[test]
    fn a_torn_end_is_left_out_wherever_it_is_torn() {
        let whole = late();
        let last = index(whole.clone()).expect("a part").fragments[2].bytes.clone();
        for cut in last.start..last.end {
            let part = index(whole[..usize::try_from(cut).expect("small")].to_vec()).expect("two fragments are whole");
            assert_eq!((part.fragments.len(), part.torn), (2, cut - last.start), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_part_says_why() {
        assert!(matches!(index(Vec::new()), Err(PartError::NoHead)));
        assert!(matches!(index(vec![0; 64]), Err(PartError::NoHead)));
        assert!(matches!(index(file(90_000, &[])), Err(PartError::Empty)));
        assert!(matches!(index(file(90_000, &[moof(0, 3_000, 0, true)])), Err(PartError::Empty)));
        assert!(matches!(index(file(90_000, &[moof(u64::MAX - 5, 3_000, 9, true)])), Err(PartError::Empty)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..700, with in any::<u32>()) {
            let _ = index(bytes.clone());
            bytes.splice(0..0, late());
            let at = at.min(bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&with.to_be_bytes());
            if let Ok(part) = index(bytes) {
                for span in part.covered.iter() {
                    prop_assert!(span.from < span.to && span.to <= LONGEST);
                }
                let _ = part.needed(Span::new(90_500_000, 151_000_000));
            }
        }
    }

    #[test]
    fn sound_starts_a_little_earlier_so_that_the_decoder_has_settled() {
        let part = part_of(false, &[(0, 1_000), (1_000, 2_000), (2_000, 3_000), (3_000, 4_000)]);
        assert_eq!(part.needed(Span::new(3_500_000, 3_600_000)), Some(2..4));
        assert_eq!(part.needed(Span::new(100_000, 200_000)), Some(0..1));
    }
}
