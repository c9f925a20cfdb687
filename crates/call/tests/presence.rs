//! Who is told that whom can be reached.

mod desk;

use call::{Command, CommandError, PresenceState};
use desk::script::Desk;
use desk::user;

#[test]
fn those_who_share_a_channel_are_told() {
    let mut desk = Desk::of(&["alice", "mallory"]);
    desk.channel("team", &["alice", "bob", "carol"]);
    desk.connect("bob/b1");
    assert_eq!(desk.heard(), ["alice < bob is online"]);
    desk.connect("bob/b2");
    desk.disconnect("bob/b1");
    assert_eq!(desk.heard(), [""; 0], "still there");
    desk.disconnect("bob/b2");
    desk.seconds(5);
    assert_eq!(desk.heard(), ["alice < bob is offline"]);
    assert_eq!(desk.board.presence(&user("bob")), PresenceState::Offline);
}

#[test]
fn a_page_that_loads_again_is_not_offline_in_between() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.channel("team", &["alice", "bob"]);
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
    desk.channel("team", &["alice", "bob"]);
    desk.connect("bob");
    desk.disconnect("bob");
    desk.seconds(60);
    assert_eq!(desk.board.presence(&user("bob")), PresenceState::Online);
    desk.disconnect("bob");
    desk.disconnect("bob");
    desk.seconds(60);
    assert_eq!(desk.heard(), ["alice < bob is offline"]);
    desk.connect("bob");
    assert_eq!(desk.heard(), ["alice < bob is online"], "one too many did no harm");
}

#[test]
fn being_in_a_call_is_told_to_those_in_it() {
    let mut desk = Desk::of(&["alice", "bob", "mallory"]);
    let presence =
        |desk: &mut Desk| -> Vec<String> { desk.heard().into_iter().filter(|line| line.contains(" is ")).collect() };
    desk.call(1, "alice", "bob").unwrap();
    assert_eq!(presence(&mut desk), ["bob < alice is in_call"], "calling is being on the phone");
    desk.accept(1, "bob").unwrap();
    assert_eq!(presence(&mut desk), ["alice < bob is in_call"]);
    desk.end(1, "bob").unwrap();
    assert_eq!(presence(&mut desk), ["bob < alice is online", "alice < bob is online"]);
}

#[test]
fn one_in_a_call_without_a_socket_is_in_a_call() {
    let mut desk = Desk::of(&["alice", "bob"]);
    desk.channel("team", &["alice", "bob"]);
    desk.talk(1, "alice", "bob");
    desk.disconnect("bob");
    desk.seconds(60);
    assert_eq!(desk.heard(), [""; 0]);
    assert_eq!(desk.board.presence(&user("bob")), PresenceState::InCall);
    desk.end(1, "alice").unwrap();
    assert!(desk.heard().contains(&"alice < bob is offline".to_owned()));
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
