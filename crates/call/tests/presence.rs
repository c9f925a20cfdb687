//! When somebody's presence changes.

mod desk;

use call::{Command, CommandError, PresenceState};
use desk::script::Desk;
use desk::user;

#[test]
fn each_change_is_announced_once() {
    let mut desk = Desk::new();
    desk.connect("bob/b1");
    assert_eq!(desk.heard(), ["bob is online"]);
    desk.connect("bob/b2");
    desk.disconnect("bob/b1");
    assert_eq!(desk.heard(), [""; 0], "still there");
    desk.disconnect("bob/b2");
    desk.after(4_999);
    assert_eq!(desk.heard(), [""; 0], "may come back");
    desk.after(1);
    assert_eq!(desk.heard(), ["bob is offline"], "when it happens, though nobody did anything");
    assert_eq!(desk.board.presence(&user("bob")), PresenceState::Offline);
}

#[test]
fn a_page_that_loads_again_is_not_offline_in_between() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.disconnect("bob");
    desk.after(4_999);
    assert_eq!(desk.board.presence(&user("bob")), PresenceState::Online);
    desk.connect("bob");
    desk.seconds(60);
    assert_eq!(desk.heard(), [""; 0]);
}

#[test]
fn two_connections_of_one_device_are_one_device() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.connect("bob");
    desk.disconnect("bob");
    desk.seconds(60);
    assert_eq!(desk.board.presence(&user("bob")), PresenceState::Online);
    desk.disconnect("bob");
    desk.disconnect("bob");
    desk.seconds(60);
    assert_eq!(desk.heard(), ["bob is offline"]);
    desk.connect("bob");
    assert_eq!(desk.heard(), ["bob is online"], "one too many did no harm");
}

#[test]
fn being_in_a_call_is_announced_with_those_in_it() {
    let mut desk = Desk::of(&["alice", "bob", "mallory"]);
    let presence =
        |desk: &mut Desk| -> Vec<String> { desk.heard().into_iter().filter(|line| line.contains(" is ")).collect() };
    desk.call(1, "alice", "bob").unwrap();
    assert_eq!(presence(&mut desk), ["alice is in_call beside bob"], "calling is being on the phone");
    desk.accept(1, "bob").unwrap();
    assert_eq!(presence(&mut desk), ["bob is in_call beside alice"]);
    desk.end(1, "bob").unwrap();
    assert_eq!(presence(&mut desk), ["alice is online beside bob", "bob is online beside alice"], "though it is over");
}

#[test]
fn one_in_a_call_without_a_socket_is_in_a_call() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.disconnect("bob");
    desk.seconds(60);
    assert_eq!(desk.heard(), [""; 0]);
    assert_eq!(desk.board.presence(&user("bob")), PresenceState::InCall);
    desk.end(1, "alice").unwrap();
    assert!(desk.heard().contains(&"bob is offline beside alice".to_owned()));
}

#[test]
fn a_user_has_at_most_twenty_devices() {
    let mut desk = Desk::new();
    for number in 0..20 {
        desk.connect(&format!("alice/{number}"));
    }
    let connect = |name: &str| Command::DeviceConnected { user: user("alice"), device: desk::device(name) };
    assert_eq!(desk.run(connect("20")), Err(CommandError::InvalidState("too many devices")));
    assert!(desk.run(connect("19")).is_ok(), "another connection of one that is known");
    desk.disconnect("alice/20");
    desk.disconnect("alice/3");
    assert!(desk.run(connect("20")).is_ok());
}
