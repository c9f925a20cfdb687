//! What happens to a job: it is interrupted and goes on, is cancelled, fails; and what is made of its result.

use std::time::{Duration, Instant};

use crate::support::judge::{self, Picture};
use crate::support::{Codec, Meeting, left_over, settings, small, stand_in};
use compose::{ComposeError, Composer, Cutter, Edges, Limits, Progress, Settings, Span, Stop, compose};

/// Six seconds of someone in red.
fn meeting() -> Meeting {
    let mut meeting = Meeting::new();
    meeting.joined(0, "ann");
    meeting.camera("ann", Codec::H264, "red", 0, 6_000);
    meeting.voice("ann", 440, 0, 6_000);
    meeting.event(6_000, "stopped", "");
    meeting
}

#[test]
fn an_interrupted_job_goes_on_and_ends_with_as_many_pictures() {
    let meeting = meeting();
    let job = meeting.job(small());
    let stop = Stop::default();
    let stopping = stop.clone();
    let told = move |share: f64| {
        if share > 0.5 {
            stopping.suspend();
        }
    };
    let interrupted = compose(&job, &settings(1_000), &stop, told).expect_err("it was interrupted");
    assert!(matches!(interrupted, ComposeError::Suspended), "{interrupted}");
    assert_eq!(left_over(meeting.dir.path()), ["out.mp4.parts"]);
    let composed = compose(&job, &settings(1_000), &Stop::default(), |_| {}).expect("it goes on");
    assert!(composed.steps.0 == 6 && composed.steps.1 >= 3, "{:?}", composed.steps);
    assert_eq!((composed.pictures, judge::pictures(&job.output)), (180, 180));
    assert_eq!(left_over(meeting.dir.path()), ["out.mp4"]);
}

#[test]
fn what_another_job_left_is_not_taken() {
    let meeting = meeting();
    let job = meeting.job(small());
    let stop = Stop::default();
    let stopping = stop.clone();
    let told = move |share: f64| {
        if share > 0.5 {
            stopping.suspend();
        }
    };
    compose(&job, &settings(1_000), &stop, told).expect_err("it was interrupted");
    let mut other = job;
    other.options.size = compose::Size { w: 160, h: 90 };
    let composed = compose(&other, &settings(1_000), &Stop::default(), |_| {}).expect("it can be composed");
    assert_eq!(composed.steps.1, 0);
    assert_eq!(judge::probe(&other.output, "v:0", "stream=width"), ["160"]);
}

#[test]
fn a_killed_ffmpeg_is_started_once_more() {
    let meeting = meeting();
    let job = meeting.job(small());
    let ffmpeg = stand_in(meeting.dir.path(), "[ $N = 2 ] && kill -9 $$");
    let composed =
        compose(&job, &Settings { ffmpeg, ..settings(3_000) }, &Stop::default(), |_| {}).expect("it is tried again");
    assert_eq!((composed.steps, judge::pictures(&job.output)), ((2, 0), 180));
    let count = std::fs::read_to_string(meeting.dir.path().join("tracks/count")).expect("counted");
    assert_eq!(count.lines().count(), 4, "two steps, one of them twice, and the end");
}

#[test]
fn an_ffmpeg_that_always_fails_is_not_tried_forever_and_a_full_disk_is_named() {
    let meeting = meeting();
    let job = meeting.job(small());
    let run = |script: &str, stall: u64| {
        let ffmpeg = stand_in(meeting.dir.path(), script);
        let limits = Settings { ffmpeg, stall: Duration::from_millis(stall), ..settings(60_000) };
        compose(&job, &limits, &Stop::default(), |_| {}).expect_err("it fails")
    };
    let failed = run("case \"$*\" in *filter_complex*) echo 'it is broken' >&2; exit 1;; esac", 60_000);
    assert_eq!(
        (failed.code(), failed.to_string()),
        ("ffmpeg_failed", "ffmpeg failed (exit status: 1): it is broken".to_owned())
    );
    assert_eq!(run("echo 'x: No space left on device' >&2; exit 1", 60_000).code(), "disk_full");
    assert_eq!(run("sleep 30", 400).code(), "too_slow");
    assert_eq!(left_over(meeting.dir.path()), ["out.mp4.parts"], "what is done is kept");
}

#[test]
fn a_folder_without_media_and_one_that_is_none_are_told_apart() {
    let mut empty = Meeting::new();
    empty.joined(0, "ann");
    empty.event(9_000, "stopped", "");
    let failed = compose(&empty.job(small()), &settings(60_000), &Stop::default(), |_| {}).expect_err("nothing");
    assert_eq!(failed.code(), "nothing_recorded");
    std::fs::write(empty.dir.path().join("recording.json"), r#"{"version":2,"id":"x","room":"r","started_at":1}"#)
        .expect("written");
    let failed = compose(&empty.job(small()), &settings(60_000), &Stop::default(), |_| {}).expect_err("no recording");
    assert_eq!(failed.code(), "not_a_recording");
}

#[tokio::test]
async fn a_composer_takes_one_after_another_and_leaves_nothing_of_what_is_cancelled() {
    let (first, second) = (meeting(), meeting());
    let composer = Composer::start(Settings { waiting: 1, ..settings(1_000) });
    let running = composer.submit(first.job(small())).expect("there is room");
    let mut watch = running.watch();
    watch.wait_for(|progress| matches!(progress, Progress::Running(percent) if *percent > 0)).await.expect("it runs");
    let waiting = composer.submit(second.job(small())).expect("there is room for one to wait");
    assert!(composer.submit(second.job(small())).is_err(), "and for no more");
    assert!(matches!(waiting.progress(), Progress::Waiting));
    running.cancel();
    let error = running.finished().await.expect("the composer is there").expect_err("it was cancelled");
    assert_eq!(error.code(), "cancelled");
    assert_eq!(left_over(first.dir.path()), Vec::<String>::new());
    let composed = waiting.finished().await.expect("the composer is there").expect("it can be composed");
    assert_eq!(composed.pictures, 180);
}

#[tokio::test]
async fn a_composer_that_goes_away_leaves_its_work_to_the_next() {
    let meeting = meeting();
    let composer = Composer::start(settings(1_000));
    let ticket = composer.submit(meeting.job(small())).expect("there is room");
    let half = |progress: &Progress| matches!(progress, Progress::Running(percent) if *percent > 30);
    ticket.watch().wait_for(half).await.expect("it runs");
    drop(composer);
    assert!(ticket.finished().await.is_none());
    let composer = Composer::start(settings(1_000));
    let ticket = composer.submit(meeting.job(small())).expect("there is room");
    let composed = ticket.finished().await.expect("the composer is there").expect("it can be composed");
    assert!(composed.steps.1 >= 1, "{:?}", composed.steps);
    assert_eq!(composed.pictures, 180);
}

#[test]
fn pictures_shapes_and_pieces_are_made_of_the_result() {
    let meeting = meeting();
    let job = meeting.job(small());
    compose(&job, &settings(60_000), &Stop::default(), |_| {}).expect("it can be composed");
    let limits = Limits { stall: Duration::from_secs(60), deadline: Instant::now() + Duration::from_secs(120) };
    let cutter = Cutter { ffmpeg: "ffmpeg".into(), limits };

    let thumbnail = meeting.dir.path().join("tracks/out.jpg");
    cutter.thumbnail(&job.output, 3_000_000, 160, &thumbnail).expect("a picture");
    assert_eq!(judge::probe(&thumbnail, "v:0", "stream=codec_name,width,height"), ["mjpeg", "160", "90"]);
    assert!(cutter.thumbnail(&job.output, 60_000_000, 160, &thumbnail).is_err(), "after the end");

    let peaks = cutter.peaks(&job.output, 60).expect("a shape");
    assert_eq!((peaks.length, peaks.data.len()), (60, 120));
    assert!(peaks.data[..110].chunks(2).all(|pair| pair[0] < -10 && pair[1] > 10), "{:?}", peaks.data);

    for (edges, shortest, longest) in [(Edges::Exact, 2.95, 3.05), (Edges::Keyframes, 2.95, 5.0)] {
        let piece = meeting.dir.path().join("tracks/piece.mp4");
        cutter.cut(&job.output, Span::new(1_500_000, 4_500_000), edges, &piece).expect("a piece");
        let length = judge::seconds(&piece, "v:0");
        assert!(shortest <= length && length <= longest, "{edges:?}: {length}");
        assert_eq!(Picture::at(&piece, 1.0).color(160, 60), "red");
    }
    assert_eq!(left_over(meeting.dir.path()), ["out.mp4"]);
}
