//! Ringing and answering, rule by rule.

mod desk;

use call::{Answer, Command, CommandError, Config, Output, Target};
use desk::script::Desk;
use desk::{call_id, full_line, user};
use model::{CallKind, CallMedia, CallStatus, EndReason};

#[test]
fn one_calls_another_who_accepts() {
    let mut desk = Desk::of(&["alice/a1", "bob/b1"]);
    let call = desk.call(1, "alice/a1", "bob").unwrap();
    assert_eq!((call.kind, call.status), (CallKind::OneToOne, CallStatus::Ringing));
    assert_eq!(
        desk.said(),
        [
            "log initiated: initiating [alice connecting, bob invited]",
            "room open",
            "log ringing: ringing [alice connecting, bob ringing]",
            "bob < incoming from alice",
        ]
    );
    desk.accept(1, "bob/b1").unwrap();
    assert_eq!(
        desk.said(),
        ["log accepted: connecting [alice connecting, bob connecting]", "alice < accepted bob", "alice < joined bob",]
    );
    desk.media_up(1, "alice/a1");
    assert_eq!(desk.status(1), "connecting", "one alone is not connected");
    desk.media_up(1, "bob/b1");
    assert_eq!(
        desk.said(),
        [
            "log media_joined: connecting [alice connecting, bob connecting]",
            "log media_connected: connecting [alice connected, bob connecting]",
            "log media_joined: connecting [alice connected, bob connecting]",
            "log media_connected: connecting [alice connected, bob connected]",
            "log connected: connected [alice connected, bob connected]",
        ]
    );
    desk.seconds(65);
    desk.leave(1, "alice").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log participant_left: connected [alice left, bob connected]",
            "bob < left alice completed",
            "alice < left alice completed",
            "room remove alice",
            "log ended: ended [alice left, bob left]",
            "alice < ended ended completed",
            "bob < ended ended completed",
            "room close",
        ]
    );
    let call = desk.snapshot(1);
    assert_eq!(call.duration_seconds(desk.now), Some(65));
    assert_eq!(call.participants[0].seconds, 65);
    assert_eq!(call.ended_by, Some(user("alice")));
}

#[test]
fn nobody_answers() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    desk.after(29_999);
    assert_eq!(desk.said(), [""; 0]);
    desk.after(1);
    assert_eq!(
        desk.said(),
        [
            "log missed: ringing [alice connecting, bob left]",
            "bob < missed alice",
            "log ended: no_answer [alice left, bob left]",
            "alice < ended no_answer no_answer",
            "bob < ended no_answer no_answer",
            "room close",
        ]
    );
    assert_eq!(desk.snapshot(1).participants[0].seconds, 0, "ringing is no time in the call");
    assert_eq!(desk.accept(1, "bob"), Err(CommandError::CallOver(CallStatus::NoAnswer)));
}

#[test]
fn no_device_is_reached() {
    let mut desk = Desk::of(&["alice"]);
    desk.call(1, "alice", "bob").unwrap();
    assert_eq!(desk.status(1), "initiating");
    desk.seconds(30);
    assert_eq!(desk.outcome(1), "timeout timeout");
    assert_eq!(desk.snapshot(1).participants[1].left_reason, Some(EndReason::Timeout));
}

#[test]
fn the_request_says_how_long_it_rings() {
    for (asked, rings) in [(10, 10), (1, 5), (9_999, 180)] {
        let mut desk = Desk::of(&["alice", "bob"]);
        let target = Target::Users { users: vec![user("bob")], channel: None, one_to_one: true };
        let mut request = desk.request(1, "alice", target);
        request.ring_timeout = Some(std::time::Duration::from_secs(asked));
        desk.initiate(request).unwrap();
        desk.after(rings * 1_000 - 1);
        assert_eq!(desk.status(1), "ringing");
        desk.after(1);
        assert_eq!(desk.status(1), "no_answer");
    }
}

#[test]
fn a_device_that_connects_while_it_rings_is_told_at_once() {
    let mut desk = Desk::of(&["alice"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    desk.seconds(3);
    desk.connect("bob/phone");
    assert_eq!(
        desk.said(),
        ["log ringing: ringing [alice connecting, bob ringing]", "bob/phone < incoming from alice"]
    );
    desk.connect("bob/laptop");
    assert_eq!(desk.said(), ["bob/laptop < incoming from alice"], "the second one, too, but nothing new happened");
    desk.accept(1, "bob/laptop").unwrap();
    desk.said();
    desk.connect("bob/watch");
    assert_eq!(desk.said(), [""; 0], "it does not ring any more");
}

#[test]
fn the_first_device_to_accept_wins() {
    let mut desk = Desk::of(&["alice", "bob/phone", "bob/laptop"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    desk.accept(1, "bob/phone").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log accepted: connecting [alice connecting, bob connecting]",
            "alice < accepted bob",
            "bob!phone < answered-elsewhere",
            "alice < joined bob",
        ]
    );
    assert_eq!(desk.accept(1, "bob/laptop"), Err(CommandError::AnsweredElsewhere));
    assert_eq!(desk.join(1, "bob/laptop"), Err(CommandError::AnsweredElsewhere));
    assert_eq!(desk.decline(1, "bob"), Err(CommandError::AnsweredElsewhere));
    assert_eq!(desk.accept(1, "bob/phone"), Ok(()), "a device may say it twice");
    assert_eq!(desk.said(), [""; 0], "what was refused or repeated changes nothing");
}

#[test]
fn the_one_called_declines() {
    let mut desk = Desk::of(&["alice", "bob/phone", "bob/laptop"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    desk.decline(1, "bob").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log declined: ringing [alice connecting, bob declined]",
            "alice < declined bob",
            "bob < answered-elsewhere",
            "log ended: declined [alice left, bob declined]",
            "alice < ended declined declined",
            "bob < ended declined declined",
            "room close",
        ]
    );
    assert_eq!(desk.snapshot(1).ended_by, Some(user("bob")));
    assert_eq!(desk.decline(1, "bob"), Ok(()), "a device may say it twice");
    assert_eq!(desk.accept(1, "bob/phone"), Err(CommandError::CallOver(CallStatus::Declined)));
}

#[test]
fn the_one_called_says_busy() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.run(Command::Decline { call: call_id(1), user: user("bob"), busy: true }).unwrap();
    assert_eq!(desk.outcome(1), "busy busy");
    assert!(desk.said().contains(&"alice < busy bob".to_owned()));
}

#[test]
fn the_caller_gives_up() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    assert_eq!(desk.cancel(1, "bob"), Err(CommandError::Forbidden("only the caller can cancel the call")));
    desk.cancel(1, "alice").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log ended: cancelled [alice left, bob left]",
            "bob < cancelled",
            "bob < missed alice",
            "alice < ended cancelled cancelled",
            "bob < ended cancelled cancelled",
            "room close",
        ]
    );
    assert_eq!(desk.cancel(1, "alice"), Ok(()), "once more is no harm");
}

#[test]
fn end_and_leave_while_it_rings_are_cancel_and_decline() {
    type Act = fn(&mut Desk, u64, &str) -> Result<(), CommandError>;
    let acts: [Act; 2] = [Desk::end, Desk::leave];
    for act in acts {
        let mut desk = Desk::of(&["alice", "bob"]);
        desk.call(1, "alice", "bob").unwrap();
        act(&mut desk, 1, "alice").unwrap();
        assert_eq!(desk.outcome(1), "cancelled cancelled");
        desk.call(2, "alice", "bob").unwrap();
        act(&mut desk, 2, "bob").unwrap();
        assert_eq!(desk.outcome(2), "declined declined");
    }
}

#[test]
fn who_is_in_another_call_is_busy() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    let call = desk.call(2, "carol", "bob").unwrap();
    assert_eq!(call.status, CallStatus::Busy);
    assert_eq!(
        desk.said(),
        [
            "log initiated: initiating [carol connecting, bob busy]",
            "carol < busy bob",
            "room open",
            "log ended: busy [carol left, bob busy]",
            "carol < ended busy busy",
            "bob < ended busy busy",
            "room close",
        ]
    );
    assert_eq!(desk.call(3, "alice", "carol"), Err(CommandError::AlreadyInCall(call_id(1))));
    // Of several, who is in a call rings: it is for them to choose.
    desk.call_all(4, "carol", &["bob", "dave"]).unwrap();
    assert_eq!((desk.part(4, "bob"), desk.part(4, "dave")), ("ringing", "invited"));
}

#[test]
fn two_who_call_each_other_meet_in_the_call_of_the_lower_id() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut desk = Desk::of(&["alice/a", "bob/b"]);
        desk.call(first, "alice/a", "bob").unwrap();
        desk.said();
        let answer = desk.call(second, "bob/b", "alice").unwrap();
        assert_eq!(answer.id, call_id(1), "the answer is the call that is left");
        assert_eq!(
            (desk.status(1), desk.part(1, "alice"), desk.part(1, "bob")),
            ("connecting", "connecting", "connecting")
        );
        assert_eq!(desk.snapshot(2).id, call_id(1), "the other id names it too");
        let said = desk.said();
        let merged: Vec<&String> = said.iter().filter(|line| line.contains("merged")).collect();
        assert_eq!(merged.len(), 2, "{said:#?}");
        assert!(!said.iter().any(|line| line.contains("< ended") || line.contains("< missed")), "{said:#?}");
        desk.media_up(2, "alice/a");
        desk.media_up(1, "bob/b");
        desk.seconds(1_200);
        assert_eq!(desk.status(2), "connected", "a name for as long as the call runs");
        desk.end(2, "bob").unwrap();
        assert_eq!(desk.outcome(1), "ended completed");
    }
}

#[test]
fn what_rang_under_the_name_that_a_glare_takes_away_stops_on_every_device() {
    let mut desk = Desk::of(&["alice/phone", "alice/tablet", "alice/watch", "bob/phone", "bob/tablet", "bob/watch"]);
    desk.call(5, "alice/phone", "bob").unwrap();
    assert_eq!(desk.said().iter().filter(|line| *line == "bob < incoming from alice").count(), 1, "on all of bob's");
    let answer = desk.call(2, "bob/phone", "alice").unwrap();
    assert_eq!(answer.id, call_id(2), "later, with the lower id");
    let lines = desk.outputs().into_iter().map(|output| full_line(&output));
    let of_the_old_name = lines.filter(|line| line.contains(" < ") && line.contains(&call_id(5).to_string()));
    let told: Vec<String> = of_the_old_name.map(|line| line.split(" | ").next().unwrap().to_owned()).collect();
    let (five, at) = (call_id(5), desk.now.0);
    assert_eq!(
        told,
        [
            format!("bob!phone < answered-elsewhere {five} at {at} phone"),
            format!("bob/phone < cancelled {five} at {at}"),
            format!("bob < merged {five} at {at} on phone"),
            format!("alice < merged {five} at {at} on phone"),
        ]
    );
}

#[test]
fn a_group_rings_until_all_have_refused() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    assert_eq!(desk.snapshot(1).kind, CallKind::Group);
    desk.decline(1, "bob").unwrap();
    assert_eq!(desk.status(1), "ringing");
    assert_eq!(desk.end(1, "bob"), Ok(()), "refused already");
    assert_eq!(
        desk.accept(1, "bob"),
        Err(CommandError::InvalidState("the call is no longer ringing for you")),
        "nobody has taken it yet, and bob does not want it"
    );
    desk.decline(1, "carol").unwrap();
    assert_eq!(desk.outcome(1), "declined declined");
}

#[test]
fn a_group_goes_on_without_who_does_not_answer() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol", "dave"]).unwrap();
    desk.seconds(10);
    desk.accept(1, "bob").unwrap();
    desk.media_up(1, "alice");
    desk.media_up(1, "bob");
    desk.said();
    desk.seconds(20);
    assert_eq!(
        desk.said(),
        [
            "log missed: connected [alice connected, bob connected, carol left, dave left]",
            "carol < missed alice",
            "alice < left carol no_answer",
            "bob < left carol no_answer",
            "alice < left dave timeout",
            "bob < left dave timeout",
        ]
    );
    desk.join(1, "carol").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log participant_joined: connected [alice connected, bob connected, carol connecting, dave left]",
            "alice < joined carol",
            "bob < joined carol",
        ]
    );
}

#[test]
fn a_group_ends_when_the_last_leaves() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    desk.accept(1, "bob").unwrap();
    desk.leave(1, "alice").unwrap();
    assert_eq!((desk.status(1), desk.part(1, "alice")), ("connecting", "left"));
    assert_eq!(desk.leave(1, "alice"), Ok(()), "once more is no harm");
    assert_eq!(
        desk.end(1, "alice"),
        Err(CommandError::Forbidden("only someone in the call can end it")),
        "who is out cannot end it for the others"
    );
    desk.said();
    desk.leave(1, "bob").unwrap();
    assert_eq!(
        desk.said(),
        [
            "log participant_left: connecting [alice left, bob left, carol ringing]",
            "carol < left bob completed",
            "bob < left bob completed",
            "room remove bob",
            "log ended: ended [alice left, bob left, carol left]",
            "carol < missed alice",
            "alice < ended ended empty",
            "bob < ended ended empty",
            "carol < ended ended empty",
            "room close",
        ]
    );
}

#[test]
fn anyone_in_it_may_end_it_for_all() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    let reason = Some("x".repeat(1_000));
    desk.run(Command::End { call: call_id(1), user: user("bob"), reason }).unwrap();
    assert_eq!(desk.outcome(1), "ended completed");
    let notes: Vec<usize> = desk
        .outputs()
        .iter()
        .filter_map(|output| match output {
            Output::Record(record) => Some(record.payload["note"].as_str().expect("kept").len()),
            _ => None,
        })
        .collect();
    assert_eq!(notes, [256], "kept, but not at any length");
    assert_eq!(desk.end(1, "alice"), Ok(()));
    assert_eq!(desk.leave(1, "alice"), Ok(()));
    assert_eq!(desk.decline(1, "bob"), Err(CommandError::CallOver(CallStatus::Ended)));
    assert_eq!(desk.cancel(1, "alice"), Err(CommandError::CallOver(CallStatus::Ended)));
}

#[test]
fn a_channel_has_one_running_call_and_members_may_come_late() {
    let mut desk = Desk::of(&["alice", "bob", "carol", "mallory"]);
    desk.channel("team", &["alice", "bob"]);
    assert_eq!(desk.call_channel(1, "mallory", "team"), Err(CommandError::ChannelNotFound));
    assert_eq!(desk.call_channel(1, "alice", "nowhere"), Err(CommandError::ChannelNotFound));
    desk.call_channel(1, "alice", "team").unwrap();
    assert_eq!(desk.call_channel(2, "bob", "team"), Err(CommandError::ChannelCallActive(call_id(1))));
    desk.accept(1, "bob").unwrap();
    desk.channel("team", &["alice", "bob", "carol"]);
    assert_eq!(desk.join(1, "mallory"), Err(CommandError::CallNotFound));
    assert_eq!(desk.accept(1, "carol"), Err(CommandError::CallNotFound), "nothing rings at carol's");
    desk.join(1, "carol").unwrap();
    assert_eq!(desk.part(1, "carol"), "connecting");
    desk.run(Command::ChannelDeleted { id: desk::channel("team") }).unwrap();
    assert_eq!(desk.status(1), "connecting", "a call outlives its channel");
    desk.channel("team", &["alice", "bob"]);
    assert_eq!(desk.call_channel(2, "mallory", "team"), Err(CommandError::ChannelNotFound));
    assert_eq!(desk.call_channel(2, "bob", "team"), Err(CommandError::ChannelCallActive(call_id(1))));
    desk.end(1, "carol").unwrap();
    desk.call_channel(2, "bob", "team").unwrap();
    assert_eq!(desk.board.channel(&desk::channel("team")).unwrap().call, Some(call_id(2)));
}

#[test]
fn a_foreign_call_is_not_there() {
    let mut desk = Desk::of(&["alice", "bob", "mallory"]);
    desk.call(1, "alice", "bob").unwrap();
    for number in [1, 99] {
        let gone = Err(CommandError::CallNotFound);
        assert_eq!(desk.accept(number, "mallory"), gone);
        assert_eq!(desk.join(number, "mallory"), gone);
        assert_eq!(desk.decline(number, "mallory"), gone);
        assert_eq!(desk.cancel(number, "mallory"), gone);
        assert_eq!(desk.leave(number, "mallory"), gone);
        assert_eq!(desk.end(number, "mallory"), gone);
        assert_eq!(desk.invite(number, "mallory", &["carol"]), gone);
        assert!(!desk.board.may_enter(call_id(number), &user("mallory")));
    }
}

#[test]
fn more_are_rung_in() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    assert_eq!(desk.invite(1, "alice", &["alice"]), Err(CommandError::NobodyToCall));
    assert_eq!(desk.invite(1, "alice", &["bob"]), Ok(()), "is in it already");
    assert_eq!(desk.said(), [""; 0]);
    desk.invite(1, "alice", &["carol", "dave", "bob"]).unwrap();
    assert_eq!(
        desk.said(),
        [
            "log invited: connected [alice connected, bob connected, carol invited, dave invited]",
            "alice < invited carol by alice",
            "bob < invited carol by alice",
            "alice < invited dave by alice",
            "bob < invited dave by alice",
            "log ringing: connected [alice connected, bob connected, carol ringing, dave invited]",
            "carol < incoming from alice",
        ]
    );
    assert_eq!(desk.snapshot(1).kind, CallKind::Group, "a third makes it a group");
    let not_in = CommandError::Forbidden("only someone in the call can invite others");
    assert_eq!(desk.invite(1, "carol", &["erin"]), Err(not_in));
    desk.decline(1, "carol").unwrap();
    assert_eq!(desk.part(1, "carol"), "declined");
    desk.seconds(10);
    desk.invite(1, "bob", &["carol"]).unwrap();
    assert_eq!(desk.part(1, "carol"), "ringing", "one may be asked again");
    desk.seconds(20);
    assert_eq!((desk.part(1, "carol"), desk.part(1, "dave")), ("ringing", "left"), "and has the whole time again");
    desk.seconds(10);
    assert_eq!((desk.part(1, "carol"), desk.part(1, "dave")), ("left", "left"));
    assert_eq!(desk.status(1), "connected");
}

#[test]
fn who_is_rung_in_while_it_rings_has_the_whole_time() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.seconds(20);
    desk.invite(1, "alice", &["carol"]).unwrap();
    desk.seconds(10);
    assert_eq!((desk.status(1), desk.part(1, "bob"), desk.part(1, "carol")), ("ringing", "left", "ringing"));
    desk.seconds(20);
    assert_eq!(desk.outcome(1), "no_answer no_answer");
}

#[test]
fn the_same_id_is_the_same_call() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    assert_eq!(desk.call(1, "alice", "bob").unwrap().status, CallStatus::Ringing);
    assert_eq!(desk.said(), [""; 0], "asked again, nothing happens");
    assert_eq!(desk.call(1, "alice", "carol"), Err(CommandError::CallIdConflict));
    assert_eq!(desk.call(1, "carol", "bob"), Err(CommandError::CallIdConflict));
    assert_eq!(desk.call_all(1, "alice", &["bob"]), Err(CommandError::CallIdConflict));
    desk.decline(1, "bob").unwrap();
    desk.seconds(599);
    assert_eq!(desk.call(1, "alice", "bob").unwrap().status, CallStatus::Declined, "over, and still the same");
    desk.seconds(1);
    assert!(desk.board.call(call_id(1)).is_none(), "forgotten after ten minutes");
}

#[test]
fn a_stored_call_can_be_told_from_another_request() {
    let mut desk = Desk::of(&["alice", "bob"]);
    let users = |names: &[&str]| Target::Users {
        users: names.iter().map(|name| user(name)).collect(),
        channel: None,
        one_to_one: names.len() == 1,
    };
    let request = desk.request(1, "alice", users(&["bob"]));
    let stored = desk.initiate(request.clone()).unwrap();
    assert!(call::same_request(&stored, &request));
    assert!(!call::same_request(&stored, &desk.request(1, "bob", users(&["alice"]))));
    assert!(!call::same_request(&stored, &desk.request(1, "alice", users(&["carol"]))));
    assert!(!call::same_request(&stored, &desk.request(1, "alice", Target::Channel(desk::channel("team")))));
    let mut video = request;
    video.media = CallMedia::Video;
    assert!(!call::same_request(&stored, &video));
}

#[test]
fn a_call_without_an_id_gets_one_of_this_moment() {
    let mut desk = Desk::of(&["alice", "bob"]);
    let target = Target::Users { users: vec![user("bob")], channel: None, one_to_one: true };
    let mut request = desk.request(1, "alice", target);
    request.id = None;
    let call = desk.initiate(request).unwrap();
    assert_eq!(call.id.0.get_version_num(), 7);
    let (seconds, nanos) = call.id.0.get_timestamp().unwrap().to_unix();
    assert_eq!(seconds as i64 * 1_000 + i64::from(nanos / 1_000_000), desk.now.0);
}

#[test]
fn features_that_are_off_are_refused() {
    let off = Config {
        voice_calls: false,
        video_calls: false,
        group_calls: false,
        screen_sharing: false,
        ..Config::default()
    };
    let cases = [
        (CallMedia::Voice, Config { voice_calls: true, ..off.clone() }),
        (CallMedia::Video, Config { video_calls: true, ..off.clone() }),
        (CallMedia::ScreenShare, Config { screen_sharing: true, ..off.clone() }),
    ];
    for (media, config) in cases {
        let mut desk = Desk::with(config);
        for other in [CallMedia::Voice, CallMedia::Video, CallMedia::ScreenShare] {
            let target = Target::Users { users: vec![user("bob")], channel: None, one_to_one: true };
            let mut request = desk.request(other.number() as u64, "alice", target);
            request.media = other;
            let refused = matches!(desk.initiate(request), Err(CommandError::FeatureDisabled(_)));
            assert_eq!(refused, other != media, "{other} where only {media} is on");
        }
        let grown = desk.invite(media.number() as u64, "alice", &["carol"]);
        assert_eq!(grown, Err(CommandError::FeatureDisabled("group calling")));
    }
}

#[test]
fn a_call_has_room_for_so_many() {
    let mut desk = Desk::with(Config { max_participants: 3, ..Config::default() });
    assert_eq!(desk.call_all(1, "alice", &["bob", "carol", "dave"]), Err(CommandError::CallFull(3)));
    assert_eq!(desk.call_all(1, "alice", &["alice"]), Err(CommandError::NobodyToCall));
    desk.call_all(1, "alice", &["bob", "carol", "bob", "alice"]).unwrap();
    assert_eq!(desk.invite(1, "alice", &["dave"]), Err(CommandError::CallFull(3)));
    desk.end(1, "alice").unwrap();
    // A channel may have more members than a call has room for.
    desk.channel("team", &["alice", "bob", "carol", "dave", "erin"]);
    let call = desk.call_channel(2, "alice", "team").unwrap();
    assert_eq!(call.participants.len(), 3);
    desk.join(2, "erin").unwrap();
    desk.accept(2, "bob").unwrap();
    assert_eq!(desk.accept(2, "carol"), Err(CommandError::CallFull(3)));
    assert_eq!(desk.join(2, "dave"), Err(CommandError::CallFull(3)));
    desk.leave(2, "erin").unwrap();
    desk.accept(2, "carol").unwrap();
}

#[test]
fn inviting_and_declining_in_turns_does_not_grow_a_call_for_ever() {
    let mut desk = Desk::new();
    desk.call(1, "alice", "bob").unwrap();
    let mut refused = None;
    for number in 0..2_000 {
        let name = format!("u{number}");
        if let Err(error) = desk.invite(1, "alice", &[&name]) {
            refused = Some((number, error));
            break;
        }
        desk.decline(1, &name).unwrap();
    }
    assert_eq!(refused, Some((998, CommandError::CallFull(100))));
}

#[test]
fn only_so_many_calls_ring_at_once() {
    let mut desk = Desk::of(&["bob"]);
    for number in 0..16 {
        let call = desk.call(number, &format!("u{number}"), "bob").unwrap();
        assert_eq!(call.status, CallStatus::Ringing);
    }
    assert_eq!(desk.call(16, "u16", "bob").unwrap().status, CallStatus::Busy);
    desk.call_all(17, "u17", &["bob", "carol"]).unwrap();
    assert_eq!((desk.part(17, "bob"), desk.part(17, "carol")), ("busy", "invited"));
    desk.call(18, "u18", "dave").unwrap();
    desk.invite(18, "u18", &["bob"]).unwrap();
    assert_eq!(desk.part(18, "bob"), "busy");
}

#[test]
fn only_so_many_finished_calls_are_kept() {
    let mut desk = Desk::new();
    for number in 0..5_000 {
        desk.call(number, "alice", "bob").unwrap();
        desk.cancel(number, "alice").unwrap();
    }
    desk.after(1);
    let kept = (0..5_000).filter(|number| desk.board.call(call_id(*number)).is_some()).count();
    assert_eq!(kept, 4_096);
}

#[test]
fn active_calls_are_those_that_ring_or_run_newest_first() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "carol", "bob").unwrap();
    desk.seconds(1);
    desk.call(2, "alice", "bob").unwrap();
    let numbers = |desk: &Desk, name| -> Vec<_> {
        desk.board.active_calls(&user(name)).into_iter().map(|call| call.id).collect()
    };
    assert_eq!(numbers(&desk, "bob"), [call_id(2), call_id(1)]);
    desk.decline(2, "bob").unwrap();
    assert_eq!(numbers(&desk, "bob"), [call_id(1)]);
    assert!(numbers(&desk, "alice").is_empty());
}

#[test]
fn answers_carry_the_call_and_the_askers_part() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    let accept = Command::Accept { call: call_id(1), user: user("bob"), device: desk::device("b1") };
    let Ok(Answer::Joined { call, participant }) = desk.run(accept) else { panic!("accept answers with the part") };
    assert_eq!(call.participant(&user("bob")), Some(&*participant));
    assert_eq!(participant.device, Some(desk::device("b1")));
}
