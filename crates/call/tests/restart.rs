//! Calls that were there when the process died.

mod desk;

use call::{Command, CommandError};
use desk::script::Desk;
use desk::{call_id, user};
use model::{CallStatus, EndReason, Timestamp};

#[test]
fn a_call_that_rang_out_meanwhile_ends_as_it_would_have() {
    let mut desk = Desk::of(&["alice", "bob"]);
    let ring_until = desk.call(1, "alice", "bob").unwrap().ring_until;
    desk.call(2, "carol", "dave").unwrap();
    desk.said();
    desk.crash(60_000, &[1, 2]);
    assert_eq!(desk.outcome(1), "no_answer no_answer");
    assert_eq!(desk.outcome(2), "timeout timeout", "nobody had been told");
    assert_eq!(desk.snapshot(1).ended_at, Some(ring_until));
    assert_eq!(desk.said()[0], "log ended: no_answer [alice left, bob left]");
}

#[test]
fn a_call_that_rings_goes_on_ringing() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.said();
    desk.crash(2_000, &[1]);
    assert_eq!(desk.said(), ["log restored: ringing [alice connecting, bob ringing]", "room open"]);
    desk.connect("alice");
    desk.connect("bob/b1");
    assert_eq!(desk.said(), ["bob/b1 < incoming from alice"]);
    desk.accept(1, "bob/b1").unwrap();
    assert_eq!(desk.status(1), "connecting");
}

#[test]
fn a_running_call_waits_for_its_participants() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.seconds(100);
    desk.crash(3_000, &[1]);
    assert_eq!(desk.said(), ["log restored: connected [alice disconnected, bob disconnected]", "room open"]);
    assert!(desk.board.may_enter(call_id(1), &user("alice")));
    desk.seconds(20);
    desk.media_up(1, "alice");
    desk.media_up(1, "bob");
    desk.seconds(3_600);
    assert_eq!(desk.status(1), "connected");
    desk.leave(1, "bob").unwrap();
    assert_eq!(desk.outcome(1), "ended completed");
    assert_eq!(desk.snapshot(1).participants[1].seconds, 3_723);
}

#[test]
fn a_running_call_that_nobody_comes_back_to_has_failed() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.seconds(100);
    let died = desk.now;
    desk.crash(3_000, &[1]);
    desk.said();
    desk.seconds(30);
    assert_eq!(desk.said(), ["log ended: failed [alice left, bob left]", "room close"]);
    let call = desk.snapshot(1);
    assert_eq!((call.status, call.end_reason), (CallStatus::Failed, Some(EndReason::ServerFailure)));
    assert_eq!((call.ended_at, call.duration_seconds(desk.now)), (Some(died), Some(100)), "to the last known time");
}

#[test]
fn one_who_comes_back_alone_ends_as_one_left_alone() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.crash(3_000, &[1]);
    desk.media_up(1, "alice");
    desk.seconds(30);
    assert_eq!(desk.outcome(1), "ended connection_lost");
}

#[test]
fn without_a_last_known_time_the_call_itself_names_it() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    let stored = desk.snapshot(1);
    let mut board = call::Switchboard::new(call::Config::default(), 1);
    let now = Timestamp(desk.now.0 + 500_000);
    board.handle_command(now, Command::Restore(Box::new(stored.clone()))).unwrap();
    assert_eq!(
        board.handle_command(now, Command::Restore(Box::new(stored.clone()))),
        Err(CommandError::InvalidState("the call is already here"))
    );
    board.handle_timeout(Timestamp(now.0 + 30_000));
    assert_eq!(board.call(call_id(1)).unwrap().ended_at, stored.connected_at);
}

#[test]
fn a_caller_who_does_not_come_back_while_it_rings_gives_up() {
    let mut desk = Desk::of(&["alice", "bob"]);
    let target = call::Target::Users { users: vec![user("bob")], channel: None, one_to_one: true };
    let mut request = desk.request(1, "alice", target);
    request.ring_timeout = Some(std::time::Duration::from_secs(180));
    desk.initiate(request).unwrap();
    desk.crash(1_000, &[1]);
    desk.connect("bob");
    desk.seconds(30);
    assert_eq!(desk.outcome(1), "cancelled connection_lost");
}

#[test]
fn a_channel_keeps_its_running_call_and_an_id_its_request() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.channel("team", &["alice", "bob"]);
    desk.call_channel(1, "alice", "team").unwrap();
    desk.accept(1, "bob").unwrap();
    desk.crash(1_000, &[1]);
    desk.channel("team", &["alice", "bob"]);
    assert_eq!(desk.call_channel(2, "bob", "team"), Err(CommandError::ChannelCallActive(call_id(1))));
    assert!(desk.call_channel(1, "alice", "team").is_ok());
    assert_eq!(desk.call(1, "alice", "bob"), Err(CommandError::CallIdConflict));
}

#[test]
fn nonsense_from_the_store_does_no_harm() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    let sound = desk.snapshot(1);
    let all =
        [CallStatus::Initiating, CallStatus::Ringing, CallStatus::Connecting, CallStatus::Connected, CallStatus::Ended];
    for status in all {
        for part in model::ParticipantStatus::ALL {
            for keep in 0..=3 {
                let mut stored = sound.clone();
                stored.status = status;
                stored.started_at = None;
                stored.participants.push(stored.participants[1].clone());
                stored.participants.iter_mut().for_each(|participant| {
                    participant.status = *part;
                    participant.device = None;
                });
                stored.participants = stored.participants.split_off(3 - keep);
                let mut board = call::Switchboard::new(call::Config::default(), 1);
                let now = Timestamp(desk.now.0 + 1_000);
                board.handle_command(now, Command::Restore(Box::new(stored))).unwrap();
                for name in ["alice", "bob"] {
                    let joined = Command::MediaJoined {
                        call: call_id(1),
                        user: user(name),
                        device: desk::device("d"),
                        is_dependent: false,
                    };
                    let _ = board.handle_command(now, joined);
                    let connected = Command::MediaConnected { call: call_id(1), user: user(name) };
                    let _ = board.handle_command(now, connected);
                }
                board.handle_timeout(now + std::time::Duration::from_secs(100));
                for name in ["alice", "bob"] {
                    let _ = board.handle_command(now, Command::Leave { call: call_id(1), user: user(name) });
                }
                board.handle_timeout(now + std::time::Duration::from_secs(1_000));
                board.handle_timeout(now + std::time::Duration::from_secs(2_000));
                assert_eq!(board.call(call_id(1)), None, "{status} {part} {keep}: over and forgotten");
            }
        }
    }
}
