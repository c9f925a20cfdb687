//! Recording a call: who may, who is asked, whom it takes in, and what ends it.

mod desk;

use call::{Ability, CallSnapshot, Command, CommandError, Config, RecordingOptions};
use desk::script::Desk;
use desk::{call_id, device, user};
use model::{RecordingDecline, RecordingPolicy, RecordingStatus};

fn desk(policy: RecordingPolicy) -> Desk {
    let config = Config { call_recording: true, recording_policy: policy, ..Config::default() };
    let mut desk = Desk::with(config);
    ["alice", "bob", "carol"].iter().for_each(|who| desk.connect(who));
    desk
}

/// Alice and Bob talk, and Alice records.
fn recorded(policy: RecordingPolicy) -> Desk {
    let mut desk = desk(policy);
    desk.talk(1, "alice", "bob");
    desk.record(1, "alice").unwrap();
    desk.recording_began(1);
    desk.said();
    desk
}

fn status(desk: &Desk) -> RecordingStatus {
    desk.snapshot(1).recording.expect("one was made").status
}

#[test]
fn everyone_is_asked_and_only_who_agrees_is_recorded() {
    let mut desk = desk(RecordingPolicy::Ask);
    desk.talk(1, "alice", "bob");
    desk.record(1, "alice").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log recording_requested: connected [alice connected, bob connected]",
            "bob < asked",
            "room record only alice",
        ],
        "who starts it has agreed"
    );
    desk.recording_began(1);
    assert_eq!(
        desk.said(),
        [
            "log recording_started: connected [alice connected, bob connected]",
            "alice < rec-started",
            "bob < rec-started",
            "room mark true",
        ]
    );
    let asked_at = desk.now;
    desk.seconds(3);
    desk.consent(1, "bob", true).unwrap();
    assert_eq!(
        desk.said(),
        [
            "log recording_consent: connected [alice connected, bob connected]",
            "alice < consent bob true",
            "bob < consent bob true",
            "room record only alice,bob",
        ]
    );
    let given = desk.snapshot(1).participants[1].recording_consent.expect("asked and answered");
    assert_eq!((given.given, given.at.since(asked_at).as_secs()), (true, 3));
    desk.consent(1, "bob", true).unwrap();
    assert_eq!(desk.said(), [""; 0], "said once");
    desk.consent(1, "bob", false).unwrap();
    assert_eq!(desk.said().last().map(String::as_str), Some("room record only alice"), "and taken back");
    assert_eq!(desk.part(1, "bob"), "connected", "left out of the recording, not of the call");
}

#[test]
fn who_declines_leaves_where_that_is_the_rule() {
    let mut desk = desk(RecordingPolicy::Ask);
    desk.config.recording_decline = RecordingDecline::Leave;
    let mut desk = Desk::with(desk.config);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    for who in ["bob", "carol"] {
        desk.accept(1, who).unwrap();
    }
    desk.record(1, "alice").unwrap();
    desk.said();
    desk.consent(1, "bob", false).unwrap();
    assert_eq!(
        desk.said(),
        [
            "log recording_consent: connecting [alice connecting, bob connecting, carol connecting]",
            "room record only alice",
            "log participant_left: connecting [alice connecting, bob left, carol connecting]",
            "room remove bob",
        ]
    );
}

#[test]
fn who_comes_late_is_asked_and_is_not_recorded_before() {
    let mut desk = recorded(RecordingPolicy::Ask);
    desk.invite(1, "alice", &["carol"]).unwrap();
    desk.said();
    desk.accept(1, "carol").unwrap();
    let said = desk.said();
    assert_eq!(said.iter().filter(|line| line.contains("asked")).collect::<Vec<_>>(), ["carol < asked"]);
    assert!(!said.iter().any(|line| line.contains("room record")), "{said:?}");
    desk.consent(1, "carol", true).unwrap();
    assert_eq!(desk.said().last().map(String::as_str), Some("room record only alice,carol"));
    desk.leave(1, "carol").unwrap();
    desk.join(1, "carol").unwrap();
    assert!(!desk.said().iter().any(|line| line.contains("asked")), "what was said still holds");
}

#[test]
fn the_next_recording_asks_again() {
    let mut desk = recorded(RecordingPolicy::Ask);
    desk.consent(1, "bob", true).unwrap();
    desk.stop_recording(1, "bob").unwrap();
    desk.said();
    desk.record(1, "bob").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log recording_requested: connected [alice connected, bob connected]",
            "alice < asked",
            "room record only bob",
        ]
    );
}

#[test]
fn where_it_is_announced_everyone_is_recorded_and_nobody_asked() {
    let mut desk = recorded(RecordingPolicy::Announce);
    assert_eq!(desk.consent(1, "bob", true), Err(CommandError::ConsentNotAsked));
    desk.stop_recording(1, "alice").unwrap();
    desk.said();
    desk.record(1, "bob").unwrap();
    assert_eq!(
        desk.said(),
        ["log recording_requested: connected [alice connected, bob connected]", "room record everyone"]
    );
}

#[test]
fn pausing_and_resuming_is_said_once() {
    let mut desk = recorded(RecordingPolicy::Announce);
    let pause = |on| Command::PauseRecording { call: call_id(1), by: user("bob"), admin: false, on };
    desk.run(pause(true)).unwrap();
    assert_eq!(
        desk.said(),
        [
            "log recording_paused: connected [alice connected, bob connected]",
            "alice < rec-paused",
            "bob < rec-paused",
            "room pause",
        ]
    );
    desk.run(pause(true)).unwrap();
    assert_eq!(desk.said(), [""; 0]);
    assert_eq!(status(&desk), RecordingStatus::Paused);
    desk.run(pause(false)).unwrap();
    assert_eq!(desk.said()[3], "room go-on");
    assert_eq!(status(&desk), RecordingStatus::Recording);
}

#[test]
fn the_end_of_the_call_ends_its_recording_first() {
    let mut desk = recorded(RecordingPolicy::Announce);
    desk.end(1, "alice").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log recording_stopped: connected [alice connected, bob connected]",
            "alice < rec-stopped",
            "bob < rec-stopped",
            "room stop-recording",
            "room mark false",
            "log ended: ended [alice left, bob left]",
            "alice < ended ended completed",
            "bob < ended ended completed",
            "room close",
        ]
    );
    let call = desk.snapshot(1);
    assert!(call.is_recorded);
    assert_eq!(
        call.recording.map(|recording| (recording.status, recording.ended_at)),
        Some((RecordingStatus::Processing, call.ended_at))
    );
}

#[test]
fn a_recording_that_fails_never_ends_the_call() {
    let mut desk = recorded(RecordingPolicy::Announce);
    let recording = desk.snapshot(1).recording.unwrap().id;
    let failed = Command::RecordingFailed { call: call_id(1), recording, code: "disk_full".to_owned() };
    desk.run(failed.clone()).unwrap();
    assert_eq!(
        desk.said(),
        [
            "log recording_failed: connected [alice connected, bob connected]",
            "alice < rec-failed",
            "bob < rec-failed",
            "room mark false",
        ]
    );
    assert_eq!(desk.snapshot(1).recording.unwrap().error.as_deref(), Some("disk_full"));
    desk.run(failed).unwrap();
    assert_eq!(desk.said(), [""; 0], "old news");
    desk.record(1, "alice").unwrap();
    assert_eq!(status(&desk), RecordingStatus::Starting, "and it may be tried again");
}

#[test]
fn between_peers_a_recording_brings_the_call_to_the_server() {
    let mut desk = desk(RecordingPolicy::Announce);
    for who in ["alice", "bob"] {
        let media = Some(Ability { p2p: true, sfu: true });
        let (user, device) = (user(who), model::DeviceId::unnamed());
        desk.run(Command::DeviceDeclared { user, device, media, call_waiting: true }).unwrap();
    }
    desk.call(1, "alice", "bob").unwrap();
    desk.accept(1, "bob").unwrap();
    assert_eq!(desk.snapshot(1).topology, model::Topology::P2p);
    desk.said();
    desk.record(1, "alice").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log topology_changed: connected [alice connecting, bob connecting]",
            "alice < topology sfu recording",
            "bob < topology sfu recording",
            "log recording_requested: connected [alice connecting, bob connecting]",
            "room record everyone",
        ]
    );
    desk.run(Command::PeerSignalled { call: call_id(1), user: user("bob") }).unwrap();
    assert_eq!(desk.snapshot(1).topology, model::Topology::Sfu, "a late answer does not take it away again");
}

#[test]
fn a_device_that_reaches_no_server_cannot_be_recorded_nor_come_in_later() {
    let mut desk = desk(RecordingPolicy::Announce);
    let peer = |who: &str| Command::DeviceDeclared {
        user: user(who),
        device: device("d1"),
        media: Some(Ability { p2p: true, sfu: false }),
        call_waiting: true,
    };
    for who in ["dan/d1", "eve/d1"] {
        desk.connect(who);
        desk.run(peer(&who[..3])).unwrap();
    }
    desk.call(1, "dan/d1", "eve").unwrap();
    desk.accept(1, "eve/d1").unwrap();
    assert_eq!(desk.record(1, "dan"), Err(CommandError::NoCommonMedia));
    desk.end(1, "dan").unwrap();
    desk.talk(2, "alice", "bob");
    desk.record(2, "alice").unwrap();
    desk.invite(2, "alice", &["eve"]).unwrap();
    assert_eq!(desk.accept(2, "eve/d1"), Err(CommandError::NoCommonMedia));
}

#[test]
fn where_every_call_is_recorded_it_begins_when_two_have_media() {
    let mut desk = desk(RecordingPolicy::Always);
    desk.call(1, "alice", "bob").unwrap();
    desk.accept(1, "bob").unwrap();
    desk.media_up(1, "alice");
    assert_eq!(desk.snapshot(1).recording, None);
    desk.said();
    desk.media_up(1, "bob");
    let said = desk.said();
    assert_eq!(
        said[said.len() - 2..],
        ["log recording_requested: connected [alice connected, bob connected]", "room record everyone"]
    );
    assert_eq!(desk.snapshot(1).recording.unwrap().started_by, None);
}

#[test]
fn who_may_not_is_refused() {
    let mut off = Desk::of(&["alice", "bob"]);
    off.talk(1, "alice", "bob");
    assert_eq!(off.record(1, "alice"), Err(CommandError::FeatureDisabled("call recording")));
    let mut off = desk(RecordingPolicy::Off);
    off.talk(1, "alice", "bob");
    assert_eq!(off.record(1, "alice"), Err(CommandError::RecordingOff));

    let mut desk = desk(RecordingPolicy::Ask);
    assert_eq!(desk.record(1, "alice"), Err(CommandError::CallNotFound));
    desk.call(1, "alice", "bob").unwrap();
    assert_eq!(desk.record(1, "alice"), Err(CommandError::InvalidState("nobody has answered yet")));
    desk.accept(1, "bob").unwrap();
    assert_eq!(desk.record(1, "carol"), Err(CommandError::CallNotFound));
    assert_eq!(desk.stop_recording(1, "alice"), Err(CommandError::NotRecording));
    assert_eq!(desk.consent(1, "alice", true), Err(CommandError::NotRecording));
    let by_admin = Command::StartRecording {
        call: call_id(1),
        by: user("backend"),
        admin: true,
        options: RecordingOptions::default(),
    };
    desk.run(by_admin).unwrap();
    assert_eq!(desk.record(1, "alice"), Err(CommandError::AlreadyRecording));
    let pause = Command::PauseRecording { call: call_id(1), by: user("bob"), admin: false, on: true };
    assert_eq!(desk.run(pause), Err(CommandError::InvalidState("the recording has not begun yet")));
    desk.end(1, "bob").unwrap();
    assert!(matches!(desk.record(1, "alice"), Err(CommandError::CallOver(_))));
}

#[test]
fn a_recording_may_be_started_five_times_a_minute() {
    let mut desk = desk(RecordingPolicy::Announce);
    desk.talk(1, "alice", "bob");
    for _ in 0..5 {
        desk.record(1, "alice").unwrap();
        desk.stop_recording(1, "alice").unwrap();
    }
    assert_eq!(desk.record(1, "alice"), Err(CommandError::RecordingTooOften));
    desk.seconds(60);
    desk.record(1, "alice").unwrap();
}

#[test]
fn after_a_restart_the_same_recording_goes_on() {
    let mut desk = recorded(RecordingPolicy::Ask);
    let before = desk.snapshot(1).recording.unwrap();
    desk.crash(3_000, &[1]);
    assert_eq!(
        desk.said(),
        [
            "log restored: connected [alice disconnected, bob disconnected]",
            "room open",
            "room record only alice",
            "room mark true",
        ]
    );
    assert_eq!(desk.snapshot(1).recording, Some(before.clone()));
    desk.recording_began(1);
    assert_eq!(desk.said(), [""; 0], "the media side went on with it");
    let pause = Command::PauseRecording { call: call_id(1), by: user("alice"), admin: false, on: true };
    desk.run(pause).unwrap();
    desk.said();
    desk.crash(3_000, &[1]);
    assert_eq!(desk.said()[2..], ["room record only alice", "room pause", "room mark true"]);
    desk.seconds(60);
    let call = desk.snapshot(1);
    assert_eq!(call.status.as_str(), "failed", "nobody came back");
    assert_eq!(
        call.recording.map(|recording| (recording.id, recording.status)),
        Some((before.id, RecordingStatus::Processing))
    );
}

#[test]
fn a_call_from_before_there_were_recordings_is_read() {
    let mut desk = desk(RecordingPolicy::Ask);
    desk.talk(1, "alice", "bob");
    let mut written = serde_json::to_value(desk.snapshot(1)).unwrap();
    let call = written.as_object_mut().unwrap();
    assert!(call.remove("recording").is_some() && call.remove("is_recorded").is_some());
    for part in call["participants"].as_array_mut().unwrap() {
        assert!(part.as_object_mut().unwrap().remove("recording_consent").is_some());
    }
    let read: CallSnapshot = serde_json::from_value(written).unwrap();
    assert_eq!(read, desk.snapshot(1));
}
