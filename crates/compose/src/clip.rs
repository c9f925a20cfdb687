//! What is made of a composed file: a picture of it, the shape of its sound, a piece of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::child::{self, Limits, RunError, Stop};
use crate::graph;
use crate::span::{Micros, Span};

/// Works on composed files.
#[derive(Debug, Clone)]
pub struct Cutter {
    /// The `ffmpeg` to run.
    pub ffmpeg: PathBuf,
    /// How long it may take.
    pub limits: Limits,
}

/// Where a piece begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// At the keyframe at or before its beginning: nothing is encoded, and it may begin up to two seconds early.
    Keyframes,
    /// Exactly where asked: it is encoded again.
    Exact,
}

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// ffmpeg says no.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is shorter.
    #[error("there is nothing at that time")]
    Nothing,
}

/// The shape of a file's sound, as audiowaveform writes it: players know the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peaks {
    /// Of the form; 2.
    pub version: u32,
    /// 1: all channels together.
    pub channels: u32,
    /// Samples a second that they were taken of.
    pub sample_rate: u32,
    /// How many samples make a pair.
    pub samples_per_pixel: u32,
    /// Bits of each number.
    pub bits: u32,
    /// How many pairs there are.
    pub length: usize,
    /// The lowest and the highest sample of each stretch, by turns.
    pub data: Vec<i8>,
}

const PEAK_RATE: u32 = 8_000;

impl Cutter {
    /// Writes a JPEG of the picture at a time, `width` pixels wide.
    pub fn thumbnail(&self, file: &Path, at: Micros, width: u32, output: &Path) -> Result<(), ClipError> {
        let width = width.clamp(16, 3_840) & !1;
        let mut args = input(file, Some(at), None);
        words(&mut args, &format!("-map 0:v:0 -frames:v 1 -vf scale={width}:-2 -c:v mjpeg -q:v 4 -f mjpeg"));
        self.make(args, output)
    }

    /// The shape of the sound, in at most `pairs` pairs of numbers.
    pub fn peaks(&self, file: &Path, pairs: usize) -> Result<Peaks, ClipError> {
        let raw = tempfile_beside(file, "pcm");
        let mut args = input(file, None, None);
        words(&mut args, &format!("-map 0:a:0 -ac 1 -ar {PEAK_RATE} -f s16le"));
        let made = self.make(args, &raw).and_then(|()| {
            let samples = fs::metadata(&raw)?.len() / 2;
            Ok(peaks(BufReader::new(File::open(&raw)?), samples, pairs)?)
        });
        let _ = fs::remove_file(&raw);
        made
    }

    /// Writes a piece of a file into another one of the same form.
    pub fn cut(&self, file: &Path, piece: Span, edges: Edges, output: &Path) -> Result<(), ClipError> {
        if piece.is_empty() {
            return Err(ClipError::Nothing);
        }
        let ending = output.extension().and_then(|ending| ending.to_str()).unwrap_or("mp4");
        let mut args = input(file, Some(piece.from), Some(piece.length()));
        words(&mut args, "-map 0");
        words(
            &mut args,
            match (edges, ending) {
                (Edges::Keyframes, _) => "-c copy -avoid_negative_ts make_zero",
                (Edges::Exact, "webm") => {
                    "-c:v libvpx-vp9 -deadline realtime -cpu-used 7 -row-mt 1 -crf 34 -b:v 0 -c:a libopus -b:a 96k"
                }
                (Edges::Exact, "ogg") => "-c:a libopus -b:a 96k",
                (Edges::Exact, "m4a") => "-c:a aac -b:a 128k",
                (Edges::Exact, _) => "-c:v libx264 -preset veryfast -crf 23 -pix_fmt yuv420p -c:a aac -b:a 128k",
            },
        );
        words(
            &mut args,
            match ending {
                "webm" => "-f webm",
                "ogg" => "-f ogg",
                "m4a" => "-movflags +faststart -f ipod",
                _ => "-movflags +faststart -f mp4",
            },
        );
        self.make(args, output)
    }

    /// Runs ffmpeg into a new file, which gets its name when it is whole.
    fn make(&self, mut args: Vec<OsString>, output: &Path) -> Result<(), ClipError> {
        let new = tempfile_beside(output, "new");
        args.push(new.clone().into());
        let made = child::run(&self.ffmpeg, &args, self.limits, &Stop::default(), |_| {});
        let made = made.map_err(ClipError::from).and_then(|_| {
            let empty = fs::metadata(&new).is_ok_and(|data| data.len() == 0);
            if empty || !new.exists() { Err(ClipError::Nothing) } else { Ok(fs::rename(&new, output)?) }
        });
        if made.is_err() {
            let _ = fs::remove_file(&new);
        }
        made
    }
}

fn input(file: &Path, from: Option<Micros>, length: Option<Micros>) -> Vec<OsString> {
    let mut args = graph::head();
    for (option, time) in [("-ss", from), ("-t", length)] {
        if let Some(time) = time {
            args.extend([option.into(), graph::seconds(time).into()]);
        }
    }
    words(&mut args, "-protocol_whitelist file -i");
    args.push(file.into());
    args
}

fn words(args: &mut Vec<OsString>, words: &str) {
    args.extend(words.split(' ').map(OsString::from));
}

fn tempfile_beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{ending}", std::process::id()));
    name.into()
}

fn peaks(mut raw: impl Read, samples: u64, pairs: usize) -> io::Result<Peaks> {
    let each = samples.div_ceil(pairs.clamp(1, 100_000) as u64).max(1);
    let mut data = Vec::new();
    let mut bytes = [0; 2];
    let mut left = samples;
    while left > 0 {
        let (mut low, mut high) = (i16::MAX, i16::MIN);
        for _ in 0..each.min(left) {
            raw.read_exact(&mut bytes)?;
            let sample = i16::from_le_bytes(bytes);
            (low, high) = (low.min(sample), high.max(sample));
        }
        data.extend([low, high].map(|sample| i8::try_from(sample >> 8).expect("the upper byte")));
        left -= each.min(left);
    }
    Ok(Peaks {
        version: 2,
        channels: 1,
        sample_rate: PEAK_RATE,
        samples_per_pixel: u32::try_from(each).unwrap_or(u32::MAX),
        bits: 8,
        length: data.len() / 2,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_the_lowest_and_the_highest_of_each_stretch() {
        let samples: Vec<i16> = vec![0, 256, -512, 0, 32_767, -32_768, 300];
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let peaks = peaks(&bytes[..], 7, 3).expect("memory");
        assert_eq!((peaks.samples_per_pixel, peaks.length, peaks.data), (3, 3, vec![-2, 1, -128, 127, 1, 1]));
    }
}
