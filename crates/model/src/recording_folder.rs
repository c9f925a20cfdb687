//! What a recording is on disk: `<recordings>/<id>/` with
//!
//! ```text
//! recording.json     what it is; written first
//! events.jsonl       what happened, one JSON object a line
//! tracks/<track>-<n>.mp4   fragmented MP4, one track a file; n counts its parts from 1
//! ```
//!
//! All times count from [`About::started_at`]: `at` of events in milliseconds, decode times in ticks of their track. A torn last
//! line and a torn last fragment are what a crash leaves: readers ignore them.

use serde::{Deserialize, Serialize};

use crate::RecordingId;

/// The file that says what the recording is.
pub const ABOUT: &str = "recording.json";
/// The file of its events.
pub const EVENTS: &str = "events.jsonl";
/// The folder of its tracks.
pub const TRACKS: &str = "tracks";
/// The version of all this.
pub const VERSION: u32 = 1;

/// `recording.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// [`VERSION`].
    pub version: u32,
    /// Which recording.
    pub id: RecordingId,
    /// The room's name.
    pub room: String,
    /// Wall clock at its beginning, in ms since 1970.
    pub started_at: i64,
}

/// A line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, in ms since [`About::started_at`].
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum What {
    /// The recording began.
    Started {
        /// Wall clock in ms since 1970.
        wall_ms: i64,
    },
    /// It went on after the program was started anew.
    WentOn {
        /// Wall clock in ms since 1970.
        wall_ms: i64,
    },
    /// Someone is there.
    Joined {
        /// Their sid, which the other events name.
        participant: String,
        /// Who they are.
        identity: String,
        /// What they are called.
        name: String,
        /// LiveKit's word: `standard`, `agent`, `sip`…
        kind: String,
    },
    /// Someone is gone.
    Left {
        /// Their sid.
        participant: String,
    },
    /// A track is there.
    Track {
        /// Its sid.
        track: String,
        /// Whose it is.
        participant: String,
        /// Sound or picture.
        kind: Kind,
        /// What it shows.
        source: Source,
        /// In lower case, as `a=rtpmap` has it; `encrypted` where only its receivers can read it. Empty: not known yet.
        codec: String,
    },
    /// A file of a track begins.
    Part {
        /// The track.
        track: String,
        /// `tracks/…`
        file: String,
        /// In pixels.
        #[serde(skip_serializing_if = "Option::is_none")]
        width: Option<u16>,
        /// In pixels.
        #[serde(skip_serializing_if = "Option::is_none")]
        height: Option<u16>,
    },
    /// A track is over.
    TrackEnded {
        /// The track.
        track: String,
    },
    /// A track is silent or dark.
    Muted {
        /// The track.
        track: String,
    },
    /// And is no longer.
    Unmuted {
        /// The track.
        track: String,
    },
    /// Who speaks: all of them, whenever that changes.
    Speakers {
        /// The loudest first.
        speakers: Vec<Speaker>,
    },
    /// The publisher's clock, by a sender report.
    Clock {
        /// The track.
        track: String,
        /// RTP time…
        rtp: u32,
        /// …and the publisher's wall clock at the same moment, in ms since 1970.
        ntp_ms: i64,
    },
    /// Nothing is written from here on.
    Paused,
    /// It is again.
    Resumed,
    /// Media that is known to be lost.
    Gap {
        /// The track.
        track: String,
        /// From, in ms since the start.
        from: u64,
        /// To, in ms since the start.
        to: u64,
    },
    /// Someone set a mark.
    Marked {
        /// Identity of the participant who set it.
        identity: String,
        /// What they wrote to it.
        label: String,
    },
    /// The recording is over.
    Stopped,
    /// Something that only a later version knows. Never written.
    #[serde(other)]
    Other,
}

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is sound.
    Audio,
    /// It is picture.
    Video,
}

impl Kind {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// What a track shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Somebody's camera.
    Camera,
    /// Somebody's microphone.
    Microphone,
    /// A shared screen.
    ScreenShare,
    /// What a shared screen sounds like.
    ScreenShareAudio,
    /// Its publisher does not say, or only a later version knows it.
    #[serde(other)]
    Unknown,
}

impl Source {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::ScreenShare => "screen_share",
            Self::ScreenShareAudio => "screen_share_audio",
            Self::Unknown => "unknown",
        }
    }
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speaker {
    /// Their sid.
    pub participant: String,
    /// 0.0 (silent) to 1.0.
    pub level: f32,
}
