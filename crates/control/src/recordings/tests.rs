//! The log of a recording, as the recorder leaves it after a crash.

use model::UserId;
use storage::SpoolName;

use super::folder::{Manifest, Story};

const EVENTS: &str = r#"{"at":0,"type":"started","wall_ms":1800000000000}
{"at":5,"type":"joined","participant":"PA_1","identity":"ann","name":"Ann","kind":"standard"}
{"at":7,"type":"track","track":"TR_v","participant":"PA_1","kind":"video","source":"camera","codec":"h264"}
{"at":8,"type":"part","track":"TR_v","file":"tracks/TR_v-1.mp4","width":640,"height":360}
{"at":9,"type":"track","track":"TR_a","participant":"PA_2","kind":"audio","source":"microphone","codec":"opus"}
{"at":11,"type":"something_new","x":[1,2]}
not even JSON
{"at":2500,"type":"speakers","speakers":[{"participant":"PA_1","level":0.5}]}
{"at":99999,"type":"sto"#;

#[test]
fn the_log_says_whose_tracks_they_are_and_a_torn_end_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(SpoolName::EVENTS), EVENTS).unwrap();
    let story = Story::read(dir.path());
    assert_eq!(story.length_ms, 2_500);
    let video = story.track(&SpoolName::new("tracks/TR_v-1.mp4").unwrap()).unwrap();
    assert_eq!(video.user, Some(UserId::new("ann").unwrap()));
    assert_eq!((video.codec.as_deref(), video.width, video.height), (Some("h264"), Some(640), Some(360)));
    let audio = story.track(&SpoolName::new("tracks/TR_a-1.mp4").unwrap()).unwrap();
    assert_eq!((audio.user, audio.media.as_deref()), (None, Some("audio")), "nobody has said who PA_2 is");
    let unknown = story.track(&SpoolName::new("tracks/TR_x-1.mp4").unwrap()).unwrap();
    assert_eq!((unknown.track.as_str(), unknown.media), ("TR_x", None));
    assert!(story.track(&SpoolName::new("events.jsonl").unwrap()).is_none());
    assert_eq!(Story::read(&dir.path().join("gone")).length_ms, 0);
}

#[test]
fn the_room_of_a_folder_is_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    let room = "0192d3b4-0000-7000-8000-000000000001";
    let write = |text: &str| std::fs::write(dir.path().join(SpoolName::MANIFEST), text).unwrap();
    assert!(Manifest::read(dir.path()).is_none());
    write(&format!(r#"{{"version":1,"id":"{room}","room":"{room}","started_at":1800000000000}}"#));
    let manifest = Manifest::read(dir.path()).unwrap();
    assert_eq!((manifest.call(), manifest.started_at().0), (room.parse().ok(), 1_800_000_000_000));
    write(&format!(r#"{{"version":1,"id":"{room}","room":"stand-up","started_at":1}}"#));
    assert_eq!(Manifest::read(dir.path()).unwrap().call(), None);
    write(r#"{"version":1,"ro"#);
    assert!(Manifest::read(dir.path()).is_none());
}
