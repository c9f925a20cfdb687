//! Participants on hold, as far as signalling shows them; that no media goes is for the tests with real clients.

#![allow(clippy::disallowed_methods, reason = "tests begin at some time")]

mod support;

use livekit::proto::{self, signal_request::Message as Said};
use livekit::{CascadeId, CascadeMessage, ConnectionId, RoomAnswer, RoomEvent, RoomRequest};
use support::*;

fn publish(world: &mut World, publisher: ConnectionId) -> String {
    world.say(publisher, audio("mic"));
    let published = only!(world.heard(publisher), TrackPublished);
    world.say(publisher, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "stream mic")]))));
    published[0].track.as_ref().unwrap().sid.clone()
}

fn hold(world: &mut World, identity: &str, on: bool) {
    let request = RoomRequest::Hold { identity: identity.into(), on };
    assert_eq!(world.ask(request), Some(Ok(RoomAnswer::Done)));
}

/// Who publishes, and whether it shows as muted, as one was told last.
fn muted(world: &mut World, by: ConnectionId) -> Vec<(String, bool)> {
    let updates = only!(world.heard(by), Update);
    let infos = updates.into_iter().flat_map(|update| update.participants);
    let mut last = std::collections::BTreeMap::new();
    for info in infos {
        last.extend(info.tracks.iter().map(|track| (info.identity.clone(), track.muted)));
    }
    last.into_iter().collect()
}

fn said(pairs: &[(&str, bool)]) -> Vec<(String, bool)> {
    pairs.iter().map(|(identity, muted)| ((*identity).to_owned(), *muted)).collect()
}

#[test]
fn one_on_hold_and_the_others_see_each_other_as_muted() {
    let mut world = World::new();
    let (alice, bob, carol) = (world.join("alice"), world.join("bob"), world.join("carol"));
    for one in [alice, bob, carol] {
        publish(&mut world, one);
    }
    [alice, bob, carol].into_iter().for_each(|one| drop(world.heard(one)));
    world.events();
    hold(&mut world, "alice", true);
    assert_eq!(muted(&mut world, alice), said(&[("bob", true), ("carol", true)]));
    for other in [bob, carol] {
        assert_eq!(muted(&mut world, other), said(&[("alice", true)]), "who is not on hold stays as it is");
    }
    assert_eq!(world.events(), [], "what she publishes is as it was");
    let Some(Ok(RoomAnswer::Participant(own))) = world.ask(RoomRequest::Participant { identity: "alice".into() })
    else {
        panic!("an answer")
    };
    assert!(!own.tracks[0].muted, "a backend sees what she publishes");
    hold(&mut world, "alice", true);
    assert!([alice, bob, carol].iter().all(|one| world.heard(*one).is_empty()), "twice is once");
    hold(&mut world, "alice", false);
    assert_eq!(muted(&mut world, alice), said(&[("bob", false), ("carol", false)]));
    assert_eq!(muted(&mut world, bob), said(&[("alice", false)]));
}

#[test]
fn what_changes_meanwhile_shows_once_it_is_over() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (microphone, _) = (publish(&mut world, alice), publish(&mut world, bob));
    hold(&mut world, "alice", true);
    [alice, bob].into_iter().for_each(|one| drop(world.heard(one)));
    world.say(alice, Said::Mute(proto::MuteTrackRequest { sid: microphone.clone(), muted: true }));
    assert_eq!(muted(&mut world, bob), said(&[("alice", true)]));
    world.say(bob, Said::Mute(proto::MuteTrackRequest { sid: "TR_other".into(), muted: true }));
    hold(&mut world, "alice", false);
    assert_eq!(muted(&mut world, bob), said(&[("alice", true)]), "she muted herself");
    let lasting = RoomEvent::MediaState {
        identity: "alice".into(),
        is_muted: true,
        is_video_enabled: false,
        is_screen_sharing: false,
    };
    assert!(world.events().contains(&lasting));
}

#[test]
fn who_comes_finds_it_so_and_who_comes_back_is_still_held() {
    let mut world = World::new();
    hold(&mut world, "alice", true);
    let alice = world.join("alice");
    publish(&mut world, alice);
    let bob = world.join("bob");
    let joined = only!(world.heard(bob), Join);
    assert!(joined[0].other_participants[0].tracks[0].muted);
    publish(&mut world, bob);
    let again = world.join("alice");
    let joined = only!(world.heard(again), Join);
    assert!(joined[0].other_participants[0].tracks[0].muted, "bob, as one on hold sees him");
    hold(&mut world, "alice", false);
    assert_eq!(muted(&mut world, again), said(&[("bob", false)]));
}

#[test]
fn where_one_is_shown_elsewhere_the_hold_shows_too() {
    let mut world = World::new();
    let alice = world.join("alice");
    publish(&mut world, alice);
    world.room.cascade_out(world.now, CascadeId(1), "alice").expect("she is there");
    hold(&mut world, "alice", true);
    hold(&mut world, "alice", false);
    let states = world.cascaded.iter().filter_map(|(_, message)| match message {
        CascadeMessage::State(state) => Some(state.info.tracks[0].muted),
        _ => None,
    });
    assert_eq!(states.collect::<Vec<_>>(), [false, true, false]);
}
