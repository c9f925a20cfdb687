//! Recordings with real media, composed by the real ffmpeg, and judged by their pixels and their sound.

use crate::support::judge::{self, Picture, Sound};
use crate::support::{Codec, Meeting, left_over, settings, small};
use compose::{Options, Rate, Stop, compose};
use model::{RecordingFormat, RecordingLayout};

fn run(meeting: &Meeting, options: Options, step: u64) -> (compose::Composed, std::path::PathBuf) {
    let job = meeting.job(options);
    let mut last = 0.0;
    let told = |share: f64| {
        assert!(share >= last && share <= 1.0, "{share} after {last}");
        last = share;
    };
    let composed = compose(&job, &settings(step), &Stop::default(), told).expect("it can be composed");
    let name = job.output.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(left_over(meeting.dir.path()), [name], "{:?}", composed.notes);
    (composed, job.output)
}

#[test]
fn everyone_is_where_the_layout_says_and_heard_while_they_speak() {
    let mut meeting = Meeting::new();
    for (at, who) in [(0, "ann"), (0, "bob"), (2_000, "cid"), (0, "dan")] {
        meeting.joined(at, who);
    }
    meeting.camera("ann", Codec::H264, "red", 0, 8_000);
    meeting.camera("bob", Codec::Vp8, "lime", 0, 6_000);
    meeting.camera("cid", Codec::Vp9, "blue", 2_000, 8_000);
    meeting.camera("dan", Codec::Av1, "yellow", 0, 3_000);
    meeting.screen("ann", "white", 4_000, 5_500);
    meeting.voice("ann", 440, 0, 2_000);
    meeting.voice("bob", 1_000, 3_000, 5_000);
    meeting.speaks(100, &["ann"]);
    meeting.speaks(2_000, &[]);
    meeting.speaks(6_200, &["bob"]);
    meeting.speaks(7_500, &[]);
    meeting.left(7_000, "dan");
    meeting.event(8_000, "stopped", "");

    let (composed, file) = run(&meeting, small(), 60_000);
    assert_eq!(composed.notes, Vec::<String>::new());
    assert_eq!((composed.pictures, composed.duration_ms), (240, 8_000));
    assert_eq!((judge::pictures(&file), judge::codecs(&file)), (240, "h264 aac".to_owned()));
    let (low, high) = judge::steps(&file);
    assert!(low > 0.0332 && high < 0.0335, "{low} {high}");
    assert!((judge::seconds(&file, "a:0") - 8.0).abs() < 0.03, "{}", judge::seconds(&file, "a:0"));

    // Three, two in the first row; then four; then a screen with three of them beside it; then without Dan's camera.
    let places = |at: f64, list: &[(usize, usize)]| -> Vec<&str> {
        let picture = Picture::at(&file, at);
        list.iter().map(|(x, y)| picture.color(*x, *y)).collect()
    };
    let corners = [(80, 30), (240, 30), (80, 120), (240, 120)];
    assert_eq!(places(1.0, &[(80, 30), (240, 30), (160, 120)]), ["red", "lime", "yellow"]);
    assert_eq!(places(2.5, &corners), ["red", "lime", "yellow", "blue"]);
    assert_eq!(places(3.5, &[(100, 110), (20, 100)])[..], ["tile"; 2], "Dan's camera is off");
    assert_eq!(places(4.7, &[(120, 90), (290, 22), (290, 60), (290, 140)]), ["white", "red", "lime", "blue"]);
    assert_eq!(places(5.7, &corners)[..2], ["red", "lime"]);
    assert_eq!(places(6.8, &[(80, 30), (165, 10)]), ["red", "tile"], "Bob's camera is off");
    assert_eq!(places(7.5, &[(80, 30), (160, 120)]), ["red", "blue"], "Dan has left");

    // Frames around those who speak: Ann's place while she does, Bob's later.
    let edge = |at: f64, x: usize| Picture::at(&file, at).color(x, 45);
    assert_eq!((edge(1.0, 5), edge(2.9, 5)), ("green frame", "red"));
    assert_eq!(edge(6.8, 160), "green frame");

    let sound = Sound::of(&file);
    assert_eq!(
        [0.2, 2.2, 3.2, 4.2, 6.0].map(|at| sound.hears(440.0, at, at + 0.7)),
        [true, false, false, false, false]
    );
    assert_eq!(
        [0.2, 2.2, 3.2, 4.2, 6.0].map(|at| sound.hears(1_000.0, at, at + 0.7)),
        [false, false, true, true, false]
    );
}

#[test]
fn a_flash_and_its_beep_stay_together() {
    let mut meeting = Meeting::new();
    meeting.joined(0, "ann");
    let (camera, voice) = (meeting.track(0, "ann", "camera"), meeting.track(0, "ann", "microphone"));
    // Later than the recording began, and not at a picture of the result.
    let from = 1_013;
    let file = meeting.part(from, &camera, 1);
    let flash = "color=c=black:s=160x90:r=30,drawbox=c=white:t=fill:enable='between(mod(t,1),0.5,0.6)'";
    crate::support::video(Codec::H264, flash, from, from + 6_000, &file);
    let file = meeting.part(from, &voice, 1);
    crate::support::sound(
        "aevalsrc='if(between(mod(t,1),0.5,0.6),0.8*sin(2*PI*1000*t),0)':s=48000",
        from,
        from + 6_000,
        &file,
    );
    meeting.event(7_013, "stopped", "");
    for (step, rate) in [(60_000, Rate::Thirty), (700, Rate::TwentyFive)] {
        let (_, file) = run(&meeting, Options { rate, ..small() }, step);
        let flashes = judge::flashes(&file, f64::from(rate.fps()));
        let beeps = Sound::of(&file).beeps();
        assert_eq!((flashes.len(), beeps.len()), (6, 6), "{flashes:?} {beeps:?}");
        for (number, (flash, beep)) in flashes.iter().zip(&beeps).enumerate() {
            let due = 1.513 + number as f64;
            assert!((flash - beep).abs() <= 0.040, "{flash} {beep} at {rate:?}");
            assert!((beep - due).abs() <= 0.040, "{beep} instead of {due}");
        }
        std::fs::remove_file(file).expect("ours");
    }
}

#[test]
fn steps_are_joined_without_a_click_or_a_lost_picture() {
    let mut meeting = Meeting::new();
    meeting.joined(0, "ann");
    meeting.camera("ann", Codec::H264, "red", 0, 6_000);
    meeting.voice("ann", 1_000, 0, 6_000);
    meeting.event(6_000, "stopped", "");
    let (composed, file) = run(&meeting, small(), 700);
    assert_eq!(composed.steps, (9, 0));
    assert_eq!(judge::pictures(&file), 180);
    let (low, high) = judge::steps(&file);
    assert!(low > 0.0332 && high < 0.0335, "{low} {high}");
    let sound = Sound::of(&file);
    let worst = sound.worst_click(1_000.0, 0.5, 5.5);
    assert!(worst < 0.02, "a step of {worst} that no tone of 1 kHz makes");
}

#[test]
fn pauses_and_restarts_are_cut_out_of_picture_and_sound() {
    let mut meeting = Meeting::new();
    meeting.joined(0, "ann");
    meeting.camera("ann", Codec::H264, "red", 0, 2_000);
    let voice = meeting.voice("ann", 440, 0, 2_000);
    meeting.event(2_000, "paused", "");
    meeting.event(4_000, "resumed", "");
    let later = meeting.dir.path().join("tracks/later");
    crate::support::sound("sine=f=1500:r=48000,volume=6dB", 4_000, 5_000, &later);
    crate::support::append(&voice, &later);
    // Ann's phone is silent when the server comes back; Bob is there instead.
    meeting.event(9_000, "went_on", r#""wall_ms":1"#);
    meeting.joined(9_000, "bob");
    meeting.camera("bob", Codec::H264, "blue", 9_000, 11_000);
    meeting.event(11_000, "stopped", "");
    let (composed, file) = run(&meeting, small(), 60_000);
    assert_eq!(composed.duration_ms, 5_000);
    assert_eq!([1.0, 4.5].map(|at| Picture::at(&file, at).color(160, 60)), ["red", "blue"]);
    let sound = Sound::of(&file);
    assert_eq!([0.2, 2.1, 3.2].map(|at| sound.hears(440.0, at, at + 0.7)), [true, false, false]);
    assert_eq!([0.2, 2.1, 3.2].map(|at| sound.hears(1_500.0, at, at + 0.7)), [false, true, false]);
}

#[test]
fn several_parts_of_a_track_are_one_picture() {
    let mut meeting = Meeting::new();
    meeting.joined(0, "ann");
    let sid = meeting.track(0, "ann", "camera");
    let first = meeting.part(0, &sid, 1);
    crate::support::video(Codec::H264, "color=c=red:s=320x180:r=30", 0, 2_000, &first);
    // Another size and another codec.
    let second = meeting.part(2_000, &sid, 2);
    crate::support::video(Codec::Vp9, "color=c=blue:s=160x90:r=15", 2_000, 4_000, &second);
    meeting.event(4_000, "stopped", "");
    let (_, file) = run(&meeting, small(), 60_000);
    assert_eq!([0.1, 1.9, 2.2, 3.8].map(|at| Picture::at(&file, at).color(160, 60)), ["red", "red", "blue", "blue"]);
}

#[test]
fn what_is_broken_is_left_out_and_noted() {
    let mut meeting = Meeting::new();
    meeting.joined(0, "ann");
    let camera = meeting.camera("ann", Codec::H264, "red", 0, 3_000);
    meeting.voice("ann", 440, 0, 3_000);
    // The last fragment is torn.
    let bytes = std::fs::read(&camera).expect("a part");
    std::fs::write(&camera, &bytes[..bytes.len() - 100]).expect("written");
    // Nothing; a head alone; no MP4; a picture that no decoder understands.
    let head = bytes.windows(4).position(|name| name == b"moof").expect("fragments") - 4;
    let noise = {
        let mut noise = bytes.clone();
        let mut seed = 1u32;
        for fragment in judge::media(&bytes) {
            for byte in &mut noise[fragment] {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (seed >> 24) as u8;
            }
        }
        noise
    };
    for (who, content) in [("bob", &[][..]), ("cid", &bytes[..head]), ("dan", &[0x47; 900]), ("eve", &noise)] {
        meeting.joined(0, who);
        let sid = meeting.track(0, who, "camera");
        let file = meeting.part(0, &sid, 1);
        std::fs::write(file, content).expect("written");
    }
    let sid = meeting.track(0, "eve", "microphone");
    meeting.part(0, &sid, 1);
    meeting.event(3_000, "stopped", "");
    let (composed, file) = run(&meeting, small(), 60_000);
    let notes = composed.notes.join("\n");
    for line in [
        "TR_1-1.mp4: its last",
        "TR_3-1.mp4: left out",
        "TR_4-1.mp4: left out",
        "TR_5-1.mp4: left out",
        "TR_6-1.mp4: left out",
        "TR_7-1.mp4: left out",
    ] {
        assert!(notes.contains(line), "{line} in {notes}");
    }
    assert_eq!(judge::pictures(&file), 90);
    assert_eq!(Picture::at(&file, 1.0).color(80, 45), "red");
    assert!(Sound::of(&file).hears(440.0, 0.5, 2.5));
}

#[test]
fn names_are_pictures_and_nothing_else() {
    let mut meeting = Meeting::new();
    let names = [
        "'; rm -rf /; '",
        "%{pts}:x=0[0:v]drawtext=text='",
        "a\\:b,c;[out]",
        "\u{202e}txt.exe\u{0}\n\r\t",
        "🦀👩‍👩‍👧",
        "田中太郎",
        "محمد عبد الله",
        "Z̸̢̛͎̀a̷l̵g̶o̷",
    ];
    for (number, name) in names.iter().enumerate() {
        meeting.named(0, &format!("p{number}"), name);
    }
    meeting.camera("p0", Codec::H264, "red", 0, 1_000);
    meeting.camera("p1", Codec::H264, "lime", 0, 1_000);
    meeting.event(1_000, "stopped", "");
    let (composed, file) = run(&meeting, Options { size: compose::Size { w: 640, h: 360 }, ..small() }, 60_000);
    assert_eq!((composed.notes, judge::pictures(&file)), (Vec::new(), 30));
    // In the first row, whose pictures carry labels in front of them.
    let picture = Picture::at(&file, 0.5);
    assert_eq!((picture.color(110, 60), picture.color(310, 60)), ("red", "lime"));
}

#[test]
fn there_are_other_forms() {
    let mut meeting = Meeting::new();
    meeting.joined(0, "ann");
    meeting.camera("ann", Codec::H264, "red", 0, 2_000);
    meeting.voice("ann", 440, 0, 2_000);
    meeting.event(2_000, "stopped", "");
    let webm = Options { format: RecordingFormat::Webm, rate: Rate::Fifteen, ..small() };
    let sound_only = Options { layout: RecordingLayout::AudioOnly, ..small() };
    let forms = [
        (webm.clone(), "webm", "vp9 opus", 30),
        (Options { vp8: true, ..webm.clone() }, "webm", "vp8 opus", 30),
        (sound_only.clone(), "m4a", " aac", 0),
        (Options { format: RecordingFormat::Webm, ..sound_only }, "ogg", " opus", 0),
    ];
    for (options, ending, codecs, pictures) in forms {
        let (_, file) = run(&meeting, options, 900);
        assert_eq!(
            (file.extension().and_then(|e| e.to_str()), judge::codecs(&file)),
            (Some(ending), codecs.to_owned())
        );
        if pictures > 0 {
            assert_eq!(judge::pictures(&file), pictures, "{codecs}");
            assert_eq!(Picture::at(&file, 1.0).color(160, 60), "red", "{codecs}");
        }
        assert!((judge::seconds(&file, "a:0") - 2.0).abs() < 0.06, "{codecs}: {}", judge::seconds(&file, "a:0"));
        assert!(Sound::of(&file).hears(440.0, 0.5, 1.5), "{codecs}");
        std::fs::remove_file(file).expect("ours");
    }
}

#[test]
fn the_small_picture_is_in_front_of_the_large_one() {
    let mut meeting = Meeting::new();
    for who in ["ann", "bob"] {
        meeting.joined(0, who);
    }
    meeting.camera("ann", Codec::H264, "red", 0, 2_000);
    meeting.camera("bob", Codec::H264, "lime", 0, 1_000);
    meeting.event(2_000, "stopped", "");
    let (_, file) = run(&meeting, Options { layout: RecordingLayout::PictureInPicture, ..small() }, 60_000);
    let look = |at: f64| {
        let picture = Picture::at(&file, at);
        (picture.color(60, 60), picture.color(300, 135))
    };
    assert_eq!((look(0.5), look(1.6)), (("red", "lime"), ("red", "tile")));
}
