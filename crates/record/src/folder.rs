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

use model::RecordingId;
use serde::{Deserialize, Serialize};

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
    /// Its publisher does not say.
    Unknown,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speaker {
    /// Their sid.
    pub participant: String,
    /// 0.0 (silent) to 1.0.
    pub level: f32,
}

/// The name of a part's file in the recording's folder.
pub fn part_file(track: &str, number: u32) -> String {
    format!("{TRACKS}/{}-{number}.mp4", file_name(track))
}

/// A track's sid as a file name may have it.
pub(crate) fn file_name(track: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    track.chars().take(64).map(plain).collect()
}

/// The number in the name of a part's file, and the track as it is in it.
pub(crate) fn part_number(name: &str) -> Option<(&str, u32)> {
    let (track, number) = name.strip_suffix(".mp4")?.rsplit_once('-')?;
    Some((track, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_as_they_are_described() {
        let line = |what| serde_json::to_string(&Event { at: 1_500, what }).expect("JSON");
        assert_eq!(line(What::Paused), r#"{"at":1500,"type":"paused"}"#);
        let part = What::Part { track: "TR_1".into(), file: part_file("TR_1", 2), width: None, height: None };
        assert_eq!(line(part), r#"{"at":1500,"type":"part","track":"TR_1","file":"tracks/TR_1-2.mp4"}"#);
        let track = What::Track {
            track: "TR_1".into(),
            participant: "PA_1".into(),
            kind: Kind::Video,
            source: Source::ScreenShare,
            codec: "vp8".into(),
        };
        let text = line(track.clone());
        let wanted = r#"{"at":1500,"type":"track","track":"TR_1","participant":"PA_1","kind":"video","source":"screen_share","codec":"vp8"}"#;
        assert_eq!(text, wanted);
        assert_eq!(serde_json::from_str::<Event>(&text).expect("reads"), Event { at: 1_500, what: track });
        assert_eq!(line(What::WentOn { wall_ms: 7 }), r#"{"at":1500,"type":"went_on","wall_ms":7}"#);
    }

    #[test]
    fn names_of_parts_lead_back_and_out_of_no_folder() {
        assert_eq!(part_file("../../x", 1), "tracks/______x-1.mp4");
        assert_eq!(part_number("TR_VCa-b-12.mp4"), Some(("TR_VCa-b", 12)));
        assert_eq!(part_number("TR_VC.mp4"), None);
    }
}
