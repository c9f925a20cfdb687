//! What to compose.

use std::path::PathBuf;
use std::time::Duration;

use model::{RecordingFormat, RecordingLayout};

use crate::layout::Size;

/// How a composed file looks and sounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Who is where.
    pub layout: RecordingLayout,
    /// The picture's size.
    pub size: Size,
    /// Pictures a second.
    pub rate: Rate,
    /// MP4 (H.264 and AAC) or WebM (VP9 or VP8, and Opus). Without a picture: M4A or Ogg.
    pub format: RecordingFormat,
    /// Take VP8 for WebM: twice as fast to encode, and larger.
    pub vp8: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            layout: RecordingLayout::Grid,
            size: Size::P720,
            rate: Rate::Thirty,
            format: RecordingFormat::Mp4,
            vp8: false,
        }
    }
}

impl Options {
    /// Whether there is a picture.
    pub fn has_picture(&self) -> bool {
        self.layout != RecordingLayout::AudioOnly
    }

    /// The ending of the file's name.
    pub fn extension(&self) -> &'static str {
        match (self.format, self.has_picture()) {
            (RecordingFormat::Mp4, true) => "mp4",
            (RecordingFormat::Mp4, false) => "m4a",
            (RecordingFormat::Webm, true) => "webm",
            (RecordingFormat::Webm, false) => "ogg",
        }
    }
}

/// Pictures a second. All of them divide 48,000, so that a picture lasts a whole number of samples of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// 15
    Fifteen,
    /// 25
    TwentyFive,
    /// 30
    Thirty,
}

impl Rate {
    /// As a number.
    pub fn fps(self) -> u32 {
        match self {
            Self::Fifteen => 15,
            Self::TwentyFive => 25,
            Self::Thirty => 30,
        }
    }

    /// Samples of sound that a picture lasts, at 48 kHz.
    pub fn samples(self) -> u64 {
        u64::from(48_000 / self.fps())
    }
}

/// How composing is carried out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `ffmpeg` to run.
    pub ffmpeg: PathBuf,
    /// How many may run at a time.
    pub at_once: usize,
    /// How many jobs may wait.
    pub waiting: usize,
    /// Threads that encode; 0 for one a core.
    pub threads: u32,
    /// A run in which nothing happens for so long is stopped.
    pub stall: Duration,
    /// A job may take so long.
    pub limit: Duration,
    /// A layout that lasts longer is encoded in steps of this length: no more than one is lost when the server stops.
    pub step: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ffmpeg: PathBuf::from("ffmpeg"),
            at_once: 1,
            waiting: 100,
            threads: 0,
            stall: Duration::from_secs(300),
            limit: Duration::from_secs(24 * 3_600),
            step: Duration::from_secs(60),
        }
    }
}
