//! The folder of a recording: what is in it says [`model::recording_folder`], here are the names of its files.

pub use model::recording_folder::{ABOUT, About, EVENTS, Event, Kind, Source, Speaker, TRACKS, VERSION, What};

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
