//! What happens within a call: hold, call waiting, transfer, muting, removing, the way of the media, quality.

mod desk;

use call::{Ability, Answer, Command, CommandError, Config, QualityReport};
use desk::script::Desk;
use desk::{call_id, device, user};
use model::{Timestamp, TransferMode};

const BOTH: Option<Ability> = Some(Ability { p2p: true, sfu: true });
const PEER: Option<Ability> = Some(Ability { p2p: true, sfu: false });
const ROOM: Option<Ability> = Some(Ability { p2p: false, sfu: true });

fn declare(desk: &mut Desk, name: &str, on: &str, media: Option<Ability>, call_waiting: bool) {
    let (user, device) = (user(name), device(on));
    desk.run(Command::DeviceDeclared { user, device, media, call_waiting }).unwrap();
}

/// Devices of these users, each named by its user's initial, which all say the same of themselves.
fn desk_of(names: &[&str], media: Option<Ability>, call_waiting: bool) -> Desk {
    let mut desk = Desk::new();
    for name in names {
        declare(&mut desk, name, &name[..1], media, call_waiting);
        desk.connect(&format!("{name}/{}", &name[..1]));
    }
    desk.said();
    desk
}

fn hold(desk: &mut Desk, number: u64, name: &str, on: bool) -> Result<Answer, CommandError> {
    desk.run(Command::Hold { call: call_id(number), user: user(name), on })
}

fn transfer(desk: &mut Desk, number: u64, by: &str, to: &str, mode: TransferMode) -> Result<Answer, CommandError> {
    desk.run(Command::Transfer { call: call_id(number), user: user(by), target: user(to), mode })
}

fn complete(desk: &mut Desk, number: u64, by: &str) -> Result<Answer, CommandError> {
    desk.run(Command::CompleteTransfer { call: call_id(number), user: user(by) })
}

fn cancel(desk: &mut Desk, number: u64, by: &str) -> Result<Answer, CommandError> {
    desk.run(Command::CancelTransfer { call: call_id(number), user: user(by) })
}

fn mute(desk: &mut Desk, number: u64, by: &str, whom: Option<&str>, hard: bool) -> Result<Answer, CommandError> {
    let (by, user) = (user(by), whom.map(user));
    desk.run(Command::Mute { call: call_id(number), by, admin: false, user, hard })
}

fn remove(desk: &mut Desk, number: u64, by: &str, whom: &str) -> Result<Answer, CommandError> {
    desk.run(Command::Remove { call: call_id(number), by: user(by), admin: false, user: user(whom) })
}

fn unmute(desk: &mut Desk, number: u64, name: &str) -> Result<Answer, CommandError> {
    desk.run(Command::SetMediaState {
        call: call_id(number),
        user: user(name),
        is_muted: Some(false),
        is_video_enabled: None,
        is_screen_sharing: None,
        video_quality: None,
    })
}

fn told(desk: &mut Desk) -> Vec<String> {
    desk.said().into_iter().filter(|line| line.contains(" < ")).collect()
}

#[test]
fn a_side_is_held_and_resumed_once() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    hold(&mut desk, 1, "alice", true).unwrap();
    hold(&mut desk, 1, "alice", true).unwrap();
    assert_eq!(told(&mut desk), ["alice < held alice by alice", "bob < held alice by alice"]);
    assert!(desk.snapshot(1).participant(&user("alice")).unwrap().is_on_hold);
    hold(&mut desk, 1, "alice", false).unwrap();
    assert_eq!(told(&mut desk), ["alice < resumed alice by alice", "bob < resumed alice by alice"]);
    assert_eq!(hold(&mut desk, 1, "carol", true), Err(CommandError::CallNotFound));
}

#[test]
fn who_holds_may_call_another() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    assert_eq!(desk.call(2, "alice", "carol"), Err(CommandError::AlreadyInCall(call_id(1))));
    hold(&mut desk, 1, "alice", true).unwrap();
    desk.call(2, "alice", "carol").unwrap();
    desk.accept(2, "carol").unwrap();
    assert_eq!((desk.status(1), desk.status(2)), ("connected", "connecting"));
}

#[test]
fn a_second_call_knocks_where_waiting_is_on_and_taking_it_holds_the_first() {
    let mut desk = desk_of(&["alice", "bob", "carol"], None, true);
    desk.talk(1, "alice/a", "bob/b");
    desk.call(2, "carol/c", "bob").unwrap();
    assert_eq!(told(&mut desk), ["bob < waiting"]);
    desk.accept(2, "bob/b").unwrap();
    let said = told(&mut desk);
    assert_eq!(said[..2], ["alice < held bob by bob", "bob < held bob by bob"]);
    assert_eq!((desk.status(1), desk.status(2)), ("connected", "connecting"));
}

#[test]
fn a_second_call_finds_busy_where_waiting_is_off() {
    for (by_device, by_config) in [(false, true), (true, false)] {
        let mut desk = Desk::with(Config { call_waiting: by_config, ..Config::default() });
        for name in ["alice", "bob", "carol"] {
            declare(&mut desk, name, &name[..1], None, by_device);
            desk.connect(&format!("{name}/{}", &name[..1]));
        }
        desk.talk(1, "alice/a", "bob/b");
        desk.call(2, "carol/c", "bob").unwrap();
        assert_eq!(desk.outcome(2), "busy busy");
    }
}

#[test]
fn a_blind_transfer_releases_the_transferrer_when_the_target_accepts() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    transfer(&mut desk, 1, "bob", "carol", TransferMode::Blind).unwrap();
    assert_eq!(
        told(&mut desk),
        [
            "alice < transfer-started bob>carol blind",
            "bob < transfer-started bob>carol blind",
            "carol < incoming from alice"
        ]
    );
    assert_eq!(desk.part(1, "bob"), "connected", "not released before");
    desk.accept(1, "carol").unwrap();
    let said = told(&mut desk);
    assert!(said.contains(&"bob < left bob completed".to_owned()), "{said:#?}");
    assert_eq!(
        said[said.len() - 3..],
        [
            "alice < transferred bob>carol blind",
            "carol < transferred bob>carol blind",
            "bob < transferred bob>carol blind"
        ]
    );
    assert_eq!((desk.part(1, "bob"), desk.part(1, "carol")), ("left", "connecting"));
    desk.leave(1, "carol").unwrap();
    assert_eq!(desk.outcome(1), "ended completed", "still one to one");
}

#[test]
fn a_transfer_that_is_refused_leaves_the_call_as_it_was() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    transfer(&mut desk, 1, "bob", "carol", TransferMode::Blind).unwrap();
    desk.said();
    desk.decline(1, "carol").unwrap();
    let said = told(&mut desk);
    assert!(said.contains(&"bob < transfer-failed bob>carol declined".to_owned()), "{said:#?}");
    assert_eq!(desk.status(1), "connected");
    // Nobody answers.
    transfer(&mut desk, 1, "alice", "carol", TransferMode::Blind).unwrap();
    desk.said();
    desk.seconds(31);
    assert!(told(&mut desk).contains(&"alice < transfer-failed alice>carol no_answer".to_owned()));
    assert_eq!((desk.status(1), desk.part(1, "alice")), ("connected", "connected"));
}

#[test]
fn a_transferrer_who_hangs_up_leaves_the_target_ringing() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    transfer(&mut desk, 1, "bob", "carol", TransferMode::Blind).unwrap();
    desk.leave(1, "bob").unwrap();
    assert_eq!((desk.status(1), desk.part(1, "carol")), ("connected", "ringing"));
    desk.said();
    desk.accept(1, "carol").unwrap();
    assert!(told(&mut desk).contains(&"bob < transferred bob>carol blind".to_owned()));
    // And where the target then refuses, nobody is left to talk to.
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    transfer(&mut desk, 1, "bob", "carol", TransferMode::Blind).unwrap();
    desk.leave(1, "bob").unwrap();
    desk.decline(1, "carol").unwrap();
    assert_eq!(desk.status(1), "ended");
}

#[test]
fn an_attended_transfer_is_completed_or_cancelled() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    transfer(&mut desk, 1, "bob", "carol", TransferMode::Attended).unwrap();
    let said = told(&mut desk);
    assert!(said.contains(&"alice < held alice by bob".to_owned()), "{said:#?}");
    desk.accept(1, "carol").unwrap();
    assert_eq!(desk.part(1, "bob"), "connected", "stays to talk");
    assert_eq!(
        complete(&mut desk, 1, "alice"),
        Err(CommandError::Forbidden("only the person who started the transfer can end it"))
    );
    desk.said();
    cancel(&mut desk, 1, "bob").unwrap();
    let said = told(&mut desk);
    assert!(said.contains(&"alice < transfer-failed bob>carol cancelled".to_owned()), "{said:#?}");
    assert!(said.contains(&"alice < resumed alice by bob".to_owned()), "{said:#?}");
    assert_eq!((desk.part(1, "carol"), desk.status(1)), ("left", "connected"));

    transfer(&mut desk, 1, "bob", "carol", TransferMode::Attended).unwrap();
    desk.accept(1, "carol").unwrap();
    desk.said();
    complete(&mut desk, 1, "bob").unwrap();
    let said = told(&mut desk);
    assert!(said.contains(&"bob < transferred bob>carol attended".to_owned()), "{said:#?}");
    assert!(said.contains(&"carol < resumed alice by bob".to_owned()), "{said:#?}");
    assert_eq!((desk.part(1, "alice"), desk.part(1, "bob")), ("connected", "left"));
    assert!(!desk.snapshot(1).participant(&user("alice")).unwrap().is_on_hold);
}

#[test]
fn completed_while_the_target_rings_it_goes_on_as_a_blind_one() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    transfer(&mut desk, 1, "bob", "carol", TransferMode::Attended).unwrap();
    desk.said();
    complete(&mut desk, 1, "bob").unwrap();
    assert!(told(&mut desk).contains(&"alice < resumed alice by bob".to_owned()));
    assert_eq!(desk.part(1, "bob"), "connected");
    desk.accept(1, "carol").unwrap();
    assert_eq!(desk.part(1, "bob"), "left");
}

#[test]
fn what_is_no_transfer() {
    let mut desk = Desk::of(&["alice", "bob", "carol", "dave"]);
    desk.call(1, "alice", "bob").unwrap();
    let early = transfer(&mut desk, 1, "alice", "carol", TransferMode::Blind);
    assert_eq!(early, Err(CommandError::InvalidState("nobody has answered yet")));
    desk.accept(1, "bob").unwrap();
    assert_eq!(transfer(&mut desk, 1, "carol", "dave", TransferMode::Blind), Err(CommandError::CallNotFound));
    assert_eq!(transfer(&mut desk, 1, "alice", "alice", TransferMode::Blind), Err(CommandError::NobodyToCall));
    let known = transfer(&mut desk, 1, "alice", "bob", TransferMode::Blind);
    assert_eq!(known, Err(CommandError::InvalidState("they are already in the call")));
    assert_eq!(complete(&mut desk, 1, "alice"), Err(CommandError::InvalidState("no transfer is in progress")));
    transfer(&mut desk, 1, "alice", "carol", TransferMode::Blind).unwrap();
    let second = transfer(&mut desk, 1, "bob", "dave", TransferMode::Blind);
    assert_eq!(second, Err(CommandError::InvalidState("a transfer is already in progress")));
}

#[test]
fn a_restart_keeps_a_transfer_a_hold_and_a_hard_mute() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.talk(1, "alice", "bob");
    mute(&mut desk, 1, "alice", Some("bob"), true).unwrap();
    transfer(&mut desk, 1, "alice", "carol", TransferMode::Attended).unwrap();
    desk.crash(1_000, &[1]);
    let call = desk.snapshot(1);
    let bob = call.participant(&user("bob")).unwrap();
    assert!(bob.is_on_hold && bob.is_hard_muted);
    ["alice", "bob", "carol"].iter().for_each(|who| desk.connect(who));
    desk.media_up(1, "alice");
    desk.media_up(1, "bob");
    desk.accept(1, "carol").unwrap();
    complete(&mut desk, 1, "alice").unwrap();
    assert_eq!((desk.part(1, "alice"), desk.status(1)), ("left", "connected"));
}

#[test]
fn the_host_mutes_and_a_hard_mute_holds_until_it_is_lifted() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    desk.accept(1, "bob").unwrap();
    desk.accept(1, "carol").unwrap();
    desk.said();
    assert_eq!(
        mute(&mut desk, 1, "bob", Some("carol"), false),
        Err(CommandError::Forbidden("only the host can do this"))
    );
    mute(&mut desk, 1, "alice", Some("bob"), false).unwrap();
    let said = desk.said();
    for line in
        ["bob < muted bob by alice hard=false muted=true", "carol < media bob muted=true video=false screen=false"]
    {
        assert!(said.contains(&line.to_owned()), "{said:#?}");
    }
    assert!(said.contains(&"room mute bob hard=false".to_owned()), "{said:#?}");
    unmute(&mut desk, 1, "bob").unwrap();
    mute(&mut desk, 1, "alice", None, true).unwrap();
    let call = desk.snapshot(1);
    let shut = |name: &str| call.participant(&user(name)).unwrap().is_hard_muted;
    assert_eq!((shut("alice"), shut("bob"), shut("carol")), (false, true, true));
    assert_eq!(unmute(&mut desk, 1, "bob"), Err(CommandError::Forbidden("the host has muted you")));
    // One who opens the microphone all the same is shut by the media side, and never shown as open.
    desk.media_up(1, "bob");
    desk.said();
    let seen = Command::MediaSeen {
        call: call_id(1),
        user: user("bob"),
        is_muted: false,
        is_video_enabled: true,
        is_screen_sharing: false,
    };
    desk.run(seen).unwrap();
    let said = desk.said();
    assert!(said.contains(&"room mute bob hard=true".to_owned()), "{said:#?}");
    assert!(said.contains(&"carol < media bob muted=true video=true screen=false".to_owned()), "{said:#?}");
    let lift = Command::LiftMute { call: call_id(1), by: user("alice"), admin: false, user: Some(user("bob")) };
    desk.run(lift).unwrap();
    assert!(desk.said().contains(&"bob < muted bob by alice hard=false muted=false".to_owned()));
    unmute(&mut desk, 1, "bob").unwrap();
    assert_eq!(mute(&mut desk, 1, "alice", Some("nobody"), false), Err(CommandError::ParticipantNotFound));
    // The caller gone, whoever came first is the host.
    desk.leave(1, "alice").unwrap();
    mute(&mut desk, 1, "bob", Some("carol"), false).unwrap();
}

#[test]
fn who_is_removed_stays_out_until_invited_again() {
    let mut desk = Desk::of(&["alice", "bob", "carol"]);
    desk.call_all(1, "alice", &["bob", "carol"]).unwrap();
    assert_eq!(remove(&mut desk, 1, "alice", "alice"), Err(CommandError::InvalidState("leave the call instead")));
    desk.accept(1, "bob").unwrap();
    desk.said();
    remove(&mut desk, 1, "alice", "bob").unwrap();
    let said = desk.said();
    for line in ["alice < left bob removed", "bob < left bob removed", "room remove bob"] {
        assert!(said.contains(&line.to_owned()), "{said:#?}");
    }
    assert_eq!(desk.join(1, "bob"), Err(CommandError::Forbidden("you were removed from the call")));
    remove(&mut desk, 1, "alice", "carol").unwrap();
    assert!(desk.said().contains(&"carol < cancelled".to_owned()));
    desk.invite(1, "alice", &["bob"]).unwrap();
    desk.accept(1, "bob").unwrap();
    assert_eq!(desk.part(1, "bob"), "connecting");
    let foreign = Command::Remove { call: call_id(1), by: user("dave"), admin: false, user: user("bob") };
    assert_eq!(desk.run(foreign), Err(CommandError::CallNotFound));
    let admin = Command::Remove { call: call_id(1), by: user("root"), admin: true, user: user("bob") };
    desk.run(admin).unwrap();
    assert_eq!(desk.part(1, "bob"), "left");
}

#[test]
fn between_peers_accepting_is_being_connected() {
    let mut desk = desk_of(&["alice", "bob", "carol"], BOTH, false);
    let call = desk.call(1, "alice/a", "bob").unwrap();
    assert_eq!(call.topology.as_str(), "p2p");
    desk.accept(1, "bob/b").unwrap();
    assert_eq!((desk.status(1), desk.part(1, "alice")), ("connected", "connected"));
    desk.seconds(400);
    assert_eq!(desk.status(1), "connected", "no server sees its media");
    // The signalling socket is away for longer than the window.
    desk.disconnect("bob/b");
    assert_eq!(desk.part(1, "bob"), "disconnected");
    desk.seconds(20);
    declare(&mut desk, "bob", "b", BOTH, false);
    desk.connect("bob/b");
    assert_eq!(desk.part(1, "bob"), "connected");
    desk.disconnect("bob/b");
    desk.seconds(31);
    assert_eq!(desk.outcome(1), "ended connection_lost");
}

#[test]
fn a_call_moves_to_the_room_when_peers_do_not_reach_each_other() {
    let mut desk = desk_of(&["alice", "bob"], BOTH, false);
    desk.call(1, "alice/a", "bob").unwrap();
    desk.accept(1, "bob/b").unwrap();
    desk.said();
    desk.run(Command::MediaFailed { call: call_id(1), user: user("bob") }).unwrap();
    desk.run(Command::MediaFailed { call: call_id(1), user: user("alice") }).unwrap();
    assert_eq!(told(&mut desk), ["alice < topology sfu media_failed", "bob < topology sfu media_failed"]);
    assert_eq!((desk.status(1), desk.part(1, "bob")), ("connected", "connecting"));
    desk.media_up(1, "alice/a");
    desk.media_up(1, "bob/b");
    assert_eq!(desk.part(1, "bob"), "connected");
}

#[test]
fn a_third_or_a_livekit_client_takes_the_call_to_the_room() {
    let mut desk = desk_of(&["alice", "bob", "carol"], BOTH, false);
    desk.call(1, "alice/a", "bob").unwrap();
    desk.accept(1, "bob/b").unwrap();
    desk.invite(1, "alice", &["carol"]).unwrap();
    desk.said();
    desk.accept(1, "carol/c").unwrap();
    assert_eq!(told(&mut desk)[..2], ["alice < topology sfu third_joined", "bob < topology sfu third_joined"]);

    let mut desk = desk_of(&["alice", "bob"], BOTH, false);
    desk.call(1, "alice/a", "bob").unwrap();
    desk.accept(1, "bob/b").unwrap();
    desk.said();
    desk.media_joined(1, "bob/phone").unwrap();
    assert_eq!(told(&mut desk), ["alice < topology sfu livekit_join", "bob < topology sfu livekit_join"]);
}

#[test]
fn where_there_is_no_common_way_there_is_no_call() {
    let mut desk = Desk::new();
    for (name, media) in [("alice", PEER), ("bob", ROOM), ("carol", PEER), ("dave", PEER)] {
        declare(&mut desk, name, &name[..1], media, false);
        desk.connect(&format!("{name}/{}", &name[..1]));
    }
    assert_eq!(desk.call(1, "alice/a", "bob"), Err(CommandError::NoCommonMedia));
    desk.call(2, "alice/a", "carol").unwrap();
    desk.accept(2, "carol/c").unwrap();
    let failed = desk.run(Command::MediaFailed { call: call_id(2), user: user("carol") });
    assert_eq!(failed, Err(CommandError::NoCommonMedia), "neither can do without");
    desk.invite(2, "alice", &["dave", "bob"]).unwrap();
    desk.accept(2, "dave/d").unwrap();
    assert_eq!(desk.snapshot(2).topology.as_str(), "mesh");
    assert_eq!(desk.accept(2, "bob/b"), Err(CommandError::NoCommonMedia));
    desk.said();
    assert_eq!(desk.media_joined(2, "carol/x"), Err(CommandError::NoCommonMedia));
    assert!(desk.said().contains(&"room remove carol".to_owned()));
}

#[test]
fn who_signals_to_peers_needs_no_room() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.call(1, "alice", "bob").unwrap();
    desk.accept(1, "bob").unwrap();
    assert_eq!(desk.snapshot(1).topology.as_str(), "sfu");
    desk.run(Command::PeerSignalled { call: call_id(1), user: user("alice") }).unwrap();
    assert_eq!((desk.snapshot(1).topology.as_str(), desk.status(1)), ("p2p", "connected"));
    // But not where somebody's media goes through the server.
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.run(Command::PeerSignalled { call: call_id(1), user: user("alice") }).unwrap();
    assert_eq!(desk.snapshot(1).topology.as_str(), "sfu");
}

#[test]
fn quality_is_told_and_a_poor_connection_alerts_once() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    let poor = QualityReport { packet_loss: Some(30.0), ..QualityReport::default() };
    for second in 0..=20 {
        desk.now = Timestamp(1_700_000_000_000 + second * 1_000);
        let reports = vec![poor];
        desk.run(Command::Quality { call: call_id(1), user: user("bob"), reports, by_server: false }).unwrap();
    }
    let said = desk.said();
    assert!(said.contains(&"alice < quality bob poor".to_owned()), "{said:#?}");
    assert_eq!(said.iter().filter(|line| *line == "alice < alert bob").count(), 1, "{said:#?}");
    // The server's own view counts only where the client says nothing.
    let fine = QualityReport { packet_loss: Some(0.0), ..QualityReport::default() };
    desk.run(Command::Quality { call: call_id(1), user: user("bob"), reports: vec![fine], by_server: true }).unwrap();
    desk.run(Command::Quality { call: call_id(1), user: user("alice"), reports: vec![fine], by_server: true }).unwrap();
    assert_eq!(told(&mut desk), ["alice < quality alice excellent", "bob < quality alice excellent"]);
    desk.end(1, "alice").unwrap();
    let call = desk.snapshot(1);
    let quality = call.participant(&user("bob")).unwrap().quality.unwrap();
    assert_eq!((quality.reports, quality.packet_loss), (21, Some(30.0)));
    let late = Command::Quality { call: call_id(1), user: user("bob"), reports: vec![poor], by_server: false };
    let late = desk.run(late);
    assert_eq!(late, Err(CommandError::CallOver(model::CallStatus::Ended)));
}
