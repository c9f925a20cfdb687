//! What the media side's news does to a call.

mod desk;

use call::{Command, CommandError, Config};
use desk::script::Desk;
use desk::{call_id, user};
use model::{CallStatus, EndReason, VideoQuality};

#[test]
fn coming_into_the_room_while_it_rings_is_accepting() {
    let mut desk = Desk::of(&["alice", "bob/phone", "bob/laptop"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.media_up(1, "alice");
    assert_eq!((desk.status(1), desk.part(1, "alice")), ("ringing", "connected"), "the caller waits in the room");
    desk.said();
    assert!(desk.board.may_enter(call_id(1), &user("bob")));
    desk.media_joined(1, "bob/phone").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log accepted: connecting [alice connected, bob connecting]",
            "alice < accepted bob",
            "bob!phone < answered-elsewhere",
            "alice < joined bob",
            "log media_joined: connecting [alice connected, bob connecting]",
        ]
    );
    desk.media_connected(1, "bob").unwrap();
    assert_eq!(desk.status(1), "connected");
}

#[test]
fn who_is_lost_may_come_back_within_the_window() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.media_left(1, "bob", false).unwrap();
    assert_eq!(desk.said(), ["log participant_disconnected: connected [alice connected, bob disconnected]"]);
    desk.seconds(29);
    desk.media_joined(1, "bob").unwrap();
    desk.media_connected(1, "bob").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log media_joined: connected [alice connected, bob connecting]",
            "log media_connected: connected [alice connected, bob connected]",
        ]
    );
    desk.seconds(3_600);
    assert_eq!(desk.status(1), "connected");
}

#[test]
fn who_is_lost_for_good_has_left() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.seconds(10);
    desk.media_left(1, "bob", false).unwrap();
    desk.said();
    desk.seconds(30);
    assert_eq!(
        desk.said(),
        [
            "log participant_left: connected [alice connected, bob left]",
            "alice < left bob connection_lost",
            "bob < left bob connection_lost",
            "room remove bob",
            "log ended: ended [alice left, bob left]",
            "alice < ended ended connection_lost",
            "bob < ended ended connection_lost",
            "room close",
        ]
    );
    let call = desk.snapshot(1);
    assert_eq!(call.ended_by, None);
    assert_eq!((call.participants[0].seconds, call.participants[1].seconds), (40, 10), "up to the loss");
}

#[test]
fn a_page_that_loads_again_takes_its_place_back() {
    let mut desk = Desk::of(&["alice", "bob/tab1"]);
    desk.talk(1, "alice", "bob/tab1");
    desk.media_left(1, "bob", false).unwrap();
    desk.said();
    assert_eq!(desk.accept(1, "bob/tab2"), Err(CommandError::AnsweredElsewhere));
    desk.join(1, "bob/tab2").unwrap();
    assert_eq!(desk.said(), ["log participant_returned: connected [alice connected, bob connecting]"]);
    desk.media_up(1, "bob/tab2");
    assert_eq!(desk.part(1, "bob"), "connected");
    assert_eq!(desk.snapshot(1).participants[1].device, Some(desk::device("tab2")));
}

#[test]
fn a_tab_that_died_gives_way_before_its_media_is_missed() {
    let mut desk = Desk::of(&["alice", "bob/tab1"]);
    desk.talk(1, "alice", "bob/tab1");
    desk.connect("bob/tab2");
    assert_eq!(desk.join(1, "bob/tab2"), Err(CommandError::AnsweredElsewhere), "the first tab is there");
    desk.disconnect("bob/tab1");
    assert_eq!(desk.accept(1, "bob/tab2"), Err(CommandError::AnsweredElsewhere));
    desk.join(1, "bob/tab2").unwrap();
    desk.media_left(1, "bob", false).unwrap();
    desk.media_up(1, "bob/tab2");
    assert_eq!(desk.part(1, "bob"), "connected");
    assert_eq!(desk.snapshot(1).participants[1].device, Some(desk::device("tab2")));
}

#[test]
fn who_accepts_and_never_shows_up_is_given_up() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.seconds(20);
    desk.accept(1, "bob").unwrap();
    desk.media_up(1, "alice");
    desk.after(29_999);
    assert_eq!(desk.status(1), "connecting");
    desk.after(1);
    assert_eq!(desk.outcome(1), "failed connection_lost", "it never came to be");
    assert_eq!(desk.snapshot(1).participants[1].left_reason, Some(EndReason::ConnectionLost));
}

#[test]
fn the_caller_has_the_window_from_the_first_accept_on() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    desk.seconds(25);
    desk.accept(1, "bob").unwrap();
    desk.media_up(1, "bob");
    desk.after(29_999);
    assert_eq!(desk.part(1, "alice"), "connecting");
    desk.after(1);
    assert_eq!((desk.part(1, "alice"), desk.status(1)), ("left", "connecting"));
}

#[test]
fn who_leaves_the_room_has_left_the_call() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.media_left(1, "bob", true).unwrap();
    assert_eq!(desk.outcome(1), "ended completed");
    assert!(!desk.said().contains(&"room remove bob".to_owned()), "the room knows");
    // The caller who leaves it while it rings gives up.
    desk.call(2, "alice", "bob").unwrap();
    desk.media_up(2, "alice");
    desk.media_left(2, "alice", true).unwrap();
    assert_eq!(desk.outcome(2), "cancelled cancelled");
}

#[test]
fn late_news_of_a_room_changes_nothing() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    desk.media_left(1, "bob", true).unwrap();
    desk.media_left(1, "alice", false).unwrap();
    assert_eq!(desk.media_connected(1, "bob"), Err(CommandError::InvalidState("you are not in the call")));
    desk.accept(1, "bob").unwrap();
    desk.said();
    desk.media_up(1, "bob");
    desk.media_up(1, "bob");
    assert_eq!(desk.said().len(), 2, "once");
    desk.media_left(1, "bob", false).unwrap();
    desk.media_left(1, "bob", false).unwrap();
    assert_eq!(desk.said().len(), 1, "once");
    desk.leave(1, "bob").unwrap();
    desk.said();
    desk.media_left(1, "bob", true).unwrap();
    assert_eq!(desk.said(), [""; 0]);
}

#[test]
fn a_second_session_takes_no_media_away() {
    let mut desk = Desk::of(&["alice", "bob/tab1"]);
    desk.talk(1, "alice", "bob/tab1");
    desk.media_joined(1, "bob/tab2").unwrap();
    assert_eq!(desk.said(), ["log media_joined: connected [alice connected, bob connected]"]);
    assert_eq!(desk.snapshot(1).participants[1].device, Some(desk::device("tab2")));
}

#[test]
fn who_slips_into_a_room_that_is_closed_to_them_is_put_out() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    desk.accept(1, "bob").unwrap();
    desk.decline(1, "carol").unwrap();
    desk.said();
    assert!(desk.media_joined(1, "carol").is_err());
    assert_eq!(desk.media_joined(1, "mallory"), Err(CommandError::CallNotFound));
    assert_eq!(desk.said(), ["room remove carol", "room remove mallory"]);
    desk.end(1, "alice").unwrap();
    desk.said();
    assert_eq!(desk.media_joined(1, "bob"), Err(CommandError::CallOver(CallStatus::Ended)));
    assert_eq!(desk.said(), ["room close"]);
    assert_eq!(desk.media_joined(9, "bob"), Err(CommandError::CallNotFound));
    assert_eq!(desk.said(), [""; 0], "a room of no call is not the switchboard's");
}

#[test]
fn a_call_that_nobody_has_media_in_ends() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call_all(1, "alice", &["bob"]).unwrap();
    desk.accept(1, "bob").unwrap();
    // In the room, but ICE never comes through.
    desk.media_joined(1, "alice").unwrap();
    desk.media_joined(1, "bob").unwrap();
    desk.seconds(299);
    assert_eq!(desk.status(1), "connecting");
    desk.media_connected(1, "alice").unwrap();
    desk.seconds(3_600);
    assert_eq!(desk.status(1), "connecting", "somebody is there");
    desk.media_left(1, "alice", true).unwrap();
    desk.seconds(300);
    assert_eq!(desk.outcome(1), "ended empty");
}

#[test]
fn one_who_left_a_group_may_come_again_and_time_adds_up() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    for name in ["bob", "carol"] {
        desk.accept(1, name).unwrap();
    }
    for name in ["alice", "bob", "carol"] {
        desk.media_up(1, name);
    }
    desk.seconds(10);
    desk.leave(1, "carol").unwrap();
    assert!(!desk.board.may_enter(call_id(1), &user("carol")), "not without joining again");
    desk.seconds(60);
    desk.join(1, "carol").unwrap();
    desk.media_up(1, "carol");
    desk.seconds(5);
    desk.end(1, "alice").unwrap();
    let carol = desk.snapshot(1).participants[2].clone();
    assert_eq!((carol.seconds, carol.left_reason), (15, Some(EndReason::Completed)));
    assert!(carol.joined_at.unwrap() < carol.left_at.unwrap());
}

#[test]
fn media_states_are_told_to_the_others() {
    let mut desk = Desk::with(Config { screen_sharing: false, ..Config::default() });
    desk.connect("alice");
    desk.connect("bob");
    desk.talk(1, "alice", "bob");
    let set = |is_muted, is_screen_sharing, video_quality| Command::SetMediaState {
        call: call_id(1),
        user: user("alice"),
        is_muted,
        is_video_enabled: None,
        is_screen_sharing,
        video_quality,
    };
    desk.run(set(Some(true), None, None)).unwrap();
    assert_eq!(
        desk.said(),
        [
            "log media_state_changed: connected [alice connected, bob connected]",
            "bob < media alice muted=true video=false screen=false",
        ]
    );
    desk.run(set(Some(true), Some(false), None)).unwrap();
    assert_eq!(desk.said(), [""; 0], "nothing changed");
    desk.run(set(None, None, Some(VideoQuality::P1080))).unwrap();
    assert_eq!(desk.snapshot(1).participants[0].video_quality, VideoQuality::P1080);
    let off = Err(CommandError::FeatureDisabled("screen sharing"));
    assert_eq!(desk.run(set(None, Some(true), None)), off);
    desk.end(1, "alice").unwrap();
    assert_eq!(desk.run(set(Some(false), None, None)), Err(CommandError::CallOver(CallStatus::Ended)));
}

#[test]
fn a_lost_socket_does_not_end_a_call() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.disconnect("alice");
    desk.disconnect("bob");
    desk.seconds(3_600);
    assert_eq!(desk.status(1), "connected");
}

#[test]
fn a_caller_who_vanishes_while_it_rings_gives_up() {
    let mut desk = Desk::of(&["alice/a1", "alice/a2", "bob"]);
    let target = call::Target::Users { users: vec![user("bob")], channel: None, one_to_one: true };
    let mut request = desk.request(1, "alice/a1", target);
    request.ring_timeout = Some(std::time::Duration::from_secs(120));
    desk.initiate(request).unwrap();
    desk.disconnect("alice/a1");
    desk.seconds(40);
    assert_eq!(desk.status(1), "ringing", "another device is there");
    desk.disconnect("alice/a2");
    desk.seconds(29);
    desk.connect("alice/a1");
    desk.seconds(10);
    assert_eq!(desk.status(1), "ringing", "back in time");
    desk.disconnect("alice/a1");
    desk.seconds(30);
    assert_eq!(desk.outcome(1), "cancelled connection_lost");
    assert!(desk.said().contains(&"bob < cancelled".to_owned()));
}

#[test]
fn a_caller_without_a_socket_or_in_the_room_has_not_vanished() {
    let mut desk = Desk::of(&["bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.seconds(29);
    assert_eq!(desk.status(1), "ringing", "called by REST alone");
    desk.cancel(1, "alice").unwrap();
    let mut desk = Desk::with(Config { reconnect_window: std::time::Duration::from_secs(10), ..Config::default() });
    desk.connect("alice");
    desk.call(1, "alice", "bob").unwrap();
    desk.media_joined(1, "alice").unwrap();
    desk.disconnect("alice");
    desk.seconds(15);
    assert_eq!(desk.status(1), "initiating", "waits in the room");
    desk.media_left(1, "alice", false).unwrap();
    desk.after(9_999);
    assert_eq!(desk.status(1), "initiating", "may come back");
    desk.after(1);
    assert_eq!(desk.outcome(1), "cancelled connection_lost", "gone from there, too");
}

#[test]
fn agents_and_recorders_keep_no_call_going() {
    let mut desk = Desk::of(&["alice", "bob", "agent", "tape"]);
    desk.call_all(1, "alice", &["bob", "agent", "tape"]).unwrap();
    desk.media_up(1, "alice");
    desk.accept(1, "bob").unwrap();
    desk.media_up(1, "bob");
    for helper in ["agent", "tape"] {
        desk.helper_joined(1, helper).unwrap();
        desk.media_connected(1, helper).unwrap();
        assert_eq!(desk.part(1, helper), "connected", "one that was called answers by coming, as everyone does");
    }
    desk.leave(1, "bob").unwrap();
    desk.seconds(3_600);
    assert_eq!(desk.status(1), "connected", "somebody is there");
    desk.said();
    desk.leave(1, "alice").unwrap();
    assert_eq!((desk.status(1), desk.outcome(1).as_str()), ("ended", "ended empty"));
    assert!(desk.said().contains(&"room close".to_owned()));
}

#[test]
fn agents_and_recorders_take_nobodys_place() {
    let full = Err(CommandError::CallFull(3));
    let mut desk = Desk::with(Config { max_participants: 3, ..Config::default() });
    desk.call_all(1, "alice", &["bob", "agent"]).unwrap();
    desk.accept(1, "bob").unwrap();
    assert_eq!(desk.invite(1, "alice", &["carol"]), full, "one who is rung takes a place");
    desk.helper_joined(1, "agent").unwrap();
    desk.invite(1, "alice", &["carol"]).unwrap();
    desk.accept(1, "carol").unwrap();
    assert_eq!(desk.invite(1, "alice", &["dave"]), full);
    desk.end(1, "alice").unwrap();
    // One who was rung before the call was full still comes.
    desk.channel("team", &["alice", "bob", "agent", "erin", "frank"]);
    desk.call_channel(2, "alice", "team").unwrap();
    desk.accept(2, "bob").unwrap();
    desk.join(2, "erin").unwrap();
    assert_eq!(desk.accept(2, "agent"), full, "as somebody it would take a place");
    desk.helper_joined(2, "agent").unwrap();
    assert_eq!(desk.join(2, "frank"), full);
    desk.leave(2, "erin").unwrap();
    desk.join(2, "frank").unwrap();
}

#[test]
fn an_agent_is_the_other_side_of_a_call() {
    let mut desk = Desk::of(&["alice", "agent"]);
    desk.call(1, "alice", "agent").unwrap();
    desk.media_up(1, "alice");
    desk.helper_joined(1, "agent").unwrap();
    desk.media_connected(1, "agent").unwrap();
    desk.seconds(3_600);
    assert_eq!(desk.status(1), "connected");
    // Its media alone is not enough.
    desk.media_left(1, "alice", false).unwrap();
    desk.seconds(30);
    assert_eq!((desk.status(1), desk.outcome(1).as_str()), ("ended", "ended connection_lost"));
}

#[test]
fn one_who_is_made_a_recorder_keeps_no_call_going_from_then_on() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call_all(1, "alice", &["bob"]).unwrap();
    desk.media_up(1, "alice");
    desk.media_up(1, "bob");
    desk.helper_joined(1, "bob").unwrap();
    assert_eq!((desk.status(1), desk.part(1, "bob")), ("connected", "connected"));
    desk.leave(1, "alice").unwrap();
    assert_eq!(desk.status(1), "ended");
}
