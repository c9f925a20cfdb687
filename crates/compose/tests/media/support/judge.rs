//! What is in a composed file, as ffprobe and the decoders tell.

use std::path::Path;
use std::process::Command;

use super::ffmpeg;

fn path(file: &Path) -> &str {
    file.to_str().expect("plain")
}

/// What ffprobe says about a stream, `v:0` or `a:0`: values of the entries, in the order of ffprobe.
pub fn probe(file: &Path, stream: &str, entries: &str) -> Vec<String> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-select_streams", stream, "-show_entries", entries, "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe is installed with ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.split([',', '\n']).map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

pub fn codecs(file: &Path) -> String {
    let name = |stream| probe(file, stream, "stream=codec_name").concat();
    format!("{} {}", name("v:0"), name("a:0"))
}

/// How many pictures a file has.
pub fn pictures(file: &Path) -> u64 {
    probe(file, "v:0", "stream=nb_read_packets")[0].parse().expect("a number")
}

pub fn seconds(file: &Path, stream: &str) -> f64 {
    let packets = probe(file, stream, "packet=pts_time,duration_time");
    let times: Vec<f64> = packets.iter().map(|word| word.parse().unwrap_or(0.0)).collect();
    times.chunks(2).map(|pair| pair[0] + pair.get(1).copied().unwrap_or(0.0)).fold(0.0, f64::max)
}

/// The longest and the shortest time from one picture to the next.
pub fn steps(file: &Path) -> (f64, f64) {
    let mut times: Vec<f64> =
        probe(file, "v:0", "packet=pts_time").iter().map(|word| word.parse().expect("a time")).collect();
    times.sort_by(f64::total_cmp);
    let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
    steps.fold((f64::MAX, 0.0), |(low, high), step| (low.min(step), high.max(step)))
}

/// A picture, as RGB.
pub struct Picture {
    w: usize,
    bytes: Vec<u8>,
}

impl Picture {
    pub fn at(file: &Path, seconds: f64) -> Self {
        let at = format!("{seconds}");
        let args = ["-ss", &at, "-i", path(file), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
        let w = probe(file, "v:0", "stream=width")[0].parse().expect("a number");
        let bytes = ffmpeg(&args);
        assert!(!bytes.is_empty(), "no picture at {seconds}");
        Self { w, bytes }
    }

    /// The colour at a place, named.
    pub fn color(&self, x: usize, y: usize) -> &'static str {
        let at = (y * self.w + x) * 3;
        let pixel = &self.bytes[at..at + 3];
        let named = [
            ("red", [255, 0, 0]),
            ("lime", [0, 255, 0]),
            ("blue", [0, 0, 255]),
            ("yellow", [255, 255, 0]),
            ("white", [255, 255, 255]),
            ("green frame", [0x4a, 0xde, 0x80]),
            ("ground", [0x11, 0x14, 0x17]),
            ("tile", [0x22, 0x27, 0x2d]),
        ];
        let distance =
            |color: &[i32; 3]| -> i32 { color.iter().zip(pixel).map(|(a, b)| (a - i32::from(*b)).pow(2)).sum() };
        let (name, color) = named.iter().min_by_key(|(_, color)| distance(color)).expect("some");
        if distance(color) < 2_500 { name } else { "other" }
    }
}

/// Sound at 48 kHz, mixed to one channel.
pub struct Sound(pub Vec<f64>);

impl Sound {
    pub fn of(file: &Path) -> Self {
        let bytes = ffmpeg(&["-i", path(file), "-map", "a:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-"]);
        let sample = |pair: &[u8]| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
        Self(bytes.chunks_exact(2).map(sample).collect())
    }

    /// How loud a tone is within a stretch of seconds, from 0 to 1 (Goertzel).
    pub fn tone(&self, hertz: f64, from: f64, to: f64) -> f64 {
        let part = &self.0[(from * 48_000.0) as usize..((to * 48_000.0) as usize).min(self.0.len())];
        let factor = 2.0 * (2.0 * std::f64::consts::PI * hertz / 48_000.0).cos();
        let (one, two) = part.iter().fold((0.0, 0.0), |(one, two), sample| (sample + factor * one - two, one));
        let power: f64 = one * one + two * two - factor * one * two;
        2.0 * power.max(0.0).sqrt() / part.len() as f64
    }

    pub fn hears(&self, hertz: f64, from: f64, to: f64) -> bool {
        self.tone(hertz, from, to) > 0.02
    }
}

impl Sound {
    /// When sound begins after silence, in seconds.
    pub fn beeps(&self) -> Vec<f64> {
        let mut beeps: Vec<f64> = Vec::new();
        for (at, sample) in self.0.iter().enumerate() {
            let at = at as f64 / 48_000.0;
            if sample.abs() > 0.2 && beeps.last().is_none_or(|last| at - last > 0.5) {
                beeps.push(at);
            }
        }
        beeps
    }

    /// The furthest that a sample is from where a pure tone goes on to from the two before it.
    pub fn worst_click(&self, hertz: f64, from: f64, to: f64) -> f64 {
        let factor = 2.0 * (2.0 * std::f64::consts::PI * hertz / 48_000.0).cos();
        let part = &self.0[(from * 48_000.0) as usize..(to * 48_000.0) as usize];
        part.windows(3).map(|three| (three[0] + three[2] - factor * three[1]).abs()).fold(0.0, f64::max)
    }
}

/// When the picture turns white, in seconds.
pub fn flashes(file: &Path, fps: f64) -> Vec<f64> {
    let bytes = ffmpeg(&[
        "-i",
        path(file),
        "-vf",
        "crop=80:40:100:20,scale=1:1:flags=area",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ]);
    let white: Vec<bool> = bytes.iter().map(|level| *level > 140).collect();
    (1..white.len()).filter(|at| white[*at] && !white[*at - 1]).map(|at| at as f64 / fps).collect()
}

/// Where the media lies in a part: what is in its `mdat`s.
pub fn media(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut at = 0;
    let mut found = Vec::new();
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
        if &bytes[at + 4..at + 8] == b"mdat" {
            found.push(at + 8..at + size);
        }
        at += size;
    }
    found
}
